"""One trial over one machine: sealed (the guest runs it by itself) or live (driven and watched over SSH)."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from orchestrator.errors import LostMachine, TimedOut
from orchestrator.host import workspace
from orchestrator.host.deadline import Cancellation, Deadline
from orchestrator.machine.argv import MachineConfig
from orchestrator.machine.dump import dump_guest
from orchestrator.machine.hang import HangEvidence, look_at_hang
from orchestrator.machine.machine import GuestEnded, Machine, running_machine
from orchestrator.trial.live import drive_live
from orchestrator.trial.outcome import Finished, Recorded, lost_result, result_of
from orchestrator.trial.request import RESULTS, TrialRequest

SEALED_END = "sealed-end"
READY = "ready"
START_S = 120.0
"""Less than a second, but where other work leaves QEMU a percent of a CPU."""

READY_S = 120.0
COLLECT_S = 120.0
LOOK_S = 60.0
MEMORY_S = 60.0
HANG = "hang.txt"
DUMP_S = 600.0
CORE = "core.gz"
MEMORY = "memory"
"""The folder with what was kept of the guest's memory: files named by their address in hex."""


def run_trial(request: TrialRequest, *, cancellation: Cancellation) -> Finished:
    """Run one trial and return what it gave; its records are in ``request.folder``.

    A machine that was lost gives a result with status ERROR (so that its console is kept); only ``Cancelled`` and
    errors before the machine exists are raised.
    """
    workspace.make_folder(request.folder)
    console = request.folder / "console.log"
    console.unlink(missing_ok=True)
    for name in (HANG, CORE):
        (request.folder / name).unlink(missing_ok=True)
    started = time.monotonic()
    hangs: list[HangEvidence] = []
    try:
        files = _recorded_files(request, console, cancellation, hangs)
        targets = {name: _inside(request.folder / "guest", name) for name in files}
    except (LostMachine, TimedOut) as error:
        recorded = Recorded(
            files={},
            console=_console(console),
            wall_s=time.monotonic() - started,
            hang=tuple(line for hang in hangs for line in hang.lines),
            # Of a CPU that does not leave a place its time says nothing: loops with PAUSE are slow in guest time.
            guest_s=max((at for hang in hangs if not hang.stuck for at in hang.guest_s), default=0.0),
        )
        return Finished(result=lost_result(request, error, recorded))
    for name, data in files.items():
        workspace.publish_bytes(targets[name], data)
    recorded = Recorded(files=files, console=_console(console), wall_s=time.monotonic() - started)
    return result_of(request, recorded)


def _recorded_files(
    request: TrialRequest, console: Path, cancellation: Cancellation, hangs: list[HangEvidence]
) -> Mapping[str, bytes]:
    """Return what the guest recorded; of a guest that is lost and still there, ``hangs`` gets what it does."""
    with _machine(request, console, cancellation) as machine, _looked_at(machine, request, cancellation, hangs):
        if request.spec.sealed:
            limit = Deadline(request.scenario.timeout_s, what=f"trial {request.spec.id}", cancellation=cancellation)
            machine.wait_for_mark(SEALED_END, limit)
            machine.open_gate()
            _keep_memory(request, machine, cancellation)
        ready = Deadline(READY_S, what="the guest's SSH server", cancellation=cancellation)
        machine.wait_for_mark(READY, ready)
        with machine.shell(request.keys, ready) as shell:
            if not request.spec.sealed:
                drive_live(request, machine, shell, cancellation)
            collect = Deadline(COLLECT_S, what="collecting the results", cancellation=cancellation)
            return shell.fetch_folder(RESULTS, collect)


def _keep_memory(request: TrialRequest, machine: Machine, cancellation: Cancellation) -> None:
    """Write what is asked for of the guest's memory to the trial's folder; QEMU itself does, so the guest has no say."""
    if not request.memory:
        return
    deadline = Deadline(MEMORY_S, what="reading the guest's memory", cancellation=cancellation)
    folder = workspace.make_folder(request.folder / MEMORY).resolve()
    for wanted in request.memory:
        target = folder / f"{wanted.start:x}"
        machine.qmp.execute("pmemsave", deadline, val=wanted.start, size=wanted.size, filename=str(target))


@contextlib.contextmanager
def _looked_at(
    machine: Machine, request: TrialRequest, cancellation: Cancellation, hangs: list[HangEvidence]
) -> Iterator[None]:
    """Look at what the guest does before its machine goes, when it is lost in the block; kept in the trial's folder."""
    try:
        yield
    except (LostMachine, TimedOut) as error:
        if machine.qemu.exit_status is None:
            deadline = Deadline(LOOK_S, what="looking at a hung guest", cancellation=cancellation)
            # Of a guest that has ended, and whose QEMU stays for its core, there is nothing more to look at.
            if not (request.dump and isinstance(error, GuestEnded)):
                hangs.append(look_at_hang(machine, request.build.image, deadline))
            if request.dump:
                hangs.append(_dumped(machine, request, cancellation))
            lines = [line for hang in hangs for line in hang.lines]
            workspace.publish_text(request.folder / HANG, "\n".join(lines) + "\n")
        raise


def _dumped(machine: Machine, request: TrialRequest, cancellation: Cancellation) -> HangEvidence:
    deadline = Deadline(DUMP_S, what="keeping a guest core", cancellation=cancellation)
    return HangEvidence(lines=(dump_guest(machine, request.folder / CORE, request.build.image, deadline),))


@contextlib.contextmanager
def _machine(request: TrialRequest, console: Path, cancellation: Cancellation) -> Iterator[Machine]:
    with workspace.scratch_folder("orchestrator-trial") as scratch:
        initrd = scratch / "initrd"
        initrd.write_bytes(request.initrd)
        config = machine_config(request, initrd=initrd, console=console)
        with running_machine(config, Deadline(START_S, what="QEMU's start", cancellation=cancellation)) as machine:
            workspace.publish_text(request.folder / "argv.txt", machine.pasteable_command() + "\n")
            yield machine


def machine_config(request: TrialRequest, *, initrd: Path, console: Path) -> MachineConfig:
    """Return the machine that ``request`` asks for."""
    return MachineConfig(
        architecture=request.architecture,
        topology=request.topology,
        kernel=request.build.image,
        initrd=initrd,
        console=console,
        qmp_fd=-1,
        sealed=request.spec.sealed,
        accelerator=request.accelerator,
        gate=request.gate if request.spec.sealed else None,
        stays=request.dump,
    )


def _console(path: Path) -> str:
    return path.read_bytes().decode("utf-8", "replace") if path.exists() else ""


def _inside(folder: Path, name: str) -> Path:
    """Return ``folder/name``; the name comes from the guest and must not lead out of the folder."""
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise LostMachine(f"the guest sent a file name that leads out of the record: {name!r}")
    return path
