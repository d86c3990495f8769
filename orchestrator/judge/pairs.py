"""TRIALS → PAIRS: those of base and patched that differ in nothing but the kernel, and the values that may be compared."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from orchestrator.model.kernel import KernelRole
from orchestrator.model.scenario import Metric
from orchestrator.model.source import sources_of
from orchestrator.model.trial import Status, TrialResult

USABLE = frozenset({Status.PASS, Status.FAIL, Status.DONE})
"""Trials whose metrics count. An ERROR is ours: its numbers say nothing of the kernel."""

WRAPPED = 2.0**63
"""No counter of a trial gets there; one that a kernel counted below zero reads as nearly 2^64."""

_ONLY_RISE = frozenset({"vmstat", "thp", "calls", "probe"})
"""Kinds of sources that count events: a fall between two samples is a counter that went backwards.

/proc/vmstat has gauges too (``nr_*``); those may fall.
"""

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


def names_in(pairs: Sequence[Pair]) -> list[str]:
    """Return all metric names of some trials, in the order in which they first occur."""
    return list(dict.fromkeys(name for pair in pairs for trial in (pair.base, pair.patched) for name in trial.metrics))


def value_of(metrics: Mapping[str, float], name: str, metric: Metric | None) -> float | None:
    """Return a metric's value; what is no number, wrapped or went backwards is not there."""
    value = metrics.get(name)
    return None if value is None or why_not(value, metric) else value


def why_not(value: float, metric: Metric | None) -> str:
    """Say why a value that was measured cannot be compared; "" where it can."""
    if not math.isfinite(value):
        return "is no number"
    if abs(value) >= WRAPPED:
        return "wrapped"
    if value < 0 and metric is not None and _only_rises(metric):
        return "went backwards"
    return ""


def _only_rises(metric: Metric) -> bool:
    if metric.source.startswith("derived:"):
        return False
    try:
        (source,) = sources_of(metric.source)
    except ValueError:
        return False
    return source.kind in _ONLY_RISE and not source.key.startswith("nr_")


def typical(values: Sequence[float | None]) -> float | None:
    """Return the median of the values that are there."""
    there = [value for value in values if value is not None]
    return median(there) if there else None
