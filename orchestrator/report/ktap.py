"""RUN RECORD → KTAP, version 1 (Documentation/dev-tools/ktap.rst): a test a topology, the cases of ``junit.xml`` below it.

What is a failure, an error of ours or a skip is decided in ``report/junit.py``, for both formats. A failure of ours is
``not ok ... # ERROR``, as the specification has it. Words of strangers stand behind ``# |`` or in a description without a
hash sign: they cannot be taken for a result, a plan, a directive or the end of the log.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from junit_xml import TestCase, TestSuite

from orchestrator.model.run import RunRecord
from orchestrator.report.bisection import bisection_lines
from orchestrator.report.junit import suites_of
from orchestrator.report.text import printable_line

MESSAGE_LENGTH = 240
_INDENT = "  "


def render_ktap(record: RunRecord) -> str:
    """Return the log; every line is printable."""
    suites = suites_of(record)
    head = ["KTAP version 1", f"1..{len(suites)}", *_diagnostics(_head(record))]
    lines = [line for number, suite in enumerate(suites, 1) for line in _suite_lines(number, suite)]
    return "\n".join([*head, *lines]) + "\n"


def _head(record: RunRecord) -> list[str]:
    lines = [record.run_id, record.series.title, f"{record.verdict.outcome}", *record.verdict.sentences]
    return [*lines, *bisection_lines(record), *([record.coverage.sentence] if record.coverage else [])]


def _suite_lines(number: int, suite: TestSuite) -> Iterator[str]:
    cases: Sequence[TestCase] = suite.test_cases
    name = _described(suite.name)
    yield f"{_INDENT}KTAP version 1"
    yield f"{_INDENT}# Subtest: {name}"
    yield f"{_INDENT}1..{len(cases)}"
    for index, case in enumerate(cases, 1):
        for line in _case_lines(index, case):
            yield _INDENT + line
    yield _suite_result(number, name, cases)


def _suite_result(number: int, name: str, cases: Sequence[TestCase]) -> str:
    if any(case.is_failure() for case in cases):
        return f"not ok {number} {name}"
    if any(case.is_error() for case in cases):
        return f"not ok {number} {name} # ERROR a test was not done by our fault"
    if not cases or all(case.is_skipped() for case in cases):
        return f"ok {number} {name} # SKIP nothing was run"
    return f"ok {number} {name}"


def _case_lines(number: int, case: TestCase) -> list[str]:
    name = _described(case.name)
    if case.is_failure() or case.is_error():
        told = (case.failures or case.errors)[0]
        directive = "" if case.is_failure() else " # ERROR"
        message = _described(told["message"] or "")[:MESSAGE_LENGTH]
        seen = [told["message"] or "", *(told["output"] or "").splitlines()]
        result = f"not ok {number} {name}{directive}{' ' if directive else ' # '}{message}".rstrip(" #")
        return [*_diagnostics(seen), result]
    if case.is_skipped():
        return [f"ok {number} {name} # SKIP {_described(case.skipped[0]['message'] or '')[:MESSAGE_LENGTH]}".rstrip()]
    return [f"ok {number} {name}"]


def _diagnostics(lines: Sequence[str]) -> list[str]:
    return [f"# | {printable_line(line)}".rstrip() for text in lines for line in text.splitlines() or [""]]


def _described(text: str) -> str:
    """Return ``text`` as a description: one line, and without the sign that a directive begins with."""
    return printable_line(text).replace("#", "\\x23").strip() or "unnamed"
