"""Two runs set against each other: two versions of a series, or one series on two bases."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from orchestrator.model.replay import Differs
from orchestrator.model.verdict import Finding, MetricChange, Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSide:
    """One of the two. ``trials`` counts those that ended by status."""

    run_id: str
    title: str
    version: int
    base: str
    base_commit: str
    flavour: str
    outcome: Outcome
    sentences: tuple[str, ...]
    trials: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedFinding:
    """A finding of one run or of both; None where a run does not have it."""

    first: Finding | None
    second: Finding | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedMetric:
    """One metric in one cell.

    ``first`` and ``second`` are what each run's own patch did to it (``same``, ``regressed``), "" where nobody compared it.
    ``change`` is from the first run's patched kernel (its ``base``) to the second's (its ``patched``), None where their
    trials cannot be compared.
    """

    scenario: str
    topology: str
    metric: str
    first: str
    second: str
    change: MetricChange | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedCell:
    """A scenario on a topology that both runs have. ``seeds`` are those that both have and that may be compared.

    ``reason`` says why none may, "" where some may; ``note`` what is to be minded where they are.
    """

    scenario: str
    topology: str
    seeds: tuple[int, ...]
    reason: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunComparison:
    """Both runs side by side. ``differs`` is what is not the same of their hosts and builds (``part`` names it).

    ``only_first`` and ``only_second`` are the cells that one run alone has, as "scenario on topology".
    """

    first: RunSide
    second: RunSide
    differs: tuple[Differs, ...]
    cells: tuple[ComparedCell, ...]
    only_first: tuple[str, ...]
    only_second: tuple[str, ...]
    findings: tuple[ComparedFinding, ...]
    metrics: tuple[ComparedMetric, ...]
