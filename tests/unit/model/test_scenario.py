"""Where a scenario makes sense: the topologies, and the kernels, that it is about."""

from __future__ import annotations

import dataclasses

import pytest

from orchestrator.config.catalog import topologies
from orchestrator.config.scenarios import scenarios
from orchestrator.model.scenario import Requirements


@pytest.mark.parametrize(
    ("since", "release", "old"),
    [
        ("7.0", "6.12.48", True),
        ("7.0", "7.0.0-rc3", False),
        ("7.0", "7.0", False),
        ("7.2", "7.1.9+", True),
        ("7.2", "7.10.0-next-20261123", False),
        ("10.0", "9.9.1", True),
        ("", "2.6.39", False),
        ("7.0", "", False),
    ],
)
def test_kernel_when_its_release_is_compared_then_numbers_decide(since: str, release: str, *, old: bool) -> None:
    assert Requirements(since=since).too_old(release) is old


@pytest.mark.parametrize(("at_most", "says"), [(None, ""), (2, ""), (1, "it is for at most 1 CPUs, and there are 2")])
def test_topology_when_it_has_more_cpus_than_allowed_then_the_scenario_does_not_fit(
    at_most: int | None, says: str
) -> None:
    scenario = dataclasses.replace(scenarios()["memcg-limit"], requires=Requirements(at_most_cpus=at_most))
    assert scenario.misfit(topologies()["two-node"]) == says


def test_offline_cursor_when_there_are_more_than_two_cpus_then_is_not_planned() -> None:
    misfits = [name for name, topology in topologies().items() if scenarios()["offline-cursor"].misfit(topology)]
    assert misfits == [name for name, topology in topologies().items() if topology.cpus > 2]


def test_requirements_that_only_say_whether_there_is_a_trial_are_no_part_of_its_key() -> None:
    assert repr(Requirements(at_most_cpus=2, since="7.0")) == repr(Requirements())
