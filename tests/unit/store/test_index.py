"""The index of runs: it says what the folders say, whatever became of it or of them."""

from __future__ import annotations

import json
import multiprocessing
import shutil
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.store.index import INDEX, RunIndex, diff_key
from tests.hostile import CORPUS
from tests.recorded import NAMES, RUNS


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A results folder with all recorded runs, in the order of their names."""
    for number, name in enumerate(NAMES):
        shutil.copytree(RUNS / name, tmp_path / f"2026112{number}-154126-{name}")
    return tmp_path


def listed(results: Path) -> list[tuple[str, str, str]]:
    with RunIndex(results) as index:
        return [(run.run_id.partition("-154126-")[2], run.state, run.outcome) for run in index.runs()]


EXPECTED = [
    ("half-finished", "unfinished", ""),
    ("our-error", "finished", "ERROR"),
    ("inconclusive", "finished", "INCONCLUSIVE"),
    ("regression", "finished", "REGRESSION"),
    ("changed", "finished", "CHANGED"),
    ("pass", "finished", "PASS"),
]


def edit(results: Path, name: str, **changes: object) -> None:
    (path,) = results.glob(f"*-{name}/run.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_runs_are_listed_newest_first_with_what_they_say(results: Path) -> None:
    assert listed(results) == EXPECTED
    with RunIndex(results) as index:
        found = {run.run_id.partition("-154126-")[2]: run for run in index.runs()}
    one = found["regression"]
    assert (one.planned, one.done, one.seconds, one.base) == (2, 2, 36.0, "7.2.12 (eace7400cf47)")
    assert "zswap_swapoff" in one.sentence
    half = found["half-finished"]
    assert (half.planned, half.done, half.started, half.seconds) == (4, 1, "2026-11-25T15:41:26+00:00", None)


def test_second_look_reads_no_record_again(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert listed(results) == EXPECTED
    monkeypatch.setattr("orchestrator.store.index._read", lambda folder: pytest.fail(f"read {folder}"))
    assert listed(results) == EXPECTED


def test_what_comes_goes_and_changes_is_seen(results: Path) -> None:
    listed(results)
    shutil.rmtree(next(results.glob("*-pass")))
    shutil.copytree(RUNS / "changed", results / "20261130-154126-newest")
    half = next(results.glob("*-half-finished"))
    shutil.copytree(half / "trials/memcg-limit-two-node-base-s1", half / "trials/memcg-limit-two-node-patched-s1")
    edit(results, "our-error", verdict={"outcome": "PASS", "sentences": []})
    assert [name for name, *_ in listed(results)] == ["newest", *(name for name, *_ in EXPECTED[:-1])]
    with RunIndex(results) as index:
        assert index.runs(search="half")[0].done == 2
        assert index.runs(search="our-error")[0].outcome == "PASS"
        assert index.runs(search="our-error")[0].sentence == ""


@pytest.mark.parametrize("damage", [b"", b"garbage", b"SQLite format 3\x00" + b"\xff" * 5000])
def test_damaged_index_is_made_anew(damage: bytes, results: Path) -> None:
    listed(results)
    (results / INDEX).write_bytes(damage)
    assert listed(results) == EXPECTED
    assert listed(results) == EXPECTED


def test_index_with_a_damaged_page_is_made_anew_on_disk(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed(results)
    data = bytearray((results / INDEX).read_bytes())
    data[4096:] = b"\xff" * (len(data) - 4096)
    (results / INDEX).write_bytes(data)
    assert listed(results) == EXPECTED
    monkeypatch.setattr("orchestrator.store.index._read", lambda folder: pytest.fail(f"read {folder}"))
    assert listed(results) == EXPECTED


def test_index_of_another_version_is_made_anew(results: Path) -> None:
    with sqlite3.connect(results / INDEX) as database:
        database.executescript("CREATE TABLE runs (a); INSERT INTO runs VALUES (1); PRAGMA user_version = 99;")
    database.close()
    assert listed(results) == EXPECTED


def test_index_that_lies_is_put_right_by_a_rebuild(results: Path) -> None:
    listed(results)
    with sqlite3.connect(results / INDEX) as database:
        database.execute("UPDATE runs SET outcome = 'PASS'")
    database.close()
    assert listed(results) != EXPECTED
    with RunIndex(results, rebuild=True):
        pass
    assert listed(results) == EXPECTED


def test_results_that_cannot_be_written_to_are_listed_all_the_same(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The tests may run as root, whom no permission stops: a folder in the index's place does.
    (results / INDEX).mkdir()
    assert listed(results) == EXPECTED


def test_no_results_are_no_runs(tmp_path: Path) -> None:
    assert listed(tmp_path / "nowhere") == []
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema_version": 1}', '{"schema_version": "x"}', "null", "\x00"])
def test_record_that_cannot_be_read_is_listed_as_that(text: str, results: Path) -> None:
    next(results.glob("*-pass")).joinpath("run.json").write_text(text)
    assert listed(results)[-1] == ("pass", "unreadable", "")
    with RunIndex(results) as index:
        assert index.runs(outcome="unreadable")[0].sentence


def test_record_of_a_newer_version_is_listed_with_the_reason(results: Path) -> None:
    edit(results, "pass", schema_version=99)
    with RunIndex(results) as index:
        assert "newer orchestrator" in index.runs(outcome="unreadable")[0].sentence


@pytest.mark.parametrize("text", [*CORPUS, "\ud800"], ids=range(len(CORPUS) + 1))
def test_hostile_title_is_kept_and_found(text: str, results: Path) -> None:
    (path,) = results.glob("*-pass/run.json")
    data = json.loads(path.read_text())
    data["series"]["title"] = text
    path.write_text(json.dumps(data))
    with RunIndex(results) as index:
        (run,) = index.runs(outcome="PASS")
        assert run.title == text.encode("utf-8", "replace").decode()
        if "\x00" not in run.title and len(run.title) < 1000:
            assert index.runs(search=run.title) == (run,)


def test_search_takes_wildcards_as_they_are(results: Path) -> None:
    with RunIndex(results) as index:
        assert len(index.runs(search="WRITEBACK")) == 4
        assert index.runs(search="write%back") == ()
        assert len(index.runs(search="_")) >= 1
        assert [run.outcome for run in index.runs(limit=2)] == ["", "ERROR"]


def test_runs_of_a_patch_are_found_by_message_id_and_by_what_it_changes(results: Path) -> None:
    (path,) = results.glob("*-changed/run.json")
    data = json.loads(path.read_text())
    data["series"]["patches"][0]["message_id"] = "one@example.org"
    data["series"]["message_ids"] = ["cover@example.org"]
    diff = data["series"]["patches"][0]["diff"]
    path.write_text(json.dumps(data))
    with RunIndex(results) as index:
        for words in ({"message_id": "<one@example.org>"}, {"message_id": "cover@example.org"}):
            assert [run.rpartition("-")[2] for run in index.that_tested(**words)] == ["changed"]
        same = index.that_tested(message_id="unknown@example.org", diff=diff.replace("\t", "    "))
        assert [run.partition("-154126-")[2] for run in same] == ["half-finished", "our-error", "changed"]
        assert index.that_tested(message_id="", diff="no diff at all") == ()


@given(
    st.lists(
        st.sampled_from([" x = 1;", "+\ty = 2;", "-  z = 3;", "@@ -1 +1 @@", "--- a/f", "+++ b/f", "\\ no newline"])
    )
)
@settings(max_examples=100, deadline=None)
def test_diff_key_sees_what_changes_and_not_where_or_how_it_is_indented(lines: list[str]) -> None:
    one = "\n".join(lines)
    assert diff_key(one) == diff_key(one.replace("\t", " ").replace("@@ -1 +1 @@", "@@ -9 +9 @@"))
    assert diff_key(f"{one}\n+more") != diff_key(one)


def _look(results: Path) -> int:
    with RunIndex(results) as index:
        return len(index.runs())


def test_several_processes_may_look_at_once(results: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        assert pool.map(_look, [results] * 9) == [len(NAMES)] * 9
