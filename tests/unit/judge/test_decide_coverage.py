"""What the coverage of the patch does to a verdict: it takes a PASS away, and nothing else."""

from __future__ import annotations

import pytest

from orchestrator.judge.decide import decide
from orchestrator.model.coverage import CoveredLine, LineState, PatchCoverage
from orchestrator.model.trial import TrialResult
from orchestrator.model.verdict import Outcome, Verdict
from tests.unit.record_builder import A2_BASE, BASE, PATCHED, a2_trials, scenario, spec, trial


def coverage(*states: LineState, **options: object) -> PatchCoverage:
    lines = tuple(
        CoveredLine(path="mm/zswap.c", line=10 + number, text="x();", state=state, calls=state is LineState.EXECUTED)
        for number, state in enumerate(states)
    )
    return PatchCoverage(lines=lines, **options)  # type: ignore[arg-type]


def judge(found: PatchCoverage | None, trials: tuple[TrialResult, ...] | None = None) -> Verdict:
    quiet = tuple(trial(spec(kernel, seed), A2_BASE) for seed in (1, 2) for kernel in (BASE, PATCHED))
    judged = quiet if trials is None else trials
    return decide(scenarios=(scenario(),), planned=[each.spec for each in judged], trials=judged, coverage=found)


def test_verdict_when_no_changed_line_ran_then_inconclusive_and_never_pass() -> None:
    verdict = judge(coverage(LineState.MISSED, LineState.NOT_COMPILED))
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert verdict.outcome.exit_status == 3
    assert (
        "None of 2 changed lines ran in any of this run's scenarios: nothing is known of what they do."
        in verdict.sentences
    )
    assert verdict.not_covered == ("mm/zswap.c:10: not executed", "mm/zswap.c:11: not compiled")


def test_verdict_when_some_lines_ran_then_pass_that_names_the_others() -> None:
    verdict = judge(coverage(LineState.EXECUTED, LineState.MISSED))
    assert verdict.outcome is Outcome.PASS
    assert verdict.sentences[-1] == "1 of 2 changed lines ran."
    assert verdict.not_covered == ("mm/zswap.c:11: not executed",)


@pytest.mark.parametrize("found", [None, PatchCoverage(reason="no gcov"), PatchCoverage()])
def test_verdict_when_coverage_was_not_measured_or_is_of_nothing_then_as_without(found: PatchCoverage | None) -> None:
    without = judge(None)
    verdict = judge(found)
    assert verdict.outcome is without.outcome is Outcome.PASS
    assert verdict.sentences == without.sentences
    assert verdict.not_covered == (
        ("Coverage of the patch was not measured: no gcov",) if found is not None and found.reason else ()
    )


def test_verdict_when_something_changed_then_what_is_proven_stands() -> None:
    trials = a2_trials()
    verdict = judge(coverage(LineState.MISSED), trials)
    assert verdict.outcome is judge(None, trials).outcome is Outcome.CHANGED
    assert "None of 1 changed line ran" in verdict.sentences[-1]
