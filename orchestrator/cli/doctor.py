"""``orchestrator doctor``: what this machine has, what it lacks and why that matters; ``--fix`` installs it."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from orchestrator.cli.failures import explained
from orchestrator.cli.interrupts import cancelled_by_signals
from orchestrator.cli.options import console_on
from orchestrator.errors import OrchestratorError
from orchestrator.host import requirements, workspace
from orchestrator.host.deadline import Cancellation
from orchestrator.host.resources import available_memory_mib, usable_cpus
from orchestrator.host.sandbox import find_sandbox
from orchestrator.report.text import printable_line

MEMORY_MIB = 2048
"""One machine and a build beside it."""

DISK_MIB = 8192
"""Sources, a checkout, object trees and images of one kernel."""


def doctor(
    fix: Annotated[bool, typer.Option("--fix", help="Install what is missing, with apt.")] = False,  # noqa: FBT002
    tests: Annotated[  # noqa: FBT002
        bool, typer.Option("--tests", help="Look also for what only the project's own tests need.")
    ] = False,
    watch: Annotated[
        Path | None,
        typer.Option("--watch", metavar="FILE", help="Look also whether the watcher of this watch.toml is well."),
    ] = None,
) -> None:
    """Look whether this machine has what is needed; with --fix, install what is missing."""
    console = console_on(sys.stdout)
    with explained(sys.stderr), cancelled_by_signals() as cancellation:
        wanted = requirements.REQUIREMENTS + (requirements.TEST_REQUIREMENTS if tests else ())
        lacking = requirements.missing(wanted)
        if lacking and fix:
            for requirement in lacking:
                console.print(f"installing {requirement.package}: {requirement.why}")
            requirements.install(lacking, cancellation=cancellation)
            lacking = requirements.missing(wanted)
        well = _report(console, wanted, lacking, cancellation)
        if watch is not None:
            well = _report_watcher(console, watch, cancellation) and well
    raise typer.Exit(0 if well else 3)


def _report(
    console: Console,
    wanted: tuple[requirements.Requirement, ...],
    lacking: tuple[requirements.Requirement, ...],
    cancellation: Cancellation,
) -> bool:
    """Print a line for each thing; return whether all that is needed is there."""
    well = True
    for requirement in wanted:
        if requirement not in lacking:
            console.print(f"ok       {requirement.what}")
        else:
            word = "optional" if requirement.optional else "MISSING "
            well = well and requirement.optional
            console.print(f"{word} {requirement.what} (package {requirement.package}): {requirement.why}")
    return _report_host(console, cancellation) and well


def _report_host(console: Console, cancellation: Cancellation) -> bool:
    well = True
    cache = workspace.cache_root()
    memory, disk = available_memory_mib(), shutil.disk_usage(cache).free >> 20
    for what, there, needed in (("memory", memory, MEMORY_MIB), (f"disk space in {cache}", disk, DISK_MIB)):
        enough = there >= needed
        console.print(f"{'ok      ' if enough else 'LITTLE  '} {what}: {there} MiB free, {needed} MiB are wanted")
    console.print(f"ok       {usable_cpus()} CPUs")
    try:
        sandbox = find_sandbox(cache=cache, cancellation=cancellation)
        console.print(f"ok       sandbox: {sandbox.kind}")
    except OrchestratorError as error:
        cancellation.check()
        console.print(f"MISSING  sandbox: {error.message}")
        well = False
    return well


def _report_watcher(console: Console, config: Path, cancellation: Cancellation) -> bool:
    """Print how the watcher is; return whether nothing stops it."""
    from orchestrator.config.watch import read_watch_settings
    from orchestrator.watch.checkup import checkup

    well = True
    for check in checkup(read_watch_settings(config), cancellation=cancellation):
        word = "ok      " if check.well else "WRONG   " if check.grave else "look    "
        console.print(printable_line(f"{word} {check.says}"))
        well = well and (check.well or not check.grave)
    return well
