"""``orchestrator boot``: a shell in a guest of a topology, with one command."""

from __future__ import annotations

import contextlib
import sys
from typing import Annotated

import typer
from rich.console import Console

from orchestrator.boot import BootRequest, Guest, booted
from orchestrator.cli.drawing import drawn
from orchestrator.cli.failures import explained
from orchestrator.cli.interrupts import cancelled_by_signals
from orchestrator.cli.options import TopologiesOption, chosen_topologies, console_on
from orchestrator.cli.progress import shown_progress
from orchestrator.cli.series_input import FetchOption, StrictOption
from orchestrator.config.catalog import pick
from orchestrator.errors import Cancelled, UserError
from orchestrator.host.steps import Steps
from orchestrator.report.text import printable_line

SeriesArgument = Annotated[
    str | None,
    typer.Argument(metavar="SERIES", help="Boot the kernel with these patches: anything that 'test' reads."),
]
TopologyOption = Annotated[str, typer.Option("--topology", metavar="NAME", help="See 'orchestrator topologies'.")]
LinuxOption = Annotated[
    str,
    typer.Option("--linux", metavar="TREE", help="A git tree of yours (never changed), or a name such as linux-7.2."),
]
BaseOption = Annotated[
    str | None, typer.Option("--base", metavar="REV", help="The commit to boot (else HEAD) or to put the series on.")
]
FlavourOption = Annotated[str, typer.Option("--flavour", metavar="NAME", help="How the kernel is configured.")]
CommandOption = Annotated[
    str | None, typer.Option("--command", metavar="CMD", help="Run this instead of a shell; exit with its status.")
]
WaitOption = Annotated[bool, typer.Option("--wait", help="No shell here: keep the guest up until Ctrl-C.")]
AcceleratorOption = Annotated[str, typer.Option("--accel", help="auto, kvm or tcg.")]
SandboxOption = Annotated[
    bool, typer.Option("--sandbox/--no-sandbox", help="Build without a sandbox: only patches that you trust.")
]


def boot(
    series: SeriesArgument = None,
    *,
    topology: TopologyOption = "two-node",
    linux: LinuxOption = "linux-7.2",
    base: BaseOption = None,
    fetch: FetchOption = False,
    strict: StrictOption = False,
    flavour: FlavourOption = "plain",
    command: CommandOption = None,
    wait: WaitOption = False,
    topologies: TopologiesOption = None,
    accel: AcceleratorOption = "auto",
    sandbox: SandboxOption = True,
) -> None:
    """Boot a kernel on a topology and give a shell in it; nothing is left behind when the shell ends."""
    steps = Steps()
    with explained(sys.stderr), cancelled_by_signals() as cancellation:
        if wait and command is not None:
            raise UserError("--command ends the guest, --wait keeps it: give one of them")
        if accel not in {"auto", "kvm", "tcg"}:
            raise UserError(f"there is no accelerator '{accel}'", hint="one of: auto, kvm, tcg")
        request = BootRequest(
            topology=pick(chosen_topologies(topologies), topology, kind="topology"),
            mail=series,
            linux=linux,
            base_rev=base,
            flavour=flavour,
            sandbox=sandbox,
            accelerator=accel,
            may_fetch=fetch,
            strict=strict,
        )
        with contextlib.ExitStack() as stack:
            # Nothing is drawn any more when the terminal is the guest's.
            with shown_progress(sys.stderr) as listener:
                steps.subscribe(listener)
                guest = stack.enter_context(booted(request, steps=steps, cancellation=cancellation))
            status = _use(guest, request, command=command, wait=wait)
    raise typer.Exit(status)


def _use(guest: Guest, request: BootRequest, *, command: str | None, wait: bool) -> int:
    """Do in the guest what the user wants; return the exit status."""
    console = console_on(sys.stderr)
    if command is not None:
        status = guest.run(command)
        return 3 if _tell_end(guest, console) else status
    for line in drawn(request.topology):
        console.print(line, soft_wrap=True)
    console.print()
    console.print(f"From another terminal: {guest.ssh_command()}", soft_wrap=True)
    if not wait:
        guest.talk()
        _tell_end(guest, console)
        return 0
    console.print("Up until Ctrl-C.")
    try:
        guest.wait()
    except Cancelled:
        return 0
    _tell_end(guest, console)
    return 3


def _tell_end(guest: Guest, console: Console) -> bool:
    """Say so if the guest has ended by itself, and what its console said last; return whether it has."""
    lines = guest.last_words()
    if lines:
        console.print("The guest has ended. The end of its console:")
    for line in lines:
        console.print(f"  {printable_line(line)}", soft_wrap=True)
    return bool(lines)
