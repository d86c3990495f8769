"""From the KTAP that selftests left to checks, and to a trial's result."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.config.waivers import read_waivers
from orchestrator.judge.waivers import apply_waivers
from orchestrator.model.trial import Check, Status, TrialResult
from orchestrator.trial.outcome import Recorded, result_of
from orchestrator.trial.selftest_checks import check_selftests, skipped_selftests
from tests.unit.record_builder import BASE, spec
from tests.unit.trial.recorded import check_of, real_files, request

NAMES = ("cgroup/test_zswap",)

# As test_zswap of Linux 7.2 writes it, on a good kernel where test 6 fails; a reason and a skip put in.
PRINTED = b"""\
TAP version 13
1..4
ok 1 test_zswap_usage
# zswpwb_after is 12 while wb is disabled
not ok 2 test_zswap_writeback_disabled
not ok 3 test_no_kmem_bypass
# not enough memory
ok 4 # SKIP test_no_invasive_cgroup_shrink
# Totals: pass:1 fail:2 xfail:0 xpass:0 skip:1 error:0
"""


def checked(output: bytes | None, names: tuple[str, ...] = NAMES) -> dict[str, Check]:
    files = {} if output is None else {"ktap.test_zswap": output}
    return {check.name: check for check in check_selftests(names, files)}


def trial(*checks: Check) -> TrialResult:
    return TrialResult(
        spec=spec(BASE),
        key="",
        status=Status.FAIL,
        message="",
        digest="",
        metrics={},
        checks=checks,
        wall_s=1,
        guest_s=1,
    )


def test_check_selftests_when_all_came_then_each_case_is_a_check() -> None:
    statuses = {name: check.status for name, check in checked(PRINTED).items()}
    assert statuses == {
        "selftest test_zswap": Status.PASS,
        "selftest test_zswap test_zswap_usage": Status.PASS,
        "selftest test_zswap test_zswap_writeback_disabled": Status.FAIL,
        "selftest test_zswap test_no_kmem_bypass": Status.FAIL,
        "selftest test_zswap test_no_invasive_cgroup_shrink": Status.SKIP,
    }


def test_check_selftests_when_a_case_failed_then_has_its_own_words() -> None:
    check = checked(PRINTED)["selftest test_zswap test_zswap_writeback_disabled"]
    assert "zswpwb_after is 12 while wb is disabled" in check.message
    assert check.detail == ("zswpwb_after is 12 while wb is disabled",)


def test_check_selftests_when_a_case_was_skipped_then_has_its_reason() -> None:
    assert checked(PRINTED)["selftest test_zswap test_no_invasive_cgroup_shrink"].message == "not enough memory"


@pytest.mark.parametrize("output", [None, b"", b"\n \n"])
def test_check_selftests_when_there_is_no_output_then_is_an_error(output: bytes | None) -> None:
    check = checked(output)["selftest test_zswap"]
    assert (check.status, check.message) == (Status.ERROR, "the selftest test_zswap left no output")


@pytest.mark.parametrize("lines", [2, 3, 5, 6])
def test_check_selftests_when_the_program_died_then_the_kernel_has_failed(lines: int) -> None:
    output = b"".join(PRINTED.splitlines(keepends=True)[:lines])
    check = checked(output)["selftest test_zswap"]
    assert (check.status, "4 cases were planned" in check.message) == (Status.FAIL, True)


@pytest.mark.parametrize(
    "output",
    [
        b"TAP version 13\n",
        b"TAP version 13\nBail out! Failed to read /sys/module/zswap/parameters/enabled\n",
        b"TAP version 13\n1..2\nok 1 one\nBail out! no\n",
        b"TAP version 13\n1..1\nok 1 one\nok 2 two\n",
        b"/trial/selftests/test_zswap: not found\n",
    ],
)
def test_check_selftests_when_the_output_is_not_whole_otherwise_then_is_an_error(output: bytes) -> None:
    assert checked(output)["selftest test_zswap"].status is Status.ERROR


def test_check_selftests_when_the_program_skipped_itself_then_is_no_pass_and_says_why() -> None:
    checks = checked(b"TAP version 13\n1..0 # SKIP zswap is disabled\n")
    assert [(check.status, "zswap is disabled" in check.message) for check in checks.values()] == [(Status.ERROR, True)]


def test_check_selftests_when_the_kernels_own_state_no_plan_then_their_own_end_is_enough() -> None:
    checks = check_selftests((), {"ktap.test_zswap": b"ok 1 test_a\nok 2 test_b\n# exit status: 0\n"})
    assert [check.status for check in checks] == [Status.PASS] * 3
    assert "states no plan" in checks[0].message


@pytest.mark.parametrize("end", [b"", b"# exit status: 139\n"])
def test_check_selftests_when_there_is_no_plan_and_no_end_then_is_an_error(end: bytes) -> None:
    checks = check_selftests((), {"ktap.test_zswap": b"ok 1 test_a\n" + end})
    assert checks[0].status is Status.ERROR


def test_check_selftests_when_nobody_named_it_then_its_output_counts_all_the_same() -> None:
    assert checked(PRINTED, names=()) == checked(PRINTED)


@given(st.binary(max_size=200))
def test_check_selftests_when_given_anything_then_says_something(output: bytes) -> None:
    assert checked(output)


def test_result_when_a_selftest_failed_then_the_trial_has() -> None:
    wanted = dataclasses.replace(request(), scenario=dataclasses.replace(request().scenario, selftests=NAMES))
    files = {**real_files(), "ktap.test_zswap": PRINTED}
    result = result_of(wanted, Recorded(files=files, console="", wall_s=1.0)).result
    assert result.status is Status.FAIL
    assert "not ok test_zswap_writeback_disabled" in result.message


def test_result_when_a_selftest_left_nothing_then_is_an_error_of_ours() -> None:
    wanted = dataclasses.replace(request(), scenario=dataclasses.replace(request().scenario, selftests=NAMES))
    result = result_of(wanted, Recorded(files=real_files(), console="", wall_s=1.0)).result
    assert (result.status, check_of(result, "selftest").status) == (Status.ERROR, Status.ERROR)


def test_result_when_the_trial_ended_before_then_the_selftests_are_not_missed() -> None:
    wanted = dataclasses.replace(request(), scenario=dataclasses.replace(request().scenario, selftests=NAMES))
    files = real_files(exit_status=b"14\n", probes=None)
    result = result_of(wanted, Recorded(files=files, console="", wall_s=1.0)).result
    assert result.status is Status.SKIP


def test_shipped_waivers_when_only_the_flaky_case_failed_then_the_trial_passes() -> None:
    failed = [check for name, check in checked(PRINTED).items() if "kmem" in name]
    waived = apply_waivers([trial(*failed)], read_waivers(), "2026-12-01").trials[0]
    assert waived.status is Status.PASS
    assert "waived until" in waived.checks[0].message


def test_shipped_waivers_when_another_case_failed_then_the_trial_still_fails() -> None:
    waived = apply_waivers([trial(*checked(PRINTED).values())], read_waivers(), "2026-12-01").trials[0]
    assert waived.status is Status.FAIL
    assert "kmem" not in waived.message


def test_skipped_selftests_when_some_were_then_each_is_told_once_with_its_reason() -> None:
    checks = tuple(checked(PRINTED).values())
    lines = skipped_selftests([trial(*checks), trial(*checks)])
    assert lines == (
        f"selftest test_zswap test_no_invasive_cgroup_shrink (2 trials, {spec(BASE).id} among them): not enough memory",
    )
