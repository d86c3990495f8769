"""The coverage of the patch in text, JUnit and the record: every line that did not run, hostile words made harmless."""

from __future__ import annotations

import dataclasses
from xml.etree import ElementTree as ET

from orchestrator.model.coverage import CoveredLine, LineState, PatchCoverage
from orchestrator.model.run import RunRecord
from orchestrator.report.coverage import coverage_lines
from orchestrator.report.junit import render_junit
from orchestrator.report.text import render_text
from orchestrator.store.run_json import parse_run, render_run
from tests.unit.record_builder import a2_trials, record

HOSTILE = "\x1b[31m<script>\x00\u202e]]>&"


def line(number: int, state: LineState, text: str = "ret = f();", path: str = "mm/zswap.c") -> CoveredLine:
    return CoveredLine(path=path, line=number, text=text, state=state, calls=3 if state is LineState.EXECUTED else 0)


def with_coverage(coverage: PatchCoverage | None) -> RunRecord:
    return dataclasses.replace(record(a2_trials()), coverage=coverage)


MEASURED = PatchCoverage(
    lines=(
        line(1, LineState.EXECUTED),
        line(2, LineState.MISSED, "if (ret) " + HOSTILE),
        line(3, LineState.NOT_COMPILED, path="mm/a\x1b.c"),
    ),
    trials=("memcg-limit-two-node-patched-s1",),
    gaps=("mm/zswap.c:9: the compiler keeps no counter there",),
)


def properties(text: str) -> dict[str, str]:
    return {found.attrib["name"]: found.attrib["value"] for found in ET.fromstring(text).iter("property")}


def test_lines_when_measured_then_the_sentence_and_each_line_that_did_not_run() -> None:
    assert coverage_lines(with_coverage(MEASURED))[0] == "1 of 3 changed lines ran in 1 trial"
    assert coverage_lines(with_coverage(MEASURED))[1].startswith("mm/zswap.c:2: not executed: if (ret) ")
    assert coverage_lines(with_coverage(MEASURED))[-1] == MEASURED.gaps[0]


def test_lines_when_there_are_many_then_the_rest_is_counted() -> None:
    many = PatchCoverage(lines=tuple(line(number, LineState.MISSED) for number in range(1, 31)))
    lines = coverage_lines(with_coverage(many), 5)
    assert len(lines) == 7
    assert lines[-1] == "and 25 more (run.json, coverage)"


def test_lines_when_nobody_measured_or_nothing_could_be_then_nothing_or_the_reason() -> None:
    assert coverage_lines(with_coverage(None)) == ()
    assert coverage_lines(with_coverage(PatchCoverage(reason="no gcov"))) == (
        "Coverage of the patch was not measured: no gcov",
    )


def test_text_when_words_are_hostile_then_they_are_shown_and_do_nothing() -> None:
    text = render_text(with_coverage(MEASURED))
    assert "Coverage of the patch\n  1 of 3 changed lines ran in 1 trial\n" in text
    assert "\x1b" not in text
    assert "\x00" not in text
    assert "\u202e" not in text
    assert "mm/a\\x1b.c:3: not compiled" in text


def test_junit_when_measured_then_properties_and_a_case_with_the_lines() -> None:
    text = render_junit(with_coverage(MEASURED))
    found = properties(text)
    assert found["coverage"] == "1 of 3 changed lines ran"
    assert (found["coverage.executed"], found["coverage.missed"], found["coverage.not_compiled"]) == ("1", "1", "1")
    case = next(each for each in ET.fromstring(text).iter("testcase") if each.attrib["name"] == "coverage")
    said = case.findtext("system-out") or ""
    assert "mm/zswap.c:2: not executed: if (ret) \\x1b[31m<script>\\x00" in said
    assert "memcg-limit-two-node-patched-s1" in said
    assert case.find("failure") is None
    assert case.find("skipped") is None


def test_junit_when_it_could_not_be_measured_then_skipped_with_the_reason_and_absent_when_nobody_asked() -> None:
    text = render_junit(with_coverage(PatchCoverage(reason="no gcov")))
    case = next(each for each in ET.fromstring(text).iter("testcase") if each.attrib["name"] == "coverage")
    skipped = case.find("skipped")
    assert skipped is not None
    assert skipped.attrib["message"] == "Coverage of the patch was not measured: no gcov"
    assert "coverage.executed" not in properties(text)
    without = render_junit(with_coverage(None))
    assert 'name="coverage"' not in without


def test_record_when_written_and_read_then_the_coverage_is_the_same() -> None:
    run = with_coverage(dataclasses.replace(MEASURED, lines=MEASURED.lines[:1]))
    assert parse_run(render_run(run), "run.json").coverage == run.coverage
