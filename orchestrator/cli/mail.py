"""``orchestrator mail``: the mail about a run, written and not sent."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.failures import explained
from orchestrator.cli.interrupts import cancelled_by_signals
from orchestrator.cli.mail_input import (
    IntroducedOption,
    PolicyOption,
    RequestedOption,
    RunArgument,
    ToOption,
    WithoutOption,
    prepared_mail,
    tell_notes,
)
from orchestrator.cli.options import DEFAULT_RESULTS, ResultsOption
from orchestrator.host.workspace import publish_bytes

OutputOption = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write the message there, not to standard output.")
]


def write_mail(
    run: RunArgument,
    *,
    output: OutputOption = None,
    to: ToOption = None,
    requested: RequestedOption = False,
    without: WithoutOption = None,
    policy: PolicyOption = None,
    introduced: IntroducedOption = None,
    results: ResultsOption = DEFAULT_RESULTS,
) -> None:
    """Write the mail that answers the patch with what RUN found. Nothing is sent."""
    with explained(sys.stderr), cancelled_by_signals() as cancellation:
        mail, _ = prepared_mail(
            run,
            results,
            to=to,
            requested=requested,
            without=without,
            policy=policy,
            introduced=introduced,
            cancellation=cancellation,
        )
        tell_notes(mail)
        if output is None:
            sys.stdout.write(mail.data.decode("ascii"))
        else:
            publish_bytes(output, mail.data)
