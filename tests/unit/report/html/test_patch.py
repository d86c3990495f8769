"""Coverage in the patch: each line's state stands beside that line, whatever an archive did to the white space."""

from __future__ import annotations

import dataclasses

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.model.coverage import CoveredLine, LineState, PatchCoverage
from orchestrator.model.run import RunRecord
from orchestrator.report.html.patch import patches_view
from tests.unit.record_builder import record

DIFF = """\
diff --git a/mm/zswap.c b/mm/zswap.c
--- a/mm/zswap.c
+++ b/mm/zswap.c
@@ -10,3 +10,5 @@ static void f(void)
 {
-\told(1);
+\tnew(1);
+\tnew(1);
+\tnew(2);
 }
"""
FOLDED = DIFF.replace("\t", " ").replace(" {", "{").replace(" }", "}")


def with_lines(diff: str, *lines: tuple[int, str, LineState]) -> RunRecord:
    base = record()
    patch = dataclasses.replace(base.series.patches[0], diff=diff)
    covered = [
        CoveredLine(path="mm/zswap.c", line=line, text=text, state=state, calls=3 * (state is LineState.EXECUTED))
        for line, text, state in lines
    ]
    return dataclasses.replace(
        base, series=dataclasses.replace(base.series, patches=(patch,)), coverage=PatchCoverage(lines=tuple(covered))
    )


def states(record_: RunRecord) -> list[tuple[str, str]]:
    view = patches_view(record_, {}, 1000)
    return [(line.text, line.said) for patch in view.patches for line in patch.lines if line.text.startswith("+\t")]


LINES = (
    (11, "\tnew(1);", LineState.EXECUTED),
    (12, "\tnew(1);", LineState.MISSED),
    (13, "\tnew(2);", LineState.NOT_COMPILED),
)


def test_patches_view_then_lines_of_the_same_text_are_told_apart_by_place() -> None:
    assert states(with_lines(DIFF, *LINES)) == [
        ("+\tnew(1);", "3×"),
        ("+\tnew(1);", "not run"),
        ("+\tnew(2);", "not built"),
    ]


def test_patches_view_when_an_archive_folded_white_space_then_lines_are_found_all_the_same() -> None:
    view = patches_view(with_lines(FOLDED, *LINES), {}, 1000)
    said = [line.said for line in view.patches[0].lines if line.kind == "d-add"]
    assert said == ["3×", "not run", "not built"]
    assert not view.loose


def test_patches_view_when_the_folder_has_the_diff_as_applied_then_that_is_shown() -> None:
    shown = patches_view(with_lines(FOLDED, *LINES), {2: DIFF}, 1000).patches[0]
    assert shown.source == "as it was applied to base"
    assert "+\tnew(2);" in [line.text for line in shown.lines]


def test_patches_view_when_a_line_is_in_no_diff_then_it_is_not_lost() -> None:
    extra = (900, "\telsewhere();", LineState.MISSED)
    view = patches_view(with_lines(DIFF, *LINES, extra), {}, 1000)
    assert [line.line for line in view.loose] == [900]


def test_patches_view_when_there_are_more_lines_than_asked_for_then_the_rest_is_counted() -> None:
    view = patches_view(with_lines(DIFF), {}, 4)
    assert len(view.patches[0].lines) == 4
    assert view.patches[0].left_out == len(DIFF.splitlines()) - 4


@given(st.text(max_size=300))
def test_patches_view_of_any_text_then_every_line_is_shown(diff: str) -> None:
    view = patches_view(with_lines(diff), {}, 10_000)
    shown = [line.text for line in view.patches[0].lines]
    assert shown == diff.rstrip("\n").split("\n")


@given(st.integers(0, 10**15))
def test_patches_view_then_a_count_of_calls_is_short(calls: int) -> None:
    base = with_lines(DIFF, LINES[0])
    assert base.coverage is not None
    line = dataclasses.replace(base.coverage.lines[0], calls=calls)
    said = states(dataclasses.replace(base, coverage=PatchCoverage(lines=(line,))))[0][1]
    assert 1 < len(said) <= 9
