"""Mails to patches: mbox, format-patch files and single messages, by the standard library's email package.

Transfer encodings (base64, quoted-printable), charsets and encoded headers are the package's business. A message
counts as a patch when a diff stands in its text unquoted; replies that quote one do not.
"""

from __future__ import annotations

import email
import email.policy
import re
from dataclasses import dataclass
from email.message import EmailMessage

from orchestrator.errors import InputError
from orchestrator.intake.body import Body, has_diff, read_body
from orchestrator.intake.document import decode
from orchestrator.intake.subject import Subject, read_subject

# "From " at a line's start begins a message only with an address and a date behind it; mailers quote others.
_FROM_LINE = re.compile(rb"^From \S+.* \d{2}:\d{2}(?::\d{2})?.* \d{4}.*$", re.MULTILINE)
_QUOTED_FROM = re.compile(rb"^>(>*From )", re.MULTILINE)
_HEADER_LINE = re.compile(rb"^[A-Za-z][A-Za-z0-9-]*:[ \t]?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """One message: what its headers say and its text."""

    subject: Subject
    author: str
    date: str | None
    message_id: str | None
    text: str

    @property
    def is_patch(self) -> bool:
        """Whether it carries a patch of its own."""
        return has_diff(self.text)

    def body(self) -> Body:
        """Return the patch in it, taken apart."""
        return read_body(self.text)


def looks_like_mail(data: bytes) -> bool:
    """Whether ``data`` is an mbox or a message with headers (an archived page has no ``Subject:``)."""
    if _FROM_LINE.match(data.lstrip(b"\r\n")):
        return True
    head = re.split(rb"\r?\n\r?\n", data.lstrip(b"\r\n"), maxsplit=1)[0]
    lines = re.split(rb"\r?\n", head)
    return all(_HEADER_LINE.match(line) or line[:1] in {b" ", b"\t"} for line in lines) and any(
        line.lower().startswith(b"subject:") for line in lines
    )


def read_mails(data: bytes, *, what: str) -> tuple[Mail, ...]:
    """Return the messages in ``data``, in order. Raises :class:`InputError` when one's text has no known charset."""
    return tuple(_read_mail(piece, what=what) for piece in split_mbox(data))


def split_mbox(data: bytes) -> tuple[bytes, ...]:
    """Return the messages of an mbox without their ``From `` lines and with From-quoting undone.

    A file without such a line is one message. The line before a ``From `` line has to be empty, as mbox(5) wants.
    """
    data = data.lstrip(b"\r\n")
    starts = [
        match
        for match in _FROM_LINE.finditer(data)
        if match.start() == 0 or data[: match.start()].endswith((b"\n\n", b"\r\n\r\n"))
    ]
    if not starts or starts[0].start() != 0:
        return (data,)
    ends = [match.start() for match in starts[1:]] + [len(data)]
    return tuple(
        _QUOTED_FROM.sub(rb"\1", data[match.end() : end].lstrip(b"\r\n"))
        for match, end in zip(starts, ends, strict=True)
    )


def _read_mail(data: bytes, *, what: str) -> Mail:
    message = email.message_from_bytes(data, policy=email.policy.default)
    title = _header(message, "Subject") or ""
    return Mail(
        subject=read_subject(title),
        author=_header(message, "From") or "",
        date=_header(message, "Date"),
        message_id=_header(message, "Message-ID"),
        text=_text_of(message, what=f"{what} (mail {title!r})"),
    )


def _header(message: EmailMessage, name: str) -> str | None:
    """Return a header's value on one line, None where it is missing or damaged beyond the parser."""
    try:
        value = message[name]
    except (ValueError, IndexError, AttributeError, TypeError):
        # The parser of structured headers trips over some damaged ones (python/cpython#81074 and others).
        value = None
    return None if value is None else " ".join(str(value).split())


def _text_of(message: EmailMessage, *, what: str) -> str:
    """Return the text part that holds a diff, else the first text part, else ""."""
    texts = [
        _decode_part(part, what=what)
        for part in message.walk()
        if not part.is_multipart() and part.get_content_maintype() == "text" and part.get_content_subtype() != "html"
    ]
    return next((text for text in texts if has_diff(text)), texts[0] if texts else "")


def _decode_part(part: EmailMessage, *, what: str) -> str:
    """Return a part's text by the charset it states; by UTF-8 where it states none or only ASCII."""
    data = part.get_payload(decode=True)
    if not isinstance(data, bytes):
        return ""
    stated = (part.get_content_charset() or "us-ascii").lower()
    charset = "utf-8" if stated in {"us-ascii", "ascii", "utf-8", "utf8", "unknown-8bit"} else stated
    try:
        return decode(data, what=what, charset=charset)
    except InputError:
        # A name in the text above the diff may be damaged; what is compiled may not.
        start = re.search(rb"^(?:diff --git |--- \S)", data, re.MULTILINE)
        if start is None:
            return data.decode("utf-8", "replace").replace("\r\n", "\n")
        above = data[: start.start()].decode("utf-8", "replace").replace("\r\n", "\n")
        return above + decode(data[start.start() :], what=f"the diff in {what}", charset=charset)
