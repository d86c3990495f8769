"""Waivers: what they excuse, what they never excuse, and what becomes of the run when one has expired."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.judge.decide import decide
from orchestrator.judge.waivers import apply_waivers
from orchestrator.model.trial import Check, Status, TrialResult
from orchestrator.model.verdict import Outcome, Verdict
from orchestrator.model.waiver import Waiver
from tests.unit.record_builder import A2_BASE, BASE, PATCHED, scenario, spec, trial

TODAY = "2026-11-23"
GOOD = Check(name="integrity", status=Status.PASS, message="20480 pages read back")
SELFTEST = Check(name="selftest test_no_kmem_bypass", status=Status.FAIL, message="not ok 6")
BROKEN = Check(
    name="invariant I4 written back is counted per memcg",
    status=Status.FAIL,
    message="I4 is broken",
    fingerprint="invariant I4",
)
SPLAT = Check(
    name="kernel log: WARNING", status=Status.FAIL, message="WARNING: mm/zswap.c", fingerprint="WARNING|zswap_swapoff"
)


def waiver(
    name: str = "*test_no_kmem_bypass*",
    *,
    expires: str = "2027-06-01",
    link: str = "",
    scenario: str = "*",
    topology: str = "*",
) -> Waiver:
    return Waiver(
        name=name,
        reason="fails on good kernels, 7 of 11",
        expires=expires,
        source="waivers.toml",
        link=link,
        scenario=scenario,
        topology=topology,
    )


def failed(*checks: Check, status: Status = Status.FAIL) -> TrialResult:
    which = spec(PATCHED, 1, topology="two-node")
    return trial(which, A2_BASE, status=status, message="it failed", checks=(GOOD, *checks))


def judged(trials: tuple[TrialResult, ...], *waivers: Waiver) -> Verdict:
    waived = apply_waivers(trials, waivers, TODAY)
    return decide(
        scenarios=[scenario()],
        planned=[each.spec for each in trials],
        trials=waived.trials,
        gaps=waived.expired,
    )


def base() -> TrialResult:
    return trial(spec(BASE, 1, topology="two-node"), A2_BASE)


def test_apply_waivers_when_a_failed_check_is_waived_then_is_shown_as_skip_with_what_it_was() -> None:
    waived = apply_waivers([failed(SELFTEST)], [waiver(link="https://example.org/1")], TODAY)
    (result,) = waived.trials
    assert result.checks[1].status is Status.SKIP
    assert result.checks[1].message == (
        "waived until 2027-06-01: fails on good kernels, 7 of 11, https://example.org/1 (was: not ok 6)"
    )
    assert (result.status, result.message) == (Status.PASS, "")
    assert (waived.expired, waived.unused) == ((), ())


def test_decide_when_all_that_failed_is_waived_then_passes() -> None:
    trials = (base(), failed(SELFTEST))
    assert judged(trials).outcome is Outcome.REGRESSION
    assert judged(trials, waiver()).outcome is Outcome.PASS


def test_apply_waivers_when_another_check_failed_too_then_the_trial_still_fails_for_that() -> None:
    (result,) = apply_waivers([failed(SELFTEST, BROKEN)], [waiver()], TODAY).trials
    assert (result.status, result.message) == (Status.FAIL, "I4 is broken")


def test_apply_waivers_when_an_error_stood_behind_the_failure_then_the_trial_is_an_error() -> None:
    error = Check(name="settled", status=Status.ERROR, message="did not come to rest")
    (result,) = apply_waivers([failed(SELFTEST, error)], [waiver()], TODAY).trials
    assert (result.status, result.message) == (Status.ERROR, "did not come to rest")


@pytest.mark.parametrize("name", ["invariant I4", "invariant I4 *", "invariant I*"])
def test_apply_waivers_when_the_name_or_the_fingerprint_fits_then_is_waived(name: str) -> None:
    (result,) = apply_waivers([failed(BROKEN)], [waiver(name)], TODAY).trials
    assert result.status is Status.PASS


@pytest.mark.parametrize(
    "about",
    [waiver("selftest"), waiver(scenario="pool-*"), waiver(topology="one-node"), waiver("*TEST_NO_KMEM_BYPASS*")],
)
def test_apply_waivers_when_name_scenario_or_topology_do_not_fit_then_nothing_is_waived(about: Waiver) -> None:
    trials = (failed(SELFTEST),)
    waived = apply_waivers(trials, [about], TODAY)
    assert (waived.trials, waived.unused) == (trials, (about,))


@pytest.mark.parametrize("status", [Status.ERROR, Status.SKIP, Status.PASS])
def test_apply_waivers_when_a_check_did_not_fail_then_is_left_as_it_is(status: Status) -> None:
    trials = (failed(Check(name=SELFTEST.name, status=status), status=status),)
    assert apply_waivers(trials, [waiver()], TODAY).trials == trials


@pytest.mark.parametrize("name", ["kernel log: WARNING", "kernel log*", "*WARNING"])
def test_apply_waivers_when_a_splat_is_meant_by_its_name_then_is_not_waived(name: str) -> None:
    trials = (base(), failed(SPLAT))
    assert apply_waivers(trials, [waiver(name)], TODAY).trials == trials
    assert judged(trials, waiver(name)).outcome is Outcome.REGRESSION


def test_apply_waivers_when_a_splat_is_meant_by_its_fingerprint_then_gates_nothing() -> None:
    verdict = judged((base(), failed(SPLAT)), waiver("WARNING|zswap_*"))
    assert (verdict.outcome, verdict.findings) == (Outcome.PASS, ())


@pytest.mark.parametrize(("day", "status"), [("2027-06-01", Status.PASS), ("2027-06-02", Status.FAIL)])
def test_apply_waivers_when_the_last_day_has_come_then_it_still_holds_and_a_day_later_not(
    day: str, status: Status
) -> None:
    (result,) = apply_waivers([failed(SELFTEST)], [waiver()], day).trials
    assert result.status is status


def test_decide_when_a_waiver_has_expired_then_the_run_is_an_error_of_ours() -> None:
    old = waiver(expires="2026-11-22")
    verdict = judged((base(), trial(spec(PATCHED, 1, topology="two-node"), A2_BASE)), old)
    assert (verdict.outcome, verdict.outcome.exit_status) == (Outcome.ERROR, 3)
    assert verdict.sentences[0] == (
        "The waiver of '*test_no_kmem_bypass*' in waivers.toml expired on 2026-11-22: look whether that still fails, "
        "then renew the waiver or remove it."
    )
    (finding,) = verdict.findings
    assert (finding.kind, finding.blamed) == ("expired waiver", False)
    assert "what it was about did not fail in this run" in finding.detail


def test_decide_when_what_an_expired_waiver_was_about_fails_then_the_regression_stands() -> None:
    trials = (base(), failed(SELFTEST))
    verdict = judged(trials, waiver(expires="2026-11-22"))
    assert verdict.outcome is Outcome.REGRESSION
    assert any("not ok 6" in finding.title and finding.blamed for finding in verdict.findings)
    (expired,) = [finding for finding in verdict.findings if not finding.blamed]
    assert expired.detail[-1] == f"what it was about failed in {trials[1].spec.id}"


@given(
    names=st.lists(st.sampled_from(["selftest *", "invariant I4", "WARNING|*", "nothing"]), max_size=4),
    checks=st.lists(st.sampled_from([SELFTEST, BROKEN, SPLAT, GOOD]), max_size=4),
)
def test_apply_waivers_when_applied_then_no_check_is_lost_and_applying_again_changes_nothing(
    names: list[str], checks: list[Check]
) -> None:
    waivers = [waiver(name) for name in names]
    once = apply_waivers([failed(*checks)], waivers, TODAY)
    assert len(once.trials[0].checks) == len(checks) + 1
    assert apply_waivers(once.trials, waivers, TODAY).trials == once.trials
