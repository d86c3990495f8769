"""How the judge says things: plain sentences with figures, as one kernel developer would write them to another."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.judge.order import Share
from orchestrator.model.scenario import Direction
from orchestrator.model.verdict import Change, Finding, MetricChange

TELLING_SHARE = 0.01
"""A node's part of a per-node metric that moved by this much makes the parts worth telling."""

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


def sentence_on_change(change: MetricChange, shares: Sequence[Share] = ()) -> str:
    """Return one sentence on a metric that moved, appeared or vanished; ``shares`` are its nodes' parts of it."""
    where = place(change.scenario, change.topology)
    if change.change is Change.REMOVED:
        return f"{where}: {change.metric} ({figures(change.base)} on base) is not there any more with the patch."
    if change.change is Change.ADDED:
        return f"{where}: {change.metric} ({figures(change.patched)}) is new with the patch."
    moved = f"{change.metric} {_verb(change)} from {figures(change.base)} to {figures(change.patched)}{_unit(change)}"
    return f"{where}: {moved} {_in_seeds(change)}{_interval(change)} ({_remark(change)}{_parts(shares)})."


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


def _in_seeds(change: MetricChange) -> str:
    seeds = len(change.seeds)
    if seeds == 1:
        return "in the one seed that ran"
    both = [(old, new) for old, new in zip(change.base, change.patched, strict=True) if None not in (old, new)]
    moves = [new - old for old, new in both if new is not None and old is not None]
    each = len(moves) == seeds and (all(move > 0 for move in moves) or all(move < 0 for move in moves))
    return f"in each of {seeds} seeds" if each else f"over {seeds} seeds"


def _interval(change: MetricChange) -> str:
    """Say how sure the effect is, where seeds differ; where they agree the figures say it."""
    there = [{value for value in side if value is not None} for side in (change.base, change.patched)]
    if change.low is None or change.high is None or all(len(values) == 1 for values in there):
        return ""
    return f", 95 % interval of the effect {signed(change.low)} to {signed(change.high)}"


def signed(value: float) -> str:
    """Return a rounded figure with its sign: an estimate has no more than three digits worth telling."""
    rounded = float(f"{value:.3g}")
    return "0" if rounded == 0 else f"{'+' if rounded > 0 else '−'}{figure(abs(rounded))}"


def _parts(shares: Sequence[Share]) -> str:
    """Say each node's part before and after, where one moved."""
    if not any(share.shift >= TELLING_SHARE for share in shares):
        return ""
    parts = ", ".join(f"{share.node} {100 * share.base:.0f} % → {100 * share.patched:.0f} %" for share in shares)
    return f"; each node's share: {parts}"


def _remark(change: MetricChange) -> str:
    if change.direction == Direction.NONE:
        return "no direction: a change, not by itself a bug"
    better = _BETTER[Direction(change.direction)]
    if change.change is not Change.UNCLEAR or len(change.seeds) > 1:
        return better
    return f"{better}; one seed has no spread to judge by"


def sentence_on_undecided(changes: Sequence[MetricChange]) -> str:
    """Return one sentence on the metrics that may have worsened."""
    names = ", ".join(dict.fromkeys(change.metric for change in changes))
    if all(len(change.seeds) == 1 for change in changes):
        return f"One seed only, so that nothing can be said of what worsened in it ({names}): run more seeds."
    return f"What may well have worsened stands out too little to be sure of ({names}): run more seeds."
