"""``orchestrator watch``: test what comes over a mailing list, and prepare the replies."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.failures import explained
from orchestrator.cli.interrupts import cancelled_by_signals
from orchestrator.config.watch import read_watch_settings
from orchestrator.errors import UserError
from orchestrator.host.deadline import Cancellation
from orchestrator.model.watch import WatchSettings

ConfigOption = Annotated[
    Path, typer.Option("--config", metavar="FILE", help="What to watch, test and answer: see docs/watch.md.")
]
OnceOption = Annotated[
    bool,
    typer.Option("--once", help="Take what is there, test what is complete, and end when nothing is to be done now."),
]


def watch(*, config: ConfigOption = Path("watch.toml"), once: OnceOption = False) -> None:
    """Take patch series from lists, test them one by one, keep the results and prepare the replies."""
    with explained(sys.stderr), cancelled_by_signals() as cancellation:
        settings = read_watch_settings(config)
        check_tree(settings)
        run_watcher(settings, cancellation=cancellation, once=once)


def check_tree(settings: WatchSettings) -> None:
    """Refuse to begin without the kernel tree: every series would fail by our own fault."""
    if "/" in settings.run.linux and not Path(settings.run.linux).is_dir():
        raise UserError(f"the kernel tree {settings.run.linux} is not there", hint="[run] linux")


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
