"""Past runs in short: whatever lies in a results folder, the list is made."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from orchestrator.store.past_runs import past_runs
from tests.pages import RUNS


@pytest.fixture
def results(tmp_path: Path) -> Path:
    for number, name in enumerate(("pass", "changed", "half-finished"), start=1):
        shutil.copytree(RUNS / name, tmp_path / f"2026112{number}-120000-{name}")
    return tmp_path


def test_past_runs_then_the_newest_first_with_verdict_title_and_metrics(results: Path) -> None:
    unfinished, changed, passed = past_runs(results)
    assert (unfinished.outcome, unfinished.problem) == ("", "not finished")
    assert (changed.outcome, passed.outcome) == ("CHANGED", "PASS")
    assert "batch writeback" in changed.title
    metric = next(each for each in changed.metrics if each.metric == "written_back@node1")
    assert (metric.base, metric.patched, metric.change) == (4096.0, 0.0, "changed")


def test_past_runs_beyond_those_read_in_full_then_the_verdict_all_the_same(results: Path) -> None:
    full, short = past_runs(results), past_runs(results, in_full=0)
    assert [(run.run_id, run.outcome, run.sentence) for run in short] == [
        (run.run_id, run.outcome, run.sentence) for run in full
    ]
    assert not any(run.metrics for run in short)
    assert short[1].started == "2026-11-22T12:00:00+00:00"


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"verdict": 3}', '{"verdict": {"outcome": []}}', "\ud800"])
@pytest.mark.parametrize("in_full", [0, 9])
def test_past_runs_when_a_record_is_damaged_then_it_is_listed_as_that(tmp_path: Path, text: str, in_full: int) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "run.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    (run,) = past_runs(tmp_path, in_full=in_full)
    assert (run.run_id, run.outcome, run.problem) == ("a", "", "its record cannot be read")


def test_past_runs_of_a_newer_version_then_listed_all_the_same(results: Path) -> None:
    path = next(results.glob("*-pass")) / "run.json"
    data = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**data, "schema_version": 99, "new": {}}), encoding="utf-8")
    assert past_runs(results)[-1].outcome == "PASS"


def test_past_runs_of_one_second_then_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    names = ["20261123-120000-x", *(f"20261123-120000-x.{number}" for number in (2, 10))]
    for name in names:
        (tmp_path / name).mkdir()
        (tmp_path / name / "plan.json").write_text("{}", encoding="utf-8")
    assert [run.run_id for run in past_runs(tmp_path)] == names[::-1]


def test_past_runs_when_the_folder_holds_other_things_then_they_are_no_runs(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "README.md").write_text("x", encoding="utf-8")
    assert past_runs(tmp_path) == ()
    assert past_runs(tmp_path / "none") == ()
