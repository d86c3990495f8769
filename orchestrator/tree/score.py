"""How much of a recovered hunk is as the mail has it: a number from 0 to 1, the mean over its lines. Pure.

A line that the mail and the file have alike counts 1, one with other white space :data:`FOLDED`, an added line whose
indentation had to be found out :data:`INDENTED`, one that had to be mended (joined, completed, or told from a mark by the
counts alone) :data:`MENDED`, and a context line that the file lacks nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from orchestrator.model.tree import HunkPlacement
from orchestrator.tree.place import Place
from orchestrator.tree.readings import Kind

FOLDED = 0.95
INDENTED = 0.9
MENDED = 0.75

LEAST_HUNK = 0.6
LEAST_PATCH = 0.7
"""Below these nothing is believed: the best try is shown instead."""


def score_hunk(place: Place, lines: Sequence[str], *, lossy: bool) -> float:
    """Return the score of a hunk at its place in the file ``lines``."""
    there = Counter(lines[place.start : place.end])
    missed = set(place.missed_at)
    total = 0.0
    for at, line in enumerate(place.reading):
        if at in missed:
            continue
        if line.mended:
            total += MENDED
        elif line.kind is Kind.ADDED:
            total += INDENTED if lossy and line.text.strip() else 1.0
        elif there[line.text] > 0:
            there[line.text] -= 1
            total += 1.0
        else:
            total += FOLDED
    return round(total / max(len(place.reading), 1), 3)


def score_patch(hunks: Sequence[HunkPlacement], sizes: Sequence[int]) -> float:
    """Return the mean over all hunks, each with the weight of its number of lines; 1 where there is none."""
    weight = sum(sizes)
    return round(sum(hunk.score * size for hunk, size in zip(hunks, sizes, strict=True)) / weight, 3) if weight else 1.0
