"""Which trials a run should add: more seeds, only where something is undecided and more seeds can decide it. Pure.

A run looks at its figures after :data:`STEPS` seeds; ``compare.LOOKS`` shares the levels among these looks. First come
metrics that may have worsened, then changes that stand out without being proven (those of a single seed among them), then
metrics of which nothing can be said yet: those with a direction, and what a single seed moved that wanders anyway. A metric that wanders too much for :data:`MOST` seeds to decide is left unclear: it is reported as
such, with its interval.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from orchestrator.judge.compare import LOOKS, STANDS_OUT
from orchestrator.judge.pairs import Cell
from orchestrator.model.scenario import Direction
from orchestrator.model.verdict import Change, MetricChange

STEPS = (3, 6, 12)
"""How many seeds a cell has at each look."""

MOST = STEPS[-1]

assert len(STEPS) == LOOKS  # noqa: S101 - the levels are shared among the looks that there are


@dataclass(frozen=True, slots=True, kw_only=True)
class MoreSeeds:
    """A scenario and a topology that need more seeds: which, for the sake of which metrics, the most pressing first.

    ``seconds`` is what their trials are going to take one after another, as far as anybody knows.
    """

    scenario: str
    topology: str
    seeds: tuple[int, ...]
    metrics: tuple[str, ...]
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NextLook:
    """What to run before the next look, and what was wanted and is not run for want of time. Both may be empty."""

    wanted: tuple[MoreSeeds, ...]
    left_out: tuple[MoreSeeds, ...] = ()

    def lines_on_left_out(self) -> tuple[str, ...]:
        """Return a line on each that is not run, for what was not covered."""
        return tuple(
            f"{each.scenario} on {each.topology}: {len(each.seeds)} more seeds were wanted for "
            f"{', '.join(each.metrics)} and not run: no time left"
            for each in self.left_out
        )


def next_look(
    changes: Sequence[MetricChange],
    *,
    most: int = MOST,
    seconds_a_pair: Mapping[Cell, float] | None = None,
    budget_s: float = math.inf,
) -> NextLook:
    """Return the seeds to add after a comparison that gave ``changes``.

    ``most`` is how many seeds a cell may have at all; ``seconds_a_pair`` what a pair of trials took (base's is often
    in the cache; a cell that is not there counts as nothing) and ``budget_s`` how many seconds are left, of as many
    trials beside each other as there are: it is the caller's to divide.
    """
    costs = seconds_a_pair or {}
    ranked = [(rank, change) for change in changes if (rank := _rank(change, most)) is not None]
    cells: dict[Cell, list[MetricChange]] = {}
    for _, change in sorted(ranked, key=lambda entry: entry[0]):
        cells.setdefault((change.scenario, change.topology), []).append(change)
    wanted, left_out, left_s = [], [], budget_s
    for cell, undecided in cells.items():
        seeds = _seeds_to_add([seed for change in undecided for seed in change.seeds], most)
        each = MoreSeeds(
            scenario=cell[0],
            topology=cell[1],
            seeds=seeds,
            metrics=tuple(dict.fromkeys(change.metric for change in undecided)),
            seconds=len(seeds) * costs.get(cell, 0.0),
        )
        if each.seconds <= left_s:
            left_s -= each.seconds
            wanted.append(each)
        else:
            left_out.append(each)
    return NextLook(wanted=tuple(wanted), left_out=tuple(left_out))


def _rank(change: MetricChange, most: int) -> tuple[int, float] | None:
    """Return how pressing it is to decide a metric (0 first), then its probability; None where nothing is to be had."""
    if len(change.seeds) >= most:
        return None
    if change.change is Change.CHANGED and len(change.seeds) == 1:
        return 1, 0.0
    if change.change is not Change.UNCLEAR:
        return None
    p = change.p if change.p is not None else 1.0
    if change.suspect:
        return 0, p
    if p < STANDS_OUT:
        return 1, p
    if len(change.seeds) == 1 or (change.direction != Direction.NONE and _can_be_decided(change, most)):
        return 2, p
    return None


def _can_be_decided(change: MetricChange, most: int) -> bool:
    """Whether the interval, as narrow as ``most`` seeds would make it, leaves the smallest effect on one side."""
    if change.effect is None or change.low is None or change.high is None:
        return False
    half = (change.high - change.low) / 2 * math.sqrt(len(change.seeds) / most)
    return abs(change.effect) + half < change.smallest or abs(change.effect) - half > change.smallest


def _seeds_to_add(seeds: Iterable[int], most: int) -> tuple[int, ...]:
    """Return the seeds that bring a cell to the next step: those after the last that there is."""
    there = set(seeds)
    target = min(most, next((step for step in STEPS if step > len(there)), most))
    return tuple(range(max(there) + 1, max(there) + 1 + target - len(there)))
