"""TRIALS → METRIC CHANGES: base against patched, metric by metric, seed by seed. docs/judging.md tells the method.

A metric with an effect that is proven larger than the smallest of interest regressed, improved or (without a direction)
changed; one whose effect is shown to be smaller is the same; all else is unclear. Nothing is assumed: neither an effect
nor its absence. Absent is not zero: a counter that only one kernel has is removed or added, never compared.

False alarms are controlled over all metrics of the run, whatever their dependence (Holm), apart for those that can accuse
and for the others, and shared among the looks that an adaptive run takes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from orchestrator.judge.effects import EQUIVALENCE_LEVEL, Estimate, Observed, estimates
from orchestrator.judge.interest import scale_of
from orchestrator.judge.live import RankEstimate, rank_estimate
from orchestrator.judge.order import in_order
from orchestrator.judge.pairs import Cell, Pair, is_usable, names_in, pairs_by_cell, typical, value_of, why_not
from orchestrator.judge.statistics import Scale, holm
from orchestrator.model.scenario import Direction, Metric, Scenario
from orchestrator.model.trial import TrialResult
from orchestrator.model.verdict import Change, MetricChange

LOOKS = 3
"""How often an adaptive run looks at its figures at most: after 3, 6 and 12 seeds. Each look has its part of the level."""

PRIMARY_LEVEL = 0.01
"""The chance of a run that a patch which means nothing is accused by any metric with a direction."""

OTHER_LEVEL = 0.04
"""The chance of a run that such a patch is said to have changed any metric without one."""

SUSPECT_LEVEL = 0.1
"""A metric with a direction that is worse by this level, and not by the one for accusing, leaves the run open.

Not shared among looks: a later look takes the earlier one's doubt away. What a run without effects comes to is far below
(docs/judging.md), for its effects are nothing, not just as large as the smallest of interest.
"""


TIMES = frozenset({"ns", "ms", "s"})
"""Units of time."""

STANDS_OUT = 0.05
"""A metric that is unclear and whose probability (uncorrected) is below this is worth more trials."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NullBuild:
    """Base, built once more so that it differs without meaning anything, and its trials (their role does not matter)."""

    name: str
    trials: tuple[TrialResult, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """One metric in one cell, before it is judged."""

    cell: Cell
    name: str
    metric: Metric | None
    pairs: tuple[Pair, ...]
    base: tuple[float | None, ...]
    patched: tuple[float | None, ...]
    nulls: tuple[tuple[tuple[float, float], ...], ...] = ()
    repeatable: bool = True

    @property
    def complete(self) -> list[tuple[float, float]]:
        """The values of the seeds that have both."""
        both = zip(self.base, self.patched, strict=True)
        return [(old, new) for old, new in both if old is not None and new is not None]

    @property
    def is_live(self) -> bool:
        """Whether the trials ran in the host's time."""
        return any(not pair.base.spec.sealed for pair in self.pairs)

    @property
    def is_ranked(self) -> bool:
        """Whether base and patched are two samples: a trial that does not repeat has no partner."""
        return self.is_live or not self.repeatable

    @property
    def scale(self) -> Scale:
        assert self.metric is not None  # noqa: S101 - only described metrics are compared
        return scale_of(self.metric)

    @property
    def direction(self) -> Direction:
        return self.metric.direction if self.metric else Direction.NONE

    @property
    def is_primary(self) -> bool:
        """Whether a move is good or bad by itself: few metrics are, and they alone can accuse."""
        return self.direction is not Direction.NONE


def compare(
    scenarios: Sequence[Scenario],
    trials: Iterable[TrialResult],
    null_builds: Sequence[NullBuild] = (),
    *,
    repeatable: bool = True,
) -> tuple[MetricChange, ...]:
    """Return what became of every metric of every scenario on every topology, what a person should see first first.

    ``null_builds`` show how far a kernel wanders that means nothing; without them base's seeds have to. A metric that
    neither kernel has is left out: there is nothing to say of it. A name that no scenario describes is listed only when
    one kernel has it and the other has not. ``repeatable`` says whether a trial comes out the same when it is run again:
    where it does not, they are judged as live ones are.
    """
    cases = _cases(scenarios, trials, null_builds, repeatable=repeatable)
    judged = {at: case for at, case in enumerate(cases) if case.metric is not None and case.complete}
    changes = _judged(judged, _estimated(judged))
    found = [changes.get(at) or _not_compared(case) for at, case in enumerate(cases)]
    return in_order([change for change in found if change is not None])


def short_of_builds(
    scenarios: Sequence[Scenario], trials: Iterable[TrialResult], null_builds: Sequence[NullBuild]
) -> tuple[Cell, ...]:
    """Return where a metric is unclear for want of perturbed builds, though it stands out: more seeds would not help.

    What builds move in all seeds alike is then most of the spread, and known no better than there are builds.
    """
    cases = _cases(scenarios, trials, null_builds)
    judged = {at: case for at, case in enumerate(cases) if case.metric is not None and case.complete}
    found = _estimated(judged)
    changes = _judged(judged, found)
    return tuple(
        dict.fromkeys(
            judged[at].cell
            for at, estimate in found.items()
            if isinstance(estimate, Estimate)
            and changes[at].change is Change.UNCLEAR
            and estimate.p_moved <= STANDS_OUT
            and estimate.shift > estimate.null.variance / 2
        )
    )


def _cases(
    scenarios: Sequence[Scenario],
    trials: Iterable[TrialResult],
    null_builds: Sequence[NullBuild],
    *,
    repeatable: bool = True,
) -> list[_Case]:
    by_name = {scenario.name: scenario for scenario in scenarios}
    nulls = [_by_spec(build) for build in null_builds]
    return [
        _case(by_name.get(cell[0]), cell, name, pairs=pairs, nulls=nulls, repeatable=repeatable)
        for cell, pairs in pairs_by_cell(trials).items()
        for name in names_in(pairs)
    ]


def _by_spec(build: NullBuild) -> dict[tuple[Cell, int, bool], TrialResult]:
    return {
        ((trial.spec.scenario, trial.spec.topology), trial.spec.seed, trial.spec.sealed): trial
        for trial in build.trials
        if is_usable(trial)
    }


def _case(
    scenario: Scenario | None,
    cell: Cell,
    name: str,
    *,
    pairs: Sequence[Pair],
    nulls: Sequence[Mapping[tuple[Cell, int, bool], TrialResult]],
    repeatable: bool,
) -> _Case:
    metric = scenario.metric_named(name) if scenario else None

    def against(null: Mapping[tuple[Cell, int, bool], TrialResult]) -> tuple[tuple[float, float], ...]:
        values = []
        for pair in pairs:
            other = null.get((cell, pair.seed, pair.base.spec.sealed))
            old = value_of(pair.base.metrics, name, metric)
            new = value_of(other.metrics, name, metric) if other else None
            if old is not None and new is not None:
                values.append((old, new))
        return tuple(values)

    return _Case(
        cell=cell,
        name=name,
        metric=metric,
        pairs=tuple(pairs),
        base=tuple(value_of(pair.base.metrics, name, metric) for pair in pairs),
        patched=tuple(value_of(pair.patched.metrics, name, metric) for pair in pairs),
        nulls=tuple(values for null in nulls if (values := against(null))),
        repeatable=repeatable,
    )


def _estimated(cases: Mapping[int, _Case]) -> dict[int, Estimate | RankEstimate | None]:
    """Return the effects of the metrics that both kernels have, with their numbers."""
    found: dict[int, Estimate | RankEstimate | None] = {
        at: rank_estimate(_observed(case)) for at, case in cases.items() if case.is_ranked
    }
    paired = {at: case for at, case in cases.items() if not case.is_ranked}
    return found | dict(zip(paired, estimates([_observed(case) for case in paired.values()]), strict=True))


def _judged(cases: Mapping[int, _Case], found: Mapping[int, Estimate | RankEstimate | None]) -> dict[int, MetricChange]:
    """Return the changes of the metrics that both kernels have, with their numbers."""
    corrected: dict[int, float] = {}
    for primary in (True, False):
        tier = {
            at: estimate.p_moved
            for at, estimate in found.items()
            if estimate is not None and cases[at].is_primary is primary
        }
        corrected |= dict(zip(tier, holm(list(tier.values())), strict=True))
    return {
        at: _single(case) if (estimate := found[at]) is None else _with_estimate(case, estimate, corrected[at])
        for at, case in cases.items()
    }


def _observed(case: _Case) -> Observed:
    scale = case.scale
    return Observed(
        cell=case.cell,
        name=case.name,
        scale=scale,
        base=tuple(scale.to_scale(old) for old, _ in case.complete),
        patched=tuple(scale.to_scale(new) for _, new in case.complete),
        nulls=tuple(tuple(scale.to_scale(new) - scale.to_scale(old) for old, new in null) for null in case.nulls),
    )


def _with_estimate(case: _Case, estimate: Estimate | RankEstimate, corrected: float) -> MetricChange:
    level = PRIMARY_LEVEL if case.is_primary else OTHER_LEVEL
    # Few ranks prove nothing, however far apart they are; then that is what makes a metric suspect.
    stands_out = corrected <= SUSPECT_LEVEL or (isinstance(estimate, RankEstimate) and estimate.is_apart)
    suspect = stands_out and _is_worse(case, estimate.mean)
    change = Change.UNCLEAR
    if corrected <= level / LOOKS:
        change = _moved(case, estimate.mean)
    elif estimate.p_same <= EQUIVALENCE_LEVEL:
        change = Change.SAME
    start = case.scale.to_scale(typical([old for old, _ in case.complete]) or 0.0)
    here = case.scale.from_scale(start)
    low, effect, high = (
        _rounded(case.scale.from_scale(start + place) - here)
        for place in (estimate.interval[0], estimate.mean, estimate.interval[1])
    )
    return dataclasses.replace(
        _change(case, change),
        effect=effect,
        low=low,
        high=high,
        p=estimate.p_moved,
        corrected=corrected,
        suspect=change is Change.UNCLEAR and suspect,
    )


def _single(case: _Case) -> MetricChange:
    """Judge the only pair there is: it can show a change, but has no spread that an accusation could stand out of.

    A metric that a perturbed build moves in this seed by as much as matters wanders, and a pair of it shows nothing.
    """
    if case.is_ranked:
        return _change(case, Change.UNCLEAR)
    move, *nulls = (
        case.scale.to_scale(new) - case.scale.to_scale(old)
        for old, new in (case.complete[0], *(pair for null in case.nulls for pair in null))
    )
    if abs(move) <= case.scale.margin:
        return _change(case, Change.SAME)
    if any(abs(null) > case.scale.margin for null in nulls):
        return _change(case, Change.UNCLEAR)
    if case.direction is Direction.NONE:
        return _change(case, Change.CHANGED)
    return dataclasses.replace(_change(case, Change.UNCLEAR), suspect=_is_worse(case, move))


def _not_compared(case: _Case) -> MetricChange | None:
    """Return the change of a metric that has no pair of values; None where there is nothing to say."""
    has_base = any(case.name in pair.base.metrics for pair in case.pairs)
    has_patched = any(case.name in pair.patched.metrics for pair in case.pairs)
    if has_base is not has_patched:
        return _change(case, Change.REMOVED if has_base else Change.ADDED)
    return _change(case, Change.UNCLEAR) if case.metric is not None else None


def _is_worse(case: _Case, move: float) -> bool:
    return move < 0 if case.direction is Direction.UP else move > 0 and case.direction is Direction.DOWN


def _moved(case: _Case, move: float) -> Change:
    if case.direction is Direction.NONE:
        return Change.CHANGED
    return Change.REGRESSED if _is_worse(case, move) else Change.IMPROVED


def _change(case: _Case, change: Change) -> MetricChange:
    base = [value for value in case.base if value is not None]
    return MetricChange(
        scenario=case.cell[0],
        topology=case.cell[1],
        metric=case.name,
        unit=_unit(case),
        direction=str(case.direction),
        seeds=tuple(pair.seed for pair in case.pairs),
        base=case.base,
        patched=case.patched,
        spread=max(base) - min(base) if base else 0.0,
        change=change,
        smallest=_smallest(case),
        note=_note(case),
    )


def _unit(case: _Case) -> str:
    """Return the metric's unit; a live guest's time is not a machine's own, and says so."""
    unit = case.metric.unit if case.metric else ""
    return f"{unit} virtualised" if case.is_live and unit in TIMES else unit


def _smallest(case: _Case) -> float:
    """Return the smallest effect of interest at base's median, in the metric's unit."""
    if case.metric is None:
        return 0.0
    start = case.scale.to_scale(typical(case.base) or 0.0)
    return _rounded(case.scale.from_scale(start + case.scale.margin) - case.scale.from_scale(start))


def _rounded(value: float) -> float:
    """Return a figure of ours without the digits that going to the scale and back has made up."""
    return float(f"{value:.6g}")


def _note(case: _Case) -> str:
    """Say which values of a kernel that has the metric are not compared, and why."""
    said = []
    for side in ("base", "patched"):
        trials = [(pair.seed, getattr(pair, side)) for pair in case.pairs]
        if any(case.name in trial.metrics for _, trial in trials):
            said += [f"{side}, seed {seed}: {reason}" for seed, trial in trials if (reason := _lost(trial, case))]
    return "; ".join(said)


def _lost(trial: TrialResult, case: _Case) -> str:
    value = trial.metrics.get(case.name)
    return "absent" if value is None else why_not(value, case.metric)
