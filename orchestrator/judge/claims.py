"""CLAIMS AND TRIALS → CONFIRMED, REFUTED, UNCLEAR OR UNTESTED, with figures. Pure.

A factor is confirmed where the 95 % interval (Student's t, over seeds) of the logarithm of patched by base lies beyond it, refuted
where it does not reach it; one seed leaves it unclear. A bound is about every seed: one that breaks it refutes it. A
claim about several topologies has to hold on each.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from statistics import fmean

from orchestrator.judge.effects import CONFIDENCE
from orchestrator.judge.pairs import Pair, pairs_by_cell, value_of
from orchestrator.judge.statistics import quantile, variance
from orchestrator.judge.wording import figures
from orchestrator.model.claim import Claim, ClaimResult, ClaimStatus, Sense
from orchestrator.model.scenario import Scenario
from orchestrator.model.trial import TrialResult

FARTHEST = math.log(1e9)
"""As far as a factor is told; to or from zero there is none."""

_WORST_FIRST = (ClaimStatus.REFUTED, ClaimStatus.UNCLEAR, ClaimStatus.CONFIRMED, ClaimStatus.UNTESTED)


def judge_claims(
    claims: Sequence[Claim], scenarios: Sequence[Scenario], trials: Iterable[TrialResult]
) -> tuple[ClaimResult, ...]:
    """Return what became of each claim, in order."""
    known = {scenario.name: scenario for scenario in scenarios}
    cells = pairs_by_cell(trials)
    results = []
    for claim in claims:
        found = [
            _on_cell(claim, known.get(scenario), topology, pairs)
            for (scenario, topology), pairs in cells.items()
            if scenario == claim.scenario and fnmatchcase(topology, claim.topology)
        ]
        statuses = {status for status, _ in found}
        status = next((each for each in _WORST_FIRST if each in statuses), ClaimStatus.UNTESTED)
        lines = tuple(line for _, line in found) or ("no pair of trials of base and patched tells of it",)
        results.append(ClaimResult(claim=claim, status=status, figures=lines))
    return tuple(results)


def _on_cell(claim: Claim, scenario: Scenario | None, topology: str, pairs: Sequence[Pair]) -> tuple[ClaimStatus, str]:
    values = [
        (base, patched)
        for pair in pairs
        if (base := _reading(claim, scenario, pair.base)) is not None
        and (patched := _reading(claim, scenario, pair.patched)) is not None
    ]
    what = f"{claim.metric} per {claim.per}" if claim.per else claim.metric
    where = f"{claim.scenario} on {topology}"
    if not values:
        return ClaimStatus.UNTESTED, f"{where}: there is no {what} on both kernels"
    said = (
        f"{where}: {what} {figures([old for old, _ in values])} on base, {figures([new for _, new in values])} patched"
    )
    said += f", {len(values)} seed{'' if len(values) == 1 else 's'}"
    if claim.sense is None:
        return _by_bound(claim, [new for _, new in values]), said
    status, interval = _by_factor(claim.sense, claim.factor, values)
    return status, f"{said}; {interval}"


def _reading(claim: Claim, scenario: Scenario | None, trial: TrialResult) -> float | None:
    """Return what a claim is about in one trial; None where the kernel does not have it, or there is nothing to divide by."""

    def value(name: str) -> float | None:
        return value_of(trial.metrics, name, scenario.metric_named(name) if scenario else None)

    found = value(claim.metric)
    if not claim.per or found is None:
        return found
    unit = value(claim.per)
    return found / unit if unit else None


def _by_bound(claim: Claim, patched: Sequence[float]) -> ClaimStatus:
    low = -math.inf if claim.at_least is None else claim.at_least
    high = math.inf if claim.at_most is None else claim.at_most
    return ClaimStatus.CONFIRMED if all(low <= value <= high for value in patched) else ClaimStatus.REFUTED


def _by_factor(sense: Sense, factor: float, values: Sequence[tuple[float, float]]) -> tuple[ClaimStatus, str]:
    logs = [_log_factor(*((new, old) if sense is Sense.FALLS else (old, new))) for old, new in values]
    if any(log is None for log in logs):
        return ClaimStatus.UNCLEAR, "there is no factor between these"
    known = [log for log in logs if log is not None]
    if len(known) < 2:
        return ClaimStatus.UNCLEAR, f"{sense} by a factor of {_factor(known[0])} in one seed, which is no interval"
    half = quantile((1 + CONFIDENCE) / 2, len(known) - 1) * math.sqrt(variance(known) / len(known))
    low, high = fmean(known) - half, fmean(known) + half
    interval = f"{sense} by a factor of {_factor(fmean(known))}, 95 % interval {_factor(low)} to {_factor(high)}"
    # What is exactly the factor is at least the factor, whatever rounding makes of its logarithm.
    needed = math.log(factor) - 1e-9
    if low >= needed:
        return ClaimStatus.CONFIRMED, interval
    return (ClaimStatus.REFUTED if high < needed else ClaimStatus.UNCLEAR), interval


def _log_factor(small: float, large: float) -> float | None:
    """Return the logarithm of ``large / small``; None where one is negative, or both are 0."""
    if small < 0 or large < 0 or (small == 0 and large == 0):
        return None
    if small == 0 or large == 0:
        return FARTHEST if small == 0 else -FARTHEST
    return math.log(large / small)


def _factor(log: float) -> str:
    if abs(log) >= FARTHEST:
        return "more than a billion" if log > 0 else "less than a billionth"
    return f"{math.exp(log):.3g}"
