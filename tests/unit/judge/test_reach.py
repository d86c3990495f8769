"""What trials did not reach, and whose doing that is."""

from __future__ import annotations

import dataclasses

from orchestrator.judge.reach import missed_by_chance
from orchestrator.model.kernel import KernelRole
from orchestrator.model.trial import Check, Status
from tests.unit.record_builder import spec, trial


def test_missed_by_chance_when_a_race_was_missed_then_the_run_says_where() -> None:
    missed = Check(name="must met >= 1", status=Status.SKIP, message="never met: met is 0")
    other = Check(name="probes", status=Status.SKIP, message="no data")
    met = trial(spec(KernelRole.BASE))
    result = dataclasses.replace(met, checks=(missed, other))
    assert missed_by_chance([met, result]) == (f"{result.spec.id}: never met: met is 0",)
