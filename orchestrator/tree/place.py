"""Where hunks belong in a file: every old line matched with white space folded, one best place, in order. Pure.

A hunk is three parts: context above its first change, the core from its first to its last change, context below. The
core's old lines have to stand in the file one after another. Context lines may be missing from the file (they come
from a patch that it does not have): that is fuzz, at most :data:`MOST_FUZZ` lines, and the place must then be better
than every other by :data:`MARGIN` lines.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from orchestrator.model.diff import Hunk
from orchestrator.tree.readings import Kind, Reading, fold, strict_reading

MOST_FUZZ = 2
MARGIN = 2
LEAST_TELLING = 2
"""So many lines that say something (not blank, not only punctuation) have to be found where there is fuzz."""


@dataclass(frozen=True, slots=True)
class Core:
    """The lines of a reading from ``start`` up to but not including ``stop``: from its first to its last change."""

    start: int
    stop: int

    def of(self, reading: Reading) -> Reading:
        """Return these lines of ``reading``."""
        return reading[self.start : self.stop]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A place for a hunk under one reading: its core begins at ``core_at`` (from 0) of the file.

    ``start`` and ``end`` bound the lines that were matched; ``missed`` are context lines that the file lacks there,
    ``missed_at`` their numbers in the reading.
    """

    hunk: Hunk
    reading: Reading
    core: Core
    core_at: int
    start: int
    end: int
    missed: tuple[str, ...]
    found: int
    missed_at: tuple[int, ...] = ()

    @property
    def line(self) -> int:
        """The line (from 1) at which the hunk as a whole begins."""
        return self.core_at - self.core.start + 1

    @property
    def offset(self) -> int:
        """How far that is from where the header says."""
        return self.line - max(self.hunk.old_start, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Misplaced:
    """Why a hunk has no place: ``candidates`` are equally good ones; without any, it fits nowhere.

    ``already`` is the line (from 1) where the file has what the hunk would make, None where it has not.
    """

    hunk: Hunk
    candidates: tuple[Place, ...]
    already: int | None = None


class Text:
    """A file's lines and where each is; two lines are the same when their ``key`` is (white space folded)."""

    def __init__(self, lines: Sequence[str], *, key: Callable[[str], str] = fold) -> None:
        self.key = key
        self.keys = [key(line) for line in lines]
        self.known = frozenset(self.keys)
        self.where: dict[str, list[int]] = defaultdict(list)
        for at, folded in enumerate(self.keys):
            self.where[folded].append(at)


def place_hunks(text: Text, hunks: Sequence[tuple[Hunk, Sequence[Reading]]], *, exact: bool = False) -> list[Place]:
    """Return the one place of every hunk, in order. Raises :class:`Misfits` naming the first hunk without one.

    ``exact`` says that the file is the very one that the patch was made from: then the headers' lines are right.
    """
    pools = []
    for hunk, readings in hunks:
        pool = [place for reading in readings for place in find_places(text, hunk, reading)]
        if exact:
            pool = [place for place in pool if place.offset == 0] or pool
        if all(place.missed for place in pool):
            # What is there already would, with some fuzz, fit a second time.
            already = next((line for reading in readings if (line := _already(text, reading)) is not None), None)
            if already is not None or not pool:
                raise Misfits(Misplaced(hunk=hunk, candidates=(), already=already))
        pools.append(_best(_distinct(pool)))
    ordered = _in_order(pools)
    for (hunk, _), pool, left in zip(hunks, pools, ordered, strict=True):
        if len(left) != 1:
            raise Misfits(Misplaced(hunk=hunk, candidates=tuple(left or pool)))
    return [left[0] for left in ordered]


class Misfits(Exception):
    """A hunk could not be placed; ``why`` says which and what was tried. Turned into the user's error by the caller."""

    def __init__(self, why: Misplaced) -> None:
        super().__init__(why.hunk.header)
        self.why = why


def find_places(text: Text, hunk: Hunk, reading: Reading) -> list[Place]:
    """Return all places of a hunk under one reading: those without a missed line, or else those with fuzz."""
    changed = [at for at, line in enumerate(reading) if line.kind is not Kind.CONTEXT]
    if not changed:
        return []
    core = Core(changed[0], changed[-1] + 1)
    above, inside, below = parts = _parts(text, reading, core)
    whole = [
        Place(
            hunk=hunk,
            reading=reading,
            core=core,
            core_at=at + len(above),
            start=at,
            end=at + len(above) + len(inside) + len(below),
            missed=(),
            found=_telling([*above, *inside, *below]),
        )
        for at in occurrences(text, [*above, *inside, *below])
        if _may_end(text, at + len(above) + len(inside), below) and _may_begin(hunk, at, above)
    ]
    if whole:
        return whole
    cores = occurrences(text, inside) if inside else _insertions(text, above, below)
    places = [_fuzzy(text, hunk, reading, core=core, at=at, parts=parts) for at in cores]
    return [place for place in places if place is not None]


_Parts = tuple[list[str], list[str], list[str]]
"""A reading's old lines above, in and below its core, folded."""


def _parts(text: Text, reading: Reading, core: Core) -> _Parts:
    return (
        [text.key(line.text) for line in reading[: core.start]],
        [text.key(line.text) for line in core.of(reading) if line.is_old],
        [text.key(line.text) for line in reading[core.stop :]],
    )


def occurrences(text: Text, wanted: Sequence[str]) -> list[int]:
    """Return where the folded lines ``wanted`` stand one after another, looking from the rarest of them."""
    if not wanted:
        return []
    rarest = min(range(len(wanted)), key=lambda at: len(text.where.get(wanted[at], ())))
    starts = [at - rarest for at in text.where.get(wanted[rarest], ())]
    return [at for at in starts if at >= 0 and text.keys[at : at + len(wanted)] == list(wanted)]


def _insertions(text: Text, above: Sequence[str], below: Sequence[str]) -> list[int]:
    """Return where lines may be put in between ``above`` and ``below``: beside the line next to the change."""
    after = {at + 1 for at in text.where.get(above[-1], ())} if above else set()
    before = set(text.where.get(below[0], ())) if below else set()
    return sorted(after | before)


def _fuzzy(text: Text, hunk: Hunk, reading: Reading, *, core: Core, at: int, parts: _Parts) -> Place | None:
    """Return the place with the core at ``at`` if enough of the context is found around it, else None."""
    above, inside, below = parts
    end = at + len(inside)
    if not _may_end(text, end, below) or not _may_begin(hunk, at, above):
        return None
    first = max(0, at - len(above) - MOST_FUZZ)
    upper = _aligned(above, text.keys[first:at])
    lower = _aligned(below, text.keys[end : end + len(below) + MOST_FUZZ])
    missed = [nr for nr in range(core.start) if nr not in upper]
    missed_below = [core.stop + nr for nr in range(len(below)) if nr not in lower]
    kept = [key for nr, key in enumerate(above) if nr in upper] + [key for nr, key in enumerate(below) if nr in lower]
    if not inside and not _anchored(
        (above, _touches(upper, len(above) - 1, at - first - 1), missed),
        (below[::-1], _touches(lower, 0, 0), missed_below),
    ):
        return None
    foreign = at - first - min(upper.values(), default=at - first) - len(upper)
    foreign_below = max(lower.values(), default=-1) + 1 - len(lower)
    # A line of the file's own may stand where one is missed; more of them, and the context is not what it was.
    if foreign > len(missed) or foreign_below > len(missed_below):
        return None
    if any(reading[nr].mended for nr in [*missed, *missed_below]):
        # What is context only because the file has such a line has to be in the file here.
        return None
    if len(missed) + len(missed_below) > MOST_FUZZ or _telling([*kept, *inside]) < LEAST_TELLING:
        return None
    return Place(
        hunk=hunk,
        reading=reading,
        core=core,
        core_at=at,
        start=first + min(upper.values(), default=at - first),
        end=end + max(lower.values(), default=-1) + 1,
        missed=tuple(reading[nr].text for nr in [*missed, *missed_below]),
        missed_at=(*missed, *missed_below),
        found=_telling([*kept, *inside]),
    )


def _aligned(wanted: Sequence[str], there: Sequence[str]) -> dict[int, int]:
    """Return which of ``wanted`` stand in ``there`` in the same order, as numbers in the two."""
    blocks = SequenceMatcher(None, wanted, there, autojunk=False).get_matching_blocks()
    return {block.a + nr: block.b + nr for block in blocks for nr in range(block.size)}


def _already(text: Text, reading: Reading) -> int | None:
    """Return the line (from 1) where the lines that a hunk would make stand already, None when nowhere."""
    new = [text.key(line.text) for line in reading if line.kind is not Kind.REMOVED]
    if not any(line.kind is Kind.ADDED for line in reading):
        return None
    return next((at + 1 for at in occurrences(text, new)), None)


_Side = tuple[Sequence[str], bool, Sequence[object]]
"""Context on one side of an insertion, the line next to it last; whether that one was found there; what was missed."""


def _anchored(*sides: _Side) -> bool:
    """Whether an insertion's place is certain: between two lines, or beside a telling one with all of its side there."""
    if all(touched for _, touched, _ in sides):
        return True
    return any(touched and not missed and _telling(keys[-1:]) for keys, touched, missed in sides)


def _may_end(text: Text, end: int, below: Sequence[str]) -> bool:
    """Whether the core may end at ``end``: as git apply has it, a hunk without context below ends the file."""
    return bool(below) or end == len(text.keys)


def _may_begin(hunk: Hunk, at: int, above: Sequence[str]) -> bool:
    """Whether the core may begin at ``at``: a hunk without context above, from line 1, begins the file."""
    return bool(above) or at == 0 or hunk.old_start > 1


def _touches(aligned: dict[int, int], wanted: int, there: int) -> bool:
    """Whether the context line next to an insertion was found right there."""
    return aligned.get(wanted) == there


def _telling(keys: Sequence[str]) -> int:
    """Return how many of the folded lines say something: a brace or a blank line is everywhere."""
    return sum(any(char.isalnum() for char in key) for key in keys)


def _distinct(pool: Sequence[Place]) -> list[Place]:
    """Return the places of ``pool`` that lead to different files; of readings that mean the same, the best fitting one."""
    unique: dict[tuple[object, ...], Place] = {}
    for place in sorted(pool, key=lambda place: len(place.missed)):
        lines = place.core.of(place.reading)
        change = tuple((line.kind, fold(line.text)) for line in lines)
        unique.setdefault((place.core_at, change), place)
    return list(unique.values())


def _best(pool: Sequence[Place]) -> list[Place]:
    """Return the places that cannot be told from the best one: all without fuzz, or all within the margin of it."""
    whole = [place for place in pool if not place.missed]
    if whole:
        return whole
    best = max(place.found - len(place.missed) for place in pool)
    return [place for place in pool if place.found - len(place.missed) > best - MARGIN]


def _in_order(pools: Sequence[Sequence[Place]]) -> list[list[Place]]:
    """Return of every pool the places that leave room for some place of each hunk before and after."""
    kept: list[list[Place]] = []
    floor = 0
    for pool in pools:
        fitting = [place for place in pool if place.start >= floor]
        kept.append(fitting)
        floor = min((place.end for place in fitting), default=floor)
    ceiling: int | None = None
    for nr in range(len(kept) - 1, -1, -1):
        top = ceiling
        kept[nr] = [place for place in kept[nr] if top is None or place.end <= top]
        ceiling = max((place.start for place in kept[nr]), default=top)
    return kept


def ambiguous_hunk(lines: Sequence[str], hunks: Sequence[Hunk]) -> Misplaced | None:
    """Return the first hunk that git can only have placed by guess: it fits several places of the file as it stands.

    Git takes the place nearest to the header's line. That is no guess where a place is exactly there, or is as far
    from there as the place of a neighbouring hunk that has only one.
    """
    text = Text(lines, key=str)
    found = [find_places(text, hunk, strict_reading(hunk)) for hunk in hunks]
    whole = [[place for place in places if not place.missed] for places in found]
    for nr, places in enumerate(whole):
        near = [only[0].offset for only in whole[max(0, nr - 1) : nr + 2] if len(only) == 1]
        trusted = {0, *near}
        if len(places) > 1 and not any(place.offset in trusted for place in places):
            return Misplaced(hunk=hunks[nr], candidates=tuple(places))
    return None
