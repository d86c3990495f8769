"""The sending side as the watcher uses it: :mod:`orchestrator.mail` makes, sends and remembers the replies.

What is moderated, or what the settings want read first, goes into the drafts; nothing is ever sent again, or approved, here.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import time
from importlib import metadata

from orchestrator.config.mail_policy import mail_policy, user_templates
from orchestrator.errors import InfraError, UserError
from orchestrator.host.deadline import Cancellation
from orchestrator.mail.deliver import Delivery, deliver
from orchestrator.mail.ledger import Ledger, State
from orchestrator.mail.places import ledger_file
from orchestrator.mail.prepare import PreparedMail, Wanted, prepare_mail, series_key
from orchestrator.mail.settings import transport_named, with_sender
from orchestrator.model.mail import MailPolicy
from orchestrator.model.watch import MailMode, MailSettings, WatchSettings
from orchestrator.store.run_directory import RunDirectory
from orchestrator.watch.outbox import Delivered, Fate, NoOutbox, Outbox, Prepared, Verdictful


def outbox_of(settings: WatchSettings, cancellation: Cancellation) -> Outbox:
    """Return what the settings say of replies. Raises :class:`UserError` for a policy that cannot be used."""
    if settings.mail.mode is MailMode.NONE:
        return NoOutbox()
    outbox = MailOutbox(settings.mail, cancellation)
    outbox.policy()
    return outbox


class MailOutbox:
    """Replies by :mod:`orchestrator.mail`. The policy is read for each: it may be changed while we run."""

    def __init__(self, settings: MailSettings, cancellation: Cancellation) -> None:
        self._settings = settings
        self._cancellation = cancellation

    def policy(self) -> MailPolicy:
        """Return the policy, with who sends. Raises :class:`UserError`."""
        policy = with_sender(mail_policy(self._settings.config), cancellation=self._cancellation)
        return dataclasses.replace(policy, drafts=str(self._settings.drafts)) if self._settings.drafts else policy

    def prepare(self, judged: Verdictful) -> Prepared:
        """Make the reply; what speaks against it is why there is none."""
        mail, _ = self._mail(judged)
        if mail.objections:
            return Prepared(silence="; ".join(mail.objections), says="")
        whom = ", ".join(address.address for address in mail.recipients.everybody)
        return Prepared(silence="", says=f"<{mail.message_id}> to {whom}")

    def deliver(self, judged: Verdictful) -> Delivered:
        """Send the reply, or put it into the drafts; the ledger knows when it went before."""
        mail, policy = self._mail(judged)
        if mail.objections:
            return Delivered(fate=Fate.STUCK, says="; ".join(mail.objections))
        waits = mail.moderated or self._settings.mode is MailMode.DRAFTS
        try:
            transport = transport_named("drafts" if waits else "smtp", policy, cancellation=self._cancellation)
            with Ledger.open(ledger_file()) as ledger:
                said = deliver(mail, transport, ledger, policy=policy, now=time.time(), cancellation=self._cancellation)
        except UserError as error:
            # The server's settings, or another who is sending: for us to put right, and tried again.
            raise InfraError(f"{error.message}{' (' + error.hint + ')' if error.hint else ''}") from error
        return _delivered(said)

    def _mail(self, judged: Verdictful) -> tuple[PreparedMail, MailPolicy]:
        try:
            record = RunDirectory(judged.run).read_run()
            policy = self.policy()
            earlier = None
            if ledger_file().is_file():
                with Ledger.open(ledger_file()) as ledger:
                    earlier = ledger.earlier_report(series_key(record.series), record.series.version)
            wanted = Wanted(requested=judged.requested, templates=user_templates(), earlier=earlier)
            now, version = dt.datetime.now(dt.UTC), metadata.version("mm-patch-orchestrator")
            return prepare_mail(record, policy, now=now, wanted=wanted, version=version), policy
        except UserError as error:
            raise InfraError(f"the reply cannot be made: {error.message}", hint=error.hint) from error


def _delivered(said: Delivery) -> Delivered:
    """Return what the ledger's words mean for the queue."""
    match said.state:
        case State.ACCEPTED:
            return Delivered(fate=Fate.SENT, says=said.says)
        case State.DRAFTED:
            return Delivered(fate=Fate.DRAFT, says=said.says)
        case State.REFUSED:
            return Delivered(fate=Fate.REFUSED if said.done else Fate.LATER, says=said.says)
        case _:
            return Delivered(fate=Fate.STUCK, says=said.says)
