"""The comparison of base and patched, metric by metric."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.judge.compare import LOOKS, PRIMARY_LEVEL, NullBuild, compare, short_of_builds
from orchestrator.judge.wording import sentence_on_change
from orchestrator.model.scenario import Direction, Metric
from orchestrator.model.trial import Status, TrialResult
from orchestrator.model.verdict import Change, MetricChange
from orchestrator.store.codec import decode, encode
from tests.unit.record_builder import BASE, PATCHED, a2_trials, metric, scenario, spec, trial

SCENARIOS = (
    scenario(metrics=(metric("up", Direction.UP), metric("down", Direction.DOWN), metric("share", per_node=True))),
)


def pair(seed: int, base: dict[str, float], patched: dict[str, float]) -> list[TrialResult]:
    return [trial(spec(BASE, seed), base), trial(spec(PATCHED, seed), patched)]


def only(trials: list[TrialResult], name: str) -> MetricChange:
    return next(change for change in compare(SCENARIOS, trials) if change.metric == name)


def seeds(name: str, base: tuple[float, ...], patched: tuple[float, ...]) -> list[TrialResult]:
    values = enumerate(zip(base, patched, strict=True), 1)
    return [each for seed, (old, new) in values for each in pair(seed, {name: old}, {name: new})]


@pytest.mark.parametrize(
    ("name", "base", "patched", "change"),
    [
        # base has no spread: any move that matters is proven by two seeds
        ("up", (1000, 1000), (1200, 1200), Change.IMPROVED),
        ("up", (1000, 1000), (800, 800), Change.REGRESSED),
        ("down", (1000, 1000), (1200, 1200), Change.REGRESSED),
        ("down", (1000, 1000), (800, 800), Change.IMPROVED),
        ("share@node0", (1000, 1000), (800, 800), Change.CHANGED),
        ("down", (0, 0, 0), (510, 510, 510), Change.REGRESSED),
        # smaller than 5 %, and than 32 pages
        ("up", (1000, 1000), (970, 970), Change.SAME),
        ("up", (100, 100), (80, 80), Change.SAME),
        ("up", (0, 0), (20, 20), Change.SAME),
        # between what is shown to matter and what is shown not to
        ("up", (1000, 1000, 1000), (940, 940, 940), Change.UNCLEAR),
        # a move that stands out of a spread, and one that does not
        ("down", (1000, 1004, 997), (3000, 3010, 2995), Change.REGRESSED),
        ("down", (1000, 1400, 700), (1100, 1500, 760), Change.UNCLEAR),
        ("up", (1000, 1040), (900, 1030), Change.UNCLEAR),
        # the seeds differ, and both kernels follow: base's own spread is what a pair may agree by luck within
        ("down", (1000, 2000, 4000), (1100, 2200, 4400), Change.UNCLEAR),
        # only one seed of the patched kernel shows it
        ("down", (0, 0, 0), (0, 0, 5119), Change.UNCLEAR),
    ],
)
def test_metric_over_some_seeds(name: str, base: tuple[float, ...], patched: tuple[float, ...], change: Change) -> None:
    assert only(seeds(name, base, patched), name).change is change


def test_metric_that_moved_has_its_effect_with_an_interval_and_what_matters_there() -> None:
    found = only(seeds("down", (1000, 1004, 997), (3000, 3010, 2995)), "down")
    assert found.effect is not None
    assert found.low is not None
    assert found.high is not None
    assert found.low < 2000 < found.high
    assert found.high - found.low < 100
    assert found.effect == pytest.approx(2000, abs=5)
    assert found.smallest == pytest.approx(math.hypot(50, 32), rel=0.05)
    assert found.corrected is not None
    assert found.corrected <= PRIMARY_LEVEL / LOOKS


def test_metric_with_its_own_smallest_effect_then_that_counts() -> None:
    one = metric("one", smallest=0.5)
    trials = seeds("one", (0, 0, 0), (1, 1, 1))
    assert [change.change for change in compare((scenario(metrics=(one,)),), trials)] == [Change.CHANGED]


def test_metric_that_wanders_on_another_topology_then_equal_seeds_here_are_not_believed() -> None:
    def cell(topology: str, base: tuple[float, ...], patched: tuple[float, ...]) -> list[TrialResult]:
        return [
            trial(spec(kernel, seed, topology=topology), {"down": value})
            for kernel, values in ((BASE, base), (PATCHED, patched))
            for seed, value in enumerate(values, 1)
        ]

    here = cell("two-node", (1000, 1000, 1000), (1300, 1300, 1300))
    there = cell("one-node", (1000, 3000, 500), (2500, 700, 1100))
    assert [change.change for change in compare(SCENARIOS, here)] == [Change.REGRESSED]
    assert {change.change for change in compare(SCENARIOS, [*here, *there])} == {Change.UNCLEAR}


def test_metric_that_a_kernel_moves_which_means_nothing_then_nobody_is_accused() -> None:
    trials = seeds("down", (779, 779, 779), (1194, 1194, 1194))
    null = NullBuild(name="-O1", trials=tuple(trial(spec(BASE, seed), {"down": 1150}) for seed in (1, 2, 3)))
    still = NullBuild(name="-O1", trials=tuple(trial(spec(BASE, seed), {"down": 779}) for seed in (1, 2, 3)))
    assert [change.change for change in compare(SCENARIOS, trials)] == [Change.REGRESSED]
    assert [change.change for change in compare(SCENARIOS, trials, [still])] == [Change.REGRESSED]
    (found,) = compare(SCENARIOS, trials, [null])
    assert found.change is Change.UNCLEAR
    assert not found.suspect


def moved_everywhere(*shifts: float) -> list[NullBuild]:
    return [
        NullBuild(name="null", trials=tuple(trial(spec(BASE, seed), {"down": 10000 + shift}) for seed in (1, 2, 3)))
        for shift in shifts
    ]


@pytest.mark.parametrize(
    ("patched", "shifts", "short"),
    [
        # far out of what one build moves, and one build is not much to know it by
        ((90000.0,) * 3, (600.0,), True),
        # two builds are
        ((90000.0,) * 3, (600.0, -500.0), False),
        # nothing is moved but by the patch: proven as it is
        ((90000.0,) * 3, (0.0,), False),
        # no further than what means nothing
        ((10700.0,) * 3, (600.0,), False),
        # what is open is how far seeds go apart
        ((12000.0, 16000.0, 11000.0), (1.0,), False),
    ],
)
def test_more_perturbed_builds_are_wanted_where_their_number_is_what_leaves_a_metric_unclear(
    patched: tuple[float, ...], shifts: tuple[float, ...], *, short: bool
) -> None:
    trials = seeds("down", (10000.0,) * 3, patched)
    wanted = short_of_builds(SCENARIOS, trials, moved_everywhere(*shifts))
    assert wanted == ((("memcg-limit", "two-node"),) if short else ())


def test_perturbed_build_that_failed_or_lacks_the_metric_is_no_reference() -> None:
    trials = seeds("down", (779, 779, 779), (1194, 1194, 1194))
    lost = NullBuild(
        name="-O1",
        trials=(trial(spec(BASE, 1), {"down": 9000}, status=Status.ERROR), trial(spec(BASE, 2), {"other": 1})),
    )
    assert compare(SCENARIOS, trials, [lost]) == compare(SCENARIOS, trials)


def test_many_metrics_are_corrected_for_their_number() -> None:
    few, many = (tuple(metric(f"m{number}", Direction.DOWN) for number in range(count)) for count in (1, 400))
    base, patched = (1000, 1010, 990), (1240, 1265, 1230)

    def change(metrics: tuple[Metric, ...]) -> Change:
        trials = [
            trial(spec(kernel, seed), {"m0": moved[seed - 1], **{each.name: base[seed - 1] for each in metrics[1:]}})
            for seed in (1, 2, 3)
            for kernel, moved in ((BASE, base), (PATCHED, patched))
        ]
        found = compare((scenario(metrics=metrics),), trials)
        return next(each.change for each in found if each.metric == "m0")

    assert (change(few), change(many)) == (Change.REGRESSED, Change.UNCLEAR)


def test_metric_with_a_direction_when_one_seed_ran_then_unclear_and_nobody_is_accused() -> None:
    assert only(pair(1, {"down": 10}, {"down": 99}), "down").change is Change.UNCLEAR


@pytest.mark.parametrize(("moved", "changes"), [(1150, Change.UNCLEAR), (790, Change.CHANGED)])
def test_metric_of_one_seed_when_a_kernel_that_means_nothing_moves_it_too_then_unclear(
    moved: float, changes: Change
) -> None:
    null = NullBuild(name="-O1", trials=(trial(spec(BASE, 1), {"down": moved, "share@node0": moved}),))
    trials = pair(1, {"down": 779, "share@node0": 779}, {"down": 1194, "share@node0": 1194})
    found = {each.metric: each for each in compare(SCENARIOS, trials, [null])}
    assert found["share@node0"].change is changes
    assert (found["down"].change, found["down"].suspect) == (Change.UNCLEAR, changes is Change.CHANGED)


def test_metric_without_a_direction_when_one_seed_ran_then_changed() -> None:
    assert only(pair(1, {"share@node1": 100}, {"share@node1": 0}), "share@node1").change is Change.CHANGED
    assert only(pair(1, {"share@node1": 10}, {"share@node1": 0}), "share@node1").change is Change.SAME


@pytest.mark.parametrize(("patched", "suspect"), [(5000, True), (10, False)])
def test_metric_that_worsened_in_the_only_seed_is_suspect(patched: float, *, suspect: bool) -> None:
    found = only(pair(1, {"down": 1000}, {"down": patched}), "down")
    assert (found.change, found.suspect) == (Change.UNCLEAR, suspect)
    assert found.effect is None


def test_metric_that_is_worse_but_not_beyond_doubt_is_suspect() -> None:
    found = only(seeds("down", (1000, 1100, 900), (1500, 1750, 1300)), "down")
    assert (found.change, found.suspect) == (Change.UNCLEAR, True)
    better = only(seeds("up", (1000, 1100, 900), (1500, 1750, 1300)), "up")
    assert (better.change, better.suspect) == (Change.UNCLEAR, False)


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


@pytest.mark.parametrize(
    ("odd", "why"),
    [(math.nan, "is no number"), (math.inf, "is no number"), (2.0**64 - 3, "wrapped"), (-5.0, "went backwards")],
)
def test_value_that_cannot_be_is_not_compared_and_that_is_said(odd: float, why: str) -> None:
    found = only(pair(1, {"up": 1, "down": 1}, {"up": odd, "down": 1}), "up")
    assert (found.change, found.patched) == (Change.UNCLEAR, (None,))
    assert found.note == f"patched, seed 1: {why}"


def test_gauge_may_fall() -> None:
    gauge = Metric(name="stored", unit="pages", direction=Direction.NONE, source="debugfs:stored_pages")
    (found,) = compare((scenario(metrics=(gauge,)),), pair(1, {"stored": -500.0}, {"stored": -900.0}))
    assert (found.change, found.note) == (Change.CHANGED, "")


def test_metric_that_is_absent_in_some_seeds_is_compared_in_the_others_and_that_is_said() -> None:
    trials = [*pair(1, {"up": 900, "x": 1}, {"up": 900, "x": 1}), *pair(2, {"up": 900, "x": 1}, {"x": 1})]
    found = only(trials, "up")
    assert (found.change, found.patched, found.note) == (Change.SAME, (900, None), "patched, seed 2: absent")


def test_order_when_a_node_is_starved_then_that_node_comes_first() -> None:
    changes = compare((scenario(),), a2_trials())
    assert [change.metric for change in changes[:2]] == ["written_back@node1", "written_back@node0"]
    assert [change.change for change in changes][-1] is Change.SAME


def test_order_when_something_regressed_then_that_comes_first() -> None:
    trials = [
        each
        for seed in (1, 2)
        for each in pair(
            seed,
            {"down": 1000, "share@node0": 500, "share@node1": 500},
            {"down": 1300, "share@node0": 1000, "share@node1": 0},
        )
    ]
    assert [change.metric for change in compare(SCENARIOS, trials)] == ["down", "share@node1", "share@node0"]


def test_compare_when_there_is_nothing_then_nothing() -> None:
    assert compare(SCENARIOS, []) == ()


ANY = st.one_of(st.none(), st.floats(), st.integers(min_value=-(2**70), max_value=2**70).map(float))


@given(st.lists(st.tuples(ANY, ANY), min_size=1, max_size=5))
def test_whatever_the_values_the_changes_can_be_recorded(values: list[tuple[float | None, float | None]]) -> None:
    trials = [
        trial(spec(kernel, seed), {"other": 1.0} | ({} if value is None else {"down": value, "share@node0": value}))
        for seed, each in enumerate(values, 1)
        for kernel, value in zip((BASE, PATCHED), each, strict=True)
    ]
    for change in compare(SCENARIOS, trials):
        assert decode(MetricChange, encode(change)) == change
        assert sentence_on_change(change)
