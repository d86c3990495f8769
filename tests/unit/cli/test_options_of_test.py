"""Options of ``orchestrator test`` that are more than a word."""

from __future__ import annotations

import pytest

from orchestrator.cli.test import seconds_of, unless_slow
from orchestrator.errors import UserError
from orchestrator.model.run import MOST_SEEDS
from orchestrator.pipeline import profile_named
from orchestrator.plan import narrowed


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("10m", 600), ("1.5 min", 90), ("2h", 7200), ("0", 0), (" 3 s ", 3)]
)
def test_budget_when_a_time_is_given_then_it_is_seconds(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "ten", "-1", "1d", "1e9", "10m30s", "nan", "9999999"])
def test_budget_when_it_is_no_time_then_the_user_is_told_how(text: str) -> None:
    with pytest.raises(UserError, match="not a time"):
        seconds_of(text)


@pytest.mark.parametrize(
    ("seeds", "budget_s", "most"),
    [(0, None, 12), (2, None, 0), (2, 60.0, MOST_SEEDS), (0, 0.0, 0), (2, 0.0, 0)],
)
def test_seeds_and_budget_when_both_may_be_given_then_own_seeds_are_all_unless_time_is_given(
    seeds: int, budget_s: float | None, most: int
) -> None:
    quick = narrowed(profile_named("quick"), scenarios=(), topologies=(), seeds=seeds, budget_s=budget_s)
    assert quick.most_seeds == most
    assert quick.perturbed


@pytest.mark.parametrize(
    ("asked", "flavour", "then"),
    [(None, "plain", None), (None, "debug", False), (True, "debug", True), (False, "plain", False)],
)
def test_further_trials_when_the_flavour_is_slow_then_they_are_run_only_if_asked_for(
    *, asked: bool | None, flavour: str, then: bool | None
) -> None:
    assert unless_slow(asked, flavour) is then


def test_demo_when_shipped_then_its_trials_are_all_that_is_run() -> None:
    demo = profile_named("demo")
    assert (demo.most_seeds, demo.perturbed, demo.seeds) == (0, False, (1, 2))
