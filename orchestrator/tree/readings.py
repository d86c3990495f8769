"""The readings of a hunk: what each of its lines is. Pure.

A strict hunk has one reading. In a lossy one a line that begins with ``+`` or ``-`` may be context whose indentation
was lost; the header's counts say how many such lines there are, and the base file rules out most choices: what is
context or removed has to be in it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum, auto

from orchestrator.errors import InputError
from orchestrator.model.diff import NO_NEWLINE, Hunk

MOST_READINGS = 5000


class Kind(Enum):
    """What a line of a hunk is."""

    CONTEXT = auto()
    ADDED = auto()
    REMOVED = auto()


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a hunk without its mark; ``ends_file`` where the patch says that no line feed follows it.

    ``mended`` says that it is not as the page has it: put together of two, or what a cut line is in the file.
    """

    kind: Kind
    text: str
    ends_file: bool = False
    mended: bool = False

    @property
    def is_old(self) -> bool:
        """Whether the base file has to have it."""
        return self.kind is not Kind.ADDED


Reading = tuple[Line, ...]


def fold(text: str) -> str:
    """Return ``text`` without any white space: what two lines are compared by where white space is not to be trusted.

    An archive may fold a tab to a blank or drop it, at a line's start or inside, so nothing of it counts.
    """
    return "".join(text.split())


def strict_reading(hunk: Hunk) -> Reading:
    """Return the one reading that takes every mark at its word."""
    return _read(hunk.lines, flipped=frozenset())


def possible_readings(
    hunk: Hunk, base: frozenset[str], *, mended: frozenset[int] = frozenset(), whole: bool = False
) -> tuple[Reading, ...]:
    """Return the readings of a lossy hunk that fit its counts and a file with the folded lines ``base``.

    Readings whose ambiguous lines the file does not have are left out as long as one is left; an empty result says
    that a removed line is nowhere in the file. ``mended`` are the numbers of lines that were (:mod:`.mend`); ``whole``
    says that every line belongs to the hunk. Raises :class:`InputError` when there are too many to try.
    """
    found: list[Reading] = []
    for length in range(len(hunk.lines), len(hunk.lines) - 1 if whole else 0, -1):
        flips = hunk.flips(length)
        if flips is not None:
            found += _readings_of(hunk, length, flips, base=base, mended=mended)
    return tuple(dict.fromkeys(found))


def _readings_of(
    hunk: Hunk, length: int, flips: tuple[int, int], *, base: frozenset[str], mended: frozenset[int]
) -> Iterator[Reading]:
    """Yield the readings of the first ``length`` lines with ``flips`` plus and minus lines taken as context."""
    lines = hunk.lines[:length]
    plus = [at for at, line in enumerate(lines) if line.startswith("+") and fold(line) in base]
    minus = [at for at, line in enumerate(lines) if line.startswith("-")]
    # A removed line has to be in the file; one that is not can only be context, and context has to be there, too.
    forced = {at for at in minus if fold(lines[at][1:]) not in base}
    free = [at for at in minus if at not in forced and fold(lines[at]) in base]
    if any(fold(lines[at]) not in base for at in forced) or len(forced) > flips[1]:
        return
    chosen = itertools.product(
        itertools.combinations(plus, flips[0]), itertools.combinations(free, flips[1] - len(forced))
    )
    for count, (from_plus, from_minus) in enumerate(chosen):
        if count == MOST_READINGS:
            raise InputError(
                f"hunk {hunk.number} can be read in more than {MOST_READINGS} ways; too much of it is lost"
            )
        yield _read(lines, flipped=frozenset({*from_plus, *from_minus, *forced}), mended=mended)


def _read(lines: tuple[str, ...], *, flipped: frozenset[int], mended: frozenset[int] = frozenset()) -> Reading:
    """Return the reading in which the lines numbered ``flipped`` are context in spite of their marks."""
    read: list[Line] = []
    for at, line in enumerate(lines):
        if line.startswith(NO_NEWLINE):
            if read:
                read[-1] = replace(read[-1], ends_file=True)
        elif at in flipped or line[:1] not in {"+", "-", " "}:
            # A flipped line was taken for what it is only by the counts.
            read.append(Line(Kind.CONTEXT, line, mended=at in mended or at in flipped))
        else:
            kind = {"+": Kind.ADDED, "-": Kind.REMOVED, " ": Kind.CONTEXT}[line[0]]
            read.append(Line(kind, line[1:], mended=at in mended))
    return tuple(read)
