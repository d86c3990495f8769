"""A plan aimed at its patch: scenarios are added once, written down, and gone on with."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from orchestrator.aiming import aim
from orchestrator.config import catalog
from orchestrator.config.scenarios import scenarios_named
from orchestrator.host.deadline import Cancellation
from orchestrator.host.steps import StepEvent, Steps
from orchestrator.laboratory import Laboratory
from orchestrator.model.run import Plan
from orchestrator.plan import planned_trials
from orchestrator.store.run_directory import RunDirectory

TREES = object()


@pytest.fixture
def laboratory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Laboratory:
    """The laboratory of a new run of the quick profile, whose patch changes zswap's shrinker."""

    def opened(run: RunDirectory, *, steps: Steps, cancellation: Cancellation) -> Laboratory:
        plan = run.read_plan()
        made = SimpleNamespace(
            run=run,
            plan=plan,
            steps=steps,
            cancellation=cancellation,
            scenarios=scenarios_named(plan.profile.scenarios),
            topologies=catalog.topologies(),
            trees=None,
        )
        return cast("Laboratory", made)

    monkeypatch.setattr("orchestrator.aiming.Laboratory", opened)
    monkeypatch.setattr(
        "orchestrator.aiming.changed_names", lambda *_, **__: ("zswap_shrinker_scan", "arch/none.c")
    )  # fmt: skip
    profile = catalog.profiles()["quick"]
    known = scenarios_named(profile.scenarios)
    run = RunDirectory(tmp_path)
    run.write_plan(
        Plan(
            run_id="r", mail="m", linux="l", base_rev=None, profile=profile, sealed=True, sandbox=True,
            accelerator="tcg", again=False,
            trials=planned_trials(profile, scenarios=known, topologies=catalog.topologies(), sealed=True),
        )
    )  # fmt: skip
    made = opened(run, steps=Steps(), cancellation=Cancellation())
    made.trees = TREES  # type: ignore[assignment]
    return made


def test_aim_when_the_patch_changes_a_function_then_its_scenarios_are_planned_and_told(laboratory: Laboratory) -> None:
    events: list[StepEvent] = []
    laboratory.steps.subscribe(events.append)
    wider = aim(laboratory)
    before = laboratory.plan
    added = [spec for spec in wider.plan.trials if spec not in before.trials]
    assert {(spec.scenario, spec.topology, spec.seed) for spec in added} == {
        ("dynamic-shrinker", "one-node", 1),
        ("shrinker-protection", "one-node", 1),
    }
    assert set(before.trials) < set(wider.plan.trials)
    assert wider.plan.aimed is not None
    assert [event.text for event in events] == list(wider.plan.aimed)
    assert wider.trees is TREES


def test_aim_when_a_run_is_resumed_then_nothing_is_added_again(
    laboratory: Laboratory, monkeypatch: pytest.MonkeyPatch
) -> None:
    wider = aim(laboratory)
    monkeypatch.delattr("orchestrator.aiming.changed_names")
    assert aim(wider) is wider


def test_aim_when_nothing_goes_through_it_then_the_plan_says_that_it_was_looked_for(
    laboratory: Laboratory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.aiming.changed_names", lambda *_, **__: ("mm/slub.c",))
    wider = aim(laboratory)
    assert wider.plan.aimed == ()
    assert wider.plan.trials == laboratory.plan.trials


def test_aim_when_the_profile_does_not_ask_for_it_then_nothing_changes(laboratory: Laboratory) -> None:
    plan = laboratory.plan
    laboratory.plan = dataclasses.replace(plan, profile=dataclasses.replace(plan.profile, aims=0))
    assert aim(laboratory) is laboratory
