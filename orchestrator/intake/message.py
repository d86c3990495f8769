"""One mail to an item, by the standard library's email package: MIME, transfer encodings, charsets, attachments.

A mail's own patches are diffs that stand in it unquoted, in its text or in attachments; an attached mail (a format-patch
file, a forwarded message) is a mail of its own. format=flowed is undone; where the result is no diff, lesser readings
are tried, and the one that was taken is said.
"""

from __future__ import annotations

import email
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from email.message import Message

from orchestrator.errors import InputError
from orchestrator.intake.body import Body, diff_start, has_diff, read_body
from orchestrator.intake.document import decode
from orchestrator.intake.flowed import unflow, unstuff
from orchestrator.intake.headers import read_envelope
from orchestrator.intake.html import html_to_text
from orchestrator.intake.item import Envelope, Item, Part
from orchestrator.intake.mbox import is_from_line, split_mbox
from orchestrator.intake.page import quoted_part
from orchestrator.intake.subject import read_subject

LARGEST_MESSAGE = 16 << 20
"""Bytes of one message. Lists refuse far smaller ones; taking one apart needs about ten times as much memory."""

MOST_NESTED = 10
_HEADER_LINE = re.compile(rb"^[A-Za-z][A-Za-z0-9-]*:[ \t]?")
_DIFF_NAME = re.compile(r"\.(?:patch|diff|eml|mbox|txt)$", re.IGNORECASE)
_HAS_HTML = "the mail has HTML only: white space may be lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Text:
    """One text of a mail: ``readings`` are what it may say, the likeliest first, each with a word for how it was read."""

    readings: tuple[tuple[str, str], ...]
    attached: bool
    name: str
    damaged: InputError | None = None


def looks_like_mail(data: bytes) -> bool:
    """Whether ``data`` is an mbox or a message with headers (an archived page has no ``Subject:``)."""
    begin = len(data) - len(data.lstrip(b"\r\n"))
    if is_from_line(data, begin):
        return True
    head = re.split(rb"\r?\n\r?\n", data[begin : begin + (1 << 18)], maxsplit=1)[0]
    lines = re.split(rb"\r?\n", head)
    return all(_HEADER_LINE.match(line) or line[:1] in {b" ", b"\t"} for line in lines) and any(
        line.lower().startswith(b"subject:") for line in lines
    )


def read_mails(data: bytes, *, what: str) -> tuple[Item, ...]:
    """Return the messages in ``data``, a mail or an mbox, in order, attached ones behind the one that brings them.

    What is wrong with one is in its ``fault``: it need not be one that matters.
    """
    items: list[Item] = []
    for piece in split_mbox(data):
        items += read_mail(piece, what=what)
    return tuple(items)


def read_mail(data: bytes, *, what: str, depth: int = 0) -> tuple[Item, ...]:
    """Return one message, and those attached to it."""
    if len(data) > LARGEST_MESSAGE:
        # Only its headers are worth the memory.
        message = email.message_from_bytes(data[: data.find(b"\n\n") + 1 or 4096][:65536])
        envelope = read_envelope(message)
        fault = InputError(
            f"{what}: [{envelope.subject.title or 'no subject'}] has {len(data) >> 20} MiB; "
            f"the largest message is {LARGEST_MESSAGE >> 20} MiB",
            hint="leave generated files out of the patch, or give the change as --git RANGE",
        )
        return (Item(envelope=envelope, text="", fault=fault),)
    try:
        message = email.message_from_bytes(data)
        leaves = list(_leaves(message))
    except RecursionError:
        fault = InputError(f"{what}: a mail's parts are nested too deep")
        return (Item(envelope=Envelope(subject=read_subject("")), text="", fault=fault),)
    envelope = read_envelope(message)
    what = f"{what} (mail {envelope.subject.title!r})"
    texts, attached = _sorted_leaves(leaves, what)
    item = _item(envelope, texts, raw=data, what=what)
    inner: list[Item] = []
    if depth < MOST_NESTED:
        for mail in attached:
            inner += read_mail(mail, what=what, depth=depth + 1)
    return (item, *inner)


def _leaves(message: Message) -> Iterator[Message]:
    """Yield the parts that hold something: no containers, and attached messages whole."""
    if message.get_content_type() == "message/rfc822":
        yield message
    elif message.is_multipart():
        for part in message.get_payload():
            if isinstance(part, Message):
                yield from _leaves(part)
    else:
        yield message


def _sorted_leaves(leaves: list[Message], what: str) -> tuple[list[_Text], list[bytes]]:
    """Return the texts among ``leaves`` and the attached mails."""
    texts: list[_Text] = []
    mails: list[bytes] = []
    html: list[str] = []
    for leaf in leaves:
        if leaf.get_content_type() == "message/rfc822":
            inside = leaf.get_payload()
            mails += (
                [part.as_bytes() for part in inside if isinstance(part, Message)] if isinstance(inside, list) else []
            )
            continue
        data = leaf.get_payload(decode=True)
        if not isinstance(data, bytes) or not _is_text(leaf):
            continue
        name = _file_name(leaf)
        if name and looks_like_mail(data):
            mails += split_mbox(data)
        elif leaf.get_content_subtype() == "html":
            html.append(html_to_text(data.decode("utf-8", "replace")))
        else:
            texts.append(_text(leaf, data, name=name, what=what))
    if not texts:
        texts = [_Text(readings=((found, _HAS_HTML),), attached=False, name="") for found in html]
    return texts, mails


def _is_text(part: Message) -> bool:
    """Whether a part is text: by its type, or by the name of a file that is called like a patch."""
    return part.get_content_maintype() == "text" or bool(_DIFF_NAME.search(_file_name(part)))


def _file_name(part: Message) -> str:
    try:
        name = part.get_filename()
    except (ValueError, LookupError, TypeError, AttributeError):
        # RFC 2231 parameters of an unknown charset, or half of them.
        name = None
    return name or ""


def _text(part: Message, data: bytes, *, name: str, what: str) -> _Text:
    text, damaged = _decoded(part, data, what=what)
    readings = [(text, "")]
    if part.get_content_type() == "text/plain" and _parameter(part, "format") == "flowed":
        delete_space = _parameter(part, "delsp") == "yes"
        flowed = unflow(text, delete_space=delete_space)
        kept = unstuff(text)
        readings = [
            (flowed, ""),
            (
                _flowed_above_diff(text, kept, delete_space=delete_space),
                "format=flowed: line breaks of the diff were kept",
            ),
            (kept, "the mail is format=flowed, but only with its line breaks kept it is a diff"),
            (text, "the mail says format=flowed, but only taken at its word it is a diff"),
        ]
    return _Text(readings=tuple(readings), attached=bool(name), name=name, damaged=damaged)


def _flowed_above_diff(text: str, kept: str, *, delete_space: bool) -> str:
    """Return a flowed text whose diff keeps its line breaks: a blank context line ends in a blank, as a soft break does."""
    start = diff_start(kept)
    if start is None:
        return kept
    above = kept.count("\n", 0, start)
    return unflow("\n".join(text.split("\n")[:above]), delete_space=delete_space) + "\n" + kept[start:]


def _parameter(part: Message, name: str) -> str:
    try:
        value = part.get_param(name)
    except (ValueError, LookupError, TypeError, AttributeError):
        return ""
    return value.strip().lower() if isinstance(value, str) else ""


def _decoded(part: Message, data: bytes, *, what: str) -> tuple[str, InputError | None]:
    """Return a part's text by the charset it states, and what is wrong with the diff in it.

    UTF-8 where it states none, only ASCII, or one that nobody knows while its bytes are UTF-8. A name in the text above
    the diff may be damaged; what is compiled may not.
    """
    try:
        stated = (part.get_content_charset() or "us-ascii").lower()
    except (ValueError, LookupError, TypeError, AttributeError):
        stated = "us-ascii"
    charset = "utf-8" if stated in {"us-ascii", "ascii", "utf-8", "utf8", "unknown-8bit", "x-unknown"} else stated
    for each in dict.fromkeys((charset, "utf-8")):
        try:
            return decode(data, what=what, charset=each), None
        except InputError:
            continue
    start = re.search(rb"^(?:diff --git |--- \S)", data, re.MULTILINE)
    above = data if start is None else data[: start.start()]
    text = above.decode("utf-8", "replace").replace("\r\n", "\n")
    if start is None:
        return text, None
    below = data[start.start() :]
    try:
        return text + decode(below, what=f"the diff in {what}", charset=charset), None
    except InputError as error:
        return text + below.decode("utf-8", "replace").replace("\r\n", "\n"), error


def _item(envelope: Envelope, texts: list[_Text], *, raw: bytes, what: str) -> Item:
    """Return a mail as an item: its patches are in its own text, else in its attachments."""
    inline = [text for text in texts if not text.attached]
    attached = [text for text in texts if text.attached and has_diff(text.readings[0][0])]
    own = next((text for text in inline if any(has_diff(reading) for reading, _ in text.readings)), None)
    main = own or (inline[0] if inline else None)
    words = main.readings[0][0] if main else ""
    chosen = [own] if own else attached
    parts: list[Part] = []
    fault: InputError | None = None
    for nr, text in enumerate(chosen, start=1):
        try:
            parts.append(_part(envelope, text, words, nr=nr, count=len(chosen)))
        except InputError as error:
            said = f"{what.partition(' (mail ')[0]}: [{envelope.subject.title or 'no subject'}] {error.message}"
            fault = InputError(said, hint=error.hint, evidence=error.evidence)
            break
    notes = ("attachments were left out: the mail's own text holds the patch",) if own and attached else ()
    quoted: tuple[Part, ...] = ()
    quote_fault: InputError | None = None
    if not parts and not fault:
        try:
            found = quoted_part(words, envelope.subject, author=envelope.author)
            quoted = (found,) if found else ()
        except InputError as error:
            quote_fault = error
    return Item(
        envelope=envelope,
        text=words,
        parts=() if fault else tuple(parts),
        quoted=quoted,
        fault=fault,
        quote_fault=quote_fault,
        # No list passes a message on without an id: it comes from a file, and what lies beside it belongs to it.
        local=envelope.message_id is None,
        raw=raw,
        notes=notes,
    )


def _part(envelope: Envelope, text: _Text, words: str, *, nr: int, count: int) -> Part:
    """Return the patch in one text of a mail. Raises :class:`InputError` when no reading of it holds."""
    if text.damaged is not None:
        raise text.damaged
    body, note, whole = _best_reading(text)
    subject = envelope.subject
    if body.subject and (not subject.is_patch or body.cut):
        subject = read_subject(body.subject)
    notes = [note] if note else []
    if body.cut:
        notes.append("text above a line of scissors was left out")
    if text.attached:
        notes.append(f"the patch is the attachment {text.name!r}")
        if count > 1:
            subject = read_subject(f"[PATCH v{subject.version} {nr}/{count}] {_DIFF_NAME.sub('', text.name)}")
        whole = f"{words}\n{whole}"
    message = body.message or (words.strip("\n") if text.attached and count == 1 else "")
    return Part(
        subject=subject,
        author=body.author or envelope.author,
        date=body.date or envelope.date,
        text=whole,
        body=replace(body, message=message),
        notes=tuple(notes),
    )


def _best_reading(text: _Text) -> tuple[Body, str, str]:
    """Return the first reading whose diff holds, how it was read, and its text."""
    failed: InputError | None = None
    for reading, note in text.readings:
        if diff_start(reading) is None:
            continue
        try:
            return read_body(reading), note, reading
        except InputError as error:
            failed = failed or error
            if note == _HAS_HTML:
                return read_body(reading, lossy=True), note, reading
    assert failed is not None  # noqa: S101 - the caller looked for a diff
    raise failed
