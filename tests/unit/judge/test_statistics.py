"""The arithmetic of the comparison, checked against scipy's own tests and against what is known in closed form."""

from __future__ import annotations

import math
import random
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from orchestrator.judge.effects import Observed, estimates
from orchestrator.judge.statistics import Scale, Spread, holm, pool_of, quantile, scale_for, sum_of, tail, variance

SCALE = scale_for(relative=0.05, absolute=32)
VALUES = st.floats(min_value=-1e12, max_value=1e12, allow_nan=False)


def observed(base: list[float], patched: list[float], *, name: str = "m", topology: str = "two-node") -> Observed:
    return Observed(cell=("s", topology), name=name, scale=SCALE, base=tuple(base), patched=tuple(patched))


@given(VALUES)
def test_scale_there_and_back(value: float) -> None:
    assert SCALE.from_scale(SCALE.to_scale(value)) == pytest.approx(value, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(("at", "moves"), [(0.0, 32), (100_000.0, 5000), (640.0, math.hypot(32, 32))])
def test_margin_is_absolute_near_zero_and_relative_far_away(at: float, moves: float) -> None:
    start = SCALE.to_scale(at)
    assert SCALE.from_scale(start + SCALE.margin) - at == pytest.approx(moves, rel=0.03)


def test_scale_has_no_infinity() -> None:
    assert math.isfinite(Scale(start=640, margin=0.05).from_scale(1e6))


def test_tail_and_quantile_are_students() -> None:
    for df in (1, 2.5, 11, math.inf):
        reference = stats.norm() if math.isinf(df) else stats.t(df)
        assert tail(2.3, df) == pytest.approx(reference.sf(2.3))
        assert quantile(0.975, df) == pytest.approx(reference.ppf(0.975))


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.5]) == pytest.approx([0.04, 0.09, 0.09, 0.5])
    assert holm([]) == []


@given(st.lists(st.floats(min_value=0, max_value=1), max_size=20))
def test_holm_is_never_less_and_keeps_the_order(probabilities: list[float]) -> None:
    corrected = holm(probabilities)
    assert all(old <= new <= 1 for old, new in zip(probabilities, corrected, strict=True))
    pairs = sorted(zip(probabilities, corrected, strict=True))
    assert [new for _, new in pairs] == sorted(corrected)


def test_sum_of_two_variances_is_welchs() -> None:
    base, patched = [3.0, 4.0, 9.0], [20.0, 28.0, 17.0]
    spread = sum_of([Spread(variance=variance(side) / 3, df=2) for side in (base, patched)])
    t = (fmean(patched) - fmean(base)) / math.sqrt(spread.variance)
    reference = stats.ttest_ind(patched, base, equal_var=False)
    assert 2 * tail(t, spread.df) == pytest.approx(reference.pvalue)


def test_pool_is_known_by_all_only_where_all_are_alike() -> None:
    alike = pool_of([Spread(variance=1, df=2)] * 3)
    one = pool_of([Spread(variance=1, df=2), Spread(variance=0, df=2), Spread(variance=0, df=2)])
    assert alike == Spread(variance=1, df=6)
    assert one is not None
    assert one.variance == pytest.approx(1 / 3)
    assert one.df == pytest.approx(2)
    assert pool_of([]) is None


def test_interval_holds_the_truth_19_times_in_20() -> None:
    rng = random.Random(3)
    inside = 0
    for _ in range(2000):
        base, patched = ([rng.gauss(5, 0.3) for _ in range(3)] for _ in range(2))
        (estimate,) = estimates([observed(base, patched)])
        assert estimate is not None
        low, high = estimate.interval
        inside += low <= 0 <= high
    # Welch's degrees of freedom, and the larger of two variances: rather wide than narrow.
    assert 0.95 <= inside / 2000 <= 0.995


def test_estimate_of_one_pair_is_none() -> None:
    assert estimates([observed([1.0], [2.0])]) == [None]


def test_spread_of_kin_only_widens() -> None:
    still = observed([5.0, 5.0, 5.0], [6.0, 6.0, 6.0])
    loud = observed([5.0, 6.0, 4.0], [5.5, 4.2, 6.1], topology="one-node")
    (alone,) = estimates([still])
    beside, noisy = estimates([still, loud])
    assert alone is not None
    assert beside is not None
    assert noisy is not None
    assert beside.null.variance > alone.null.variance
    assert beside.own == alone.own
    assert noisy.null.variance >= noisy.own.variance
    (other, _) = estimates([still, observed([5.0, 6.0, 4.0], [5.5, 4.2, 6.1], topology="one-node", name="x")])
    assert other == alone
