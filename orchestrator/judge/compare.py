"""TRIALS → METRIC CHANGES: base against patched, metric by metric, seed by seed.

The rule for now, behind the function that the later judge keeps: a metric moved when it differs in every seed, in the
same sense, by more than base's own values differ between seeds. Absent is not zero: a counter that only one kernel has
is removed or added, never compared.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from orchestrator.model.kernel import KernelRole
from orchestrator.model.scenario import Direction, Metric, Scenario
from orchestrator.model.trial import Status, TrialResult
from orchestrator.model.verdict import Change, MetricChange

USABLE = frozenset({Status.PASS, Status.FAIL, Status.DONE})
"""Trials whose metrics count. An ERROR is ours: its numbers say nothing of the kernel."""

MEANINGFUL_SHARE = 0.1
"""A node's share of a per-node metric that moved by this much is shown before other changes. Orders, judges nothing."""

_ORDER = (
    Change.REGRESSED,
    Change.CHANGED,
    Change.REMOVED,
    Change.ADDED,
    Change.IMPROVED,
    Change.UNCLEAR,
    Change.SAME,
)

Cell = tuple[str, str]
"""A scenario's and a topology's name: what trials are compared within."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """The trials of base and patched that differ in nothing but the kernel."""

    seed: int
    base: TrialResult
    patched: TrialResult


def is_usable(trial: TrialResult) -> bool:
    """Whether a trial's metrics may be compared."""
    return trial.status in USABLE and bool(trial.metrics)


def pairs_by_cell(trials: Iterable[TrialResult]) -> dict[Cell, list[Pair]]:
    """Return the complete pairs of each cell, by seed. Of a trial that is there twice, the later record counts."""
    found: dict[tuple[Cell, int, bool], dict[KernelRole, TrialResult]] = {}
    for trial in trials:
        if is_usable(trial):
            spec = trial.spec
            found.setdefault(((spec.scenario, spec.topology), spec.seed, spec.sealed), {})[spec.kernel] = trial
    pairs: dict[Cell, list[Pair]] = {}
    for (cell, seed, _), kernels in sorted(found.items(), key=lambda entry: entry[0][1]):
        if len(kernels) == len(KernelRole):
            pair = Pair(seed=seed, base=kernels[KernelRole.BASE], patched=kernels[KernelRole.PATCHED])
            pairs.setdefault(cell, []).append(pair)
    return pairs


def compare(scenarios: Sequence[Scenario], trials: Iterable[TrialResult]) -> tuple[MetricChange, ...]:
    """Return what became of every metric of every scenario on every topology, what a person should see first first.

    A metric that neither kernel has is left out: there is nothing to say of it. A name that no scenario describes is
    listed only when one kernel has it and the other has not.
    """
    by_name = {scenario.name: scenario for scenario in scenarios}
    changes = [
        change
        for (scenario, topology), pairs in pairs_by_cell(trials).items()
        for name in _names(pairs)
        if (change := _compare_metric(by_name.get(scenario), topology, name, pairs=pairs)) is not None
    ]
    return _in_order(changes)


def _names(pairs: Sequence[Pair]) -> list[str]:
    """Return all metric names of some trials, in the order in which they first occur."""
    return list(dict.fromkeys(name for pair in pairs for trial in (pair.base, pair.patched) for name in trial.metrics))


def _compare_metric(
    scenario: Scenario | None, topology: str, name: str, *, pairs: Sequence[Pair]
) -> MetricChange | None:
    metric = scenario.metric_named(name) if scenario else None
    base = tuple(_value(pair.base.metrics, name) for pair in pairs)
    patched = tuple(_value(pair.patched.metrics, name) for pair in pairs)
    there = [value for value in base if value is not None]
    change = _classify(base, patched, direction=metric.direction if metric else Direction.NONE)
    if metric is None and change not in {Change.REMOVED, Change.ADDED}:
        return None
    if change is None:
        return None
    return MetricChange(
        scenario=pairs[0].base.spec.scenario,
        topology=topology,
        metric=name,
        unit=metric.unit if metric else "",
        direction=_direction_of(metric),
        seeds=tuple(pair.seed for pair in pairs),
        base=base,
        patched=patched,
        spread=_spread(there),
        change=change,
    )


def _direction_of(metric: Metric | None) -> str:
    return str(metric.direction if metric else Direction.NONE)


def _value(metrics: Mapping[str, float], name: str) -> float | None:
    """Return a metric's value; what is no number is not there."""
    value = metrics.get(name)
    return value if value is not None and math.isfinite(value) else None


def _spread(values: Sequence[float]) -> float:
    return max(values) - min(values) if values else 0.0


def _classify(base: Sequence[float | None], patched: Sequence[float | None], *, direction: Direction) -> Change | None:
    """Return what became of a metric; None when neither kernel has it."""
    has_base, has_patched = (any(value is not None for value in side) for side in (base, patched))
    if not has_base or not has_patched:
        return (Change.REMOVED if has_base else Change.ADDED) if has_base or has_patched else None
    both = [(old, new) for old, new in zip(base, patched, strict=True) if old is not None and new is not None]
    if not both:
        return Change.UNCLEAR
    moves = [new - old for old, new in both]
    spread = _spread([old for old, _ in both])
    if all(abs(move) <= spread for move in moves):
        return Change.SAME
    if not (all(move > spread for move in moves) or all(move < -spread for move in moves)):
        return Change.UNCLEAR
    if direction is Direction.NONE:
        return Change.CHANGED
    if len(both) < 2:
        # One boot of each has no spread to stand out of: it can show a change, but not accuse a patch.
        return Change.UNCLEAR
    return Change.IMPROVED if (moves[0] > 0) == (direction is Direction.UP) else Change.REGRESSED


def has_worsened(change: MetricChange) -> bool:
    """Whether every seed that has both values went the wrong way, however far."""
    both = [(old, new) for old, new in zip(change.base, change.patched, strict=True) if None not in (old, new)]
    moves = [new - old for old, new in both if new is not None and old is not None]
    if change.direction == Direction.NONE or not moves:
        return False
    return all(move < 0 if change.direction == Direction.UP else move > 0 for move in moves)


def typical(values: Sequence[float | None]) -> float | None:
    """Return the median of the values that are there."""
    there = [value for value in values if value is not None]
    return median(there) if there else None


def relative_size(change: MetricChange) -> float:
    """Return how far a metric moved, from 0 (not at all) to 1 (to or from zero)."""
    old, new = typical(change.base), typical(change.patched)
    if old is None or new is None:
        return 1.0
    largest = max(abs(old), abs(new))
    return abs(new - old) / largest if largest else 0.0


def stem_of(change: MetricChange) -> tuple[str, str, str]:
    """Return what the nodes of one per-node metric have in common: scenario, topology and the name before ``@``."""
    return change.scenario, change.topology, change.metric.partition("@")[0]


def share_shifts(changes: Iterable[MetricChange]) -> dict[tuple[str, str, str], float]:
    """Return by how much each per-node metric's share of all nodes moved, by scenario, topology and metric."""
    families: dict[tuple[str, str, str], list[MetricChange]] = {}
    for change in changes:
        if "@" in change.metric:
            families.setdefault(stem_of(change), []).append(change)
    return {
        (change.scenario, change.topology, change.metric): abs(
            _share(change.patched, [other.patched for other in family])
            - _share(change.base, [other.base for other in family])
        )
        for family in families.values()
        for change in family
    }


def _share(values: Sequence[float | None], nodes: Iterable[Sequence[float | None]]) -> float:
    total = sum(typical(node) or 0.0 for node in nodes)
    return (typical(values) or 0.0) / total if total else 0.0


def _in_order(changes: Sequence[MetricChange]) -> tuple[MetricChange, ...]:
    shifts = share_shifts(changes)

    def rank(change: MetricChange) -> tuple[int, int, bool, float]:
        shift = shifts.get((change.scenario, change.topology, change.metric), 0.0)
        # A node that gets nothing any more tells most; its neighbour, which gets all, says the same once again.
        starved = shift >= MEANINGFUL_SHARE and typical(change.patched) == 0
        return (
            _ORDER.index(change.change),
            0 if starved else 1 if shift >= MEANINGFUL_SHARE else 2,
            change.change is Change.SAME,
            0.0 if change.change is Change.SAME else -relative_size(change),
        )

    return tuple(sorted(changes, key=rank))
