"""``orchestrator watch``: test what comes over a mailing list, and prepare the replies."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, cast

import typer

from orchestrator.cli.failures import explained
from orchestrator.cli.interrupts import cancelled_by_signals
from orchestrator.cli.test import run_test
from orchestrator.config.watch import read_watch_settings
from orchestrator.errors import UserError
from orchestrator.host.deadline import Cancellation
from orchestrator.host.steps import Steps
from orchestrator.host.workspace import cache_root
from orchestrator.model.watch import WatchSettings
from orchestrator.tree.sources import NAMED, open_source

ConfigOption = Annotated[
    Path, typer.Option("--config", metavar="FILE", help="What to watch, test and answer: see docs/watch.md.")
]
OnceOption = Annotated[
    bool,
    typer.Option("--once", help="Take what is there, test what is complete, and end when nothing is to be done now."),
]


_USAGE = cast("type[Exception]", typer.BadParameter.__mro__[1])
"""UsageError: Click's, or of the Click that newer versions of typer bring with them."""


def watch(*, config: ConfigOption = Path("watch.toml"), once: OnceOption = False) -> None:
    """Take patch series from lists, test them one by one, keep the results and prepare the replies."""
    with explained(sys.stderr), cancelled_by_signals() as cancellation:
        settings = read_watch_settings(config)
        check_run(settings, cancellation)
        run_watcher(settings, cancellation=cancellation, once=once)


def check_run(settings: WatchSettings, cancellation: Cancellation) -> None:
    """Refuse to begin with a kernel tree or options that are wrong: every series would be refused for our own fault.

    A named release that is not here yet is fetched by the first test.
    """
    wanted = settings.run
    if "/" in wanted.linux:
        try:
            open_source(wanted.linux, cache=cache_root(), steps=Steps(), cancellation=cancellation)
        except UserError as error:
            raise UserError(f"the kernel tree: {error.message}", hint="[run] linux", evidence=error.evidence) from error
    elif NAMED.fullmatch(wanted.linux) is None:
        raise UserError(f"{wanted.linux} is neither a folder nor a named source", hint="[run] linux")
    words = ["SERIES", "--linux", wanted.linux, "--profile", wanted.profile, *wanted.options]
    alone = typer.Typer()
    alone.command()(run_test)
    try:
        typer.main.get_command(alone).make_context("orchestrator test", words)
    except _USAGE as error:
        said = cast("typer.BadParameter", error).format_message()
        raise UserError(f"orchestrator test: {said}", hint="[run] options") from error


def run_watcher(settings: WatchSettings, *, cancellation: Cancellation, once: bool = False) -> None:
    """Watch with the real parts until told to stop."""
    from orchestrator.watch.health import Log, Notifier, Numbers
    from orchestrator.watch.queue import Queue
    from orchestrator.watch.replies import outbox_of
    from orchestrator.watch.runner import ProcessRunner
    from orchestrator.watch.service import Watcher, only_one
    from orchestrator.watch.sources import source_of

    with only_one(settings.state):
        queue = Queue(settings.queue)
        numbers = Numbers(settings.health.metrics_port)
        try:
            watcher = Watcher(
                settings,
                queue=queue,
                sources=[source_of(source) for source in settings.sources],
                runner=ProcessRunner(settings.run),
                outbox=outbox_of(settings, cancellation),
                log=Log(sys.stderr),
                cancellation=cancellation,
                notifier=Notifier(),
                numbers=numbers,
            )
            watcher.run(once=once)
        finally:
            numbers.close()
            queue.close()
