"""The table of scenario × topology: the word of a cell is that of the worst thing in it."""

from __future__ import annotations

import dataclasses

import pytest

from orchestrator.model.objects import ObjectDifference
from orchestrator.model.run import RunRecord
from orchestrator.model.trial import Check, Status
from orchestrator.model.verdict import Change, Finding
from orchestrator.report.html.matrix import MARKS, matrix_of
from tests.unit.record_builder import A2_BASE, BASE, PATCHED, a2_trials, record, spec, trial


def words(record_: RunRecord) -> dict[tuple[str, str], str]:
    matrix = matrix_of(record_)
    return {
        (scenario, topology): cell.word
        for scenario, cells in matrix.rows
        for topology, cell in zip(matrix.topologies, cells, strict=True)
    }


def with_change(change: Change, *, suspect: bool = False) -> RunRecord:
    base = record([trial(spec(kernel), A2_BASE) for kernel in (BASE, PATCHED)])
    first, *rest = base.verdict.changes
    changes = (dataclasses.replace(first, change=change, suspect=suspect), *rest)
    return dataclasses.replace(base, verdict=dataclasses.replace(base.verdict, changes=changes))


def test_matrix_of_a2_then_one_node_is_the_same_and_two_nodes_changed() -> None:
    assert words(record()) == {("memcg-limit", "one-node"): "same", ("memcg-limit", "two-node"): "changed"}


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (Change.REGRESSED, "regressed"),
        (Change.IMPROVED, "improved"),
        (Change.CHANGED, "changed"),
        (Change.ADDED, "changed"),
        (Change.REMOVED, "changed"),
        (Change.UNCLEAR, "unclear"),
        (Change.SAME, "same"),
    ],
)
def test_matrix_of_one_metric_then_its_word(change: Change, word: str) -> None:
    assert set(words(with_change(change)).values()) == {word}


def test_matrix_when_a_finding_is_blamed_then_regressed_though_no_metric_moved() -> None:
    base = with_change(Change.SAME)
    finding = Finding(kind="BUG", title="BUG", detail=(), kernel="patched", trial=spec(PATCHED).id, blamed=True)
    judged = dataclasses.replace(base, verdict=dataclasses.replace(base.verdict, findings=(finding,)))
    assert set(words(judged).values()) == {"regressed"}
    assert "1 finding" in matrix_of(judged).rows[0][1][0].figures
    assert matrix_of(judged, 1).rows[0][1][0].anchor == "finding-0"
    # Where the page does not show it, the cell leads to the metrics.
    assert matrix_of(judged, 0).rows[0][1][0].anchor.startswith("m-")


def test_matrix_when_a_trial_is_our_error_then_error_and_never_the_same() -> None:
    failed = trial(spec(PATCHED), status=Status.ERROR, checks=[Check(name="x", status=Status.ERROR)])
    assert set(words(record([trial(spec(BASE), A2_BASE), failed])).values()) == {"error"}


def test_matrix_when_trials_were_planned_and_none_ran_then_not_run() -> None:
    assert set(words(record([], planned=[spec(BASE), spec(PATCHED)])).values()) == {"not run"}


def test_matrix_when_the_code_is_the_same_then_that_is_said_and_not_that_nothing_moved() -> None:
    same = ObjectDifference(same=True, reason="no object differs")
    assert set(words(record([], planned=[spec(BASE)], objects=same)).values()) == {"same code"}


def test_matrix_when_a_cell_is_not_in_the_plan_then_not_asked() -> None:
    base = record()
    mine = tuple(each for each in a2_trials() if each.spec.topology == "two-node")
    plan = dataclasses.replace(base.plan, trials=tuple(each.spec for each in mine))
    assert words(dataclasses.replace(base, trials=mine, plan=plan))["memcg-limit", "one-node"] == "not asked"


def test_every_word_has_a_mark_of_its_own_beside_its_colour() -> None:
    # The two that say "the same" may share theirs.
    assert len(set(MARKS.values())) == len(MARKS) - 1
