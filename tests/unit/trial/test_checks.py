"""The checks of one trial: what is ours, what is the kernel's, and in which words."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping

import pytest

from orchestrator.config.catalog import topologies
from orchestrator.config.scenarios import scenarios
from orchestrator.model.scenario import Comparison, Must
from orchestrator.model.trial import Check, Status
from orchestrator.trial import checks
from orchestrator.trial.records import GuestNode

TWO = topologies()["two-node"]
SEEN = (
    GuestNode(number=0, memory_kib=504736, cpus=(0,), distances=(10, 20)),
    GuestNode(number=1, memory_kib=515732, cpus=(1,), distances=(20, 10)),
)

BAD_PAGE = {
    "region": "flood",
    "page": 3,
    "address": "0x7f0000003000",
    "offset": 17,
    "expected": "aabb",
    "found": "aacc",
    "wrong_bytes": 1,
}


def with_node(which: int, /, **changes: object) -> tuple[GuestNode, ...]:
    return tuple(dataclasses.replace(node, **changes) if node.number == which else node for node in SEEN)  # type: ignore[arg-type]


def must(metrics: Mapping[str, float], *, comparison: Comparison = Comparison.AT_LEAST, value: float = 1) -> Check:
    wanted = Must(metric="zswpwb", comparison=comparison, value=value, says="the workload did not reach zswap")
    (check,) = checks.check_musts(dataclasses.replace(scenarios()["memcg-limit"], musts=(wanted,)), metrics)
    return check


def test_topology_when_the_guest_saw_what_was_asked_for_then_passes() -> None:
    assert checks.check_topology(TWO, SEEN).status is Status.PASS


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        pytest.param(SEEN[:1], "1 nodes instead of 2", id="a node is missing"),
        pytest.param((), "0 nodes instead of 2", id="no node"),
        pytest.param(with_node(1, memory_kib=1000), "node 1 has 1000 KiB", id="memory"),
        pytest.param(with_node(0, memory_kib=2 << 20), "node 0 has 2097152 KiB", id="too much memory"),
        pytest.param(with_node(0, cpus=(0, 1)), "node 0 has the CPUs (0, 1)", id="CPUs"),
        pytest.param(with_node(1, distances=(10, 10)), "node 1 has the distances (10, 10)", id="distances"),
        pytest.param(with_node(1, number=7), "there is no node 1", id="another number"),
    ],
)
def test_topology_when_the_guest_saw_something_else_then_is_an_error_of_ours(
    seen: tuple[GuestNode, ...], words: str
) -> None:
    check = checks.check_topology(TWO, seen)
    assert (check.status, words in check.message) == (Status.ERROR, True)


@pytest.mark.parametrize(
    ("exit_status", "status"),
    [
        (0, Status.PASS),
        (1, Status.PASS),
        (10, Status.FAIL),
        (11, Status.FAIL),
        (12, Status.FAIL),
        (13, Status.ERROR),
        (2, Status.ERROR),
        (127, Status.ERROR),
        (None, Status.ERROR),
    ],
)
def test_exit_when_the_script_ended_so_then_is_judged_so(exit_status: int | None, status: Status) -> None:
    assert checks.check_exit(exit_status, []).status is status


def test_exit_when_the_script_failed_then_its_last_words_are_told() -> None:
    check = checks.check_exit(10, ["0.97 setup", "0.99 FAILED: cannot write 'Y' to enabled", ""])
    assert check.message == "the set-up failed in the guest: 0.99 FAILED: cannot write 'Y' to enabled"


def test_integrity_when_every_page_was_right_then_passes_with_their_number() -> None:
    lines = [{"op": "verify", "pages": 10, "bad": 0}, {"op": "final_verify", "pages": 5, "bad": 0}]
    check = checks.check_integrity(lines)
    assert (check.status, check.message) == (Status.PASS, "15 pages read back, all right")


def test_integrity_when_a_page_was_wrong_then_fails_with_address_expected_and_found() -> None:
    check = checks.check_integrity([{"bad_page": BAD_PAGE}, {"op": "final_verify", "pages": 5, "bad": 1}])
    assert (check.status, check.message) == (
        Status.FAIL,
        (
            "1 of 5 pages read back had wrong content; the first: flood page 3 at 0x7f0000003000, offset 17: "
            "expected aabb, found aacc"
        ),
    )


def test_integrity_when_more_pages_were_wrong_than_printed_then_all_are_counted() -> None:
    check = checks.check_integrity([{"bad_page": BAD_PAGE}, {"op": "verify", "pages": 100, "bad": 40}])
    assert check.message.startswith("40 of 100 pages")


def test_integrity_when_the_workload_died_after_a_wrong_page_then_still_fails() -> None:
    assert checks.check_integrity([{"bad_page": BAD_PAGE}]).status is Status.FAIL


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param([], id="nothing recorded"),
        pytest.param([{"op": "fill", "pages": 100}], id="nothing verified"),
        pytest.param([{"op": "verify", "pages": "many", "bad": None}], id="no numbers"),
        pytest.param([{"op": [], "pages": 1}], id="an odd op"),
        pytest.param([{"op": "verify", "pages": 10**4000}] * 2, id="beyond all counting"),
    ],
)
def test_integrity_when_no_page_was_verified_then_is_an_error_of_ours(lines: list[dict[str, object]]) -> None:
    assert checks.check_integrity(lines).status is Status.ERROR


@pytest.mark.parametrize(
    ("comparison", "value", "measured"),
    [(Comparison.AT_LEAST, 5, 5), (Comparison.AT_MOST, 5, 5), (Comparison.EQUAL, 0, 0)],
)
def test_must_when_it_holds_then_passes(comparison: Comparison, value: float, measured: float) -> None:
    assert must({"zswpwb": measured}, comparison=comparison, value=value).status is Status.PASS


@pytest.mark.parametrize(
    ("comparison", "value", "measured"),
    [(Comparison.AT_LEAST, 5, 4), (Comparison.AT_MOST, 5, 6), (Comparison.EQUAL, 0, 1)],
)
def test_must_when_it_does_not_hold_then_is_an_error_in_the_scenarios_words(
    comparison: Comparison, value: float, measured: float
) -> None:
    check = must({"zswpwb": measured}, comparison=comparison, value=value)
    expected = f"the workload did not reach zswap: zswpwb is {measured}"
    assert (check.status, check.message) == (Status.ERROR, expected)


def test_must_when_the_kernel_has_no_such_metric_then_is_an_error_that_says_so() -> None:
    check = must({})
    assert (check.status, check.message) == (Status.ERROR, "this kernel has no zswpwb to look at")


@pytest.mark.parametrize("order", list(itertools.permutations([Status.PASS, Status.SKIP, Status.ERROR, Status.FAIL])))
def test_overall_when_checks_differ_then_what_is_proven_stands_in_any_order(order: tuple[Status, ...]) -> None:
    status, message = checks.overall([Check(name=each, status=each, message=each.lower()) for each in order])
    assert (status, message) == (Status.FAIL, "fail")


def test_overall_when_nothing_failed_then_an_error_decides() -> None:
    found = [Check(name=each, status=each, message=each.lower()) for each in (Status.PASS, Status.ERROR, Status.SKIP)]
    assert checks.overall(found) == (Status.ERROR, "error")


def test_overall_when_data_was_skipped_then_the_trial_passes() -> None:
    found = [Check(name=each, status=each, message=each.lower()) for each in (Status.PASS, Status.SKIP)]
    assert checks.overall(found) == (Status.PASS, "")


def test_settled_when_the_guest_gave_up_waiting_then_the_trial_is_ours_to_explain() -> None:
    assert checks.check_settled(["9.1 pressure", "69.30 did not settle", "70.0 verify"]).status is Status.ERROR


def test_settled_when_nothing_is_said_then_passes() -> None:
    assert checks.check_settled(["9.1 pressure", "10.2 verify"]).status is Status.PASS
