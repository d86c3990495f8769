"""A draft that a person has looked at, and perhaps changed → the mail to send, in his words and to those he left in it."""

from __future__ import annotations

import dataclasses
import email
import email.policy
import re
from email.message import Message
from email.utils import getaddresses

from orchestrator.errors import UserError
from orchestrator.mail.prepare import PreparedMail
from orchestrator.report.mail.headers import Address, require_address
from orchestrator.report.mail.thread import Recipients

LONGEST_LINE = 998
_OURS_ALONE = re.compile(rb"(?:bcc|fcc|status|x-status|x-mutt-[a-z-]+)", re.IGNORECASE)


def as_approved(mail: PreparedMail, draft: bytes) -> PreparedMail:
    """Return ``mail`` with the message that the person left in the drafts (line feeds).

    Raises :class:`UserError` where that is none that can be sent: its id or sender changed, an address that is none, octets
    beyond ASCII, or a line that is too long.
    """
    try:
        message = email.message_from_bytes(draft, policy=email.policy.compat32)
        text = draft.decode("ascii")
    except UnicodeDecodeError as error:
        raise UserError("the draft has characters that are not encoded", hint="save it with a mail program") from error
    if any(len(line) > LONGEST_LINE for line in text.split("\n")):
        raise UserError(f"the draft has a line of more than {LONGEST_LINE} characters", hint="break it")
    if _one(message, "Message-ID").strip("<>") != mail.message_id:
        raise UserError("the draft has another Message-ID: the ledger would not know it")
    sender = require_address(_one(message, "From"), what="the draft's From")
    if sender.key != mail.sender.key:
        raise UserError(f"the draft is from {sender.address}, not from {mail.sender.address}")
    to, cc, hidden = (_addresses(message, name) for name in ("To", "Cc", "Bcc"))
    everybody = {address.key: address for address in (*to, *cc, *hidden)}
    if not everybody:
        raise UserError("the draft is to nobody")
    before = {address.key for address in mail.recipients.lists}
    return dataclasses.replace(
        mail,
        data=_without_hidden(draft),
        recipients=Recipients(
            to=tuple(each for each in everybody.values() if each not in cc),
            cc=tuple(each for each in cc if each.key in everybody),
            lists=tuple(each for key, each in everybody.items() if key in before),
            left_out=mail.recipients.left_out,
        ),
    )


def _one(message: Message, name: str) -> str:
    values = message.get_all(name, [])
    if len(values) != 1:
        raise UserError(f"the draft has {len(values)} fields {name}, not one")
    return str(values[0]).strip()


def _addresses(message: Message, name: str) -> tuple[Address, ...]:
    found = getaddresses([str(value) for value in message.get_all(name, [])])
    return tuple(
        dict.fromkeys(require_address(address, what=f"the draft's {name}") for _, address in found if address.strip())
    )


def _without_hidden(draft: bytes) -> bytes:
    """Return a message without the fields that are for the sender and his mail program alone."""
    head, blank, body = draft.partition(b"\n\n")
    kept: list[bytes] = []
    dropping = False
    for line in head.split(b"\n"):
        if line[:1] not in {b" ", b"\t"}:
            dropping = _OURS_ALONE.fullmatch(line.partition(b":")[0]) is not None
        if not dropping:
            kept.append(line)
    return b"\n".join(kept) + blank + body
