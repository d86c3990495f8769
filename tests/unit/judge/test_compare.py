"""The comparison of base and patched, metric by metric."""

from __future__ import annotations

import math

import pytest

from orchestrator.judge.compare import compare
from orchestrator.model.scenario import Direction
from orchestrator.model.trial import Status, TrialResult
from orchestrator.model.verdict import Change, MetricChange
from tests.unit.record_builder import BASE, PATCHED, a2_trials, metric, scenario, spec, trial

SCENARIOS = (
    scenario(metrics=(metric("up", Direction.UP), metric("down", Direction.DOWN), metric("share", per_node=True))),
)


def pair(seed: int, base: dict[str, float], patched: dict[str, float]) -> list[TrialResult]:
    return [trial(spec(BASE, seed), base), trial(spec(PATCHED, seed), patched)]


def only(trials: list[TrialResult], name: str) -> MetricChange:
    return next(change for change in compare(SCENARIOS, trials) if change.metric == name)


@pytest.mark.parametrize(
    ("name", "base", "patched", "change"),
    [
        ("up", (100, 104), (120, 130), Change.IMPROVED),
        ("up", (100, 104), (90, 80), Change.REGRESSED),
        ("down", (100, 104), (120, 130), Change.REGRESSED),
        ("down", (100, 104), (90, 80), Change.IMPROVED),
        ("share@node0", (100, 104), (90, 80), Change.CHANGED),
        # within the spread of base, and at its edge
        ("up", (100, 104), (97, 100), Change.SAME),
        ("up", (100, 104), (96, 100), Change.SAME),
        ("up", (100, 100), (100, 100), Change.SAME),
        # beyond it in one seed only, or in opposite senses
        ("up", (100, 104), (90, 103), Change.UNCLEAR),
        ("up", (100, 104), (90, 120), Change.UNCLEAR),
    ],
)
def test_metric_over_two_seeds(
    name: str, base: tuple[float, float], patched: tuple[float, float], change: Change
) -> None:
    trials = [*pair(1, {name: base[0]}, {name: patched[0]}), *pair(2, {name: base[1]}, {name: patched[1]})]
    assert only(trials, name).change is change


def test_metric_with_a_direction_when_one_seed_ran_then_unclear_and_nobody_is_accused() -> None:
    assert only(pair(1, {"down": 10}, {"down": 99}), "down").change is Change.UNCLEAR


def test_metric_without_a_direction_when_one_seed_ran_then_changed() -> None:
    assert only(pair(1, {"share@node1": 10}, {"share@node1": 0}), "share@node1").change is Change.CHANGED


@pytest.mark.parametrize(
    ("base", "patched", "change"), [({"up": 0.0}, {}, Change.REMOVED), ({}, {"up": 0.0}, Change.ADDED)]
)
def test_metric_when_one_kernel_does_not_have_it_then_removed_or_added_and_never_zero(
    base: dict[str, float], patched: dict[str, float], change: Change
) -> None:
    found = only(pair(1, {**base, "x": 1}, {**patched, "x": 1}), "up")
    assert found.change is change
    assert None in {*found.base, *found.patched}


def test_name_that_no_scenario_describes_is_listed_only_when_one_kernel_has_it() -> None:
    changes = compare(SCENARIOS, pair(1, {"up": 1, "odd": 1, "gone": 5}, {"up": 1, "odd": 9}))
    assert {change.metric: change.change for change in changes} == {"gone": Change.REMOVED, "up": Change.SAME}


def test_seed_when_one_side_errored_then_not_compared() -> None:
    lost = trial(spec(PATCHED, 2), {"up": 1}, status=Status.ERROR)
    trials = [*pair(1, {"up": 5}, {"up": 5}), trial(spec(BASE, 2), {"up": 5}), lost]
    assert only(trials, "up").seeds == (1,)


def test_failed_trial_with_metrics_is_compared() -> None:
    failed = trial(spec(PATCHED), {"up": 5}, status=Status.FAIL)
    assert only([trial(spec(BASE), {"up": 5}), failed], "up").change is Change.SAME


def test_trial_that_is_there_twice_then_the_later_record_counts() -> None:
    trials = [trial(spec(PATCHED), {"share": 1}), *pair(1, {"share": 7}, {"share": 7})]
    assert only(trials, "share").patched == (7,)


@pytest.mark.parametrize("odd", [math.nan, math.inf])
def test_value_that_is_no_number_is_not_there(odd: float) -> None:
    assert only(pair(1, {"up": 1, "down": 1}, {"up": odd, "down": 1}), "up").change is Change.REMOVED


def test_order_when_a_node_is_starved_then_that_node_comes_first() -> None:
    changes = compare((scenario(),), a2_trials())
    assert [change.metric for change in changes[:2]] == ["written_back@node1", "written_back@node0"]
    assert [change.change for change in changes][-1] is Change.SAME


def test_order_when_something_regressed_then_that_comes_first() -> None:
    trials = [
        *pair(1, {"down": 100, "share@node0": 5, "share@node1": 5}, {"down": 130, "share@node0": 10, "share@node1": 0}),
        *pair(2, {"down": 100, "share@node0": 5, "share@node1": 5}, {"down": 130, "share@node0": 10, "share@node1": 0}),
    ]
    assert [change.metric for change in compare(SCENARIOS, trials)] == ["down", "share@node1", "share@node0"]


def test_compare_when_there_is_nothing_then_nothing() -> None:
    assert compare(SCENARIOS, []) == ()
