"""The run directory and the cache of trials."""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from orchestrator.errors import UserError
from orchestrator.host.steps import Steps
from orchestrator.model.trial import Status
from orchestrator.store.run_directory import RunDirectory, slug
from orchestrator.store.trial_cache import TrialCache
from tests.unit.record_builder import A2_BASE, BASE, a2_trials, record, series, spec, trial

NOW = datetime(2026, 11, 23, 6, 15, 30, tzinfo=UTC)
TITLE = "[PATCH v5 2/6] mm/zswap: Support batch writeback in shrink_memcg()"


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return RunDirectory.create(tmp_path / "results", title=TITLE, now=NOW)


def test_run_id_sorts_by_time_and_says_what_was_tested(run: RunDirectory) -> None:
    assert run.run_id == "20261123-061530-support-batch-writeback-in-shrink_memcg"


def test_run_ids_when_many_start_in_one_second_then_all_differ(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as executor:
        runs = executor.map(lambda _: RunDirectory.create(tmp_path, title=TITLE, now=NOW).run_id, range(40))
    assert len(set(runs)) == 40


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("../../etc/passwd", "etc-passwd"),
        ("[PATCH] mm: zswap: fix: \x1b[31m", "31m"),
        ("[RFC]", "untitled"),
        ("", "untitled"),
        ("mm: " + "x" * 300, "x" * 48),
    ],
)
def test_slug_of_hostile_titles(title: str, name: str) -> None:
    assert slug(title) == name


def test_plan_there_and_back_and_the_run_is_found_by_id_and_by_path(run: RunDirectory) -> None:
    run.write_plan(record().plan)
    results = run.path.parent
    assert RunDirectory.open(results, run.run_id).read_plan() == record().plan
    assert RunDirectory.open(Path("elsewhere"), str(run.path)).path == run.path


def test_open_when_there_is_no_such_run_then_a_user_error_lists_others(run: RunDirectory) -> None:
    run.write_plan(record().plan)
    with pytest.raises(UserError, match="no run 'x'") as caught:
        RunDirectory.open(run.path.parent, "x")
    assert run.run_id in caught.value.hint


def test_trials_there_and_back(run: RunDirectory) -> None:
    for each in a2_trials():
        run.write_trial(each)
    assert {each.spec.id: each for each in run.read_trials()} == {each.spec.id: each for each in a2_trials()}


@pytest.mark.parametrize("content", [b"", b'{"id": "memcg-li', b"\xff\xfe", b"[]", b'{"id": 1}'])
def test_trial_when_its_record_is_damaged_then_it_is_not_done(run: RunDirectory, content: bytes) -> None:
    first, second = a2_trials()[:2]
    run.write_trial(first)
    run.write_trial(second)
    (run.trial_folder(first.spec.id) / "result.json").write_bytes(content)
    assert run.read_trials() == (second,)


def test_trial_when_its_record_lies_in_another_trials_folder_then_it_is_not_done(run: RunDirectory) -> None:
    first, second = a2_trials()[:2]
    run.write_trial(first)
    (run.path / "trials" / first.spec.id).rename(run.path / "trials" / second.spec.id)
    assert run.read_trials() == ()


def test_events_when_the_last_line_was_cut_then_the_others_are_read(run: RunDirectory) -> None:
    steps = Steps(run.append_event)
    with steps.step("build", kernel="base"):
        pass
    with (run.path / "events.jsonl").open("a") as handle:
        handle.write('{"phase": "star')
    again = RunDirectory(run.path)
    Steps(again.append_event).note("build", "resumed")
    assert [(event.name, event.phase) for event in again.read_events()] == [
        ("build", "started"),
        ("build", "finished"),
        ("build", "note"),
    ]


def test_events_when_the_folder_is_gone_then_nothing_is_raised(tmp_path: Path) -> None:
    Steps(RunDirectory(tmp_path / "gone").append_event).note("build", "x")


def test_series_is_written_as_recovered(run: RunDirectory) -> None:
    run.write_series(series(), {2: "--- a/x\n+++ b/x\n@@ -1 +1 @@\n-\ta\n+\tb\n"})
    (patch,) = (run.path / "series").glob("*.patch")
    assert patch.name == "0002-support-batch-writeback-in-shrink_memcg.patch"
    assert "Subject: mm/zswap: Support batch writeback" in patch.read_text()
    assert patch.read_text().endswith("+\tb\n")


def test_run_there_and_back(run: RunDirectory) -> None:
    run.write_run(record())
    assert run.read_run() == record()


def test_run_when_there_is_no_record_yet_then_a_user_error_says_how_to_go_on(run: RunDirectory) -> None:
    with pytest.raises(UserError) as caught:
        run.read_run()
    assert "--resume" in caught.value.hint


def test_run_when_somebody_holds_it_then_a_user_error(run: RunDirectory) -> None:
    with run.held(), pytest.raises(UserError, match="in progress"), RunDirectory(run.path).held():
        pass
    with run.held():
        pass


def test_cache_answers_what_was_put_and_marks_it(tmp_path: Path) -> None:
    cache, done = TrialCache(tmp_path), trial(spec(BASE), A2_BASE)
    assert cache.find(done.key) is None
    assert cache.put(done)
    assert cache.find(done.key) == dataclasses.replace(done, cached=True)
    assert (tmp_path / "trials" / done.key[:2] / f"{done.key}.json").is_file()


def test_cache_when_a_trial_did_not_pass_or_is_live_then_it_is_not_kept(tmp_path: Path) -> None:
    cache, done = TrialCache(tmp_path), trial(spec(BASE), A2_BASE)
    live = dataclasses.replace(done, spec=dataclasses.replace(done.spec, sealed=False))
    others = [dataclasses.replace(done, status=status) for status in Status if status is not Status.PASS]
    for each in (live, *others, dataclasses.replace(done, digest=""), dataclasses.replace(done, key="../../x")):
        assert not cache.put(each)
    assert not list(tmp_path.rglob("*.json"))


def test_cache_when_a_record_is_damaged_or_of_another_key_then_not_found(tmp_path: Path) -> None:
    cache, done = TrialCache(tmp_path), trial(spec(BASE), A2_BASE)
    cache.put(done)
    (path,) = tmp_path.rglob("*.json")
    whole = path.read_text()
    path.write_text(whole[: len(whole) // 2])
    assert cache.find(done.key) is None
    path.write_text(whole.replace(done.key, "f" * 64))
    assert cache.find(done.key) is None


def test_cache_when_many_put_the_same_then_one_whole_record(tmp_path: Path) -> None:
    cache, done = TrialCache(tmp_path), trial(spec(BASE), A2_BASE)
    with ThreadPoolExecutor(8) as executor:
        assert all(executor.map(cache.put, [done] * 40))
    assert len(list(tmp_path.rglob("*.json"))) == 1
    assert cache.find(done.key) is not None


def test_discard_when_no_trial_was_done_then_the_folder_is_gone(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path, title="a patch", now=datetime(2026, 11, 23, tzinfo=UTC))
    run.discard()
    assert list(tmp_path.iterdir()) == []


def test_discard_when_a_trial_was_done_then_the_folder_stays(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path, title="a patch", now=datetime(2026, 11, 23, tzinfo=UTC))
    run.trial_folder("memcg-limit-two-node-base-s1")
    run.discard()
    assert run.path.is_dir()


def test_parts_that_are_there_come_in_their_order_and_no_other_is_made(run: RunDirectory) -> None:
    for name in ("perturbed-10", "perturbed-2", "perturbed", "perturbed-old", "perturbedly"):
        run.part(name)
    (run.path / "perturbed-3").write_text("no folder")
    assert [part.path.name for part in run.parts("perturbed")] == ["perturbed", "perturbed-2", "perturbed-10"]
    assert run.parts("again") == ()
    assert not (run.path / "again").exists()


def test_kept_build_file_when_the_source_is_gone_then_is_passed_over(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path, title="a patch", now=datetime(2026, 11, 23, tzinfo=UTC))
    (tmp_path / "log").write_text("CC mm/zswap.o\n")
    run.keep_build_file(tmp_path / "log", "base.log")
    run.keep_build_file(tmp_path / "nowhere", "patched.log")
    assert [path.name for path in (run.path / "builds").iterdir()] == ["base.log"]
