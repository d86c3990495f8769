"""What a patch mail's subject says: version, part n of m, tags, and the title. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

_REPLY = re.compile(r"^\s*(?:(?:re|fwd?|aw|wg|sv)\s*(?:\[\d+\])?\s*:\s*)+", re.IGNORECASE)
_TAGS = re.compile(r"^\s*\[([^\]]*)\]\s*")
# Few digits: int() refuses thousands of them, and no series has a thousand versions.
_VERSION = re.compile(r"^(?:patch|rfc)?-?v\.?([0-9]{1,3})$", re.IGNORECASE)
_PART = re.compile(r"^([0-9]{1,5})/([0-9]{1,5})$")
_NO_TAG = re.compile(r"^(?:patch(?:-?v\.?[0-9]{1,3})?|v\.?[0-9]{1,3}|[0-9]{1,5}/[0-9]{1,5})$", re.IGNORECASE)

LONGEST = 4096
"""Characters of a subject that are looked at; RFC 5322 allows 998 a line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A subject taken apart. ``index`` and ``total`` are None where it has no ``n/m``; ``version`` is 1 unless said.

    ``tags`` are the words in brackets that say something else: ``RFC``, ``RESEND``, ``mm-unstable``.
    """

    title: str
    version: int
    index: int | None
    total: int | None
    is_patch: bool
    is_reply: bool
    tags: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The title without what mailers change in it: case and blanks."""
        return "".join(self.title.split()).lower()

    @property
    def is_cover(self) -> bool:
        """Whether it is part 0 of a series."""
        return self.index == 0 and not self.is_reply


def read_subject(text: str) -> Subject:
    """Return what ``text`` (one line, or folded over several) says."""
    flat = " ".join(text[:LONGEST].split())
    reply = _REPLY.match(flat)
    rest = flat[reply.end() :] if reply else flat
    words: list[str] = []
    while match := _TAGS.match(rest):
        # "Re: [list] Re: [PATCH] x" has a reply mark behind a tag of the list's.
        words += [word for word in re.split(r"[\s,]+", match.group(1)) if word]
        rest = rest[match.end() :]
        if again := _REPLY.match(rest):
            reply, rest = again, rest[again.end() :]
    version = next((int(match.group(1)) for word in words if (match := _VERSION.match(word))), 1)
    part = next((match for word in words if (match := _PART.match(word))), None)
    return Subject(
        title=rest.strip(),
        version=version,
        index=int(part.group(1)) if part else None,
        total=int(part.group(2)) if part else None,
        # [RFC v2 1/3] is a patch as well; a word with PATCH in it covers [RESEND PATCH] and [PATCHv2].
        is_patch=part is not None or any("PATCH" in word.upper() or word.upper() == "RFC" for word in words),
        is_reply=reply is not None,
        tags=tuple(dict.fromkeys(word for word in words if not _NO_TAG.match(word))),
    )
