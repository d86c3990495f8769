"""Mails and ways for the tests of what carries them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from orchestrator.host.deadline import Cancellation
from orchestrator.mail.ledger import State
from orchestrator.mail.prepare import PreparedMail, Wanted, prepare_mail
from orchestrator.mail.transport import Answer, Outgoing
from orchestrator.model.mail import MailPolicy
from orchestrator.model.run import RunRecord
from tests.unit.report.mails import NOW, POLICY, recorded

T0 = NOW.timestamp()


def prepared(
    name: str = "regression",
    policy: MailPolicy = POLICY,
    *,
    record: RunRecord | None = None,
    to: tuple[str, ...] = (),
    without: tuple[str, ...] = (),
    requested: bool = False,
) -> PreparedMail:
    """Return the mail about a recorded run."""
    wanted = Wanted(to=to, without=without, requested=requested)
    return prepare_mail(record or recorded(name), policy, now=NOW, wanted=wanted, version="0.1.0")


def outgoing(mail: PreparedMail) -> Outgoing:
    return Outgoing(
        data=mail.data,
        message_id=mail.message_id,
        sender=mail.sender.address,
        author=str(mail.sender),
        recipients=tuple(address.address for address in mail.recipients.everybody),
    )


@dataclass
class Way:
    """A way that answers as it is told, and remembers what it was given. ``before`` is run before it says ``sending``."""

    answer: Answer = field(default_factory=lambda: Answer(state=State.ACCEPTED, says="250 taken"))
    leaves: bool = True
    before: Callable[[], None] = lambda: None
    after: Callable[[], None] = lambda: None
    name: str = "a way"
    given: list[Outgoing] = field(default_factory=list)

    def send(self, mail: Outgoing, *, sending: Callable[[], None], cancellation: Cancellation) -> Answer:
        cancellation.check()
        self.before()
        sending()
        self.given.append(mail)
        self.after()
        return self.answer
