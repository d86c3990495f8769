"""A message's headers, decoded: what they say, whatever state they are in. Pure."""

from __future__ import annotations

import re
from email.errors import HeaderParseError
from email.header import decode_header
from email.message import Message
from email.utils import getaddresses, parseaddr

from orchestrator.intake.dates import iso_utc
from orchestrator.intake.item import Envelope
from orchestrator.intake.subject import read_subject

_IDS = re.compile(r"<([^<>\s]{1,900})>")
_LIST_ID = re.compile(r"<([^<>\s]{3,250})>")
LONGEST = 64 << 10
"""Characters of one header that are looked at."""

LONGEST_SUBJECT = 998

_LIST_HOSTS = ("vger.kernel.org", "kvack.org", "lists.linux.dev", "lists.infradead.org", "lists.linaro.org")


def read_envelope(message: Message) -> Envelope:
    """Return what the headers of ``message`` say; what is missing or damaged beyond reading is left empty."""
    found = _raw(message)
    author = _decoded(found.get("from", [""])[0])
    date = found["date"][0] if "date" in found else None
    title = _decoded(found.get("subject", [""])[0])
    to, cc = _people(found.get("to", [])), _people(found.get("cc", []))
    ids = _message_ids(found.get("message-id", [])[:1])
    references = _message_ids(found.get("references", []))
    replies = _message_ids(found.get("in-reply-to", []))
    parents = dict.fromkeys((*replies[:1], *reversed(references), *replies))
    if ids:
        parents.pop(ids[0], None)
    return Envelope(
        subject=read_subject(title),
        author=author,
        address=address_of(author),
        date=date,
        sent=iso_utc(date),
        message_id=ids[0] if ids else None,
        parents=tuple(parents),
        to=to,
        cc=cc,
        lists=_lists(found.get("list-id", []), (*to, *cc)),
        whole_subject=title[:LONGEST_SUBJECT],
        answers_to=_people(found.get("reply-to", [])),
        automatic=_automatic(found),
    )


def _automatic(found: dict[str, list[str]]) -> str:
    """Return how one sees that a program sent a message, "" where nothing says so.

    RFC 3834 has Auto-Submitted; a null return path is a bounce's (RFC 5321, 4.5.5). Precedence says it only where no
    list's manager set it: those mark every mail that they pass on as bulk or list.
    """
    for value in found.get("auto-submitted", []):
        if value.partition(";")[0].strip().lower() not in {"no", ""}:
            return f"Auto-Submitted: {value[:80]}"
    if any("".join(value.split()) == "<>" for value in found.get("return-path", [])):
        return "Return-Path: <>"
    over_a_list = any(name in found for name in ("list-id", "list-post", "list-unsubscribe"))
    of_programs = {"auto_reply"} if over_a_list else {"auto_reply", "bulk", "junk", "list"}
    for value in found.get("precedence", []):
        if value.strip().lower() in of_programs:
            return f"Precedence: {value[:80]}"
    return ""


def _raw(message: Message) -> dict[str, list[str]]:
    """Return the headers by name in lower case, bytes beyond ASCII read as UTF-8."""
    found: dict[str, list[str]] = {}
    for name, value in message.raw_items():
        text = value[:LONGEST]
        if not text.isascii():
            text = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        found.setdefault(name.lower(), []).append(" ".join(text.split()))
    return found


def _decoded(text: str) -> str:
    """Return a header with its encoded words (RFC 2047) read; as it is where they are damaged."""
    if "=?" not in text:
        return text
    try:
        pieces = decode_header(text)
    except (HeaderParseError, ValueError):
        return text
    words = [piece if isinstance(piece, str) else _of_charset(piece, charset) for piece, charset in pieces]
    return " ".join("".join(words).split())


def _of_charset(data: bytes, charset: str | None) -> str:
    try:
        return data.decode(charset or "utf-8", "replace")
    except (LookupError, ValueError):
        return data.decode("utf-8", "replace")


def _people(values: list[str]) -> tuple[str, ...]:
    """Return the addresses of To or Cc headers, each once."""
    try:
        pairs = getaddresses(values)
    except (RecursionError, ValueError, IndexError):
        # Comments within comments: the parser goes down with them.
        return ()
    return tuple(
        dict.fromkeys(f"{_decoded(name)} <{address}>" if name else address for name, address in pairs if address)
    )


def address_of(person: str) -> str:
    """Return the address of ``Name <address>`` in lower case, "" where there is none or it cannot be read."""
    try:
        return parseaddr(person)[1].lower()
    except (RecursionError, ValueError, IndexError):
        return ""


def name_of(person: str) -> str:
    """Return the name of ``Name <address>``; the address where it has none, all of it where it cannot be read."""
    try:
        name, address = parseaddr(person)
    except (RecursionError, ValueError, IndexError):
        return person
    return name or address or person


def _message_ids(values: list[str]) -> tuple[str, ...]:
    """Return the message ids in headers, without brackets; a bare one is taken as well."""
    found = [match for value in values for match in _IDS.findall(value)]
    if not found:
        found = [word for value in values for word in value.split() if "@" in word and "<" not in word]
    return tuple(dict.fromkeys(found))


def _lists(list_ids: list[str], people: tuple[str, ...]) -> tuple[str, ...]:
    """Return the ids of the lists that a message came over, then of those that it was sent to."""
    named = [match.group(1).lower() for value in list_ids if (match := _LIST_ID.search(value))]
    return tuple(dict.fromkeys((*named, *lists_among(people))))


def lists_among(people: tuple[str, ...]) -> tuple[str, ...]:
    """Return the ids (``linux-mm.kvack.org``) of the addresses that are mailing lists of the kernel's."""
    # Few of many people are lists, and taking an address apart is slow.
    addresses = (address_of(person) for person in people if any(host in person.lower() for host in _AT_HOSTS))
    return tuple(address.replace("@", ".") for address in addresses if address.endswith(tuple(_AT_HOSTS)))


_AT_HOSTS = [f"@{host}" for host in _LIST_HOSTS]
