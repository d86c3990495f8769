"""Why a hunk could not be placed, in words and lines for a person: the nearest place, or the candidates. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher

from orchestrator.errors import Evidence, InputError
from orchestrator.model.diff import FileDiff, Hunk
from orchestrator.tree.place import Misplaced
from orchestrator.tree.readings import fold

MOST_CANDIDATES = 6
MOST_LINES = 24


class DoesNotApply(InputError):
    """A patch and a tree do not go together: on another base it may. What no base can change is a plain InputError."""


class Present(DoesNotApply):
    """The tree has a hunk's change already."""


def explain_misfit(why: Misplaced, lines: Sequence[str], *, diff: FileDiff, lossy: bool) -> DoesNotApply:
    """Return the error for a hunk of ``diff`` without one place in the file ``lines``."""
    what = f"{diff.path}: hunk {why.hunk.number}"
    if why.candidates:
        return _ambiguous(what, why, lines)
    if why.already is not None:
        return Present(
            f"{what} ({why.hunk.header}): the base has this change already, at line {why.already}",
            hint="leave the patch out, or choose another base",
        )
    wanted = _old_lines(why.hunk, lossy=lossy)
    if not lines:
        return DoesNotApply(f"{what} does not fit: the base's file is empty")
    at, score = nearest(wanted, lines, why.hunk.old_start)
    shown = [
        f"{diff.path}, line {at + 1}:",
        "<<<<<<< the base",
        *_shown(lines[at : at + len(wanted)]),
        "||||||| what the patch wants there",
        *_shown(wanted),
        "======= and makes of it",
        *_shown(_new_lines(why.hunk, lossy=lossy)),
        f">>>>>>> hunk {why.hunk.number}",
    ]
    return DoesNotApply(
        f"{what} ({why.hunk.header}) fits nowhere in the base; "
        f"nearest is line {at + 1}, where {score} of its {len(wanted)} old lines are",
        hint="choose the base that the patch was made for with --base, or --linux with another tree",
        evidence=Evidence(last_lines=tuple(shown)),
    )


def nearest(wanted: Sequence[str], lines: Sequence[str], expected: int) -> tuple[int, int]:
    """Return where (from 0) most of ``wanted`` stands in ``lines``, and how many; near ``expected`` among equals."""
    keys = [fold(line) for line in lines]
    keyed = [fold(line) for line in wanted]
    there = {key: [at for at, other in enumerate(keys) if other == key] for key in set(keyed) if key}
    starts = {max(0, at - nr) for nr, key in enumerate(keyed) for at in there.get(key, ())} or {
        min(max(expected - 1, 0), max(len(lines) - 1, 0))
    }
    # Aligning is dear: it is done where most lines are at their place already.
    rough = sorted(starts, key=lambda at: (-_straight(keyed, keys, at), abs(at + 1 - expected)))[:40]
    scored = [(_aligned(keyed, keys, at), -abs(at + 1 - expected), at) for at in rough]
    score, _, at = max(scored)
    return at, score


def _straight(wanted: Sequence[str], keys: Sequence[str], at: int) -> int:
    return sum(bool(key) and key == other for key, other in zip(wanted, keys[at:], strict=False))


def _aligned(wanted: Sequence[str], keys: Sequence[str], at: int) -> int:
    there = keys[at : at + len(wanted) + 3]
    return sum(block.size for block in SequenceMatcher(None, wanted, there, autojunk=False).get_matching_blocks())


def _old_lines(hunk: Hunk, *, lossy: bool) -> list[str]:
    """Return the lines that the hunk wants the file to have, by their marks."""
    found = []
    for line in _own_lines(hunk):
        if line.startswith(("+", "\\")):
            continue
        found.append(line[1:] if line.startswith("-") or not lossy else line)
    return found


def _new_lines(hunk: Hunk, *, lossy: bool) -> list[str]:
    """Return the lines that the hunk would make, by their marks."""
    return [
        line[1:] if line.startswith("+") or not lossy else line
        for line in _own_lines(hunk)
        if not line.startswith(("-", "\\"))
    ]


def _own_lines(hunk: Hunk) -> Sequence[str]:
    """Return the lines of a hunk without those that a lossy one carries along."""
    ends = (length for length in range(len(hunk.lines), 0, -1) if hunk.flips(length) is not None)
    return hunk.lines[: next(ends, len(hunk.lines))]


def _shown(lines: Sequence[str]) -> list[str]:
    return [*lines[:MOST_LINES], *(["[...]"] if len(lines) > MOST_LINES else [])]


def _ambiguous(what: str, why: Misplaced, lines: Sequence[str]) -> DoesNotApply:
    """Return the error for several places that fit equally well."""
    shown: list[str] = []
    for place in why.candidates[:MOST_CANDIDATES]:
        shown.append(f"line {max(place.line, 1)}:")
        shown += [f"  {line}" for line in lines[max(place.start, 0) : place.end][:5]]
    places = ", ".join(str(max(place.line, 1)) for place in why.candidates[:MOST_CANDIDATES])
    more = " and more" if len(why.candidates) > MOST_CANDIDATES else ""
    return DoesNotApply(
        f"{what} ({why.hunk.header}) fits equally well at {len(why.candidates)} places: lines {places}{more}",
        hint="get the patch with more context (git format-patch -U8), or choose the base it was made for with --base",
        evidence=Evidence(last_lines=tuple(shown)),
    )
