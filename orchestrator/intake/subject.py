"""What a patch mail's subject says: version, part n of m, and the title. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

_REPLY = re.compile(r"^\s*(?:(?:re|fwd?|aw|wg|sv)\s*:\s*)+", re.IGNORECASE)
_TAGS = re.compile(r"^\s*\[([^\]]*)\]\s*")
_VERSION = re.compile(r"^v(\d+)$", re.IGNORECASE)
_PART = re.compile(r"^(\d+)/(\d+)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A subject taken apart. ``index`` and ``total`` are None where it has no ``n/m``; ``version`` is 1 unless said."""

    title: str
    version: int
    index: int | None
    total: int | None
    is_patch: bool
    is_reply: bool


def read_subject(text: str) -> Subject:
    """Return what ``text`` (one line, or folded over several) says."""
    flat = " ".join(text.split())
    reply = _REPLY.match(flat)
    rest = flat[reply.end() :] if reply else flat
    words: list[str] = []
    while match := _TAGS.match(rest):
        words += re.split(r"[\s,]+", match.group(1))
        rest = rest[match.end() :]
    version = next((int(match.group(1)) for word in words if (match := _VERSION.match(word))), 1)
    part = next((match for word in words if (match := _PART.match(word))), None)
    return Subject(
        title=rest.strip(),
        version=version,
        index=int(part.group(1)) if part else None,
        total=int(part.group(2)) if part else None,
        # [RFC v2 1/3] is a patch as well; a word with PATCH in it covers [RESEND PATCH] and [PATCHv2].
        is_patch=part is not None or any("PATCH" in word.upper() for word in words),
        is_reply=reply is not None,
    )
