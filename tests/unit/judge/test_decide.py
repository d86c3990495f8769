"""The decision: which verdict follows from which trials, and what is said of it."""

from __future__ import annotations

import dataclasses

from orchestrator.errors import Evidence, PatchFault
from orchestrator.judge.compare import NullBuild
from orchestrator.judge.decide import decide
from orchestrator.judge.kernel_log import scan_kernel_log, with_kernel_log
from orchestrator.model.kernel import KernelRole
from orchestrator.model.scenario import Direction
from orchestrator.model.trial import Check, Status, TrialResult, TrialSpec
from orchestrator.model.verdict import Finding, Outcome, Verdict
from tests.unit.judge.test_kernel_log import LOGS
from tests.unit.record_builder import A2_BASE, A2_V5, BASE, PATCHED, a2_trials, metric, scenario, spec, trial

WRONG_PAGE = Check(name="integrity", status=Status.FAIL, message="page 0x7f00 holds 00, not ab")


def judge(
    trials: list[TrialResult] | tuple[TrialResult, ...], *more: TrialSpec, faults: tuple[PatchFault, ...] = ()
) -> Verdict:
    planned = [each.spec for each in trials] + list(more)
    return decide(scenarios=(scenario(),), planned=planned, trials=trials, faults=faults)


def pair(base: dict[str, float], patched: dict[str, float], seeds: tuple[int, ...] = (1, 2)) -> list[TrialResult]:
    return [trial(spec(kernel, seed), each) for seed in seeds for kernel, each in ((BASE, base), (PATCHED, patched))]


def test_verdict_when_a_node_is_starved_then_changed_and_that_is_said_first() -> None:
    verdict = judge(a2_trials())
    assert verdict.outcome is Outcome.CHANGED
    assert verdict.sentences[0] == (
        "On two-node, memcg-limit: written_back@node1 fell from 4096 to 0 pages in each of 2 seeds "
        "(no direction: a change, not by itself a bug; each node's share: node0 54 % → 100 %, node1 46 % → 0 %)."
    )


def test_verdict_when_nothing_moved_then_pass_with_the_number_of_comparisons() -> None:
    verdict = judge(pair(A2_BASE, A2_BASE))
    assert verdict.outcome is Outcome.PASS
    assert verdict.outcome.exit_status == 0
    assert "9 comparisons" in verdict.sentences[0]


def test_verdict_when_there_are_no_trials_then_inconclusive_and_not_pass() -> None:
    assert judge([]).outcome is Outcome.INCONCLUSIVE
    assert judge([], spec(BASE), spec(PATCHED)).outcome is Outcome.INCONCLUSIVE


def test_verdict_when_a_metric_worsened_in_every_seed_then_regression_with_figures() -> None:
    verdict = judge(pair(A2_BASE, {**A2_BASE, "store_rejects": 8184}))
    assert verdict.outcome is Outcome.REGRESSION
    assert verdict.sentences[0] == (
        "On two-node, memcg-limit: store_rejects rose from 5372 to 8184 pages in each of 2 seeds (lower is better)."
    )


def test_verdict_when_a_metric_worsened_in_the_only_seed_then_inconclusive() -> None:
    verdict = judge(pair(A2_BASE, {**A2_BASE, "store_rejects": 8184}, seeds=(1,)))
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert "run more seeds" in " ".join(verdict.sentences)


def over_three(rejects: tuple[float, float, float], *, base: tuple[float, float, float]) -> list[TrialResult]:
    return [
        trial(spec(kernel, seed), {**A2_BASE, "store_rejects": values[seed - 1]})
        for seed in (1, 2, 3)
        for kernel, values in ((BASE, base), (PATCHED, rejects))
    ]


def test_verdict_when_a_metric_may_well_have_worsened_over_three_seeds_then_inconclusive() -> None:
    verdict = judge(over_three((1500, 1700, 1350), base=(1000, 1060, 940)))
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert "stands out too little to be sure of (store_rejects): run more seeds" in " ".join(verdict.sentences)


def test_verdict_when_a_metric_wanders_too_much_to_tell_then_pass_that_says_so() -> None:
    verdict = judge(over_three((1100, 1500, 800), base=(1000, 1400, 700)))
    assert verdict.outcome is Outcome.PASS
    assert "8 the same, 1 unclear" in verdict.sentences[0]


def test_regression_of_a_metric_that_wanders_is_told_with_its_interval() -> None:
    verdict = judge(over_three((9000, 9050, 9020), base=(1000, 1020, 990)))
    assert verdict.outcome is Outcome.REGRESSION
    assert "in each of 3 seeds, 95 % interval of the effect +7" in verdict.sentences[0]


def test_value_that_went_backwards_is_named_among_what_was_not_covered() -> None:
    verdict = judge(pair(A2_BASE, {**A2_BASE, "store_rejects": -3}))
    (line,) = verdict.not_covered
    assert line.startswith("memcg-limit on two-node: store_rejects was not compared everywhere")
    assert line.endswith("(patched, seed 1: went backwards; patched, seed 2: went backwards)")


def test_verdict_when_all_seeds_failed_then_nothing_is_compared_and_no_pass() -> None:
    lost = [
        trial(spec(kernel, seed), status=Status.ERROR, message="QEMU ended")
        for seed in (1, 2, 3) for kernel in (BASE, PATCHED)
    ]  # fmt: skip
    verdict = judge(lost)
    assert (verdict.outcome, verdict.changes) == (Outcome.ERROR, ())


def test_perturbed_builds_of_base_hold_an_accusation_back() -> None:
    trials = pair(A2_BASE, {**A2_BASE, "store_rejects": 8184}, seeds=(1, 2, 3))
    null = NullBuild(
        name="-O1", trials=tuple(trial(spec(BASE, seed), {**A2_BASE, "store_rejects": 7900}) for seed in (1, 2, 3))
    )
    specs = [each.spec for each in trials]
    verdicts = [
        decide(scenarios=(scenario(),), planned=specs, trials=trials, null_builds=nulls) for nulls in ((), (null,))
    ]
    assert [verdict.outcome for verdict in verdicts] == [Outcome.REGRESSION, Outcome.PASS]


def test_verdict_when_metrics_only_improved_then_improvement() -> None:
    verdict = judge(pair(A2_BASE, {**A2_BASE, "store_rejects": 127}))
    assert verdict.outcome is Outcome.IMPROVEMENT
    assert verdict.outcome.exit_status == 0


def test_verdict_when_a_trial_errored_then_error_that_names_the_reason() -> None:
    lost = trial(spec(PATCHED, 3), status=Status.ERROR, message="QEMU exited before the guest answered")
    verdict = judge([*a2_trials(), trial(spec(BASE, 3), A2_BASE), lost])
    assert verdict.outcome is Outcome.ERROR
    assert verdict.sentences[0].startswith("1 of 10 trials failed by our fault, not the patch's: QEMU exited")
    assert verdict.not_covered == (f"{lost.spec.id}: ERROR, QEMU exited before the guest answered",)


def test_verdict_when_a_trial_errored_but_a_regression_is_proven_then_regression_stands() -> None:
    lost = trial(spec(PATCHED, 1, topology="one-node"), status=Status.ERROR, message="lost")
    verdict = judge([*pair(A2_BASE, {**A2_BASE, "store_rejects": 8184}), lost])
    assert verdict.outcome is Outcome.REGRESSION
    assert any("our fault" in sentence for sentence in verdict.sentences)


def test_verdict_when_planned_trials_did_not_run_then_inconclusive_and_each_is_named() -> None:
    missing = spec(BASE, 1, topology="four-node")
    skipped = trial(spec(PATCHED, 1, topology="four-node"), status=Status.SKIP, message="no room in memory")
    verdict = judge([*a2_trials(), skipped], missing)
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert verdict.not_covered == (
        f"{skipped.spec.id}: SKIP, no room in memory",
        f"{missing.id}: MISS, not run",
    )


def test_verdict_when_the_patched_kernel_does_not_build_then_regression() -> None:
    fault = PatchFault("mm/zswap.c:1100: error: 'x' undeclared", stage="build", evidence=Evidence(exit_status=2))
    verdict = judge([], spec(BASE), spec(PATCHED), faults=(fault,))
    assert verdict.outcome is Outcome.REGRESSION
    assert (
        verdict.sentences[0] == "The patched kernel does not build, base does: mm/zswap.c:1100: error: 'x' undeclared."
    )
    assert verdict.findings[0].detail == ("exit status: 2",)
    assert len(verdict.not_covered) == 2


def test_finding_on_patched_when_base_passes_then_blamed() -> None:
    bad = trial(spec(PATCHED), A2_BASE, status=Status.FAIL, checks=(WRONG_PAGE,))
    verdict = judge([trial(spec(BASE), A2_BASE), bad])
    assert verdict.outcome is Outcome.REGRESSION
    assert [finding.blamed for finding in verdict.findings] == [True]


def test_finding_on_patched_when_base_shows_the_same_in_another_seed_then_not_blamed() -> None:
    trials = [
        trial(spec(BASE, 1), A2_BASE, status=Status.FAIL, checks=(WRONG_PAGE,)),
        trial(spec(PATCHED, 1), A2_BASE),
        trial(spec(BASE, 2), A2_BASE),
        trial(spec(PATCHED, 2), A2_BASE, status=Status.FAIL, checks=(WRONG_PAGE,)),
    ]
    verdict = judge(trials)
    assert verdict.outcome is Outcome.PASS
    assert not any(finding.blamed for finding in verdict.findings)
    assert "base shows the same" in verdict.findings[0].title


def test_finding_on_base_when_patched_passes_then_noted_and_not_blamed() -> None:
    verdict = judge(
        [trial(spec(BASE), A2_BASE, status=Status.FAIL, checks=(WRONG_PAGE,)), trial(spec(PATCHED), A2_BASE)]
    )
    assert verdict.outcome is Outcome.PASS
    assert "not seen with the patch" in verdict.findings[0].title


def test_finding_on_patched_when_base_never_ran_then_nobody_is_blamed() -> None:
    bad = trial(spec(PATCHED), A2_BASE, status=Status.FAIL, checks=(WRONG_PAGE,))
    verdict = judge([bad], spec(BASE))
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert not verdict.findings[0].blamed


def test_finding_in_three_seeds_is_listed_once() -> None:
    trials = [trial(spec(BASE, seed), A2_BASE) for seed in (1, 2, 3)]
    trials += [trial(spec(PATCHED, seed), A2_BASE, status=Status.FAIL, checks=(WRONG_PAGE,)) for seed in (1, 2, 3)]
    assert len(judge(trials).findings) == 1


def test_splat_on_patched_when_base_has_another_splat_then_blamed() -> None:
    warned, oopsed = (
        scan_kernel_log((LOGS / f"{name}.txt").read_text())
        for name in ("real-7.2-warning-topology", "null-dereference-then-panic")
    )
    base = with_kernel_log(trial(spec(BASE), A2_BASE), warned)
    patched = with_kernel_log(with_kernel_log(trial(spec(PATCHED), A2_BASE), warned), oopsed)
    blamed = [finding for finding in judge([base, patched]).findings if finding.blamed]
    assert [finding.kind for finding in blamed] == ["BUG"]


def test_oom_kill_on_patched_only_is_a_change_and_no_regression() -> None:
    scan = scan_kernel_log((LOGS / "real-7.2-memcg-oom.txt").read_text())
    trials = pair(A2_BASE, A2_BASE)
    trials[1] = with_kernel_log(trials[1], scan)
    verdict = judge(trials)
    assert verdict.outcome is Outcome.CHANGED
    assert verdict.sentences[0].startswith("With the patch only: Memory cgroup out of memory")


def test_oom_kill_on_both_kernels_is_nothing_new() -> None:
    scan = scan_kernel_log((LOGS / "real-7.2-memcg-oom.txt").read_text())
    assert judge([with_kernel_log(each, scan) for each in pair(A2_BASE, A2_BASE)]).outcome is Outcome.PASS


def test_trial_that_panicked_on_both_kernels_then_not_compared_and_inconclusive() -> None:
    scan = scan_kernel_log((LOGS / "real-7.2-panic-init-killed.txt").read_text())
    lost = [trial(spec(kernel), status=Status.ERROR, message="QEMU ended") for kernel in (BASE, PATCHED)]
    verdict = judge([with_kernel_log(each, scan) for each in lost])
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert len(verdict.not_covered) == 2


def test_metric_that_neither_kernel_has_is_not_covered() -> None:
    more = scenario(metrics=(*scenario().metrics, metric("decompress_fail", Direction.DOWN)))
    trials = pair(A2_BASE, A2_V5)
    verdict = decide(scenarios=(more,), planned=[each.spec for each in trials], trials=trials)
    assert verdict.not_covered == ("memcg-limit on two-node: neither kernel has decompress_fail",)


def test_record_that_was_not_planned_is_not_judged() -> None:
    trials = pair(A2_BASE, A2_BASE)
    stray = pair(A2_BASE, {**A2_BASE, "store_rejects": 9999}, seeds=(7, 8))
    verdict = decide(scenarios=(scenario(),), planned=[each.spec for each in trials], trials=[*trials, *stray])
    assert verdict.outcome is Outcome.PASS


def test_sentences_are_never_more_than_three() -> None:
    trials = [*a2_trials(), trial(spec(BASE, 9), status=Status.ERROR, message="x"), trial(spec(PATCHED, 9), A2_V5)]
    for verdict in (judge(trials), judge(a2_trials()), judge([])):
        assert 1 <= len(verdict.sentences) <= 3


def lacking(*kernels: KernelRole) -> list[TrialResult]:
    return [
        trial(spec(kernel, 1, topology="four-node"), status=Status.SKIP, message="built without CONFIG_MEMORY_HOTPLUG")
        for kernel in kernels
    ]


def test_verdict_when_neither_kernel_has_what_a_scenario_needs_then_is_listed_and_the_rest_stands() -> None:
    verdict = judge([*pair(A2_BASE, A2_BASE), *lacking(BASE, PATCHED)])
    assert verdict.outcome is Outcome.PASS
    assert [line.endswith("SKIP, built without CONFIG_MEMORY_HOTPLUG") for line in verdict.not_covered] == [True, True]


def test_verdict_when_only_the_patched_kernel_lacks_it_then_inconclusive() -> None:
    base = trial(spec(BASE, 1, topology="four-node"), A2_BASE)
    assert judge([*pair(A2_BASE, A2_BASE), base, *lacking(PATCHED)]).outcome is Outcome.INCONCLUSIVE


def test_verdict_when_the_code_is_the_same_and_nothing_ran_then_pass_that_says_so_and_lists_what_was_not_run() -> None:
    verdict = decide(
        scenarios=(scenario(),), planned=(spec(BASE), spec(PATCHED)), trials=(), same_code="only comments differ"
    )
    assert verdict.outcome is Outcome.PASS
    assert verdict.sentences == (
        "No change in object code: only comments differ.",
        "None of 2 planned trials was run: base and patched could not differ in it.",
    )
    assert verdict.not_covered == (
        "memcg-limit-two-node-base-s1: MISS, not run: no change in object code",
        "memcg-limit-two-node-patched-s1: MISS, not run: no change in object code",
    )


def test_verdict_when_the_code_is_the_same_but_trials_ran_then_they_decide() -> None:
    trials = pair(A2_BASE, {**A2_BASE, "store_rejects": 8184})
    verdict = decide(
        scenarios=(scenario(),), planned=[each.spec for each in trials], trials=trials, same_code="only comments differ"
    )
    assert verdict.outcome is Outcome.REGRESSION


def test_verdict_when_the_code_is_the_same_and_a_gap_is_ours_then_it_is_no_pass() -> None:
    gap = Finding(kind="expired waiver", title="a waiver expired", detail=(), kernel="", trial="", blamed=False)
    verdict = decide(scenarios=(scenario(),), planned=(spec(BASE),), trials=(), gaps=(gap,), same_code="same")
    assert verdict.outcome is Outcome.ERROR


def test_verdict_when_lockdep_switched_itself_off_then_is_told_of_either_kernel_and_is_no_change() -> None:
    off = Check(name="kernel log: lockdep limit", status=Status.SKIP, message="BUG: MAX_LOCKDEP_CHAINS too low!")
    for kernel in (BASE, PATCHED):
        trials = pair({"zswpwb": 100.0}, {"zswpwb": 100.0})
        trials = [dataclasses.replace(each, checks=(off,)) if each.spec.kernel is kernel else each for each in trials]
        verdict = judge(trials)
        assert verdict.outcome is Outcome.PASS
        assert [line for line in verdict.not_covered if "lockdep had switched itself off" in line] != []
