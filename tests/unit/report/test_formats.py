"""All formats of all recorded runs, against what was rendered before; and a stranger's words in each."""

from __future__ import annotations

import dataclasses
import os
import unicodedata
from pathlib import Path

import pytest

from orchestrator.errors import UserError
from orchestrator.model.bisection import Bisection
from orchestrator.model.coverage import CoveredLine, LineState, PatchCoverage
from orchestrator.model.tree import Confidence
from orchestrator.report.formats import FORMATS
from orchestrator.report.material import Material
from tests.hostile import CORPUS, MARK, hostile_record
from tests.recorded import NAMES, RUNS, recorded

LINES = ("junit", "ktap", "markdown", "metrics", "text")
"""Formats of lines that a person may see on a terminal."""

GOLDEN = [
    *((name, each) for name in NAMES for each in ("junit", "ktap", "markdown", "text")),
    *(("regression", each) for each in ("kcidb", "metrics")),
]


@pytest.mark.parametrize(("name", "which"), GOLDEN)
def test_rendering_is_as_recorded(name: str, which: str) -> None:
    golden = RUNS / name / f"report{FORMATS[which].suffix}"
    data = FORMATS[which].render(recorded(name))
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_bytes(data)
    assert data == golden.read_bytes()


@pytest.mark.parametrize("which", sorted(FORMATS))
@pytest.mark.parametrize("name", NAMES)
def test_every_format_of_every_recorded_run_is_rendered(name: str, which: str) -> None:
    assert len(FORMATS[which].render(recorded(name))) > 100


@pytest.mark.parametrize("which", sorted(set(FORMATS) - {"csv", "parquet"}))
def test_lone_record_of_another_machine_is_rendered_without_its_folder(which: str, tmp_path: Path) -> None:
    from orchestrator.run_view import material_of

    lone = tmp_path / "mailed.json"
    lone.write_bytes((RUNS / "regression" / "run.json").read_bytes())
    material = material_of(str(lone), tmp_path)
    assert material.folder is None
    assert b"zswap_swapoff" in FORMATS[which].render(material) or which == "metrics"


@pytest.mark.parametrize("text", CORPUS, ids=range(len(CORPUS)))
@pytest.mark.parametrize("which", LINES)
def test_hostile_text_brings_no_control_characters_into_a_report(which: str, text: str) -> None:
    material = Material(record=hostile_record(recorded("inconclusive").record, text))
    shown = FORMATS[which].render(material).decode()
    assert MARK in shown or which == "metrics"
    bad = {char for char in shown if unicodedata.category(char) in {"Cc", "Cs"}} - {"\n", "\t"}
    assert bad <= ({"\x85"} if which == "junit" else set())


@pytest.mark.parametrize("text", CORPUS, ids=range(len(CORPUS)))
def test_hostile_text_never_adds_lines_to_a_log_or_a_table(text: str) -> None:
    record = recorded("inconclusive").record
    for which in ("ktap", "metrics"):
        lines = [
            FORMATS[which].render(Material(record=hostile_record(record, one))).decode().count("\nok ")
            for one in ("x", text)
        ]
        assert lines[0] == lines[1]


def test_unfinished_run_says_so_in_every_format_for_people() -> None:
    for which in ("text", "markdown", "ktap"):
        assert "1 of 4 trials are done" in FORMATS[which].render(recorded("half-finished")).decode()


def test_run_without_samples_has_no_table_of_them_and_says_what_to_do() -> None:
    material = dataclasses.replace(recorded("pass"), read=lambda _trial, _kind: ())
    with pytest.raises(UserError, match="no samples") as caught:
        FORMATS["csv"].render(material)
    assert "--again" in caught.value.hint


def with_bisection_and_coverage() -> Material:
    """Return the recorded regression as that of a series in which the second patch was found, most of its lines run."""
    one = recorded("regression")
    found = Bisection(
        what="the WARNING", patch=2, candidates=(2,), subject="mm: free less", message_id="2@example.org", steps=(),
        confidence=Confidence.HIGH, reason="seen twice",
    )  # fmt: skip
    lines = tuple(
        CoveredLine(path="mm/zswap.c", line=number, text="x;", state=state)
        for number, state in ((10, LineState.EXECUTED), (11, LineState.MISSED))
    )
    record = dataclasses.replace(one.record, bisection=found, coverage=PatchCoverage(lines=lines))
    return dataclasses.replace(one, record=record)


@pytest.mark.parametrize("which", ["junit", "kcidb", "ktap", "markdown", "text", "html"])
def test_bisection_and_coverage_are_in_the_formats_when_there(which: str) -> None:
    shown = FORMATS[which].render(with_bisection_and_coverage()).decode()
    assert "mm: free less" in shown
    assert "1 of 2 changed lines ran" in shown
