"""The trees of a run of ``orchestrator test``: every way to a base and every rung, as the options say, kept in the plan."""

from __future__ import annotations

import datetime as dt
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from orchestrator.boot import BootRequest, _series
from orchestrator.config.topologies import choose_topologies
from orchestrator.errors import InputError
from orchestrator.host.deadline import Cancellation
from orchestrator.host.steps import StepEvent, Steps
from orchestrator.intake.reader import Wanted
from orchestrator.laboratory import Laboratory
from orchestrator.model.tree import BaseWay, Confidence, PrerequisiteState, Rung, StepOutcome, Trees
from orchestrator.pipeline import TestRequest, profile_named, start_run
from orchestrator.plan import narrowed
from orchestrator.store.run_directory import RunDirectory
from tests.unit.tree.conftest import DATA, IDENTITY, UserTree, small_linux

REVIEW = DATA / "mail" / "re-patch-v5-2-6-mm-zswap-support-batch-writeback.txt"


pytestmark = pytest.mark.usefixtures("empty_home")


@pytest.fixture
def tree(tmp_path: Path) -> UserTree:
    """A small tree that is taken for Linux."""
    return small_linux(tmp_path / "linux")


Start = Callable[..., RunDirectory]


@pytest.fixture
def start(tree: UserTree, tmp_path: Path) -> Start:
    """Start a run of mails in the tree, with options."""

    def started(*inputs: Path, pick: str | None = None, **options: Any) -> RunDirectory:
        request = TestRequest(
            wanted=Wanted(inputs=tuple(str(path) for path in inputs), pick=pick),
            linux=str(tree.folder),
            base_rev=None,
            profile=narrowed(profile_named("demo"), scenarios=("memcg-limit",), topologies=("two-node",), seeds=1),
            sealed=True,
            sandbox=True,
            accelerator="auto",
            again=False,
            results=tmp_path / "results",
            **options,
        )
        return start_run(request, steps=Steps(), now=lambda: dt.datetime.now(dt.UTC))

    return started


def trees_of(run: RunDirectory, events: list[StepEvent] | None = None) -> Trees:
    """Return what a run is made of, from the run's folder alone."""
    steps = Steps(*([events.append] if events is not None else []))
    return Laboratory(run, steps=steps, cancellation=Cancellation()).trees


def changed(tree: UserTree, old: str, new: str, *, subject: str) -> None:
    """Commit a change of mm/twins.c."""
    file = tree.folder / "mm" / "twins.c"
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))
    tree.commit(subject)


def posted(tree: UserTree, tmp_path: Path, commits: Sequence[str], *lines: str) -> Path:
    """Return the last commits as mails in one mbox, with ``lines`` added behind the last one's diff; master goes back."""
    mbox = tmp_path / "input.mbox"
    text = ""
    for nr, name in enumerate(commits):
        commit = tree.git("rev-parse", name)
        one = tree.git("format-patch", "--stdout", "--zero-commit", "-1", commit)
        head, _, rest = one.partition("\nSubject:")
        last = nr == len(commits) - 1
        body = rest.replace("-- \n", "".join(f"{line}\n" for line in lines) + "-- \n") if last else rest
        text += f"{head}\nMessage-ID: <{nr}@example.org>\nSubject:{body}\n"
    mbox.write_text(text)
    tree.git("reset", "--quiet", "--hard", f"HEAD~{len(commits)}")
    return mbox


def without_blob_ids(mbox: Path) -> None:
    mbox.write_text("".join(line for line in mbox.read_text().splitlines(keepends=True) if "index " not in line))


def test_run_when_a_mail_builds_on_another_of_the_same_input_then_that_one_is_put_on_the_base_first(
    tree: UserTree, tmp_path: Path, start: Start
) -> None:
    changed(tree, "int f1(void)", "long f1(void)", subject="mm: make f1 long")
    changed(tree, "long f1(void)", "char f1(void)", subject="mm: make f1 short")
    mbox = posted(tree, tmp_path, ("HEAD~1", "HEAD"), "prerequisite-message-id: <0@example.org>")
    run = start(mbox, pick="short")
    # Going on with a run does not need the mail.
    mbox.unlink()
    events: list[StepEvent] = []

    trees = trees_of(RunDirectory.open(run.path.parent, run.run_id), events)

    (item,) = trees.base.prerequisites
    assert item.state is PrerequisiteState.APPLIED
    assert trees.base.describe.endswith("with 1 prerequisite")
    assert [done.subject for done in trees.applied] == ["mm: make f1 short"]
    notes = [event.text for event in events if event.name == "base"]
    assert any("1 patch of the same input, put on the base first" in note for note in notes)
    assert any("blob ids: " in note for note in notes)


def test_run_when_nothing_builds_on_the_others_then_they_are_not_kept(
    tree: UserTree, tmp_path: Path, start: Start
) -> None:
    changed(tree, "int f1(void)", "long f1(void)", subject="mm: make f1 long")
    run = start(posted(tree, tmp_path, ("HEAD",)))
    assert run.read_others() == ()
    assert not (run.path / "series" / "others.json").exists()


def test_run_when_the_patch_is_gits_own_then_its_blobs_find_the_base_though_the_tree_went_on(
    tree: UserTree, tmp_path: Path, start: Start
) -> None:
    base = tree.git("rev-parse", "HEAD")
    changed(tree, "int f1(void)", "long f1(void)", subject="mm: make f1 long")
    mbox = posted(tree, tmp_path, ("HEAD",))
    (tree.folder / "mm" / "twins.c").write_text("int nothing;\n")
    tree.commit("mm: remove the twins")

    trees = trees_of(start(mbox))

    assert (trees.base.commit, trees.base.way) == (base, BaseWay.BLOBS)
    assert trees.base.confidence in {Confidence.HIGH, Confidence.MEDIUM}
    assert [step.way for step in trees.base.steps] == list(BaseWay)
    assert [done.rung for done in trees.applied] == [Rung.AM]


def test_run_when_the_page_is_lossy_then_it_is_recovered_with_a_score_and_strict_refuses(start: Start) -> None:
    (done,) = trees_of(start(REVIEW)).applied
    assert (done.rung, done.is_recovered, done.keeps_its_word) == (Rung.RECOVERED, True, True)
    assert done.score is not None
    assert 0.7 <= done.score < 1
    assert all(0 < hunk.score <= 1 for hunk in done.hunks)

    with pytest.raises(InputError, match="--strict takes only what git applies"):
        trees_of(start(REVIEW, strict=True))


def test_run_when_only_a_remote_has_the_base_commit_then_fetch_gets_it(
    tree: UserTree, tmp_path: Path, start: Start
) -> None:
    other = UserTree(tmp_path / "other")
    subprocess.run(["git", "clone", "--quiet", tree.folder, other.folder], check=True, env=IDENTITY)
    changed(other, "int f2(void)", "short f2(void)", subject="mm: make f2 short")
    base = other.git("rev-parse", "HEAD")
    other.git("config", "uploadpack.allowAnySHA1InWant", "true")
    changed(other, "short f2(void)", "char f2(void)", subject="mm: make f2 shorter")
    mbox = posted(other, tmp_path, ("HEAD",), f"base-commit: {base}")
    tree.git("remote", "add", "theirs", str(other.folder))

    with pytest.raises(InputError, match="does not apply"):
        trees_of(start(mbox, strict=True))
    assert trees_of(start(mbox, strict=True, may_fetch=True)).base.commit == base


def test_run_when_the_series_applies_nowhere_then_the_nearest_bases_and_conflicts_are_shown(
    tree: UserTree, tmp_path: Path, start: Start
) -> None:
    changed(tree, "int f1(void)", "long f1(void)", subject="mm: make f1 long")
    mbox = posted(tree, tmp_path, ("HEAD",))
    without_blob_ids(mbox)
    for nr in range(4):
        (tree.folder / "mm" / "twins.c").write_text(f"int nothing{nr};\n")
        tree.git("commit", "--quiet", "--all", "--amend", "-m", f"linux {nr}")
        tree.git("tag", f"v7.{nr}")

    with pytest.raises(InputError) as caught:
        trees_of(start(mbox))

    text = caught.value.describe()
    assert caught.value.exit_status == 2
    assert "applies to none of the" in text
    assert text.count("<<<<<<< the base") == text.count(">>>>>>> hunk 1") >= 2


def test_run_when_the_patch_is_in_the_base_already_then_that_is_said(
    tree: UserTree, tmp_path: Path, start: Start
) -> None:
    changed(tree, "int f1(void)", "long f1(void)", subject="mm: make f1 long")
    mbox = posted(tree, tmp_path, ("HEAD",))
    changed(tree, "int f1(void)", "long f1(void)", subject="mm: make f1 long")
    without_blob_ids(mbox)

    trees = trees_of(start(mbox))

    assert [done.rung for done in trees.applied] == [Rung.PRESENT]
    assert trees.patched_commit == trees.base.commit
    (taken,) = [step for step in trees.base.steps if step.outcome is StepOutcome.TAKEN]
    assert taken.way is trees.base.way is BaseWay.HEAD


def test_boot_when_it_has_a_mail_then_the_series_and_the_others_are_read_before_anything_is_fetched(
    tree: UserTree, tmp_path: Path
) -> None:
    request = BootRequest(
        topology=choose_topologies(None).topologies["one-node"],
        mail=str(tmp_path / "gone.mbox"),
        linux="linux-9.9",
        base_rev=None,
        flavour="plain",
        sandbox=True,
        accelerator="auto",
    )
    with pytest.raises(InputError, match="No such file"):
        _series(request, Cancellation())
    changed(tree, "int f1(void)", "long f1(void)", subject="mm: make f1 long")
    mbox = posted(tree, tmp_path, ("HEAD",))
    series, others = _series(BootRequest(**{**vars_of(request), "mail": str(mbox)}), Cancellation())
    assert series is not None
    assert (series.title, others) == ("mm: make f1 long", ())


def vars_of(request: BootRequest) -> dict[str, Any]:
    return {name: getattr(request, name) for name in request.__dataclass_fields__}
