"""Header fields of a mail, written by hand: whatever a stranger put into his own, ours stay the fields that they are. Pure.

RFC 5322 says what a field may hold, RFC 2047 how other characters travel in it. The standard library's writer encodes
long message ids as words (which nobody threads by), so that fields are made here and only checked with its reader.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass
from email.utils import parseaddr

from orchestrator.errors import UserError

LINE = 76
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LOCAL = re.compile(rf"{_ATOM}(?:\.{_ATOM})*")
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_DOMAIN = re.compile(rf"(?:{_LABEL}\.)+{_LABEL}|localhost")
_ID = re.compile(r"[!-;=?A-~]{1,480}@[!-;=?A-~]{1,480}")
_NAME = re.compile(r"[A-Z][A-Za-z0-9-]{0,60}")
_ATOMS = re.compile(rf"{_ATOM}(?: {_ATOM})*")
LONGEST_WORD = 60
LONGEST_NAME = 100
WORD_OCTETS = 39
"""So many octets make an encoded word that fits a line beside the name of a field that strangers have words in."""


@dataclass(frozen=True, slots=True)
class Address:
    """A person or a list: ``address`` is one that mail can be sent to."""

    name: str
    address: str

    @property
    def key(self) -> str:
        """What two spellings of one address have in common."""
        return self.address.lower()

    def __str__(self) -> str:
        """Return it as a header has it."""
        return f"{_phrase(self.name)} <{self.address}>" if self.name else self.address


def read_address(text: str) -> Address | None:
    """Return the address that ``Name <address>`` names; None where it is none, as one that an archive has masked."""
    try:
        name, address = parseaddr(_one_line(text)[:1000])
    except (RecursionError, ValueError, IndexError):
        return None
    return Address(_one_line(name)[:LONGEST_NAME], address) if is_address(address) else None


def require_address(text: str, *, what: str) -> Address:
    """Return the address in ``text``; :class:`UserError` where it is none."""
    address = read_address(text)
    if address is None:
        raise UserError(f"{what}: {text!r} is no mail address", hint="Name <someone@example.org>")
    return address


def is_address(text: str) -> bool:
    """Whether mail can be sent to ``text``: ASCII, a local part, and a domain with a dot (RFC 5321, 4.1.2)."""
    local, _, domain = text.rpartition("@")
    if len(text) > 254 or len(local) > 64 or not _LOCAL.fullmatch(local) or not _DOMAIN.fullmatch(domain):
        return False
    # Archives hide addresses: jiahao1@xxxxxxxxxxx, someone@xxxxxxx.com.
    return not re.search(r"(?:^|\.)x{4,}(?:\.|$)", domain, re.IGNORECASE)


def is_message_id(text: str) -> bool:
    """Whether ``text`` (no angle brackets) can stand in In-Reply-To."""
    return _ID.fullmatch(text) is not None


def field(name: str, value: str) -> str:
    """Return a field of free text, folded; what ASCII cannot say is encoded, control characters are blanks."""
    text = _one_line(value)
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name of a field")
    if text.isascii() and "=?" not in text and all(len(word) <= LONGEST_WORD for word in text.split(" ")):
        return _folded(name, text.split(" "))
    return _folded(name, _encoded_words(text))


def ids_field(name: str, ids: Sequence[str]) -> str:
    """Return a field of message ids, one to a line where they are long; those that are none are left out."""
    return _folded(name, [f"<{each}>" for each in ids if is_message_id(each)])


def addresses_field(name: str, addresses: Sequence[Address]) -> str:
    """Return a field of addresses, folded between them."""
    words = [str(each) for each in addresses]
    return _folded(name, [f"{word}," for word in words[:-1]] + words[-1:])


def _folded(name: str, words: Sequence[str]) -> str:
    lines = [f"{name}:"]
    for word in words:
        if len(lines[-1]) + 1 + len(word) > LINE and lines[-1] != f"{name}:" and word:
            lines.append("")
        lines[-1] += f" {word}"
    return "\n".join(lines)


def _phrase(name: str) -> str:
    """Return a name as RFC 5322's phrase: atoms, a quoted string, or encoded words."""
    if not name.isascii() or "=?" in name or len(name) > LONGEST_WORD:
        return "\n ".join(_encoded_words(name))
    if _ATOMS.fullmatch(name):
        return name
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _encoded_words(text: str) -> list[str]:
    """Return ``text`` as encoded words of at most 75 characters (RFC 2047), cut between characters."""
    pieces: list[bytes] = [b""]
    for char in text:
        octets = char.encode()
        if len(pieces[-1]) + len(octets) > WORD_OCTETS:
            pieces.append(b"")
        pieces[-1] += octets
    return [f"=?utf-8?b?{base64.b64encode(piece).decode()}?=" for piece in pieces]


def _one_line(text: str) -> str:
    """Return ``text`` as one line of characters that can be seen."""
    seen = "".join(char if char.isprintable() or char == " " else " " for char in text)
    return " ".join(seen.encode("utf-8", "replace").decode().split())
