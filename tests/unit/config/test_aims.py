"""The catalog's aims: what they name is there, and together with the quick profile they reach all scenarios."""

from __future__ import annotations

import pytest

from orchestrator.config.aims import aims
from orchestrator.config.catalog import profiles, topologies
from orchestrator.config.scenarios import scenarios
from orchestrator.model.aim import Aim

WITHOUT = {"selftests"}
"""Too long to be added: a minute on its own."""


@pytest.mark.parametrize("aim", aims(), ids=lambda aim: aim.changes[0])
def test_aims_when_they_name_scenarios_then_these_fit_their_topologies(aim: Aim) -> None:
    for name, topology in aim.scenarios.items():
        assert not scenarios()[name].misfit(topologies()[topology])


def test_aims_when_taken_with_the_quick_profile_then_no_scenario_is_out_of_reach() -> None:
    reached = {name for aim in aims() for name in aim.scenarios} | set(profiles()["quick"].scenarios)
    assert set(scenarios()) - reached == WITHOUT
