"""What a series' text says of its surroundings: base, prerequisites, earlier versions, change id, trailers. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import unquote

from orchestrator.model.series import EarlierVersion, Prerequisite, PrerequisiteKind

_BASE = re.compile(r"^base-commit:\s*([0-9a-f]{7,64})\b", re.MULTILINE)
# b4's trailer; Gerrit's "Change-Id: I0123..." names a review of another server.
_CHANGE_ID = re.compile(r"^change-id:[ \t]*(\S{3,200})[ \t]*$", re.MULTILINE | re.IGNORECASE)
_GERRIT = re.compile(r"I[0-9a-f]{40}")
_PREREQUISITE = re.compile(
    r"^(prerequisite-patch-id|prerequisite-message-id|prerequisite-change-id|depends-on|based-on):[ \t]*(\S.{0,300})$",
    re.MULTILINE | re.IGNORECASE,
)
_MESSAGE_ID = re.compile(r"<([^<>\s@]{1,200}@[^<>\s]{1,200})>")
_BARE_ID = re.compile(r"[^<>\s@/:]{1,200}@[^<>\s@/:,;]{1,200}")
_LINK = re.compile(r"https?://(?:lore\.kernel\.org|patch\.msgid\.link|lkml\.kernel\.org|msgid\.link)/\S{1,400}")
_IN_LINK = re.compile(r"/([^/\s<>@]{1,200}@[^/\s<>#?)\]]{1,200})")
_NEAR = 200
_VERSION = re.compile(r"\bv\.?([0-9]{1,3})\b|\bversion ([0-9]{1,3})\b", re.IGNORECASE)
_TRAILER = re.compile(
    r"^((?:Reviewed|Acked|Tested|Nacked|Suggested|Reported|Co-developed|Signed-off|Reviewed-and-tested)-by|Fixes|Closes|Link)"
    r":[ \t]+(\S.{0,300})$",
    re.IGNORECASE,
)
_ANSWERS = {"reviewed-by", "acked-by", "tested-by", "nacked-by", "reviewed-and-tested-by", "suggested-by"}

_KINDS = {str(kind).lower(): kind for kind in PrerequisiteKind}


def base_commit(text: str) -> str | None:
    """Return the commit that a ``base-commit:`` trailer of git-format-patch(1) names, None when there is none."""
    match = _BASE.search(text)
    return match.group(1) if match else None


def change_id(text: str) -> str | None:
    """Return b4's change id, None when there is none."""
    found = (match.group(1) for match in _CHANGE_ID.finditer(text))
    return next((value for value in found if not _GERRIT.fullmatch(value)), None)


def prerequisites(texts: Iterable[str]) -> tuple[Prerequisite, ...]:
    """Return what the texts say has to be there before, each once, in their order."""
    found: dict[tuple[PrerequisiteKind, str], Prerequisite] = {}
    for text in texts:
        for match in _PREREQUISITE.finditer(text):
            kind, value = _KINDS[match.group(1).lower()], match.group(2).strip()
            found.setdefault((kind, value), Prerequisite(kind=kind, value=value, message_id=message_id_in(value)))
    return tuple(found.values())


def earlier_versions(text: str) -> tuple[EarlierVersion, ...]:
    """Return the links to other postings in ``text`` whose line, or the line above, speaks of a version."""
    found: dict[str, EarlierVersion] = {}
    above = ""
    for line in text.split("\n"):
        for match in _LINK.finditer(line):
            link = match.group(0).rstrip(".,;)>]")
            before = line[max(0, match.start() - _NEAR) : match.start()]
            before = before if before.strip(" -*[]>") else above[-_NEAR:]
            version = _version_in(before)
            if version is not None or "previous" in before.lower():
                found.setdefault(link, EarlierVersion(version=version, link=link))
        if line.strip():
            above = line
    return tuple(found.values())


def message_id_in(text: str) -> str | None:
    """Return the message id that a link, a value in angle brackets or a bare word is; None when it is none."""
    if match := _LINK.search(text):
        inside = _IN_LINK.search(unquote(match.group(0)))
        return inside.group(1).rstrip(".,;") if inside else None
    if match := _MESSAGE_ID.search(text):
        return match.group(1)
    bare = _BARE_ID.fullmatch(text.strip())
    return bare.group(0) if bare else None


def answer_trailers(text: str) -> tuple[tuple[str, str], ...]:
    """Return the trailers that an answer gives in words of its own: quoted ones are another's."""
    found = (match for line in text.split("\n") if (match := _TRAILER.match(line.rstrip())))
    return tuple((match.group(1), match.group(2)) for match in found if match.group(1).lower() in _ANSWERS)


def _version_in(text: str) -> int | None:
    found = list(_VERSION.finditer(text))
    if not found:
        return None
    return int(found[-1].group(1) or found[-1].group(2))
