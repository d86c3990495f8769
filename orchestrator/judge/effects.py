"""One metric of one cell: the effect of the patch, how sure that is, and what it is measured against. Pure.

On the metric's scale (:class:`orchestrator.judge.statistics.Scale`) the effect is the mean of the seeds' differences,
patched less base. How far the same mean goes with a kernel that means nothing is its null spread:

* how far pairs wander apart: the variance of the differences, or where it is larger (and no perturbed build of base was
  run) base's variance between seeds and patched's, added: a pair may agree by luck. Perturbed builds show it directly;
* the mean of that over what behaves alike, the same metric on other topologies and nodes of the scenario, if it is larger.
  Its degrees of freedom are what reaches far into the tail with three seeds; pooling only ever widens;
* how far a perturbed build moves the metric in all seeds alike; more seeds do not make that any less;
* never less than :data:`FLOOR` of the smallest effect of interest: three equal numbers are not known to be equal for ever.

The idea of borrowing spread where replicates are few is that of Smyth, "Linear models and empirical Bayes methods for
assessing differential expression in microarray experiments", Statistical Applications in Genetics and Molecular Biology
3 (2004); counters do not follow his prior (most have no spread at all), hence maxima and Satterthwaite's degrees of freedom
in place of its estimate.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from orchestrator.judge.pairs import Cell
from orchestrator.judge.statistics import Scale, Spread, pool_of, quantile, sum_of, tail, variance

FLOOR = 0.1
"""The standard deviation of a pair's difference that is always allowed for, in smallest effects of interest."""

CONFIDENCE = 0.95

EQUIVALENCE_LEVEL = 0.05
"""Of each of the two one-sided tests (Schuirmann, Journal of Pharmacokinetics and Biopharmaceutics 15, 1987)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """One metric's values in one cell, on its scale: complete pairs by seed, and what perturbed builds of base did.

    ``base`` and ``patched`` are aligned. Each of ``nulls`` is one perturbed build: its differences from base by seed.
    """

    cell: Cell
    name: str
    scale: Scale
    base: tuple[float, ...]
    patched: tuple[float, ...]
    nulls: tuple[tuple[float, ...], ...] = ()

    @property
    def moves(self) -> tuple[float, ...]:
        """The seeds' differences."""
        return tuple(new - old for old, new in zip(self.base, self.patched, strict=True))

    @property
    def kin(self) -> tuple[str, str]:
        """The scenario, and the metric without its node: what behaves alike on other topologies and nodes."""
        return self.cell[0], self.name.partition("@")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """The effect on the scale: the mean of the differences, and the spreads of that mean.

    ``own`` is by what the metric itself showed: for the interval and for equivalence, at levels that few degrees of
    freedom can bear. ``null`` is never less and has what behaves alike in it: for accusing, far out in the tail.
    ``shift`` is the part of ``null``'s variance that perturbed builds moved in all seeds alike.
    """

    mean: float
    own: Spread
    null: Spread
    margin: float
    shift: float = 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval, on the scale."""
        half = quantile((1 + CONFIDENCE) / 2, self.own.df) * math.sqrt(self.own.variance)
        return self.mean - half, self.mean + half

    @property
    def p_moved(self) -> float:
        """The probability of such a mean, in either sense, where the effect is no larger than the margin."""
        return min(1.0, 2 * tail((abs(self.mean) - self.margin) / math.sqrt(self.null.variance), self.null.df))

    @property
    def p_same(self) -> float:
        """The larger of the two one-sided tests' probabilities of such a mean where the effect is the margin."""
        return tail((self.margin - abs(self.mean)) / math.sqrt(self.own.variance), self.own.df)


def estimates(observed: Sequence[Observed]) -> list[Estimate | None]:
    """Return the estimate of each metric, in order; None where there are fewer than two pairs."""
    wander = [_wander(each) for each in observed]
    shift = [_shift(each) for each in observed]
    by_kin: dict[tuple[str, str], list[int]] = {}
    for at, each in enumerate(observed):
        by_kin.setdefault(each.kin, []).append(at)
    kin_wander = {key: _pooled(wander[at] for at in places) for key, places in by_kin.items()}
    kin_shift = {key: _pooled(shift[at] for at in places) for key, places in by_kin.items()}
    found: list[Estimate | None] = []
    for each, own, alike in zip(observed, wander, shift, strict=True):
        if own is None:
            found.append(None)
            continue
        wider = _wider(alike, kin_shift[each.kin])
        found.append(
            Estimate(
                mean=fmean(each.moves),
                own=_of_mean(each, own, alike),
                null=_of_mean(each, _wider(own, kin_wander[each.kin]) or own, wider),
                margin=each.scale.margin,
                shift=wider.variance if wider else 0.0,
            )
        )
    return found


def _of_mean(each: Observed, wander: Spread, shift: Spread | None) -> Spread:
    """Return the spread of the mean over the seeds: one pair's, by their number; the shift's, whatever their number."""
    seeds = len(each.base)
    spread = sum_of([Spread(variance=wander.variance / seeds, df=wander.df), *([shift] if shift else [])])
    floor = (FLOOR * each.scale.margin) ** 2 / seeds
    return spread if spread.variance >= floor else Spread(variance=floor, df=math.inf)


def _wander(each: Observed) -> Spread | None:
    """Return the variance of one pair's difference under a kernel that means nothing."""
    seeds = len(each.base)
    if seeds < 2:
        return None
    paired = Spread(variance=variance(each.moves), df=seeds - 1)
    shown = [Spread(variance=variance(null), df=len(null) - 1) for null in each.nulls if len(null) > 1]
    if shown:
        return pool_of([paired, *shown])
    apart = sum_of([Spread(variance=variance(side), df=seeds - 1) for side in (each.base, each.patched)])
    return apart if apart.variance >= paired.variance else paired


def _shift(each: Observed) -> Spread | None:
    """Return the variance of what a kernel that means nothing does in all seeds alike; None without perturbed builds.

    The builds' moves are draws of one distribution, so that each is a degree of freedom.
    """
    squares = []
    for null in each.nulls:
        noise = variance(null) / len(null) if len(null) > 1 else 0.0
        squares.append(max(0.0, fmean(null) ** 2 - noise))
    return Spread(variance=fmean(squares), df=len(squares)) if squares else None


def _pooled(spreads: Iterable[Spread | None]) -> Spread | None:
    return pool_of(spread for spread in spreads if spread is not None)


def _wider(own: Spread | None, alike: Spread | None) -> Spread | None:
    """Return the larger variance of the two, known by all that behaves alike."""
    if own is None or alike is None:
        return own or alike
    return Spread(variance=max(own.variance, alike.variance), df=max(own.df, alike.df))
