"""Live trials: two samples, ranked; what the host did meanwhile is told."""

from __future__ import annotations

import dataclasses
import random

import pytest

from orchestrator.judge.compare import compare
from orchestrator.judge.decide import decide
from orchestrator.judge.live import LOAD, STEAL, lines_on_busy_host
from orchestrator.judge.statistics import bootstrap_interval, middle_shift, rank_tail
from orchestrator.model.scenario import Direction
from orchestrator.model.trial import TrialResult
from orchestrator.model.verdict import Change, MetricChange, Outcome
from tests.unit.record_builder import BASE, PATCHED, metric, scenario, spec, trial

SCENARIOS = (scenario(metrics=(metric("down", Direction.DOWN),)),)


def live(kernel: str, seed: int, value: float, **environment: str) -> TrialResult:
    which = dataclasses.replace(spec(BASE if kernel == "base" else PATCHED, seed), sealed=False)
    return dataclasses.replace(trial(which, {"down": value}), environment=environment)


def judged(base: list[float], patched: list[float]) -> MetricChange:
    trials = [live("base", seed, value) for seed, value in enumerate(base, 1)]
    trials += [live("patched", seed, value) for seed, value in enumerate(patched, 1)]
    (change,) = compare(SCENARIOS, trials)
    return change


def around(middle: float, count: int, *, seed: int = 1, noise: float = 0.03) -> list[float]:
    rng = random.Random(seed)
    return [middle * (1 + rng.gauss(0, noise)) for _ in range(count)]


def test_three_live_seeds_decide_nothing_however_far_apart() -> None:
    assert judged([100, 101, 102], [900, 910, 905]).change is Change.UNCLEAR


def test_three_live_seeds_that_are_all_worse_leave_the_run_open_and_no_pass() -> None:
    worse = judged([100, 101, 102], [100000, 100001, 100002])
    assert (worse.change, worse.suspect) == (Change.UNCLEAR, True)
    better = judged([100000, 100001, 100002], [100, 101, 102])
    assert (better.change, better.suspect) == (Change.UNCLEAR, False)
    overlapping = judged([100, 101, 900], [890, 910, 905])
    assert (overlapping.change, overlapping.suspect) == (Change.UNCLEAR, False)


@pytest.mark.parametrize("base", [[1000, 1000, 1010, 1020, 1030, 1040], [1000 + seed for seed in range(12)]])
def test_live_seeds_that_are_all_worse_are_suspect_also_with_ties_and_where_others_take_the_level(
    base: list[float],
) -> None:
    names = [f"down{number}" for number in range(400)]
    many = (scenario(metrics=tuple(metric(name, Direction.DOWN) for name in names)),)
    trials = []
    for seed, value in enumerate(base, 1):
        same = dict.fromkeys(names, value)
        trials.append(dataclasses.replace(live("base", seed, value), metrics=same))
        trials.append(dataclasses.replace(live("patched", seed, value), metrics={**same, "down7": 3 * value}))
    (bad,) = [change for change in compare(many, trials) if change.metric == "down7"]
    assert bad.change is Change.REGRESSED or bad.suspect


def test_live_seeds_that_are_worse_by_less_than_matters_are_not_suspect() -> None:
    assert not judged([1000, 1001, 1002], [1003, 1004, 1005]).suspect


def outcome(base: list[float], patched: list[float]) -> Outcome:
    trials = [live("base", seed, value) for seed, value in enumerate(base, 1)]
    trials += [live("patched", seed, value) for seed, value in enumerate(patched, 1)]
    return decide(scenarios=SCENARIOS, planned=[trial.spec for trial in trials], trials=trials).outcome


def test_run_of_live_trials_passes_only_where_something_was_shown() -> None:
    assert outcome([100, 101, 102], [100000, 100001, 100002]) is Outcome.INCONCLUSIVE
    assert outcome([100], [100]) is Outcome.INCONCLUSIVE
    assert outcome([1000, 1001, 1002], [1000, 1001, 1003]) is Outcome.PASS
    assert outcome(around(100, 6), around(100000, 6)) is Outcome.REGRESSION


def test_sealed_trials_that_did_not_repeat_are_two_samples_too() -> None:
    trials = [trial(spec(BASE, seed), {"down": 100.0}) for seed in (1, 2, 3)]
    trials += [trial(spec(PATCHED, seed), {"down": 300.0}) for seed in (1, 2, 3)]
    (paired,) = compare(SCENARIOS, trials)
    (ranked,) = compare(SCENARIOS, trials, repeatable=False)
    assert (paired.change, ranked.change, ranked.suspect) == (Change.REGRESSED, Change.UNCLEAR, True)
    assert ranked.unit == paired.unit


def test_single_live_pair_shows_nothing_even_where_it_is_equal() -> None:
    assert judged([100], [100]).change is Change.UNCLEAR


def test_ten_live_seeds_show_a_doubling() -> None:
    found = judged(around(1000, 10), around(2000, 10, seed=2))
    assert found.change is Change.REGRESSED
    assert found.low is not None
    assert found.high is not None
    assert 800 < found.low < 1000 < found.high < 1200


def test_ten_live_seeds_of_the_same_are_the_same() -> None:
    assert judged(around(1000, 12), around(1000, 12, seed=2)).change is Change.SAME


def test_same_samples_give_the_same_words() -> None:
    assert judged(around(1000, 9), around(1300, 9, seed=5)) == judged(around(1000, 9), around(1300, 9, seed=5))


def test_false_alarms_of_live_trials_stay_below_the_level() -> None:
    said = [judged(around(1000, 8, seed=s, noise=0.2), around(1000, 8, seed=s + 1000, noise=0.2)) for s in range(300)]
    assert sum(change.change is Change.REGRESSED for change in said) <= 1


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({}, None),
        ({STEAL: "0.4", LOAD: "1.1"}, None),
        ({STEAL: "12.5", LOAD: "1.1"}, "12.5 % of its time was stolen"),
        ({STEAL: "0", LOAD: "4"}, "4 processes a CPU"),
        ({STEAL: "hostile\x1b[2J", LOAD: ""}, None),
    ],
)
def test_busy_host_is_told_of_live_trials_alone(environment: dict[str, str], says: str | None) -> None:
    trials = [live("base", 1, 1.0, **environment), dataclasses.replace(trial(spec(BASE)), environment=environment)]
    lines = lines_on_busy_host(trials)
    assert len(lines) == (says is not None)
    assert says is None or says in lines[0]


def test_arithmetic_of_ranks() -> None:
    assert middle_shift([1, 2, 3], [11, 12, 13]) == 10
    assert rank_tail([4, 5, 6], [1, 2, 3]) == pytest.approx(1 / 20)
    assert rank_tail([1, 1], [1, 1]) == 1.0
    assert bootstrap_interval([5, 5, 5], [7, 7, 7]) == (2.0, 2.0)


@pytest.mark.parametrize(("unit", "said"), [("ms", "ms virtualised"), ("pages", "pages")])
def test_live_guests_time_says_that_it_is_not_a_machines_own(unit: str, said: str) -> None:
    timed = scenario(metrics=(dataclasses.replace(metric("down", Direction.DOWN), unit=unit),))
    (change,) = compare((timed,), [live("base", 1, 100.0), live("patched", 1, 100.0)])
    assert change.unit == said
