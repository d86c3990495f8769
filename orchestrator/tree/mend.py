"""Lossy hunks mended: lines that a page wrapped are joined, cut ones completed, and words between the lines left out. Pure.

Nothing is believed here without the base file. Two lines are one where the file has them as one; only when that shows
how the page wraps, an added line gets the piece behind it. A cut line is completed where one line of the file, and no
other, begins like it; an added line as long as that is lost, and the hunk with it. Lines without a mark that the file
does not have are a reply where the counts come out without them.
"""

from __future__ import annotations

import bisect
import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from orchestrator.errors import InputError
from orchestrator.model.diff import NO_NEWLINE, Hunk
from orchestrator.tree.readings import Kind, Reading, fold

NARROWEST = 60
"""No page wraps or cuts lines that are shorter."""

TELLING_CHARS = 20
"""So much of a cut line has to be left for one to know it again."""

MOST_PIECES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Mended:
    """A hunk whose lines are as they were before the page; ``at`` are the numbers of those that were mended.

    ``ends`` are the numbers of the page's lines (from 1, within the hunk) with which its lines end.
    """

    hunk: Hunk
    at: frozenset[int]
    ends: tuple[int, ...]


class Known:
    """The folded lines of the base file, by what they are and by how they begin."""

    def __init__(self, lines: Sequence[str]) -> None:
        self.lines = {fold(line): line for line in lines}
        self.whole = frozenset(self.lines)

    @functools.cached_property
    def _ordered(self) -> list[str]:
        return sorted(self.lines)

    def has(self, line: str) -> bool:
        """Whether the file has the line, with or without its first character as a mark."""
        return fold(line) in self.whole or (line[:1] in {"-", " "} and fold(line[1:]) in self.whole)

    def begun(self, start: str) -> str | None:
        """Return the one line of the file that begins like ``start`` and goes on, None where none or several do."""
        key = fold(start)
        at = bisect.bisect_right(self._ordered, key)
        found = self._ordered[at : at + 2]
        found = [line for line in found if line.startswith(key)]
        return self.lines[found[0]] if len(found) == 1 and len(key) >= TELLING_CHARS else None


def mended_versions(hunk: Hunk, known: Known) -> Iterator[Mended]:
    """Yield what a lossy hunk may have been before its page wrapped or cut it, or a reply was put into it.

    Raises :class:`InputError` where the page cut an added line: what is lost is nowhere else.
    """
    if all(line.startswith(("+", NO_NEWLINE)) or known.has(line) for line in hunk.lines):
        return
    for version in (_uncut(hunk, known), _unwrapped(hunk, known)):
        if version is not None:
            yield from _fitting(iter([version]))
            yield from _fitting(_without_words(version, known))
    yield from _fitting(_without_words(Mended(hunk=hunk, at=frozenset(), ends=_as_they_are(hunk)), known))


def _as_they_are(hunk: Hunk) -> tuple[int, ...]:
    return tuple(range(1, len(hunk.lines) + 1))


def may_go_on(line: str, behind: str) -> bool:
    """Whether ``behind`` may be the rest of ``line``, mark included, which a page wrapped."""
    words = behind.split()
    return bool(words) and len(line) + 1 + len(words[0]) > NARROWEST


def hides_a_piece(reading: Reading, missed: Sequence[int]) -> int | None:
    """Return the number of an added line of ``reading`` that may have been wrapped, None where none may.

    That is one with a context line behind it that the file does not have (``missed``): maybe not context at all.
    """
    for at in missed:
        before = reading[at - 1] if at else None
        if before is not None and before.kind is Kind.ADDED and may_go_on(f"+{before.text}", reading[at].text):
            return at - 1
    return None


def _fitting(versions: Iterator[Mended]) -> Iterator[Mended]:
    """Yield the versions with as many of their lines, from the first on, as make the header's counts."""
    for version in versions:
        lines = version.hunk.lines
        for length in range(len(lines), 0, -1):
            short = replace(version.hunk, lines=lines[:length])
            if short.flips(length) is not None:
                at = frozenset(nr for nr in version.at if nr < length)
                yield Mended(hunk=short, at=at, ends=version.ends[:length])
                break


def _uncut(hunk: Hunk, known: Known) -> Mended | None:
    """Complete the lines that the page cut: the longest ones, all of one length."""
    width = max(len(line) for line in hunk.lines)
    if width < NARROWEST:
        return None
    lines, at = list(hunk.lines), set()
    for number, line in enumerate(hunk.lines):
        if len(line) == width and not line.startswith("+") and not known.has(line):
            mark = line[:1] if line.startswith("-") else ""
            found = known.begun(line.removeprefix(mark))
            if found is not None:
                lines[number] = f"{mark}{found.strip()}" if mark else found.strip()
                at.add(number)
    if not at:
        return None
    lost = next((line for line in hunk.lines if line.startswith("+") and len(line) == width), None)
    if lost is not None:
        raise InputError(
            f"hunk {hunk.number} ({hunk.header}): the page cuts lines after {width} characters, and with them the added "
            f"line {lost!r}",
            hint="get the patch again, as raw mail; what is cut off stands nowhere else",
        )
    return Mended(hunk=replace(hunk, lines=tuple(lines)), at=frozenset(at), ends=_as_they_are(hunk))


def _unwrapped(hunk: Hunk, known: Known) -> Mended | None:
    """Join the lines that the page wrapped at blanks; None where the file does not show that it did."""
    lines = hunk.lines
    proven = {at: size for at in range(len(lines)) if (size := _pieces(lines, at, known))}
    if not proven:
        return None
    # Between these bounds lies the width: what stayed on a line fits it, with the next word it would not have.
    firsts = [at + nr for at, size in proven.items() for nr in range(size - 1)]
    widest = max(len(line) for line in lines)
    narrow = min(len(lines[at]) + 1 + len(lines[at + 1].split()[0]) for at in firsts)
    if widest >= narrow or narrow <= NARROWEST:
        return None
    joined: list[str] = []
    ends: list[int] = []
    at, mended = 0, set()
    while at < len(lines):
        size = proven.get(at, 1)
        if size == 1 and lines[at].startswith("+"):
            while at + size < len(lines) and _goes_on(lines, at + size, known, widest=widest):
                size += 1
        if size > 1:
            mended.add(len(joined))
        joined.append(" ".join([lines[at], *(line.strip() for line in lines[at + 1 : at + size])]))
        at += size
        ends.append(at)
    return Mended(hunk=replace(hunk, lines=tuple(joined)), at=frozenset(mended), ends=tuple(ends))


def _pieces(lines: Sequence[str], at: int, known: Known) -> int:
    """Return how many lines from ``at`` on are one old line of the file together, 0 where it is no wrapped one."""
    if lines[at].startswith("+") or known.has(lines[at]) or not lines[at].strip():
        return 0
    for size in range(2, MOST_PIECES + 1):
        pieces = lines[at : at + size]
        if len(pieces) == size and all(piece.strip() for piece in pieces) and known.has(" ".join(pieces)):
            return size
    return 0


def _goes_on(lines: Sequence[str], at: int, known: Known, *, widest: int) -> bool:
    """Whether ``lines[at]`` is the rest of the added line before it: no mark, not the file's, and no room for it there."""
    line = lines[at]
    if not line.strip() or line.startswith(("+", "-", NO_NEWLINE)) or known.has(line):
        return False
    return len(lines[at - 1]) + 1 + len(line.split()[0]) > widest


def _without_words(version: Mended, known: Known) -> Iterator[Mended]:
    """Yield the hunk without the lines that somebody wrote between its own, with none or all blank lines around them."""
    lines = version.hunk.lines
    foreign = [
        at
        for at, line in enumerate(lines)
        if line.strip() and not line.startswith(("+", "-", NO_NEWLINE)) and not known.has(line) and at not in version.at
    ]
    if not foreign:
        return
    for at in foreign:
        is_rest = at > 0 and lines[at - 1].startswith("+") and may_go_on(lines[at - 1], lines[at])
        if is_rest or _pieces(lines, at, known) or known.begun(lines[at]):
            # These are no words of somebody's: the page broke them off.
            return
    around = _with_blanks(lines, foreign)
    for left_out in dict.fromkeys((frozenset(foreign), around)):
        kept = [at for at in range(len(lines)) if at not in left_out]
        yield Mended(
            hunk=replace(version.hunk, lines=tuple(lines[at] for at in kept)),
            at=frozenset(nr for nr, at in enumerate(kept) if at in version.at),
            ends=tuple(version.ends[at] for at in kept),
        )


def _with_blanks(lines: Sequence[str], foreign: Sequence[int]) -> frozenset[int]:
    """Return the foreign lines with the blank ones before, between and behind them."""
    found = set(foreign)
    for at in foreign:
        for step in (-1, 1):
            near = at + step
            while 0 <= near < len(lines) and not lines[near].strip():
                found.add(near)
                near += step
    return frozenset(found)
