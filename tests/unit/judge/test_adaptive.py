"""Which trials a run adds: only where something is undecided and more seeds can decide it."""

from __future__ import annotations

from orchestrator.judge.adaptive import MOST, STEPS, MoreSeeds, next_look
from orchestrator.judge.compare import NullBuild, compare
from orchestrator.model.scenario import Direction
from orchestrator.model.verdict import Change, MetricChange
from tests.unit.record_builder import BASE, PATCHED, metric, scenario, spec, trial

SCENARIOS = (scenario(metrics=(metric("down", Direction.DOWN), metric("share"))),)


def changes(
    base: list[float],
    patched: list[float],
    *,
    name: str = "down",
    topology: str = "two-node",
    null: list[float] | None = None,
) -> tuple[MetricChange, ...]:
    trials = [
        trial(spec(kernel, seed, topology=topology), {name: value})
        for kernel, values in ((BASE, base), (PATCHED, patched))
        for seed, value in enumerate(values, 1)
    ]
    others = [trial(spec(BASE, seed, topology=topology), {name: value}) for seed, value in enumerate(null or [], 1)]
    return compare(SCENARIOS, trials, [NullBuild(name="-O1", trials=tuple(others))])


SUSPECT = changes([1000, 1100, 900], [1500, 1750, 1300])
PROVEN = changes([1000, 1000, 1000], [2000, 2000, 2000])
SAME = changes([1000, 1000, 1000], [1000, 1000, 1000])
HOPELESS = changes([100, 9000, 2000], [4000, 200, 7000])
CLOSE = changes([1000, 1040, 970], [1010, 1000, 1015])


def test_what_is_decided_needs_no_more_seeds() -> None:
    assert next_look([*PROVEN, *SAME]).wanted == ()


def test_suspect_gets_the_next_step_of_seeds() -> None:
    assert SUSPECT[0].suspect
    (more,) = next_look(SUSPECT).wanted
    assert more == MoreSeeds(
        scenario="memcg-limit", topology="two-node", seeds=(4, 5, 6), metrics=("down",), seconds=0.0
    )


def test_seed_that_ran_alone_is_brought_to_three_then_six_then_twelve() -> None:
    assert next_look(changes([1000], [5000])).wanted[0].seeds == (2, 3)
    six = changes([1000, 1300, 900, 1100, 700, 1250], [1300, 1500, 1150, 1260, 1270, 1330])
    assert six[0].change is Change.UNCLEAR
    assert next_look(six).wanted[0].seeds == tuple(range(7, 13))
    assert (STEPS[-1], MOST) == (12, 12)


def test_metric_that_twelve_seeds_cannot_decide_is_left_unclear() -> None:
    assert HOPELESS[0].change is Change.UNCLEAR
    assert next_look(HOPELESS).wanted == ()


def test_metric_that_is_likely_the_same_gets_seeds_to_show_it() -> None:
    assert CLOSE[0].change is Change.UNCLEAR
    assert next_look(CLOSE).wanted[0].metrics == ("down",)


def test_metric_without_a_direction_gets_seeds_only_when_it_stands_out() -> None:
    loud = changes([1000, 1100, 900], [1500, 1750, 1300], name="share")
    quiet = changes([1000, 1040, 970], [1010, 1000, 1015], name="share")
    assert {change.change for change in (*loud, *quiet)} == {Change.UNCLEAR}
    assert len(next_look(loud).wanted) == 1
    assert next_look(quiet).wanted == ()


def test_budget_goes_to_what_may_have_worsened_first_and_the_rest_is_told() -> None:
    elsewhere = changes([1000, 1040, 970], [1010, 1000, 1015], topology="one-node")
    costs = {("memcg-limit", "two-node"): 10.0, ("memcg-limit", "one-node"): 10.0}
    look = next_look([*elsewhere, *SUSPECT], seconds_a_pair=costs, budget_s=45)
    assert [(each.topology, each.seconds) for each in look.wanted] == [("two-node", 30.0)]
    assert [each.topology for each in look.left_out] == ["one-node"]
    assert look.lines_on_left_out() == (
        "memcg-limit on one-node: 3 more seeds were wanted for down and not run: no time left",
    )


def test_no_more_than_the_most_seeds() -> None:
    assert next_look(SUSPECT, most=4).wanted[0].seeds == (4,)
    assert next_look(SUSPECT, most=3).wanted == ()


def test_change_that_one_seed_showed_is_confirmed_by_more() -> None:
    found = changes([1000], [5000], name="share")
    assert found[0].change is Change.CHANGED
    assert next_look(found).wanted[0].seeds == (2, 3)
    assert next_look(changes([1000] * 3, [5000] * 3, name="share")).wanted == ()


def test_move_of_one_seed_that_a_kernel_makes_which_means_nothing_gets_seeds_after_what_may_have_worsened() -> None:
    wandering = changes([1000], [5000], name="share", null=[4000])
    worse = changes([1000], [5000], topology="one-node")
    assert (wandering[0].change, worse[0].suspect) == (Change.UNCLEAR, True)
    assert [more.metrics for more in next_look([*wandering, *worse]).wanted] == [("down",), ("share",)]
