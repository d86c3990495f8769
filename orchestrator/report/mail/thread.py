"""RUN RECORD → WHOM A MAIL ANSWERS: the message, its thread, and who gets it. Pure.

A mail answers the patch that a bisection named, else the cover letter, else the patch that was given.
"""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from fnmatch import fnmatchcase

from orchestrator.model.mail import ListPolicy, MailPolicy, Wish
from orchestrator.model.run import RunRecord
from orchestrator.model.series import Message
from orchestrator.model.verdict import Outcome
from orchestrator.report.mail.headers import Address, is_message_id, read_address

OWN_ID = ".mm-patch-orchestrator@"
"""What all our message ids have before their domain: a mail with one is never answered."""

REFERENCES = 30
"""References of a long thread: the first and the latest are kept (RFC 5537, 3.4.4 allows so for news)."""

REGRESSION = frozenset({Outcome.REGRESSION})
NO_REGRESSION = frozenset({Outcome.PASS, Outcome.IMPROVEMENT, Outcome.CHANGED})
_REPLY = re.compile(r"^(?:\s*re\s*:)+\s*", re.IGNORECASE)
_LISTS = ("vger.kernel.org", "kvack.org", "lists.linux.dev", "lists.infradead.org", "lists.linaro.org")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipients:
    """Who gets a mail. ``lists`` are those of ``to`` and ``cc`` that are lists; ``left_out`` says who does not, and why."""

    to: tuple[Address, ...]
    cc: tuple[Address, ...] = ()
    lists: tuple[Address, ...] = ()
    left_out: tuple[str, ...] = ()

    @property
    def everybody(self) -> tuple[Address, ...]:
        """All of them."""
        return (*self.to, *self.cc)


def answered(record: RunRecord) -> Message | None:
    """Return the message that a mail about this run answers; None where the series came in none."""
    series, found = record.series, record.bisection
    there = {message.part: message for message in series.messages}
    if found is not None and found.patch is not None:
        named = there.get(found.patch)
        if named is not None and (found.message_id is None or named.message_id == found.message_id):
            return named
    return there.get(0) or next(iter(series.messages), None)


def references(message: Message) -> tuple[str, ...]:
    """Return the References of an answer to ``message``: its own, and it (RFC 5322, 3.6.4)."""
    ids = [each for each in (*message.references, message.message_id or "") if is_message_id(each)]
    unique = list(dict.fromkeys(ids))
    if len(unique) > REFERENCES:
        unique = [unique[0], *unique[-(REFERENCES - 1) :]]
    return tuple(unique)


def subject_of(record: RunRecord, message: Message | None) -> str:
    """Return the subject of the answer: the message's own, with one ``Re:``."""
    title = (message.subject if message is not None else "") or record.series.title
    return f"Re: {_REPLY.sub('', title)}"


def why_not_answered(message: Message, sender: str) -> str:
    """Return why a program must not answer ``message``, "" where it may: programs that answer each other never stop."""
    if message.automatic:
        return f"the mail was sent by a program ({message.automatic}): a program does not answer it"
    if OWN_ID in (message.message_id or ""):
        return "the mail is one of ours"
    ours, theirs = read_address(sender), read_address(message.sender)
    if ours is not None and theirs is not None and ours.key == theirs.key and "[PATCH" not in message.subject.upper():
        return "the mail is from our own address"
    return ""


def recipients(record: RunRecord, message: Message, policy: MailPolicy, *, requested: bool = False) -> Recipients:
    """Return who gets the answer: the sender and the patch's author, and whom the mail went to.

    Left out are excluded addresses, lists that want no such mail, ourselves, and what is no address.
    """
    found = _Gathered(policy=policy, record=record, requested=requested)
    for text in message.answers_to or (message.sender,):
        found.add(found.to, text)
    for patch in record.series.patches:
        if message.part in {0, patch.index}:
            found.add(found.to, patch.author)
    if not found.to:
        found.left_out.append("nobody of the series has an address to answer to")
    for text in (*message.to, *message.cc):
        found.add(found.cc, text)
    return Recipients(
        to=tuple(found.to),
        cc=tuple(found.cc),
        lists=tuple(each for each in (*found.to, *found.cc) if is_list(each, record, policy)),
        left_out=tuple(found.left_out),
    )


@dataclass(slots=True, kw_only=True)
class _Gathered:
    policy: MailPolicy
    record: RunRecord
    requested: bool
    to: list[Address] = dataclasses.field(default_factory=list)
    cc: list[Address] = dataclasses.field(default_factory=list)
    left_out: list[str] = dataclasses.field(default_factory=list)
    _seen: set[str] = dataclasses.field(default_factory=set)

    def add(self, where: list[Address], text: str) -> None:
        address = read_address(text)
        if address is None:
            if text.strip() and text not in self._seen:
                self._seen.add(text)
                self.left_out.append(f"{text}: no address")
            return
        if address.key in self._seen:
            return
        self._seen.add(address.key)
        why = self._why_not(address)
        if why:
            self.left_out.append(f"{address.address}: {why}")
        else:
            where.append(address)

    def _why_not(self, address: Address) -> str:
        ours = read_address(self.policy.sender)
        if ours is not None and ours.key == address.key:
            return "ourselves"
        if any(fnmatchcase(address.key, pattern.lower()) for pattern in self.policy.excluded):
            return "excluded by the policy"
        if is_list(address, self.record, self.policy):
            wish = policy_of(address, self.policy).wish
            if not wants(wish, self.record.verdict.outcome, requested=self.requested):
                return f"the list gets mails: {wish}"
        return ""


def is_list(address: Address, record: RunRecord, policy: MailPolicy) -> bool:
    """Whether an address is a list's: by the policy, by a List-Id of the series, or by its host."""
    return (
        any(fnmatchcase(address.key, entry.pattern.lower()) for entry in policy.lists)
        or address.key.replace("@", ".") in record.series.lists
        or address.key.rpartition("@")[2] in _LISTS
    )


def policy_of(address: Address, policy: MailPolicy) -> ListPolicy:
    """Return what the policy says of a list: its first entry that fits."""
    fitting = (entry for entry in policy.lists if fnmatchcase(address.key, entry.pattern.lower()))
    return next(fitting, policy.otherwise)


def wants(wish: Wish, outcome: Outcome, *, requested: bool) -> bool:
    """Whether a list with ``wish`` gets a mail with this verdict; nobody's list gets what is ours to put right."""
    if outcome not in REGRESSION | NO_REGRESSION:
        return False
    match wish:
        case Wish.NEVER:
            return False
        case Wish.ON_REQUEST:
            return requested
        case Wish.REGRESSIONS:
            return requested or outcome in REGRESSION
        case Wish.EVERYTHING:
            return True
