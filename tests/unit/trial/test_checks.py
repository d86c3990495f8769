"""The checks of one trial: what is ours, what is the kernel's, and in which words."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping

import pytest

from orchestrator.config.catalog import topologies
from orchestrator.config.scenarios import scenarios
from orchestrator.model.scenario import Comparison, Must, Scenario
from orchestrator.model.trial import Check, Status
from orchestrator.trial import checks
from orchestrator.trial.records import GuestAccess, GuestNode

TWO = topologies()["two-node"]
SEEN = (
    GuestNode(number=0, memory_kib=504736, cpus=(0,), distances=(10, 20)),
    GuestNode(number=1, memory_kib=515732, cpus=(1,), distances=(20, 10)),
)

CPULESS = topologies()["cpuless"]
NEAR, FAR = (80, 80, 40960, 40960), (250, 250, 10240, 10240)
SEEN_CPULESS = tuple(
    GuestNode(
        number=number,
        memory_kib=508000,
        cpus=cpus,
        distances=distances,
        has_cpu=bool(cpus),
        has_memory=True,
        accesses=tuple(GuestAccess(number=each, initiators=(0,), performance=performance) for each in (0, 1)),
    )
    for number, cpus, distances, performance in ((0, (0, 1), (10, 50), NEAR), (1, (), (50, 10), FAR))
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


# Seen on the machine with 768 and 512 MiB that TWO becomes, with a debug kernel of 7.2.
@pytest.mark.parametrize(
    ("memory_kib", "status"), [(545000, Status.PASS), (380000, Status.ERROR), (800000, Status.ERROR)]
)
def test_topology_when_the_kernel_takes_a_shadow_then_node_0_may_lack_it(memory_kib: int, status: Status) -> None:
    assert checks.check_topology(TWO, with_node(0, memory_kib=memory_kib), share=8).status is status


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


def test_topology_when_the_guest_saw_what_hmat_was_to_tell_then_passes() -> None:
    assert checks.check_topology(CPULESS, SEEN_CPULESS).status is Status.PASS


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        pytest.param({"accesses": ()}, "node 1 has no access class 0; node 1 has no access class 1", id="no HMAT"),
        pytest.param(
            {"accesses": (GuestAccess(number=0, initiators=(0, 1), performance=FAR), SEEN_CPULESS[1].accesses[1])},
            "node 1 is reached (class 0) from the nodes (0, 1) instead of (0,)",
            id="initiators",
        ),
        pytest.param(
            {
                "accesses": (
                    SEEN_CPULESS[1].accesses[0],
                    GuestAccess(number=1, initiators=(0,), performance=(250, None)),
                )
            },
            "node 1 is reached (class 1) with (250, None) ns and MiB/s instead of (250, 250, 10240, 10240)",
            id="performance",
        ),
        pytest.param({"has_cpu": True}, "node 1 counts as one with CPUs", id="CPUs by the kernel's count"),
        pytest.param({"has_memory": False}, "node 1 counts as one without memory", id="memory by the kernel's count"),
    ],
)
def test_topology_when_the_guest_saw_a_node_otherwise_then_says_how(changes: dict[str, object], words: str) -> None:
    seen = (SEEN_CPULESS[0], dataclasses.replace(SEEN_CPULESS[1], **changes))  # type: ignore[arg-type]
    check = checks.check_topology(CPULESS, seen)
    assert (check.status, check.message) == (Status.ERROR, words)


def test_topology_when_there_are_access_classes_and_no_hmat_was_asked_for_then_is_an_error() -> None:
    check = checks.check_topology(TWO, with_node(0, accesses=SEEN_CPULESS[0].accesses))
    assert check.message == "node 0 has access classes, and the machine has no HMAT"


def test_topology_when_a_node_has_no_memory_then_none_is_to_be_seen() -> None:
    memoryless = topologies()["memoryless"]
    seen = [
        GuestNode(number=number, memory_kib=memory, cpus=(number,), distances=memoryless.distances[number])
        for number, memory in enumerate((500000, 0, 515000))
    ]
    assert checks.check_topology(memoryless, seen).status is Status.PASS
    seen[1] = dataclasses.replace(seen[1], memory_kib=4)
    assert checks.check_topology(memoryless, seen).message == "node 1 has 4 KiB instead of about 0"


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
    assert (
        check.message
        == "the set-up, a hook or the end of the scenario failed in the guest: 0.99 FAILED: cannot write 'Y' to enabled"
    )


def test_integrity_when_every_page_was_right_then_passes_with_their_number() -> None:
    lines = [{"op": "verify", "pages": 10, "bad": 0}, {"op": "final_verify", "pages": 5, "bad": 0}]
    check = checks.check_integrity({"main": lines})
    assert (check.status, check.message) == (Status.PASS, "15 pages read back, all right")


def test_integrity_when_a_page_was_wrong_then_fails_with_address_expected_and_found() -> None:
    check = checks.check_integrity({"main": [{"bad_page": BAD_PAGE}, {"op": "final_verify", "pages": 5, "bad": 1}]})
    assert (check.status, check.message) == (
        Status.FAIL,
        (
            "1 of 5 pages read back had wrong content; the first: process main, flood page 3 at "
            "0x7f0000003000, offset 17: expected aabb, found aacc"
        ),
    )


def test_integrity_when_more_pages_were_wrong_than_printed_then_all_are_counted() -> None:
    check = checks.check_integrity({"main": [{"bad_page": BAD_PAGE}, {"op": "verify", "pages": 100, "bad": 40}]})
    assert check.message.startswith("40 of 100 pages")


def test_integrity_when_the_workload_died_after_a_wrong_page_then_still_fails() -> None:
    assert checks.check_integrity({"main": [{"bad_page": BAD_PAGE}]}).status is Status.FAIL


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
    assert checks.check_integrity({"main": lines}).status is Status.ERROR


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


def test_must_when_it_takes_a_race_that_was_missed_then_is_not_covered_and_no_error() -> None:
    wanted = Must(metric="zswpwb", comparison=Comparison.AT_LEAST, value=1, says="no race was met", by_chance=True)
    (check,) = checks.check_musts(dataclasses.replace(scenarios()["memcg-limit"], musts=(wanted,)), {"zswpwb": 0.0})
    assert (check.status, check.message) == (Status.SKIP, "no race was met: zswpwb is 0")
    assert checks.overall([check]) == (Status.PASS, "")


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


def entering(*functions: str) -> Scenario:
    return dataclasses.replace(scenarios()["memcg-limit"], enters=functions)


@pytest.mark.parametrize(
    ("calls", "status", "words"),
    [
        ({"shrink_worker": 3}, Status.PASS, "shrink_worker() was entered 3 times"),
        ({"shrink_worker": 0}, Status.ERROR, "did not reach shrink_worker()"),
        ({"zswap_store": 3}, Status.SKIP, "no data: shrink_worker() cannot be probed"),
    ],
)
def test_entered_when_a_function_is_what_it_is_about_then_it_has_to_be_reached(
    calls: dict[str, int], status: Status, words: str
) -> None:
    (check,) = checks.check_entered(entering("shrink_worker"), {"before": {"shrink_worker": 9}, "after": calls})
    assert (check.status, words in check.message) == (status, True)


def test_entered_when_nothing_was_counted_then_there_is_no_data() -> None:
    assert [check.status for check in checks.check_entered(entering("a", "b"), {})] == [Status.SKIP, Status.SKIP]


def test_overall_when_the_kernel_lacks_it_then_is_a_skip_and_no_pass() -> None:
    lacking = checks.check_exit(14, ["0.99 SKIPPED: this kernel has no /sys/x"])
    assert checks.overall([lacking]) == (
        Status.SKIP,
        "the kernel lacks what the scenario is about: 0.99 SKIPPED: this kernel has no /sys/x",
    )


def test_overall_when_a_check_has_no_data_then_the_trial_passes() -> None:
    assert checks.overall([Check(name="probes", status=Status.SKIP, message="no data")]) == (Status.PASS, "")


def test_integrity_when_a_page_is_wrong_then_what_it_looks_like_and_its_steps_are_told() -> None:
    page = {"region": "hot", "page": 3, "address": "0x7f00", "offset": 0, "expected": "aa", "found": "00"}
    page |= {"wrong_bytes": 4096, "zero": True, "history": ["fill:1", "pageout:2", "read:3"]}
    check = checks.check_integrity({"main": [{"bad_page": page}, {"op": "verify", "pages": 9, "bad": 1}]})
    assert check.message.endswith("expected aa, found 00 (all zero)")
    assert check.detail == (
        "process main, hot page 3 at 0x7f00, offset 0: 4096 wrong bytes (all zero); its steps: fill:1, pageout:2, read:3",
    )


def test_integrity_when_processes_have_regions_of_the_same_name_then_the_process_is_named() -> None:
    fine: list[dict[str, object]] = [{"op": "final_verify", "pages": 5, "bad": 0}]
    check = checks.check_integrity({"main": fine, "many.6": fine, "many.7": [{"bad_page": BAD_PAGE}]})
    assert check.message.endswith(
        "; the first: process many.7, flood page 3 at 0x7f0000003000, offset 17: expected aabb, found aacc"
    )
    assert check.detail[0].startswith("process many.7, flood page 3")


def test_integrity_when_the_trial_script_found_a_file_wrong_then_the_kernel_fails_with_page_and_bytes() -> None:
    page = {"file": "doomed.3", "page": 9, "offset": 7, "expected": "aabb", "found": "aacc", "wrong_bytes": 1}
    compared: list[dict[str, object]] = [
        {"bad_page": page},
        {"op": "compare", "file": "doomed.3", "pages": 128, "bad": 1},
    ]
    check = checks.check_integrity({"main": [{"op": "final_verify", "pages": 5, "bad": 0}], "": compared})
    assert check.status is Status.FAIL
    assert check.message == (
        "1 of 133 pages read back had wrong content; the first: file doomed.3, page 9, offset 7: "
        "expected aabb, found aacc"
    )
    assert check.detail == ("file doomed.3, page 9, offset 7: 1 wrong bytes",)


def test_integrity_when_wrong_pages_are_counted_and_none_is_told_then_no_place_is_made_up() -> None:
    check = checks.check_integrity({"main": [{"op": "reap", "pages": 5, "bad": 2}]})
    assert check.message == "2 of 5 pages read back had wrong content"


def history_of(*, lines: list[dict[str, object]], **known: object) -> str:
    """Return what is told of a wrong page's history."""
    page = {**BAD_PAGE, "history": ["fill:1", "pageout:2"], **known}
    (detail,) = checks.check_integrity({"main": [*lines, {"bad_page": page}]}).detail
    return detail.partition("its steps: ")[2]


@pytest.mark.parametrize(
    ("resident", "told"),
    [(0, "fill:1, pageout:2 (out of memory)"), (3, "fill:1, pageout:2 (3 of 16 pages stayed)")],
)
def test_history_when_a_pageout_was_recorded_then_says_whether_its_pages_left_memory(resident: int, told: str) -> None:
    other = {"step": 1, "op": "pageout", "pages": 8, "resident": 8}
    line = {"step": 2, "op": "pageout", "pages": 16, "resident": resident}
    assert history_of(lines=[other, line]) == told


def test_history_when_counters_were_read_then_says_what_had_moved_and_what_never_did() -> None:
    told = history_of(
        lines=[], cgroup={"zswpout": 16, "zswpin": 4, "zswpwb": 0}, vmstat={"zswpout": 20, "zswpin": 4, "zswpwb": 0}
    )
    assert told == (
        "fill:1, pageout:2; by then, of this and other pages, in its memory cgroup zswpout 16, zswpin 4, zswpwb 0; "
        "in the whole guest zswpout 20, zswpin 4, zswpwb 0 (nothing written back)"
    )


@pytest.mark.parametrize("odd", [{"cgroup": [], "vmstat": 7}, {"cgroup": {}, "vmstat": {"other": 0}}])
def test_history_when_there_are_no_counters_then_nothing_is_said_of_them(odd: dict[str, object]) -> None:
    assert history_of(lines=[], **odd) == "fill:1, pageout:2"
