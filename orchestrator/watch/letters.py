"""A mail as it came → what it is to the watcher: a part of a series, a request, an automatic answer, or nothing to us.

What a mail says is read by :mod:`orchestrator.intake`; here is decided only what it is good for. Pure.
"""

from __future__ import annotations

import email.parser
import hashlib
import re
from dataclasses import dataclass, replace
from email.message import Message

from orchestrator.errors import InputError
from orchestrator.intake.headers import read_envelope
from orchestrator.intake.hints import change_id
from orchestrator.intake.item import Envelope, Item
from orchestrator.intake.message import read_mail

HEAD = 1 << 16
"""Bytes of a mail that is too large which are looked at."""

_COMMAND = re.compile(r"^#orchestrator[ \t]+test(?:[ \t]+([A-Za-z0-9_-]{1,40}))?[ \t]*$", re.MULTILINE)
_HAS_ID = re.compile(rb"^message-id:[ \t]*(?:\r?\n[ \t]+)?\S", re.MULTILINE | re.IGNORECASE)
_NO_ID = "mail-without-message-id.invalid"
_LONGEST_ID = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What a request asks for: a profile, "" for the usual one."""

    profile: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One mail. ``index`` is its part of a series, 0 the cover letter's, None that of a patch without ``n/m``.

    ``is_part`` says that it is a patch or a cover letter; ``digest`` is made of its diffs. ``automatic`` is why nobody
    is to be answered, "" for a mail that a person sent. ``fault`` is why the patch cannot be used.
    """

    message_id: str
    envelope: Envelope
    raw: bytes
    is_part: bool = False
    digest: str = ""
    command: Command | None = None
    automatic: str = ""
    fault: str = ""
    change_id: str = ""

    @property
    def index(self) -> int | None:
        """Which part it is."""
        return self.envelope.subject.index

    @property
    def total(self) -> int:
        """Of how many parts; 1 where it has no number."""
        subject = self.envelope.subject
        return (subject.total or 1) if subject.index is not None else 1

    @property
    def resend(self) -> bool:
        """Whether the subject says that it was sent before."""
        return any(tag.upper() == "RESEND" for tag in self.envelope.subject.tags)


def read_letter(data: bytes, *, size: int, list_id: str = "") -> Letter:
    """Return what the mail ``data`` is. ``size`` is its whole size: where it is more, ``data`` is only its beginning.

    ``list_id`` is the list that the source stands for. A mail without a Message-ID gets one made of its content.
    """
    data = _with_id(data)
    head = email.parser.BytesHeaderParser().parsebytes(_head(data))
    item = _too_large(head, size) if size > len(data) + HEAD else read_mail(data, what="the mail")[0]
    envelope = item.envelope
    if list_id and list_id not in envelope.lists:
        envelope = replace(envelope, lists=(list_id, *envelope.lists))
    message_id = envelope.message_id or _made_id(data)
    return Letter(
        message_id=message_id if len(message_id) <= _LONGEST_ID else _made_id(data),
        envelope=envelope,
        raw=data,
        is_part=item.carries_patch or item.is_cover,
        digest=_digest(item),
        command=_command(item),
        automatic=_automatic(head),
        fault=item.fault.message if item.fault else "",
        change_id=change_id(item.text) or "",
    )


def _with_id(data: bytes) -> bytes:
    """Return the mail with a message id: threads, parts and answers are told by it."""
    if _HAS_ID.search(_head(data)):
        return data
    return b"Message-ID: <" + _made_id(data).encode() + b">\n" + data


def _made_id(data: bytes) -> str:
    return f"{hashlib.sha256(data).hexdigest()[:40]}@{_NO_ID}"


def is_made_id(message_id: str) -> bool:
    """Whether a message id is of our making: nobody can be answered by it."""
    return message_id.endswith(f"@{_NO_ID}")


def _head(data: bytes) -> bytes:
    ends = [at for mark in (b"\n\n", b"\n\r\n") if (at := data.find(mark, 0, HEAD)) >= 0]
    return data[: min(ends) + 1] if ends else data[:HEAD]


def _too_large(head: Message, size: int) -> Item:
    return Item(envelope=read_envelope(head), text="", fault=InputError(f"the mail has {size >> 20} MiB"))


def _digest(item: Item) -> str:
    if not item.parts:
        return ""
    return hashlib.sha256("\0".join(part.body.diff for part in item.parts).encode("utf-8", "replace")).hexdigest()


def _command(item: Item) -> Command | None:
    match = _COMMAND.search(item.text)
    return Command(profile=match.group(1) or "") if match else None


def _automatic(head: Message) -> str:
    """Return by which header a mail says that a program sent it (RFC 3834 and what is usual), "" when by none."""
    submitted = str(head.get("Auto-Submitted", "")).strip().lower()
    if submitted and not submitted.startswith("no"):
        return f"Auto-Submitted: {submitted[:40]}"
    for name in ("X-Autoreply", "X-Autorespond", "X-Auto-Response-Suppress", "X-Failed-Recipients"):
        if head.get(name) is not None and str(head[name]).strip().lower() not in {"no", "none"}:
            return name
    if str(head.get("Precedence", "")).strip().lower() in {"auto_reply", "auto-reply", "junk"}:
        return f"Precedence: {str(head['Precedence']).strip()[:40]}"
    if (
        str(head.get("Return-Path", "")).strip() == "<>"
        or "multipart/report" in str(head.get("Content-Type", "")).lower()
    ):
        return "a delivery report"
    return ""
