"""A recorded run, opened again: by its name, with the trees as they were, or with a word on why that cannot be."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import shutil
from pathlib import Path

import pytest

from orchestrator.again import check_known, prefix_named, reopened, run_named, trial_named
from orchestrator.errors import UserError
from orchestrator.host.deadline import Cancellation
from orchestrator.host.steps import StepEvent, Steps
from orchestrator.intake.reader import Wanted
from orchestrator.laboratory import Laboratory
from orchestrator.model.run import RunRecord
from orchestrator.pipeline import TestRequest, profile_named, start_run
from orchestrator.plan import narrowed
from orchestrator.store.run_directory import RunDirectory
from orchestrator.tree.export import is_whole
from tests.unit.record_builder import a2_trials, record
from tests.unit.tree.conftest import UserTree, small_linux

RUN = "20261123-061530-a-run"


pytestmark = pytest.mark.usefixtures("empty_home")


@pytest.fixture
def tree(tmp_path: Path) -> UserTree:
    """A small tree that is taken for Linux, and two patches for it in ``series.mbox``."""
    folder = tmp_path / "linux"
    made = small_linux(folder)
    for old, new in (("int f1(void)", "long f1(void)"), ("int f2(void)", "long f2(void)")):
        file = folder / "mm" / "twins.c"
        file.write_text(file.read_text().replace(old, new))
        made.commit(f"mm: make {old[4:6]} long")
    (tmp_path / "series.mbox").write_text(made.git("format-patch", "--stdout", "-2") + "\n")
    made.git("reset", "--quiet", "--hard", "HEAD~2")
    return made


def recorded(tree: UserTree, tmp_path: Path) -> tuple[RunDirectory, RunRecord]:
    """A run of both patches, with a record that has its trees."""
    request = TestRequest(
        wanted=Wanted(inputs=(str(tmp_path / "series.mbox"),)),
        linux=str(tree.folder),
        base_rev=None,
        profile=narrowed(profile_named("demo"), scenarios=("memcg-limit",), topologies=("two-node",), seeds=1),
        sealed=True,
        sandbox=True,
        accelerator="auto",
        again=False,
        results=tmp_path / "results",
    )
    run = start_run(request, steps=Steps(), now=lambda: dt.datetime.now(dt.UTC))
    trees = Laboratory(run, steps=Steps(), cancellation=Cancellation()).trees
    done = dataclasses.replace(record(), run_id=run.run_id, plan=run.read_plan(), trees=trees)
    run.write_run(done)
    return run, done


def again(run: RunDirectory, done: RunRecord, events: list[StepEvent] | None = None) -> Laboratory:
    steps = Steps(*([events.append] if events is not None else []))
    return reopened(run, done, steps=steps, cancellation=Cancellation())


def test_trees_that_are_still_there_are_taken_as_recorded(tree: UserTree, tmp_path: Path) -> None:
    run, done = recorded(tree, tmp_path)
    assert is_whole(done.trees, cancellation=Cancellation())
    # The user's tree went on: that is no matter.
    (tree.folder / "mm" / "twins.c").write_text("int nothing;\n")
    tree.commit("mm: remove the twins")
    events: list[StepEvent] = []
    assert again(run, done, events).trees == done.trees
    assert events == []


def test_trees_that_are_gone_from_the_cache_are_made_again_the_same(tree: UserTree, tmp_path: Path) -> None:
    run, done = recorded(tree, tmp_path)
    shutil.rmtree(tmp_path / "xdg-cache")
    assert not is_whole(done.trees, cancellation=Cancellation())
    (tree.folder / "mm" / "zswap.c").write_text("int nothing;\n")
    tree.commit("mm: remove zswap")
    events: list[StepEvent] = []
    trees = again(run, done, events).trees
    assert [patch.tree for patch in trees.applied] == [patch.tree for patch in done.trees.applied]
    assert trees.base.tree == done.trees.base.tree
    assert any("made again" in event.text for event in events)


def test_base_that_is_gone_is_told(tree: UserTree, tmp_path: Path) -> None:
    run, done = recorded(tree, tmp_path)
    shutil.rmtree(tmp_path / "xdg-cache")
    shutil.rmtree(tree.folder / ".git")
    tree.git("init", "--quiet", "--initial-branch=master")
    (tree.folder / "mm" / "twins.c").write_text("int nothing;\n")
    tree.commit("another history")
    with pytest.raises(UserError, match=r"base of this run .* cannot be had any more"):
        again(run, done)


def test_sources_that_are_gone_are_told(tree: UserTree, tmp_path: Path) -> None:
    run, done = recorded(tree, tmp_path)
    shutil.rmtree(tmp_path / "xdg-cache")
    shutil.rmtree(tree.folder)
    with pytest.raises(UserError, match="cannot be had any more"):
        again(run, done)


def test_series_that_comes_out_otherwise_is_told(tree: UserTree, tmp_path: Path) -> None:
    run, done = recorded(tree, tmp_path)
    shutil.rmtree(tmp_path / "xdg-cache")
    last = dataclasses.replace(done.trees.applied[-1], tree="f" * 40)
    edited = dataclasses.replace(done, trees=dataclasses.replace(done.trees, applied=(*done.trees.applied[:-1], last)))
    with pytest.raises(UserError, match="does not come out as in the run"):
        again(run, edited)


def test_repository_of_a_stranger_s_record_is_not_asked(tree: UserTree, tmp_path: Path) -> None:
    run, done = recorded(tree, tmp_path)
    elsewhere = tmp_path / "elsewhere.git"
    shutil.copytree(done.trees.source.repo, elsewhere)
    source = dataclasses.replace(done.trees.source, repo=elsewhere)
    trees = again(run, dataclasses.replace(done, trees=dataclasses.replace(done.trees, source=source))).trees
    assert trees.source.repo == done.trees.source.repo


def test_trial_that_the_plan_cannot_have_is_refused(tree: UserTree, tmp_path: Path) -> None:
    run, done = recorded(tree, tmp_path)
    laboratory = again(run, done)
    check_known(laboratory, done.plan.trials)
    one = done.plan.trials[0]
    for edited in (dataclasses.replace(one, scenario="../evil"), dataclasses.replace(one, topology="nowhere")):
        with pytest.raises(UserError, match="no such scenario and topology"):
            check_known(laboratory, [edited])


@pytest.mark.parametrize("word", ["--upload-pack=x", "HEAD", "", "f" * 39])
def test_edited_commits_are_not_taken_for_options_or_names(word: str, tree: UserTree, tmp_path: Path) -> None:
    _, done = recorded(tree, tmp_path)
    base = dataclasses.replace(done.trees.base, commit=word)
    assert not is_whole(dataclasses.replace(done.trees, base=base), cancellation=Cancellation())


def test_run_is_bisected_by_itself_and_keeps_no_core_unless_told_otherwise(tree: UserTree, tmp_path: Path) -> None:
    plan = recorded(tree, tmp_path)[0].read_plan()
    assert (plan.bisect, plan.dump) == (True, False)


def test_plan_of_an_earlier_version_asks_for_neither(tmp_path: Path) -> None:
    run = written(tmp_path)
    plan = json.loads((run.path / "plan.json").read_text())
    del plan["bisect"], plan["dump"]
    (run.path / "plan.json").write_text(json.dumps(plan))
    assert (run.read_plan().bisect, run.read_plan().dump) == (False, False)


def test_kernels_are_named_by_their_prefix() -> None:
    assert [prefix_named(name, 5) for name in ("base", "patched", "patched@1", "patched@5")] == [0, 5, 1, 5]
    for name in ("patched@6", "patched@", "patched@-1", "patched@1 ", "Patched", "", "patched@1234567"):
        with pytest.raises(UserError, match="there is no kernel"):
            prefix_named(name, 5)


def test_trial_that_is_spelt_wrong_gets_the_nearest_names() -> None:
    run = record(a2_trials())
    assert trial_named(run, "memcg-limit-two-node-patched-s1").seed == 1
    with pytest.raises(UserError, match="has no trial 'memcg-limit-two-node-patchd-s1'") as caught:
        trial_named(run, "memcg-limit-two-node-patchd-s1")
    assert caught.value.hint.startswith("there are memcg-limit-two-node-patched-s1")
    with pytest.raises(UserError, match="has no trial"):
        trial_named(run, "")


def written(results: Path, name: str = RUN) -> RunDirectory:
    run = RunDirectory(results / name)
    run.path.mkdir(parents=True)
    done = record(a2_trials())
    run.write_plan(done.plan)
    run.write_run(done)
    return run


def test_run_is_found_by_its_id_its_folder_and_as_the_latest(tmp_path: Path) -> None:
    written(tmp_path, "20261122-000000-earlier")
    run = written(tmp_path)
    for name in (RUN, str(run.path), "latest"):
        assert run_named(name, tmp_path)[0].path == run.path


def test_run_that_is_not_there_gets_the_nearest_names(tmp_path: Path) -> None:
    written(tmp_path)
    with pytest.raises(UserError, match="there is no run") as caught:
        run_named(RUN[:-1], tmp_path)
    assert caught.value.hint == f"did you mean {RUN}?"
    with pytest.raises(UserError, match="there is no run") as caught:
        run_named("", tmp_path)
    with pytest.raises(UserError, match="there is no run 'latest'"):
        run_named("latest", tmp_path / "nothing")


def test_run_whose_record_is_truncated_or_not_there_is_told(tmp_path: Path) -> None:
    run = written(tmp_path)
    run.run_json.write_text(run.run_json.read_text()[:2000])
    with pytest.raises(UserError, match="damaged"):
        run_named(RUN, tmp_path)
    run.run_json.unlink()
    with pytest.raises(UserError, match="has no record yet"):
        run_named(RUN, tmp_path)
