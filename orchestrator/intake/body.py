"""A patch mail's text taken apart: commit message, stated diffstat, diff. Pure; knows neither mails nor pages."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.model.diff import read_diff, render_diff, starts_diff
from orchestrator.model.series import Diffstat

_STAT_FILE = re.compile(r"^\s*(\S.*?)\s+\|\s+(?:\d+(?:\s+[+-]+)?|Bin\b.*)$")
_STAT_SUM = re.compile(
    r"^\s*\d+ files? changed(?:, (?P<insertions>\d+) insertions?\(\+\))?(?:, (?P<deletions>\d+) deletions?\(-\))?\s*$"
)
_BODY_HEADER = re.compile(r"^(From|Date|Subject):\s*(.*)$")
_BASE = re.compile(r"^base-commit:\s*([0-9a-f]{7,64})\s*$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """The parts of a patch's text. ``author``, ``date`` and ``subject`` are set where the body begins by stating them."""

    message: str
    diff: str
    lossy: bool
    stated: Diffstat | None
    author: str | None = None
    date: str | None = None
    subject: str | None = None


def has_diff(text: str) -> bool:
    """Whether the diff of some file begins in ``text``."""
    lines = text.split("\n")
    return any(starts_diff(lines, at) for at in range(len(lines)))


def read_body(text: str, *, lossy: bool = False) -> Body:
    """Return the parts of a patch's text, which holds a diff.

    Raises :class:`InputError` of :func:`read_diff`: truncated, not fitting its counts, unsafe or binary.
    """
    lines = text.split("\n")
    start = next(at for at in range(len(lines)) if starts_diff(lines, at))
    files = read_diff("\n".join(lines[start:]), lossy=lossy)
    above = lines[:start]
    stated = read_diffstat(above)
    headers, message = _body_headers(_before_stat(above))
    return Body(
        message="\n".join(message).strip("\n"),
        diff=render_diff(files),
        lossy=lossy,
        stated=stated,
        author=headers.get("From"),
        date=headers.get("Date"),
        subject=headers.get("Subject"),
    )


def read_diffstat(lines: Sequence[str]) -> Diffstat | None:
    """Return the diffstat that stands in ``lines``, None when there is none. Leading blanks may be lost."""
    for at, line in enumerate(lines):
        match = _STAT_SUM.match(line)
        if match is None:
            continue
        files: list[str] = []
        for above in reversed(lines[:at]):
            file = _STAT_FILE.match(above)
            if file is None:
                break
            files.insert(0, file.group(1))
        return Diffstat(
            files=tuple(files), insertions=int(match["insertions"] or 0), deletions=int(match["deletions"] or 0)
        )
    return None


def base_commit(text: str) -> str | None:
    """Return the commit that a ``base-commit:`` trailer of git-format-patch(1) names, None when there is none."""
    match = _BASE.search(text)
    return match.group(1) if match else None


def _before_stat(lines: Sequence[str]) -> list[str]:
    """Return the lines above the ``---`` that ends the commit message (all but the diffstat where that is missing)."""
    for at, line in enumerate(lines):
        if line.rstrip() == "---":
            return list(lines[:at])
    return [line for line in lines if not _STAT_FILE.match(line) and not _STAT_SUM.match(line)]


def _body_headers(lines: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Split the ``From:``, ``Date:`` and ``Subject:`` lines that a body may begin with from the rest (git-am(1))."""
    rest = list(lines)
    while rest and not rest[0].strip():
        rest.pop(0)
    headers: dict[str, str] = {}
    while rest and (match := _BODY_HEADER.match(rest[0])) and match.group(1) not in headers:
        headers[match.group(1)] = match.group(2).strip()
        rest.pop(0)
    return headers, rest
