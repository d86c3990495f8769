"""A run's plan, aimed at its patch: scenarios that go through the functions that the series changes.

A profile that is short for every patch is blind to most of them; one that sees all takes too long. What a series changes is
known as soon as it is on base, and what runs through that is in the catalog (aims.toml).
"""

from __future__ import annotations

import dataclasses

from orchestrator.config import catalog
from orchestrator.config.aims import aims
from orchestrator.config.scenarios import scenarios
from orchestrator.laboratory import Laboratory
from orchestrator.plan import aimed, planned_trials
from orchestrator.tree.changed import changed_names


def aim(laboratory: Laboratory) -> Laboratory:
    """Return the laboratory of the same run whose plan has the added scenarios; the same one where there are none to add.

    Found out once: a run that is resumed has them in its plan. Reads the trees, which are made where they are not there.
    """
    plan = laboratory.plan
    if not plan.profile.aims or plan.aimed is not None:
        return laboratory
    known, topologies = scenarios(), {**catalog.topologies(), **laboratory.topologies}
    changed = changed_names(laboratory.trees, cancellation=laboratory.cancellation)
    profile, lines = aimed(
        plan.profile,
        aims(),
        changed,
        fits=lambda scenario, topology: not known[scenario].misfit(topologies[topology]),
    )
    wider = dataclasses.replace(
        plan,
        profile=profile,
        trials=planned_trials(
            profile, scenarios={**known, **laboratory.scenarios}, topologies=topologies, sealed=plan.sealed
        ),
        topologies=tuple(topologies[name] for name in profile.topologies),
        aimed=lines,
    )
    laboratory.run.write_plan(wider)
    for line in lines:
        laboratory.steps.note("aim", line)
    again = Laboratory(laboratory.run, steps=laboratory.steps, cancellation=laboratory.cancellation)
    again.trees = laboratory.trees
    return again
