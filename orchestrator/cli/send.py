"""``orchestrator send``: shows the mail about a run, asks, and sends it or puts it into the drafts."""

from __future__ import annotations

import sys
import time
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
from orchestrator.errors import UserError
from orchestrator.host.deadline import Cancellation
from orchestrator.mail.approved import as_approved
from orchestrator.mail.deliver import Delivery, deliver
from orchestrator.mail.drafts import Drafts
from orchestrator.mail.ledger import Ledger, State
from orchestrator.mail.places import drafts_folder, ledger_file
from orchestrator.mail.prepare import PreparedMail
from orchestrator.mail.settings import WAYS, transport_named
from orchestrator.mail.transport import Transport
from orchestrator.model.mail import MailPolicy
from orchestrator.report.text import printable, printable_line

ViaOption = Annotated[str, typer.Option("--via", metavar="WAY", help=f"The way: {', '.join(WAYS)}.")]
ApprovedOption = Annotated[
    bool, typer.Option("--approved", help="You have read the draft: send it, as it is in the drafts now.")
]
AgainOption = Annotated[bool, typer.Option("--again", help="Send it though it was, or may have been, sent before.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def send_mail(
    run: RunArgument,
    *,
    via: ViaOption = "smtp",
    to: ToOption = None,
    requested: RequestedOption = False,
    without: WithoutOption = None,
    approved: ApprovedOption = False,
    again: AgainOption = False,
    yes: YesOption = False,
    policy: PolicyOption = None,
    introduced: IntroducedOption = None,
    results: ResultsOption = DEFAULT_RESULTS,
) -> None:
    """Show the mail that answers the patch with what RUN found, ask, and send it: into the drafts where the policy says so."""
    with explained(sys.stderr):
        if via not in WAYS:
            raise UserError(f"there is no way {via!r} for mails", hint=f"one of: {', '.join(WAYS)}")
        with cancelled_by_signals() as cancellation:
            mail, rules = prepared_mail(
                run,
                results,
                to=to,
                requested=requested,
                without=without,
                policy=policy,
                introduced=introduced,
                cancellation=cancellation,
            )
            drafts = Drafts(folder=drafts_folder(rules))
            if approved and mail.moderated and not mail.objections:
                mail = as_approved(mail, _draft_of(mail, drafts, run))
            tell_notes(mail)
            if mail.objections:
                hint = "orchestrator mail shows it; --to ADDRESS sends it to yourself"
                raise UserError("the mail is not sent", hint=hint)
            waits = mail.moderated and not approved
            transport = drafts if waits else transport_named(via, rules, cancellation=cancellation)
        # Outside of that: Ctrl-C is an answer, too.
        _ask(mail, transport, yes=yes)
        with cancelled_by_signals() as cancellation:
            delivery = _deliver(mail, transport, rules, approved=approved, again=again, cancellation=cancellation)
        if delivery.state is State.ACCEPTED and delivery.done:
            drafts.remove(mail.message_id)
        _tell(delivery, run, waits=waits)
    raise typer.Exit(0 if delivery.done and delivery.state in {State.ACCEPTED, State.DRAFTED} else 3)


def _draft_of(mail: PreparedMail, drafts: Drafts, run: str) -> bytes:
    """Return the draft that was approved; another one than that person has read is not sent in its place."""
    draft = drafts.read(mail.message_id)
    if draft is None:
        raise UserError(f"there is no draft of this mail in {drafts.folder}", hint=f"orchestrator send {run} writes it")
    return draft


def _deliver(
    mail: PreparedMail,
    transport: Transport,
    policy: MailPolicy,
    *,
    approved: bool,
    again: bool,
    cancellation: Cancellation,
) -> Delivery:
    with Ledger.open(ledger_file()) as ledger:
        return deliver(
            mail,
            transport,
            ledger,
            policy=policy,
            now=time.time(),
            approved=approved,
            again=again,
            cancellation=cancellation,
        )


def _ask(mail: PreparedMail, transport: Transport, *, yes: bool) -> None:
    """Show the mail and ask; :class:`UserError` where there is nobody to ask, or he says no."""
    typer.echo(printable(mail.data.partition(b"\n\n")[0].decode("ascii", "replace")))
    typer.echo("")
    typer.echo(printable(mail.text))
    where = f"Put it into {transport.name}" if isinstance(transport, Drafts) else f"Send it by {transport.name}"
    whom = ", ".join(address.address for address in mail.recipients.everybody)
    question = printable_line(f"{where}, to {whom}")
    if yes:
        return
    if not sys.stdin.isatty():
        raise UserError("nobody is there to be asked", hint="--yes says yes")
    try:
        said = typer.confirm(f"{question}?")
    except typer.Abort:
        said = False
    if not said:
        raise UserError("not sent")


def _tell(delivery: Delivery, run: str, *, waits: bool) -> None:
    words = {State.ACCEPTED: "sent", State.DRAFTED: "not sent yet", State.UNKNOWN: "nobody knows whether it was sent"}
    what = words.get(delivery.state, "not sent") if delivery.done else "not sent"
    typer.echo(f"{what}: {printable_line(delivery.says)}", err=not (delivery.done and what != "not sent"))
    if waits and delivery.done:
        typer.echo(f"when you have read it: orchestrator send {printable_line(run)} --approved")
