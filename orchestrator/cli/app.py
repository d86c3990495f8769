"""The command: commands are one file each; errors become words and exit statuses here and nowhere else.

Exit statuses: 0 no regression · 1 regression · 2 usage or input · 3 could not decide (ours) · 130 interrupted.
"""

from __future__ import annotations

import signal
import sys
from importlib import metadata
from typing import Annotated

import typer

from orchestrator.cli.b4_check import b4_check
from orchestrator.cli.bisect import bisect
from orchestrator.cli.boot import boot
from orchestrator.cli.compare import compare
from orchestrator.cli.doctor import doctor
from orchestrator.cli.failures import explained
from orchestrator.cli.history import history, show
from orchestrator.cli.interrupts import INTERRUPTED
from orchestrator.cli.mail import write_mail
from orchestrator.cli.queue import queue
from orchestrator.cli.replay import replay
from orchestrator.cli.report import report
from orchestrator.cli.scenarios import list_scenarios
from orchestrator.cli.send import send_mail
from orchestrator.cli.series import show_series
from orchestrator.cli.test import run_test
from orchestrator.cli.topologies import list_topologies
from orchestrator.cli.watch import watch

app = typer.Typer(
    name="orchestrator",
    help="Test Linux zswap patches from the mail to the report.",
    no_args_is_help=True,
    add_completion=True,
    # A traceback is for bugs; it shows no local variables, which may be long and are not for logs.
    pretty_exceptions_show_locals=False,
)
app.command("test")(run_test)
app.command()(doctor)
app.command()(boot)
app.command()(bisect)
app.command()(replay)
app.command()(compare)
app.command()(report)
app.command("b4-check")(b4_check)
app.command("mail")(write_mail)
app.command("send")(send_mail)
app.command()(history)
app.command()(show)
app.command("series")(show_series)
app.command("topologies")(list_topologies)
app.command()(watch)
app.add_typer(queue, name="queue")
app.command("scenarios")(list_scenarios)


def _print_version(asked: bool) -> None:  # noqa: FBT001 - typer's callback
    if asked:
        typer.echo(metadata.version("mm-patch-orchestrator"))
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[  # noqa: FBT002 - typer's way
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Test Linux zswap patches from the mail to the report."""


def main() -> None:
    """Run the command line and exit."""
    # A reader who has seen enough (| head) is no error of ours.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    with explained(sys.stderr):
        try:
            app()
        except KeyboardInterrupt:
            sys.exit(INTERRUPTED)
