"""What ``orchestrator mail`` and ``orchestrator send`` have in common: which run, which mail."""

from __future__ import annotations

import datetime as dt
import sys
from importlib import metadata
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.config.mail_policy import mail_policy, user_templates
from orchestrator.host.deadline import Cancellation
from orchestrator.mail.ledger import Ledger
from orchestrator.mail.merged import merged_commit
from orchestrator.mail.places import ledger_file
from orchestrator.mail.prepare import PreparedMail, Wanted, prepare_mail, series_key
from orchestrator.mail.settings import with_sender
from orchestrator.model.mail import EarlierReport, MailPolicy
from orchestrator.model.run import RunRecord
from orchestrator.report.text import printable_line
from orchestrator.run_view import material_of

RunArgument = Annotated[
    str, typer.Argument(metavar="RUN", help="A run's id, its folder, a run.json, or latest.", show_default=False)
]
ToOption = Annotated[
    list[str] | None, typer.Option("--to", metavar="ADDRESS", help="To this address only (again for more): yours.")
]
RequestedOption = Annotated[
    bool, typer.Option("--requested", help="Somebody asked for it: also to lists that get mails on request.")
]
WithoutOption = Annotated[
    list[str] | None, typer.Option("--without", metavar="ADDRESS", help="Leave this address out (again for more).")
]
PolicyOption = Annotated[
    Path | None, typer.Option("--policy", metavar="FILE", help="A policy instead of ~/.config's mail.toml.")
]
IntroducedOption = Annotated[
    str | None,
    typer.Option("--introduced", metavar="COMMIT", help="The patch is this commit, in a release: tell regzbot."),
]


def prepared_mail(
    run: str,
    results: Path,
    *,
    to: list[str] | None,
    requested: bool,
    without: list[str] | None,
    policy: Path | None,
    introduced: str | None,
    cancellation: Cancellation,
) -> tuple[PreparedMail, MailPolicy]:
    """Return the mail that the user's words ask for, and the policy that it obeys. Raises :class:`UserError`."""
    record = material_of(run, results).record
    rules = with_sender(mail_policy(policy), cancellation=cancellation)
    merged = None if introduced is None else merged_commit(record, introduced, cancellation=cancellation)
    wanted = Wanted(
        to=tuple(to or ()),
        requested=requested,
        without=tuple(without or ()),
        templates=user_templates(),
        earlier=_earlier(record),
        merged=merged,
    )
    now = dt.datetime.now(dt.UTC)
    version = metadata.version("mm-patch-orchestrator")
    return prepare_mail(record, rules, now=now, wanted=wanted, version=version), rules


def tell_notes(mail: PreparedMail) -> None:
    """Say on stderr who does not get the mail, and what speaks against sending it."""
    for note in mail.notes:
        typer.echo(f"left out: {printable_line(note)}", err=True)
    for objection in mail.objections:
        typer.echo(f"not to be sent: {printable_line(objection)}", err=True)
    sys.stderr.flush()


def _earlier(record: RunRecord) -> EarlierReport | None:
    # No ledger is made by looking.
    path = ledger_file()
    if not path.is_file():
        return None
    with Ledger.open(path) as ledger:
        return ledger.earlier_report(series_key(record.series), record.series.version)
