"""Scenarios: one memory-pressure test each, as data. How one runs is ``guest_scripts/``'s business."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Direction(StrEnum):
    """Which way a metric is better; ``NONE`` where a move is neither good nor bad by itself."""

    UP = "up"
    DOWN = "down"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One number of a trial. ``name`` is the kernel's own where it has one; ``per_node`` yields ``name@nodeN``.

    ``source`` says where it is read: ``vmstat:KEY``, ``memcg:KEY``, ``debugfs:FILE``, ``probe:...`` or ``derived:...``.
    """

    name: str
    unit: str
    direction: Direction
    source: str
    what_for: str = ""
    per_node: bool = False


class Comparison(StrEnum):
    """The comparisons that a ``must`` line may use."""

    AT_LEAST = ">="
    AT_MOST = "<="
    EQUAL = "=="


@dataclass(frozen=True, slots=True, kw_only=True)
class Must:
    """What has to have happened on every kernel for the trial to count; else the trial is an ERROR of ours."""

    metric: str
    comparison: Comparison
    value: float
    says: str

    def holds(self, measured: float) -> bool:
        """Whether ``measured`` fulfils it."""
        match self.comparison:
            case Comparison.AT_LEAST:
                return measured >= self.value
            case Comparison.AT_MOST:
                return measured <= self.value
            case Comparison.EQUAL:
                return measured == self.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A scenario folder's ``scenario.toml``, read and checked.

    ``knobs`` are shell variables handed to ``run.sh``; ``workload`` are mempress lines before expansion for a topology
    (see :mod:`orchestrator.guest.workload`); ``folder`` holds ``run.sh``; ``timeout_s`` is wall time on a slow host.
    """

    name: str
    what_for: str
    folder: Path
    knobs: tuple[tuple[str, str], ...]
    workload: tuple[str, ...]
    metrics: tuple[Metric, ...]
    musts: tuple[Must, ...]
    memcgs: tuple[str, ...]
    memory_mib: int
    timeout_s: float

    def metric_named(self, name: str) -> Metric | None:
        """Return the metric that ``name`` (with or without ``@nodeN``) belongs to."""
        stem = name.partition("@")[0]
        return next((metric for metric in self.metrics if metric.name == stem), None)
