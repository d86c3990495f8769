"""A base that does not build or boot is said to be broken, and that is nobody's fault but base's and ours."""

from __future__ import annotations

import pytest

from orchestrator.errors import BrokenBase, Evidence
from orchestrator.judge.decide import decide
from orchestrator.judge.health import finding_on_base
from orchestrator.model.verdict import Outcome
from tests.unit.record_builder import BASE, PATCHED, scenario, spec

PANIC = Evidence(command=("qemu",), last_lines=("Kernel panic - not syncing: no init",))


@pytest.mark.parametrize("stage", ["build", "boot"])
def test_verdict_when_base_is_broken_then_error_that_names_base_and_blames_nobody(stage: str) -> None:
    error = BrokenBase(f"base does not {stage}: 7.2", stage=stage, hint="choose another base", evidence=PANIC)

    verdict = decide(
        scenarios=(scenario(),), planned=(spec(BASE), spec(PATCHED)), trials=(), gaps=(finding_on_base(error),)
    )

    assert (verdict.outcome, verdict.outcome.exit_status) == (Outcome.ERROR, 3)
    assert verdict.sentences[0] == f"Base is broken, so nothing is said of the patch: base does not {stage}: 7.2."
    (finding,) = verdict.findings
    assert (finding.kind, finding.kernel, finding.trial, finding.blamed) == (stage, "base", "", False)
    assert finding.detail == ("command: qemu", "  | Kernel panic - not syncing: no init", "Try: choose another base")
    assert len(verdict.not_covered) == 2
