"""LIVE TRIALS → ESTIMATES: they run in the host's time and never repeat exactly, so base and patched are two samples.

So are the sealed trials of a host where they were seen not to repeat.

The seeds are no pairs here: what the host did meanwhile outweighs what the workload has in common. The effect is the
shift between the samples (Hodges and Lehmann, Annals of Mathematical Statistics 34, 1963), its interval is bootstrapped,
and what it is held against is the rank test of Mann and Whitney (Annals of Mathematical Statistics 18, 1947), shifted by
the smallest effect of interest. The rank test cannot say less than one in C(2n, n): three seeds decide nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from orchestrator.judge.effects import Observed
from orchestrator.judge.statistics import bootstrap_interval, middle_shift, rank_tail
from orchestrator.model.trial import TrialResult

STEAL, LOAD = "host_steal_percent", "host_load"
"""What a live trial's environment says of the host while it ran: time stolen, and processes beside ours a CPU."""

MOST_STEAL_PERCENT = 2.0
MOST_LOAD = 1.5
"""Above one of these a host is busy with other things than the trial."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RankEstimate:
    """The effect on the scale with its 95 % interval, and the probabilities that :class:`Estimate` has.

    ``is_apart`` says whether the samples do not meet, by more than the smallest effect of interest: however few they are,
    more they cannot say.
    """

    mean: float
    interval: tuple[float, float]
    p_moved: float
    p_same: float
    is_apart: bool


def rank_estimate(observed: Observed) -> RankEstimate | None:
    """Return the estimate of one metric in one cell; None where there are fewer than two values a side."""
    base, patched, margin = observed.base, observed.patched, observed.scale.margin
    if len(base) < 2 or len(patched) < 2:
        return None
    risen = rank_tail([value - margin for value in patched], base)
    fallen = rank_tail(base, [value + margin for value in patched])
    within = max(
        rank_tail(base, [value - margin for value in patched]),
        rank_tail([value + margin for value in patched], base),
    )
    gap = max(min(patched) - max(base), min(base) - max(patched))
    return RankEstimate(
        mean=middle_shift(base, patched),
        interval=bootstrap_interval(base, patched),
        p_moved=min(1.0, 2 * min(risen, fallen)),
        p_same=within,
        is_apart=gap > margin,
    )


def lines_on_busy_host(trials: Iterable[TrialResult]) -> tuple[str, ...]:
    """Return a line on each live trial that ran while the host was busy with something else, for what was not covered."""
    return tuple(
        f"{trial.spec.id}: ran live on a busy host ({said})"
        for trial in trials
        if not trial.spec.sealed and (said := _busy(trial))
    )


def _busy(trial: TrialResult) -> str:
    said = []
    steal, load = (_number(trial.environment.get(name, "")) for name in (STEAL, LOAD))
    if steal > MOST_STEAL_PERCENT:
        said.append(f"{steal:g} % of its time was stolen")
    if load > MOST_LOAD:
        said.append(f"{load:g} processes a CPU")
    return ", ".join(said)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
