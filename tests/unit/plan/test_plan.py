"""The plan: which trials, in which order, and what cannot run."""

from __future__ import annotations

import dataclasses

import pytest

from orchestrator.errors import UserError
from orchestrator.model.aim import Aim
from orchestrator.model.kernel import KernelRole
from orchestrator.model.run import Only, Profile
from orchestrator.model.scenario import Requirements
from orchestrator.model.trial import TrialSpec
from orchestrator.plan import aimed, check_plan, left_out, narrowed, planned_trials
from tests.unit.record_builder import scenario, topology

PROFILE = Profile(
    name="test",
    what_for="tests",
    scenarios=("memcg-limit", "pool-limit"),
    topologies=("one-node", "two-node"),
    seeds=(1, 2),
)
SCENARIOS = {name: scenario(name) for name in PROFILE.scenarios}
TOPOLOGIES = {"one-node": topology("one-node", 1), "two-node": topology()}


def planned(profile: Profile, *, sealed: bool = True) -> tuple[TrialSpec, ...]:
    return planned_trials(profile, scenarios=SCENARIOS, topologies=TOPOLOGIES, sealed=sealed)


def problems(profile: Profile) -> str:
    with pytest.raises(UserError) as caught:
        check_plan(profile, scenarios=SCENARIOS, topologies=TOPOLOGIES)
    return caught.value.message


def test_trials_when_planned_then_each_combination_is_there_once() -> None:
    trials = planned(PROFILE)
    assert (len(trials), len({trial.id for trial in trials})) == (16, 16)


def test_trials_when_planned_then_base_and_patched_of_one_thing_stand_beside_each_other() -> None:
    trials = planned(PROFILE)
    pairs = list(zip(trials[::2], trials[1::2], strict=True))
    assert {(base.kernel, patched.kernel) for base, patched in pairs} == {(KernelRole.BASE, KernelRole.PATCHED)}
    assert all(
        (base.scenario, base.topology, base.seed) == (patched.scenario, patched.topology, patched.seed)
        for base, patched in pairs
    )


def test_trials_when_planned_then_everything_is_compared_once_before_anything_twice() -> None:
    seeds = [trial.seed for trial in planned(PROFILE)]
    assert seeds == sorted(seeds)


LESS = dataclasses.replace(PROFILE, only=(Only(scenario="pool-limit", topologies=("two-node",), seeds=(1,)),))


def test_trials_when_less_is_asked_of_a_scenario_then_it_has_only_these() -> None:
    found = [trial for trial in planned(LESS) if trial.kernel is KernelRole.BASE]
    assert [(trial.topology, trial.seed) for trial in found if trial.scenario == "pool-limit"] == [("two-node", 1)]
    assert len([trial for trial in found if trial.scenario == "memcg-limit"]) == 4


@pytest.mark.parametrize(
    ("scenarios", "topologies", "seeds", "expected"),
    [
        (("pool-limit",), (), 0, 4),
        ((), ("one-node",), 0, 4),
        ((), (), 1, 3),
        ((), (), 0, 5),
    ],
)
def test_narrowed_when_less_is_asked_of_a_scenario_then_the_users_own_choice_goes_before(
    scenarios: tuple[str, ...], topologies: tuple[str, ...], seeds: int, expected: int
) -> None:
    profile = narrowed(LESS, scenarios=scenarios, topologies=topologies, seeds=seeds)
    assert len(planned(profile)) == 2 * expected


def test_asks_when_the_scenario_is_a_variant_then_it_is_asked_like_its_scenario() -> None:
    assert not LESS.asks("pool-limit+compressor=zstd", "one-node")


def test_trials_when_live_then_all_of_them_are() -> None:
    assert {trial.sealed for trial in planned(PROFILE, sealed=False)} == {False}


def test_narrowed_when_nothing_was_chosen_then_is_the_profile() -> None:
    assert narrowed(PROFILE, scenarios=(), topologies=(), seeds=0) == PROFILE


def test_narrowed_when_all_was_chosen_then_has_the_users_choice() -> None:
    chosen = narrowed(PROFILE, scenarios=("a",), topologies=("b",), seeds=3)
    assert (chosen.scenarios, chosen.topologies, chosen.seeds) == (("a",), ("b",), (1, 2, 3))


def test_check_when_everything_is_there_and_fits_then_says_nothing() -> None:
    check_plan(PROFILE, scenarios=SCENARIOS, topologies=TOPOLOGIES)


def test_check_when_several_names_are_unknown_then_names_all_of_them() -> None:
    profile = narrowed(PROFILE, scenarios=("x", "y"), topologies=("z",), seeds=0)
    assert problems(profile) == "there is no scenario 'x'; there is no scenario 'y'; there is no topology 'z'"


def test_check_when_a_scenario_needs_more_memory_than_there_is_then_says_how_much() -> None:
    small = topology("small", 1)
    scenarios = {"large": dataclasses.replace(scenario("large"), memory_mib=4096)}
    profile = narrowed(PROFILE, scenarios=("large",), topologies=("small",), seeds=0)
    with pytest.raises(UserError, match=r"'large' makes no sense.*on small it needs 4096 MiB, and there are 1024"):
        check_plan(profile, scenarios=scenarios, topologies={"small": small})


def test_trials_when_a_scenario_does_not_fit_a_topology_then_it_is_left_out_there_and_said_so() -> None:
    needs_two = {**SCENARIOS, "pool-limit": dataclasses.replace(scenario("pool-limit"), requires=Requirements(nodes=2))}
    trials = planned_trials(PROFILE, scenarios=needs_two, topologies=TOPOLOGIES, sealed=True)
    assert {trial.topology for trial in trials if trial.scenario == "pool-limit"} == {"two-node"}
    assert left_out(PROFILE, scenarios=needs_two, topologies=TOPOLOGIES) == (
        "pool-limit on one-node: not planned, it needs 2 nodes with memory, and there are 1",
    )


AIMS = (
    Aim(changes=("zswap_shrinker_*",), scenarios={"dynamic-shrinker": "two-node", "memcg-limit": "one-node"}),
    Aim(changes=("shrink_worker",), scenarios={"many-memcgs": "four-node"}),
    Aim(changes=("mm/zswap.c",), scenarios={"large-folios": "one-node", "dynamic-shrinker": "one-node"}),
)
AIMING = dataclasses.replace(PROFILE, aims=2)


def aimed_at(*changed: str, profile: Profile = AIMING, misfit: str = "") -> tuple[Profile, tuple[str, ...]]:
    return aimed(profile, AIMS, changed, fits=lambda scenario, _: scenario != misfit)


def test_aimed_when_a_function_changes_then_what_goes_through_it_is_added_once_with_one_seed() -> None:
    profile, lines = aimed_at("zswap_shrinker_scan", "other")
    assert lines == ("dynamic-shrinker on two-node: the patch changes zswap_shrinker_scan",)
    assert profile.scenarios == (*PROFILE.scenarios, "dynamic-shrinker")
    assert profile.only == (Only(scenario="dynamic-shrinker", topologies=("two-node",), seeds=(1,)),)
    assert profile.aims == 0


def test_aimed_when_there_are_more_than_asked_for_then_the_most_particular() -> None:
    assert aimed_at("mm/zswap.c", "shrink_worker", "zswap_shrinker_count")[0].scenarios[2:] == (
        "dynamic-shrinker", "many-memcgs",
    )  # fmt: skip


def test_aimed_when_a_topology_is_new_then_the_profiles_own_scenarios_do_not_run_there() -> None:
    profile, _ = aimed_at("shrink_worker")
    assert profile.topologies == ("one-node", "two-node", "four-node")
    asked = [(name, where) for name in profile.scenarios for where in profile.topologies if profile.asks(name, where)]
    plain = [(name, where) for name in PROFILE.scenarios for where in PROFILE.topologies]
    assert asked == [*plain, ("many-memcgs", "four-node")]


def test_aimed_when_a_scenario_does_not_fit_or_nothing_is_known_then_nothing_is_added() -> None:
    assert aimed_at("shrink_worker", misfit="many-memcgs")[1] == ()
    assert aimed_at("mm/slub.c") == (dataclasses.replace(AIMING, aims=0), ())


def test_narrowed_when_the_user_chooses_then_nothing_is_added_for_the_patch() -> None:
    choice = {"scenarios": (), "topologies": (), "seeds": 0}
    assert narrowed(AIMING, **choice).aims == 2  # type: ignore[arg-type]
    assert narrowed(AIMING, **choice | {"seeds": 2}).aims == 2  # type: ignore[arg-type]
    assert narrowed(AIMING, **choice | {"scenarios": ("pool-limit",)}).aims == 0  # type: ignore[arg-type]
    assert narrowed(AIMING, **choice | {"topologies": ("one-node",)}).aims == 0  # type: ignore[arg-type]
    assert narrowed(AIMING, **choice, aimed=False).aims == 0  # type: ignore[arg-type]
