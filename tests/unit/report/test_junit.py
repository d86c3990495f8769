"""The JUnit file: what fails in it, and that it can always be read."""

from __future__ import annotations

import dataclasses
import xml.etree.ElementTree as ET

import junitparser
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.errors import BrokenBase, Evidence, PatchFault
from orchestrator.judge.kernel_log import scan_kernel_log, with_kernel_log
from orchestrator.model.objects import ObjectDifference
from orchestrator.model.run import RunRecord
from orchestrator.model.tree import BaseStep, BaseWay, StepOutcome
from orchestrator.model.trial import Check, Status
from orchestrator.model.verdict import Outcome
from orchestrator.report.junit import legal, render_junit
from tests.recorded import NAMES as RECORDED
from tests.recorded import recorded
from tests.unit.judge.test_kernel_log import LOGS
from tests.unit.record_builder import A2_BASE, A2_V5, BASE, PATCHED, a2_trials, record, spec, trial

# What junit-10.xsd of Jenkins' xunit plugin allows.
ALLOWED = {
    "testsuites": {"name", "time", "tests", "failures", "errors"},
    "testsuite": {"name", "tests", "failures", "errors", "time", "skipped", "timestamp", "hostname", "id", "package"},
    "testcase": {"name", "time", "classname"},
    "failure": {"type", "message"},
    "error": {"type", "message"},
    "skipped": {"type", "message"},
    "property": {"name", "value"},
}
WRONG_PAGE = Check(name="integrity", status=Status.FAIL, message="page 0x7f00 holds 00, not ab")


def parsed(one: RunRecord) -> ET.Element:
    return ET.fromstring(render_junit(one))


def case(root: ET.Element, suite: str, name: str) -> ET.Element:
    found = root.find(f"testsuite[@name='{suite}']/testcase[@name='{name}']")
    assert found is not None
    return found


def outcome(element: ET.Element) -> str:
    return next((child.tag for child in element if child.tag in {"failure", "error", "skipped"}), "passed")


def test_suites_are_the_run_and_one_a_topology() -> None:
    assert [suite.get("name") for suite in parsed(record())] == ["run", "one-node", "two-node"]


def test_cases_are_the_trials_and_the_metrics() -> None:
    suite = parsed(record()).find("testsuite[@name='one-node']")
    assert suite is not None
    names = [element.get("name") for element in suite.iter("testcase")]
    assert names[:4] == [
        "memcg-limit.base.s1",
        "memcg-limit.patched.s1",
        "memcg-limit.base.s2",
        "memcg-limit.patched.s2",
    ]
    assert "memcg-limit.store_rejects" in names


def test_counters_are_properties_of_the_suite() -> None:
    found = parsed(record()).find(
        "testsuite[@name='two-node']/properties/property[@name='memcg-limit.base.s1.written_back@node1']"
    )
    assert found is not None
    assert found.get("value") == "4096"


def test_attributes_are_those_that_jenkins_knows() -> None:
    for element in parsed(record()).iter():
        assert set(element.attrib) <= ALLOWED.get(element.tag, set()), element.tag


def test_durations_have_no_exponent() -> None:
    quick = [dataclasses.replace(each, wall_s=0.00001) for each in a2_trials()]
    assert all("e" not in element.get("time", "") for element in parsed(record(quick)).iter())


def test_change_without_a_direction_is_no_failure() -> None:
    root = parsed(record())
    assert root.get("failures") == "0"
    element = case(root, "two-node", "memcg-limit.written_back@node1")
    assert "base 4096, patched 0" in element.findtext("system-out", "")


def test_regressed_metric_is_a_failure_with_its_values() -> None:
    worse = {**A2_BASE, "store_rejects": 8184.0}
    trials = [trial(spec(kernel, s), each) for s in (1, 2) for kernel, each in ((BASE, A2_BASE), (PATCHED, worse))]
    element = case(parsed(record(trials)), "two-node", "memcg-limit.store_rejects")
    assert "seed 2: base 5372, patched 8184" in element.findtext("failure", "")


def test_splat_on_patched_is_a_failure_with_log_and_console() -> None:
    scan = scan_kernel_log((LOGS / "warning-zswap-swapoff.txt").read_text())
    trials = [trial(spec(BASE), A2_BASE), with_kernel_log(trial(spec(PATCHED), A2_V5), scan)]
    text = case(parsed(record(trials)), "two-node", "memcg-limit.patched.s1").findtext("failure", "")
    assert "zswap_swapoff+0x57/0x60" in text
    assert "reboot: Power down" in text


def test_failure_that_base_shows_too_is_skipped_and_not_a_failure() -> None:
    trials = [
        trial(spec(k, s), A2_BASE, status=Status.FAIL, checks=(WRONG_PAGE,)) for s in (1, 2) for k in (BASE, PATCHED)
    ]
    root = parsed(record(trials))
    assert root.get("failures") == "0"
    assert outcome(case(root, "two-node", "memcg-limit.patched.s1")) == "skipped"
    assert outcome(case(root, "two-node", "memcg-limit.base.s1")) == "skipped"


def test_blamed_failure_in_every_seed_is_a_failure_in_every_seed() -> None:
    trials = [trial(spec(BASE, s), A2_BASE) for s in (1, 2)]
    trials += [trial(spec(PATCHED, s), A2_BASE, status=Status.FAIL, checks=(WRONG_PAGE,)) for s in (1, 2)]
    root = parsed(record(trials))
    assert [outcome(case(root, "two-node", f"memcg-limit.patched.s{s}")) for s in (1, 2)] == ["failure", "failure"]


def test_our_error_is_an_error_and_what_did_not_run_is_skipped() -> None:
    lost = trial(spec(PATCHED), status=Status.ERROR, message="QEMU ended")
    root = parsed(record([lost], planned=[lost.spec, spec(BASE)]))
    assert outcome(case(root, "two-node", "memcg-limit.patched.s1")) == "error"
    assert outcome(case(root, "two-node", "memcg-limit.base.s1")) == "skipped"


def test_trials_that_were_planned_and_have_no_record_are_misses_that_are_named() -> None:
    done = a2_trials()
    planned = [*(each.spec for each in done), *(spec(kernel, 3) for kernel in (BASE, PATCHED))]
    root = parsed(record(done, planned=planned))
    missed = [
        element.get("name")
        for element in root.iter("testcase")
        for skipped in element.iter("skipped")
        if skipped.get("message") == "MISS: not run"
    ]
    assert missed == ["memcg-limit.base.s3", "memcg-limit.patched.s3"]
    facts = {each.get("name"): each.get("value") or "" for each in root.iter("property")}
    assert facts["verdict"] == "INCONCLUSIVE"
    told = [value for name, value in facts.items() if (name or "").startswith("not_covered.")]
    assert [value for value in told if "memcg-limit-two-node-base-s3" in value]
    assert [value for value in told if "memcg-limit-two-node-patched-s3" in value]


def test_build_failure_is_the_failed_case_build_patched() -> None:
    fault = PatchFault("mm/zswap.c:7: error: x", stage="build", evidence=Evidence(last_lines=("make: *** Error 2",)))
    root = parsed(record([], planned=[spec(BASE), spec(PATCHED)], faults=(fault,)))
    element = case(root, "run", "build.patched")
    assert outcome(element) == "failure"
    assert "make: *** Error 2" in element.findtext("failure", "")
    assert outcome(case(root, "run", "build.base")) == "passed"
    assert root.get("failures") == "1"


def test_boot_failure_is_a_failed_case_of_its_own() -> None:
    root = parsed(record([], planned=[spec(BASE)], faults=(PatchFault("panic before init", stage="boot"),)))
    assert outcome(case(root, "run", "boot.patched")) == "failure"


def test_illegal_characters_are_shown_in_hex() -> None:
    assert legal("a\x00b\x1b[31m\ud800\uffff\U0001ffff") == r"a\x00b\x1b[31m\xd800\xffff\x1ffff"
    assert legal("tab\tline\nü 漢 🐧 ]]>") == "tab\tline\nü 漢 🐧 ]]>"


anything = st.text(st.characters(), max_size=40) | st.sampled_from(
    ["]]>", "<a>&amp;", "\x00", "\ud800", "\ufffe", "\r\n"]
)


@settings(max_examples=60, deadline=None)
@given(anything, anything, anything)
def test_hostile_text_anywhere_can_be_parsed(message: str, line: str, title: str) -> None:
    bad = Check(name=title, status=Status.FAIL, message=message, detail=(line,))
    failed = trial(spec(PATCHED), A2_V5, status=Status.FAIL, message=message, checks=(bad,))
    failed = dataclasses.replace(failed, console_tail=(line, title), kernel_log=(line,), metrics={title: 1.0})
    one = record([trial(spec(BASE), A2_BASE), failed])
    one = dataclasses.replace(one, series=dataclasses.replace(one.series, title=title), environment={title: line})
    root = parsed(one)
    assert outcome(case(root, "two-node", "memcg-limit.patched.s1")) == "failure"


def test_base_that_does_not_boot_is_an_error_and_nobody_fails() -> None:
    broken = BrokenBase("base does not boot: 7.2", stage="boot", evidence=Evidence(last_lines=("Kernel panic",)))
    root = parsed(record((), planned=(spec(BASE), spec(PATCHED)), broken=broken))
    boot = case(root, "run", "boot.base")
    assert outcome(boot) == "error"
    assert "Kernel panic" in (boot[0].text or "")
    assert not list(root.iter("failure"))
    assert outcome(case(root, "two-node", "memcg-limit.base.s1")) == "skipped"


def test_base_that_does_not_build_is_an_error_of_its_own_case() -> None:
    broken = BrokenBase("base does not build: mm/zswap.c:1: error", stage="build")
    root = parsed(record((), planned=(spec(BASE),), broken=broken))
    assert outcome(case(root, "run", "build.base")) == "error"
    assert outcome(case(root, "run", "build.patched")) == "skipped"


def test_trials_that_were_not_run_for_the_same_code_are_skipped_with_that_reason() -> None:
    same = ObjectDifference(same=True, reason="only comments differ")
    root = parsed(record((), planned=(spec(BASE), spec(PATCHED)), objects=same))
    skipped = case(root, "two-node", "memcg-limit.patched.s1")
    assert skipped[0].get("message") == "MISS: no change in object code"
    facts = {each.get("name"): each.get("value") for each in root.iter("property")}
    assert facts["object_code.1"] == "the same as base's: only comments differ"


def test_properties_tell_base_and_how_each_patch_was_applied() -> None:
    one = record()
    steps = (
        BaseStep(way=BaseWay.TRAILER, outcome=StepOutcome.NOTHING, text="the series names no base-commit"),
        BaseStep(way=BaseWay.HEAD, outcome=StepOutcome.TAKEN, text="the head of linux-7.2"),
    )
    (done,) = one.trees.applied
    trees = dataclasses.replace(
        one.trees,
        base=dataclasses.replace(one.trees.base, steps=steps),
        applied=(dataclasses.replace(done, score=0.934),),
    )
    root = parsed(dataclasses.replace(one, trees=trees))
    facts = {each.get("name"): each.get("value") for each in root.iter("property")}
    assert facts["base.step.base-commit"] == "nothing found: the series names no base-commit"
    assert facts["base.step.the tree's head"] == "taken: the head of linux-7.2"
    assert (facts["applied.2"], facts["applied.2.score"]) == ("recovered", "0.934")


@pytest.mark.parametrize("name", RECORDED)
def test_junitparser_reads_the_recorded_runs_and_counts_the_same(name: str) -> None:
    one = recorded(name).record
    read = junitparser.JUnitXml.fromstring(render_junit(one).encode())
    cases = [each for suite in read for each in suite]
    results = [type(result) for each in cases for result in each.result]
    assert (read.tests, read.failures, read.errors) == (
        len(cases),
        results.count(junitparser.Failure),
        results.count(junitparser.Error),
    )
    assert (read.failures > 0) == (one.verdict.outcome is Outcome.REGRESSION)
    assert (read.errors > 0) == (one.verdict.outcome is Outcome.ERROR)


def test_counters_are_properties_for_junitparser() -> None:
    read = junitparser.JUnitXml.fromstring(render_junit(recorded("changed").record).encode())
    counters = {each.name: each.value for suite in read for each in suite.properties()}  # type: ignore[no-untyped-call]
    assert counters["memcg-limit.base.s1.written_back@node1"] == "4096"
