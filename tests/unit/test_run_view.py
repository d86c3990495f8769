"""A run by its name, its folder or its lone record; half-finished, damaged, of a newer version, of a stranger."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import pytest

from orchestrator.errors import UserError
from orchestrator.model.verdict import Outcome
from orchestrator.report.material import SETTLED, TICKS
from orchestrator.run_view import material_of
from orchestrator.store.run_json import parse_run, render_run
from tests.hostile import NAMES as HOSTILE_NAMES
from tests.recorded import RUNS, recorded


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A results folder with two runs, one of them half-finished."""
    folder = tmp_path / "results"
    shutil.copytree(RUNS / "regression", folder / "20261123-154126-regression")
    shutil.copytree(RUNS / "half-finished", folder / "20261123-154611-half")
    return folder


def test_run_is_found_by_id_folder_record_and_as_the_latest(results: Path) -> None:
    record = results / "20261123-154126-regression" / "run.json"
    for name in ("20261123-154126-regression", str(record.parent), str(record)):
        material = material_of(name, results)
        assert material.record == parse_run(record.read_text())
        assert material.folder == record.parent
    assert material_of("latest", results).folder == results / "20261123-154611-half"


def test_lone_record_has_no_samples_and_the_same_words(results: Path, tmp_path: Path) -> None:
    lone = tmp_path / "from-another-machine.json"
    shutil.copy(results / "20261123-154126-regression" / "run.json", lone)
    material = material_of(str(lone), results)
    assert (material.folder, material.unfinished) == (None, "")
    assert material.read("churn-one-node-patched-s1", TICKS) == ()


def test_samples_are_read_from_the_folder() -> None:
    read = recorded("regression").read
    assert next(sample.label for sample in read("churn-one-node-patched-s1", SETTLED)) == "before"
    assert len(read("churn-one-node-patched-s1", TICKS)) > 10
    assert read("churn-one-node-patched-s2", TICKS) == ()


@pytest.mark.parametrize("trial", [*HOSTILE_NAMES, "../20261123-154126-regression/trials/churn-one-node-patched-s1"])
def test_trial_with_a_hostile_name_reads_nothing_outside_of_the_run(trial: str, results: Path) -> None:
    (results / "guest").mkdir()
    (results / "guest" / TICKS).write_text("@sample x 1.0\n")
    assert material_of("20261123-154611-half", results).read(trial, TICKS) == ()


@pytest.mark.parametrize("kind", ["result.json", "../result.json", ""])
def test_kind_of_samples_that_there_is_not_reads_nothing(kind: str) -> None:
    assert recorded("regression").read("churn-one-node-patched-s1", kind) == ()


def test_damaged_samples_are_none(results: Path) -> None:
    run = results / "20261123-154126-regression"
    (run / "trials" / "churn-one-node-patched-s1" / "guest" / TICKS).write_bytes(b"\xff\x00 garbage\n")
    assert material_of(str(run), results).read("churn-one-node-patched-s1", TICKS) == ()


def test_half_finished_run_is_a_record_of_what_is_done() -> None:
    material = recorded("half-finished")
    assert material.unfinished == "This run is not finished: 1 of 4 trials are done."
    assert material.record.verdict.outcome is Outcome.INCONCLUSIVE
    assert [trial.spec.id for trial in material.record.trials] == ["memcg-limit-two-node-base-s1"]
    assert len(material.record.verdict.not_covered) == 3
    assert material.record.series.title.startswith("mm/zswap")
    assert parse_run(render_run(material.record)) == material.record


def test_half_finished_run_whose_series_is_lost_is_a_record_still(results: Path) -> None:
    (results / "20261123-154611-half" / "series" / "series.json").write_text("{")
    material = material_of("20261123-154611-half", results)
    assert material.record.series.title.endswith("batch-writeback.txt")


@pytest.mark.parametrize("name", ["nowhere", "", "/", "..", "x\x00y", "a" * 5000])
def test_run_that_is_not_there_names_those_that_are(name: str, results: Path) -> None:
    with pytest.raises(UserError, match="there is no run") as caught:
        material_of(name, results)
    assert "20261123-154611-half" in caught.value.hint


def test_latest_of_no_runs_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no run 'latest'"):
        material_of("latest", tmp_path)


def test_record_of_a_newer_version_is_refused_with_both_versions(results: Path) -> None:
    path = results / "20261123-154126-regression" / "run.json"
    data = json.loads(path.read_text())
    path.write_text(json.dumps({**data, "schema_version": 99}))
    with pytest.raises(UserError, match="schema version 99, this orchestrator reads up to 1"):
        material_of("20261123-154126-regression", results)


@pytest.mark.parametrize("keep", [0, 1, 1000, 20_000])
def test_truncated_record_is_refused_and_named(keep: int, results: Path) -> None:
    path = results / "20261123-154126-regression" / "run.json"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(UserError, match=r"run\.json"):
        material_of("20261123-154126-regression", results)


def test_record_that_is_no_text_is_refused(results: Path) -> None:
    (results / "20261123-154126-regression" / "run.json").write_bytes(b"\xff\xfe{}")
    with pytest.raises(UserError, match="not text"):
        material_of("20261123-154126-regression", results)


def test_edited_record_is_refused_with_the_place(results: Path) -> None:
    path = results / "20261123-154126-regression" / "run.json"
    data = json.loads(path.read_text())
    data["trials"][1]["kernel"] = "mine"
    path.write_text(json.dumps(data))
    with pytest.raises(UserError, match=r"trials\[1\]"):
        material_of("20261123-154126-regression", results)


def test_material_is_a_value() -> None:
    one = recorded("pass")
    assert dataclasses.replace(one, unfinished="").record is one.record
