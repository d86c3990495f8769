"""Coverage as a value: its sentence, and what it lists as not covered."""

from __future__ import annotations

from orchestrator.model.coverage import CoveredLine, LineState, PatchCoverage, number_ranges


def test_ranges_when_numbers_follow_each_other_then_one_range() -> None:
    assert number_ranges([9, 3, 7, 8, 8]) == "3, 7-9"
    assert number_ranges([]) == ""


def test_not_covered_when_lines_did_not_run_then_one_line_a_file_and_state() -> None:
    def line(path: str, number: int, what: LineState) -> CoveredLine:
        return CoveredLine(path=path, line=number, text="x", state=what)

    coverage = PatchCoverage(
        lines=(
            line("a.c", 1, LineState.EXECUTED),
            line("a.c", 2, LineState.MISSED),
            line("a.c", 3, LineState.MISSED),
            line("a.c", 9, LineState.NOT_COMPILED),
            line("b.c", 4, LineState.MISSED),
        ),
        gaps=("a trial failed",),
    )
    assert coverage.sentence == "1 of 5 changed lines ran"
    assert coverage.not_covered == (
        "a.c:2-3: not executed",
        "a.c:9: not compiled",
        "b.c:4: not executed",
        "coverage of the patch: a trial failed",
    )


def test_not_covered_when_nothing_was_measured_then_the_reason() -> None:
    assert PatchCoverage(reason="no gcov").not_covered == ("Coverage of the patch was not measured: no gcov",)
    assert PatchCoverage().not_covered == ()
