"""The arithmetic of the comparison, and the only module that knows scipy. What it is used for stands in ``effects.py``.

Sources: the started scale asinh(x / s) is the variance-stabilising one of Huber et al., "Variance stabilization applied to
microarray data calibration and to the quantification of differential expression", Bioinformatics 18 (2002); degrees of
freedom of pooled and of added variances after Satterthwaite, Biometrics Bulletin 2 (1946), and Welch, Biometrika 34
(1947); the correction after Holm, Scandinavian Journal of Statistics 6 (1979).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, median

FARTHEST = 50.0
"""How far from zero the scale is believed: sinh(50) is 2.6e21, more than any counter holds, and no infinity."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """A variance, and how many degrees of freedom it is known by (``inf``: not estimated but given)."""

    variance: float
    df: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """The scale on which a metric is compared: linear near zero, logarithmic far from it.

    ``start`` is where the one becomes the other, in the metric's unit; ``margin`` is the smallest effect of interest, the
    same everywhere on the scale.
    """

    start: float
    margin: float

    def to_scale(self, value: float) -> float:
        """Return where ``value`` is on the scale."""
        return math.asinh(value / self.start)

    def from_scale(self, place: float) -> float:
        """Return the value at ``place``; places beyond any counter are drawn in."""
        return self.start * math.sinh(max(-FARTHEST, min(FARTHEST, place)))


def scale_for(*, relative: float, absolute: float) -> Scale:
    """Return the scale on which one margin stands for both smallest effects: ``absolute`` near 0, ``relative`` far away.

    d/dx asinh(x/s) = 1/sqrt(x² + s²): with s = absolute / relative a margin of ``relative`` is
    sqrt(absolute² + (relative x)²) in the metric's unit at x.
    """
    return Scale(start=absolute / relative, margin=relative)


def variance(values: Sequence[float]) -> float:
    """Return the unbiased variance of two values or more."""
    middle = fmean(values)
    return sum((value - middle) ** 2 for value in values) / (len(values) - 1)


def sum_of(spreads: Sequence[Spread]) -> Spread:
    """Return the variance of a sum of independent parts (Welch and Satterthwaite)."""
    total = sum(spread.variance for spread in spreads)
    below = sum(spread.variance**2 / spread.df for spread in spreads)
    return Spread(variance=total, df=total**2 / below if below > 0 else sum(spread.df for spread in spreads))


def pool_of(spreads: Iterable[Spread]) -> Spread | None:
    """Return the mean of variances that may differ, weighted by their degrees of freedom; None of nothing.

    Where one of them makes up nearly all of the mean, the mean is known no better than that one.
    """
    known = [spread for spread in spreads if spread.df > 0]
    if not known:
        return None
    weight = sum(spread.df for spread in known)
    mean = sum(spread.df * spread.variance for spread in known) / weight
    below = sum(spread.df * spread.variance**2 for spread in known)
    return Spread(variance=mean, df=(weight * mean) ** 2 / below if below > 0 else weight)


def tail(t: float, df: float) -> float:
    """Return the probability that Student's t with ``df`` degrees of freedom is above ``t``."""
    from scipy import special

    return float(special.ndtr(-t) if math.isinf(df) else special.stdtr(df, -t))


def quantile(probability: float, df: float) -> float:
    """Return what Student's t stays below with ``probability``."""
    from scipy import special

    return float(special.ndtri(probability) if math.isinf(df) else special.stdtrit(df, probability))


def holm(probabilities: Sequence[float]) -> list[float]:
    """Return the probabilities corrected for their number, whatever their dependence, in the order given."""
    order = sorted(range(len(probabilities)), key=lambda at: probabilities[at])
    corrected = [0.0] * len(probabilities)
    largest = 0.0
    for rank, at in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * probabilities[at]))
        corrected[at] = largest
    return corrected


RESAMPLES = 2000


def middle_shift(before: Sequence[float], after: Sequence[float]) -> float:
    """Return the median of all differences between the two samples: how far the one is shifted against the other."""
    return median(new - old for old in before for new in after)


def rank_tail(larger: Sequence[float], smaller: Sequence[float]) -> float:
    """Return how probable ranks like these are if ``larger`` is no larger (Mann and Whitney, one-sided, ties counted)."""
    if len({*larger, *smaller}) == 1:
        return 1.0
    from scipy import stats

    return float(stats.mannwhitneyu(larger, smaller, alternative="greater").pvalue)


def bootstrap_interval(before: Sequence[float], after: Sequence[float]) -> tuple[float, float]:
    """Return the 95 % percentile interval of the difference of medians; the same samples give the same interval."""
    import numpy as np

    generator = np.random.default_rng(RESAMPLES)
    drawn = [
        np.median(generator.choice(np.asarray(side, dtype=float), size=(RESAMPLES, len(side))), axis=1)
        for side in (before, after)
    ]
    low, high = np.percentile(drawn[1] - drawn[0], [2.5, 97.5])
    return float(low), float(high)
