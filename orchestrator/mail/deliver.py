"""A PREPARED MAIL, A WAY → IN THE LEDGER, AND ON ITS WAY: once, or not at all, or told that nobody knows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from orchestrator.errors import Cancelled, InfraError, OrchestratorError, UserError
from orchestrator.host.deadline import Cancellation
from orchestrator.mail.ledger import Attempt, Ledger, State
from orchestrator.mail.prepare import PreparedMail
from orchestrator.mail.transport import Answer, Outgoing, Transport
from orchestrator.model.mail import MailPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What became of it: ``done`` is false where nothing was tried, because of an earlier mail or of the limit.

    ``state`` is then that of the earlier mail, REFUSED for the limit.
    """

    state: State
    says: str
    done: bool = True


def deliver(
    mail: PreparedMail,
    transport: Transport,
    ledger: Ledger,
    *,
    policy: MailPolicy,
    now: float,
    approved: bool = False,
    again: bool = False,
    cancellation: Cancellation | None = None,
) -> Delivery:
    """Carry a mail by ``transport`` and keep the ledger; ``now`` is seconds since the epoch.

    ``approved`` is a person's word on this very mail, ``again`` his word to send what was, or may have been, sent before.
    Raises :class:`UserError` where the mail must not be sent, ``Cancelled``, and :class:`InfraError` when the ledger
    cannot be written: its message says whether the mail was sent before that.
    """
    cancel = cancellation or Cancellation()
    if mail.objections:
        raise UserError(f"the mail is not sent: {'; '.join(mail.objections)}")
    if transport.leaves and mail.moderated and not approved:
        raise UserError("the mail is moderated: it is not sent before a person approved it", hint="--approved")
    with ledger.held(cancellation=cancel):
        before = ledger.attempts(mail.key)
        arrived = [attempt for attempt in before if attempt.state.may_have_arrived]
        if arrived and not again:
            return Delivery(state=arrived[-1].state, says=_on_earlier(arrived[-1]), done=False)
        if transport.leaves and (says := _over_limit(ledger, policy, now)):
            return Delivery(state=State.REFUSED, says=says, done=False)
        answer = _attempt(mail, transport, ledger, now=now, cancellation=cancel)
    return Delivery(state=answer.state, says=answer.says)


def _attempt(
    mail: PreparedMail, transport: Transport, ledger: Ledger, *, now: float, cancellation: Cancellation
) -> Answer:
    attempt = ledger.begin(mail, way=transport.name, now=now)
    outgoing = Outgoing(
        data=mail.data,
        message_id=mail.message_id,
        sender=mail.sender.address,
        author=str(mail.sender),
        recipients=tuple(address.address for address in mail.recipients.everybody),
    )
    state = State.PREPARED

    def sending() -> None:
        nonlocal state
        ledger.change(attempt, State.SENDING, now=now)
        state = State.SENDING

    try:
        answer = transport.send(outgoing, sending=sending, cancellation=cancellation)
    except OrchestratorError as error:
        # Of what was raised after ``sending`` nobody knows; the ledger says so already.
        if state is State.PREPARED:
            says = "interrupted before it was sent" if isinstance(error, Cancelled) else error.message
            ledger.change(attempt, State.REFUSED, says=says, now=now)
        raise
    try:
        ledger.change(attempt, answer.state, says=answer.says, now=now)
    except InfraError as error:
        # It still says that the mail is on its way, so that it is not sent again.
        said = f"the mail was {answer.state} ({answer.says}), and the ledger could not be told"
        raise InfraError(f"{said}: {error.message.removesuffix(': nothing is sent')}", hint=error.hint) from error
    return answer


def _on_earlier(earlier: Attempt) -> str:
    when = datetime.fromtimestamp(earlier.changed, UTC).strftime("%Y-%m-%d %H:%M UTC")
    what = f"v{earlier.key.version} with the verdict {earlier.key.outcome}"
    if earlier.state is State.ACCEPTED:
        return f"a mail on {what} was sent already, on {when}, as <{earlier.message_id}>: --again sends another"
    return (
        f"a mail on {what} may have been sent on {when}, as <{earlier.message_id}> ({earlier.says or 'it was being sent'}): "
        "look whether it arrived; --again sends it again"
    )


def _over_limit(ledger: Ledger, policy: MailPolicy, now: float) -> str:
    """Return why no mail may leave now, "" where one may."""
    left = ledger.left_since(now - policy.per_s)
    if len(left) < policy.most:
        return ""
    if not policy.most:
        return "the policy lets no mail leave (limits.mails is 0)"
    free = datetime.fromtimestamp(left[-policy.most] + policy.per_s, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return (
        f"{len(left)} mails have left in the last {policy.per_s:g} s, which is the limit; the next may leave on {free}"
    )
