"""RUN RECORD, POLICY → A MAIL THAT IS READY, and all that speaks against sending it. Nothing is sent here."""

from __future__ import annotations

import dataclasses
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase

from orchestrator.model.mail import EarlierReport, MailPolicy, Merged
from orchestrator.model.run import RunRecord
from orchestrator.model.series import Message, Series
from orchestrator.model.verdict import Change, Outcome
from orchestrator.report.mail.compose import Occasion, compose, is_for_lists
from orchestrator.report.mail.headers import Address, is_message_id, read_address, require_address
from orchestrator.report.mail.thread import (
    Recipients,
    answered,
    is_list,
    policy_of,
    recipients,
    wants,
    why_not_answered,
)

PUBLIC = "public"
"""The audience of a mail that answers in public; one to somebody's own choice has his addresses."""

NOBODY = Address("", "nobody@localhost")
"""The sender of a mail that is only looked at, where nobody has said who he is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MailKey:
    """What there is one mail of: a series version, a verdict, an audience. ``series`` is the same for all versions."""

    series: str
    version: int
    outcome: Outcome
    audience: str = PUBLIC


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedMail:
    """A mail. ``data`` is RFC 5322, ASCII, with line feeds; ``text`` its body as it is read.

    ``objections`` say why it must not be sent, () where nothing speaks against it. ``notes`` say who does not get it.
    ``moderated`` is whether a person has to approve it first. ``scenario`` and ``topology`` are where the regression is.
    """

    run_id: str
    title: str
    key: MailKey
    data: bytes
    text: str
    message_id: str
    subject: str
    sender: Address
    recipients: Recipients
    objections: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    moderated: bool = True
    scenario: str = ""
    topology: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the user asks beside the policy.

    ``to`` has the addresses that get it, and nobody else; ``requested`` says that somebody on the list asked for it;
    ``without`` leaves addresses out; ``templates`` are the user's own; the others vouch for trailers.
    """

    to: tuple[str, ...] = ()
    requested: bool = False
    without: tuple[str, ...] = ()
    templates: Mapping[str, str] = dataclasses.field(default_factory=dict)
    earlier: EarlierReport | None = None
    merged: Merged | None = None


def prepare_mail(
    record: RunRecord, policy: MailPolicy, *, now: datetime, wanted: Wanted | None = None, version: str = ""
) -> PreparedMail:
    """Return the mail about a run. Raises :class:`UserError` for an address that is none, or a template that does not hold.

    ``version`` is the orchestrator's own.
    """
    asked = wanted or Wanted()
    policy = dataclasses.replace(policy, excluded=(*policy.excluded, *asked.without))
    sender = require_address(policy.sender, what="the sender") if policy.sender else NOBODY
    message = answered(record)
    if asked.to:
        readers = Recipients(to=tuple(require_address(text, what="--to") for text in asked.to))
        audience = "to " + ", ".join(sorted(address.key for address in readers.to))
    else:
        readers = _public(record, message, policy, requested=asked.requested)
        audience = PUBLIC
    occasion = Occasion(
        sender=sender,
        message=message,
        recipients=readers,
        policy=policy,
        now=now,
        version=version,
        templates=asked.templates,
        earlier=asked.earlier,
        merged=asked.merged,
    )
    composed = compose(record, occasion)
    against = _against_private(record, readers, policy) if asked.to else _against(record, message, readers, policy)
    if sender is NOBODY:
        against = (
            "nobody has said who sends it: [sender] from in mail.toml, or git's user.name and user.email",
            *against,
        )
    scenario, topology = _where(record)
    return PreparedMail(
        run_id=record.run_id,
        title=record.series.title,
        key=MailKey(
            series=series_key(record.series),
            version=record.series.version,
            outcome=record.verdict.outcome,
            audience=audience,
        ),
        objections=against,
        notes=readers.left_out,
        moderated=not asked.to and _is_moderated(readers, policy),
        sender=sender,
        recipients=readers,
        scenario=scenario,
        topology=topology,
        data=composed.data,
        text=composed.text,
        message_id=composed.message_id,
        subject=composed.subject,
    )


def series_key(series: Series) -> str:
    """Return what all versions of a series have in common: its change id, else its title and who sent it."""
    if series.change_id:
        return f"change-id {series.change_id.rpartition(':v')[0] or series.change_id}"
    title = "".join(re.sub(r"\[[^\]]*\]", " ", series.title).split()).lower()
    sender = read_address(series.sender)
    digest = hashlib.sha256(f"{title}\0{sender.key if sender else ''}".encode("utf-8", "replace")).hexdigest()
    return f"title {digest[:24]}"


def _public(record: RunRecord, message: Message | None, policy: MailPolicy, *, requested: bool) -> Recipients:
    if message is None:
        return Recipients(to=())
    return recipients(record, message, policy, requested=requested)


def _against(record: RunRecord, message: Message | None, readers: Recipients, policy: MailPolicy) -> tuple[str, ...]:
    """Return why an answer in public must not be sent."""
    if message is None:
        return ("the series came in no mail, so that there is none to answer; --to ADDRESS sends it to yourself",)
    said = []
    outcome = record.verdict.outcome
    if not is_for_lists(outcome):
        said.append(f"the verdict is {outcome}: that is ours to put right, and no list is told")
    if message.message_id is None or not is_message_id(message.message_id):
        said.append("the mail to answer has no message id")
    if why := why_not_answered(message, policy.sender):
        said.append(why)
    if is_for_lists(outcome) and not readers.lists:
        there = [
            address
            for text in (*message.to, *message.cc)
            if (address := read_address(text)) is not None and is_list(address, record, policy)
        ]
        if there:
            said.append("no list that the patch was sent to wants this mail: see the policy, or --requested")
        else:
            said.append("the patch was sent to no list: what is private stays so; --to ADDRESS sends it to yourself")
    if not readers.to:
        said.append("there is nobody to send it to")
    return tuple(said)


def _against_private(record: RunRecord, readers: Recipients, policy: MailPolicy) -> tuple[str, ...]:
    lists = [address for address in readers.to if is_list(address, record, policy)]
    said = [
        f"{address.address} is a list, and {why}" for address in lists if (why := _list_says(record, address, policy))
    ]
    said += [
        f"{address.address} is excluded by the policy"
        for address in readers.to
        if any(fnmatchcase(address.key, pattern.lower()) for pattern in policy.excluded)
    ]
    return tuple(said)


def _list_says(record: RunRecord, address: Address, policy: MailPolicy) -> str:
    if not is_for_lists(record.verdict.outcome):
        return f"no list is told what is {record.verdict.outcome}"
    if not wants(policy_of(address, policy).wish, record.verdict.outcome, requested=True):
        return "it wants no mails of ours"
    return "--to is for yourself: without it the mail goes to the lists that the patch was sent to"


def _is_moderated(readers: Recipients, policy: MailPolicy) -> bool:
    entries = [policy_of(address, policy) for address in readers.lists] or [policy.otherwise]
    return any(entry.moderated for entry in entries)


def _where(record: RunRecord) -> tuple[str, str]:
    """Return the scenario and topology of the regression; "" where there is none."""
    specs = {trial.spec.id: trial.spec for trial in record.trials}
    for finding in record.verdict.findings:
        if finding.blamed and finding.trial in specs:
            return specs[finding.trial].scenario, specs[finding.trial].topology
    worse: Sequence[tuple[str, str]] = [
        (change.scenario, change.topology) for change in record.verdict.changes if change.change is Change.REGRESSED
    ]
    return worse[0] if worse else ("", "")
