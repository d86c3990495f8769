"""A patch mail's text taken apart: commit message, stated diffstat, diff. Pure; knows neither mails nor pages."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.model.diff import read_diff, render_diff, starts_diff
from orchestrator.model.series import Blob, Diffstat
from orchestrator.model.specials import special_changes

_STAT_CHANGES = re.compile(r"(?:[0-9]{1,9}(?:\s+[+-]+)?|Bin\b.*)\s*")
_STAT_SUM = re.compile(
    r"^\s*[0-9]{1,9} files? changed(?:, (?P<insertions>[0-9]{1,9}) insertions?\(\+\))?"
    r"(?:, (?P<deletions>[0-9]{1,9}) deletions?\(-\))?\s*$"
)
_BODY_HEADER = re.compile(r"^(From|Date|Subject):\s*(.*)$")
_MAY_START = re.compile(r"^(?:diff --git |--- )", re.MULTILINE)
# git-mailinfo(1) --scissors: a line of dashes and at least one pair of scissors.
_SCISSORS = re.compile(r"^[\s-]*(?:>8|8<|>%|%<)(?:[\s-]|>8|8<|>%|%<|cut here)*$", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """The parts of a patch's text. ``author``, ``date`` and ``subject`` are set where the body begins by stating them.

    ``blobs`` and ``specials`` are as in :class:`orchestrator.model.series.Patch`; ``cut`` says that text above a line
    of scissors was left out.
    """

    message: str
    diff: str
    lossy: bool
    stated: Diffstat | None
    author: str | None = None
    date: str | None = None
    subject: str | None = None
    blobs: tuple[Blob, ...] = ()
    specials: tuple[str, ...] = ()
    cut: bool = False


def has_diff(text: str) -> bool:
    """Whether the diff of some file begins in ``text``."""
    return diff_start(text) is not None


def diff_start(text: str) -> int | None:
    """Return where in ``text`` the first diff begins, None where there is none."""
    for match in _MAY_START.finditer(text):
        end = match.start()
        for _ in range(3):
            end = text.find("\n", end) + 1
            if not end:
                end = len(text)
                break
        if starts_diff(text[match.start() : end].split("\n"), 0):
            return match.start()
    return None


def read_body(text: str, *, lossy: bool = False) -> Body:
    """Return the parts of a patch's text, which holds a diff.

    Raises :class:`InputError` of :func:`read_diff`: truncated, not fitting its counts, unsafe or binary.
    """
    start = diff_start(text)
    assert start is not None  # noqa: S101 - the caller looked
    files = read_diff(text[start:], lossy=lossy)
    specials = special_changes(files, lossy=lossy)
    whole = text[:start].split("\n")
    above = _below_scissors(whole)
    headers, message = _body_headers(_before_stat(above))
    return Body(
        message="\n".join(message).strip("\n"),
        diff=render_diff(files),
        lossy=lossy,
        stated=read_diffstat(above),
        author=headers.get("From"),
        date=headers.get("Date"),
        subject=headers.get("Subject"),
        blobs=tuple(
            Blob(path=file.old_path, blob=file.old_blob)
            for file in files
            if file.old_path is not None and file.old_blob is not None and file.old_blob.strip("0")
        ),
        specials=specials,
        cut=len(above) != len(whole),
    )


def read_diffstat(lines: Sequence[str]) -> Diffstat | None:
    """Return the diffstat that stands in ``lines``, None when there is none. Leading blanks may be lost."""
    for at, line in enumerate(lines):
        match = _STAT_SUM.match(line)
        if match is None:
            continue
        files: list[str] = []
        for above in reversed(lines[:at]):
            file = _stat_file(above)
            if file is None:
                break
            files.append(file)
        return Diffstat(
            files=tuple(reversed(files)),
            insertions=int(match["insertions"] or 0),
            deletions=int(match["deletions"] or 0),
        )
    return None


def _stat_file(line: str) -> str | None:
    """Return the file that a line of a diffstat is about, None when it is no such line."""
    name, bar, changes = line.rpartition("|")
    if not bar or not name.strip() or name[-1:].strip() or not _STAT_CHANGES.fullmatch(changes.lstrip()):
        return None
    return name.strip()


def _below_scissors(lines: Sequence[str]) -> list[str]:
    """Return the lines below the last line of scissors; all when there is none."""
    marks = [at for at, line in enumerate(lines) if _SCISSORS.match(line)]
    return list(lines[marks[-1] + 1 :] if marks else lines)


def _before_stat(lines: Sequence[str]) -> list[str]:
    """Return the lines above the ``---`` that ends the commit message (all but the diffstat where that is missing)."""
    for at, line in enumerate(lines):
        if line.rstrip() == "---":
            return list(lines[:at])
    return [line for line in lines if _stat_file(line) is None and not _STAT_SUM.match(line)]


def _body_headers(lines: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Split the ``From:``, ``Date:`` and ``Subject:`` lines that a body may begin with from the rest (git-am(1))."""
    first = next((at for at, line in enumerate(lines) if line.strip()), len(lines))
    headers: dict[str, str] = {}
    while first < len(lines) and (match := _BODY_HEADER.match(lines[first])) and match.group(1) not in headers:
        headers[match.group(1)] = match.group(2).strip()
        first += 1
        while headers and first < len(lines) and lines[first][:1] in {" ", "\t"} and lines[first].strip():
            # A long subject is folded here as in the mail's own headers.
            headers[match.group(1)] += f" {lines[first].strip()}"
            first += 1
    return headers, list(lines[first:])
