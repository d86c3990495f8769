"""How the judge says things: plain sentences with figures, as one kernel developer would write them to another."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.model.scenario import Direction
from orchestrator.model.verdict import Change, Finding, MetricChange

_BETTER = {Direction.UP: "higher is better", Direction.DOWN: "lower is better"}


def figure(value: float) -> str:
    """Return a number as it is read: counts in full, other numbers with four digits."""
    return str(round(value)) if float(value).is_integer() or abs(value) >= 1000 else f"{value:.4g}"


def figures(values: Sequence[float | None]) -> str:
    """Return one number where all seeds agree, otherwise the smallest and the largest."""
    there = [value for value in values if value is not None]
    if not there:
        return "absent"
    low, high = min(there), max(there)
    return figure(low) if low == high else f"{figure(low)}–{figure(high)}"


def count_of(number: int, noun: str) -> str:
    """Return "1 trial" or "2 trials"."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def place(scenario: str, topology: str) -> str:
    """Return where something was seen."""
    return f"On {topology}, {scenario}"


def sentence_on_change(change: MetricChange) -> str:
    """Return one sentence on a metric that moved, appeared or vanished."""
    where = place(change.scenario, change.topology)
    if change.change is Change.REMOVED:
        return f"{where}: {change.metric} ({figures(change.base)} on base) is not there any more with the patch."
    if change.change is Change.ADDED:
        return f"{where}: {change.metric} ({figures(change.patched)}) is new with the patch."
    moved = f"{change.metric} {_verb(change)} from {figures(change.base)} to {figures(change.patched)}{_unit(change)}"
    return f"{where}: {moved} {_in_seeds(len(change.seeds))} ({_remark(change)})."


def sentence_on_finding(finding: Finding) -> str:
    """Return one sentence on something exact that the patch is blamed for."""
    if not finding.trial:
        return f"The patched kernel does not {finding.kind}, base does: {finding.title.rstrip('.')}."
    kind = "" if finding.kind.lower() in finding.title.lower() else f"{finding.kind}: "
    return f"With the patch, not on base (trial {finding.trial}): {kind}{finding.title.rstrip('.')}."


def _verb(change: MetricChange) -> str:
    old = [value for value in change.base if value is not None]
    new = [value for value in change.patched if value is not None]
    return "fell" if sum(new) * len(old) < sum(old) * len(new) else "rose"


def _unit(change: MetricChange) -> str:
    return (
        f" {change.unit}" if change.unit not in {"", "count", "1"} and not change.metric.endswith(change.unit) else ""
    )


def _in_seeds(seeds: int) -> str:
    return "in the one seed that ran" if seeds == 1 else f"in each of {seeds} seeds"


def _remark(change: MetricChange) -> str:
    if change.direction == Direction.NONE:
        return "no direction: a change, not by itself a bug"
    better = _BETTER[Direction(change.direction)]
    return better if change.change is not Change.UNCLEAR else f"{better}; one seed has no spread to judge by"
