"""The ways to a base, each on a real tree with branches, dates and remotes: what is proposed, and what is said of it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.errors import UserError
from orchestrator.host.deadline import Cancellation
from orchestrator.host.steps import Steps
from orchestrator.model.series import Prerequisite, PrerequisiteKind, Series
from orchestrator.model.tree import (
    Base,
    BaseWay,
    Confidence,
    MailingList,
    PrerequisiteState,
    Rung,
    Source,
    StepOutcome,
    Trees,
)
from orchestrator.tree.base import Wishes, choose_base
from orchestrator.tree.git import Git
from orchestrator.tree.history import find_holders
from orchestrator.tree.prepare import Preparation, prepare_trees
from orchestrator.tree.prerequisites import patch_ids
from orchestrator.tree.refs import list_refs
from orchestrator.tree.report import DoesNotApply
from orchestrator.tree.sources import open_source
from tests.unit.tree.conftest import IDENTITY, TWINS, ZSWAP, UserTree, series_of

DAY = 24 * 3600
START = 1_760_000_000
LISTS = (MailingList(list_id="linux-mm.kvack.org", branches=("mm-unstable", "next-*", "master")),)
MAIL_DAY = 40


def at(day: int) -> str:
    """Return a day of the history as git takes it."""
    return f"@{START + day * DAY} +0000"


class History:
    """Commits on dates of one's own."""

    def __init__(self, tree: UserTree) -> None:
        self.tree = tree

    def commit(self, day: int, name: str, text: str) -> str:
        (self.tree.folder / name).write_text(text)
        self.tree.git("add", "--all")
        env = IDENTITY | {"GIT_AUTHOR_DATE": at(day), "GIT_COMMITTER_DATE": at(day)}
        command = ["git", "-C", str(self.tree.folder), "commit", "--quiet", "-m", f"{name} on day {day}"]
        subprocess.run(command, check=True, env=env)
        return self.tree.git("rev-parse", "HEAD")

    def diff(self, name: str, old: str, new: str) -> str:
        """Return git's diff of replacing ``old`` in a file as it is, and leave the file as it is."""
        file = self.tree.folder / name
        before = file.read_text()
        assert old in before
        file.write_text(before.replace(old, new))
        made = self.tree.git("diff", "--abbrev=12") + "\n"
        file.write_text(before)
        return made


@pytest.fixture
def history(user_tree: UserTree) -> History:
    return History(user_tree)


@pytest.fixture
def opened(user_tree: UserTree, tmp_path: Path) -> Callable[[], Source]:
    def opened_now() -> Source:
        return open_source(str(user_tree.folder), cache=tmp_path / "cache", steps=Steps(), cancellation=Cancellation())

    return opened_now


def mail(*diffs: str, lossy: bool = False, **more: object) -> Series:
    """Return a series of day 40 to linux-mm."""
    facts: dict[str, object] = {"sent": "2025-11-18T08:53:20+00:00", "lists": ("linux-mm.kvack.org",), **more}
    return replace(series_of(*diffs, lossy=lossy), **facts)  # type: ignore[arg-type]


def chosen(source: Source, series: Series, **wishes: object) -> Base:
    return choose_base(source, series, rev=None, wishes=Wishes(lists=LISTS, **wishes))  # type: ignore[arg-type]


def prepared(source: Source, series: Series, **preparation: object) -> Trees:
    wishes = Preparation(lists=LISTS, **preparation)  # type: ignore[arg-type]
    return prepare_trees(source, series, wishes, steps=Steps(), cancellation=Cancellation())


def outcomes(base: Base) -> dict[BaseWay, StepOutcome]:
    return {step.way: step.outcome for step in base.steps}


def said(base: Base, way: BaseWay) -> str:
    return next(step.text for step in base.steps if step.way is way)


def test_base_by_blobs_when_a_branch_holds_them_then_the_commit_nearest_before_the_mail_is_taken(
    history: History, opened: Callable[[], Source]
) -> None:
    history.commit(10, "mm/twins.c", TWINS.replace("x = 0", "x = 7"))
    made = history.diff("mm/twins.c", "int f1", "long f1")
    history.commit(20, "mm/other.c", "int a;\n")
    wanted = history.commit(39, "mm/other.c", "int b;\n")
    history.commit(60, "mm/other.c", "int c;\n")
    history.commit(70, "mm/twins.c", TWINS)

    base = chosen(opened(), mail(made))

    assert (base.commit, base.way, base.confidence) == (wanted, BaseWay.BLOBS, Confidence.HIGH)
    assert "4 commits of the tree hold mm/twins.c as the diff has it before" in base.reason
    assert "on master is the nearest to the mail's date, 2025-11-18" in base.reason
    assert outcomes(base)[BaseWay.LISTS] is StepOutcome.UNASKED


def test_base_by_blobs_when_two_files_never_were_so_together_then_nothing_is_found(
    history: History, opened: Callable[[], Source]
) -> None:
    first = history.diff("mm/twins.c", "int f1", "long f1")
    history.commit(10, "mm/twins.c", TWINS.replace("x = 0", "x = 7"))
    history.commit(11, "mm/Makefile", "obj-y += other.o\n")
    second = history.diff("mm/Makefile", "other.o", "more.o")

    base = chosen(opened(), mail(first + second))

    assert base.way is BaseWay.LISTS
    assert said(base, BaseWay.BLOBS) == "no commit holds 2 files as the diff has them before"


def test_base_by_blobs_when_a_later_patch_builds_on_an_earlier_one_then_its_blob_is_not_asked_for(
    history: History, opened: Callable[[], Source]
) -> None:
    head = history.tree.git("rev-parse", "HEAD")
    first = history.diff("mm/twins.c", "int f1", "long f1")
    file = history.tree.folder / "mm" / "twins.c"
    file.write_text(TWINS.replace("int f1", "long f1"))
    history.tree.git("add", "--all")
    second = history.diff("mm/twins.c", "int f2", "long f2")
    history.tree.git("reset", "--quiet", "--hard")

    base = chosen(opened(), mail(first, second))

    assert (base.commit, base.way) == (head, BaseWay.BLOBS)


def test_base_by_blobs_when_a_blob_is_unknown_then_it_is_named(history: History, opened: Callable[[], Source]) -> None:
    made = history.diff("mm/twins.c", "int f1", "long f1").replace("index ", "index 0f8f04f22888..1 100644\nindex ")
    made = "\n".join(line for line in made.splitlines() if not line.startswith("index ") or "0f8f" in line) + "\n"
    made = made.replace("..1 ", "..123456789abc ")

    base = chosen(opened(), mail(made))

    assert said(base, BaseWay.BLOBS) == "of 1 blob id 1 is not in the tree: mm/twins.c 0f8f04f22888"
    assert base.way is BaseWay.LISTS


def test_base_by_blobs_when_a_merged_branch_and_the_lists_own_hold_them_then_the_lists_own_goes_first(
    history: History, opened: Callable[[], Source]
) -> None:
    tree = history.tree
    tree.git("checkout", "--quiet", "-b", "topic")
    history.commit(10, "mm/twins.c", TWINS.replace("x = 0", "x = 7"))
    made = history.diff("mm/twins.c", "int f1", "long f1")
    topic = history.commit(39, "mm/topic.c", "int t;\n")
    tree.git("checkout", "--quiet", "-b", "mm-unstable", "HEAD~1")
    wanted = history.commit(30, "mm/other.c", "int a;\n")

    base = chosen(opened(), mail(made))

    assert base.commit == wanted != topic
    assert "on mm-unstable" in base.reason


def test_find_holders_when_a_merge_takes_the_other_side_then_states_follow_the_first_parent(
    history: History, opened: Callable[[], Source]
) -> None:
    tree = history.tree
    tree.git("checkout", "--quiet", "-b", "side")
    history.commit(10, "mm/twins.c", "int side;\n")
    blob = tree.git("rev-parse", "HEAD:mm/twins.c")
    side = tree.git("rev-parse", "HEAD")
    tree.git("checkout", "--quiet", "master")
    before = history.commit(11, "Kbuild", "obj-y += x/\n")
    tree.git("merge", "--quiet", "--no-edit", "side")
    merge = tree.git("rev-parse", "HEAD")
    git = Git(opened().refs_folder, Cancellation())

    found = find_holders(git, {"mm/twins.c": blob[:10]}, refs=list_refs(git), tips=[], until=None)

    assert {holder.commit for holder in found} == {side, merge}
    assert before not in {holder.commit for holder in found}


def test_find_holders_when_the_window_begins_late_then_old_contents_are_known_all_the_same(
    history: History, opened: Callable[[], Source]
) -> None:
    blob = history.tree.git("rev-parse", "HEAD:mm/zswap.c")
    young = history.commit(1000, "mm/other.c", "int a;\n")
    git = Git(opened().refs_folder, Cancellation())

    found = find_holders(git, {"mm/zswap.c": blob}, refs=list_refs(git), tips=[], until=START + 1010 * DAY)

    assert [holder.commit for holder in found] == [young]


def test_base_by_trailer_when_it_is_there_then_it_is_certain(history: History, opened: Callable[[], Source]) -> None:
    wanted = history.tree.git("rev-parse", "HEAD")
    history.commit(10, "mm/other.c", "int a;\n")

    base = chosen(opened(), mail("x", base_commit=wanted))

    assert (base.commit, base.way, base.confidence) == (wanted, BaseWay.TRAILER, Confidence.CERTAIN)


def test_base_by_trailer_when_only_a_remote_has_it_then_it_is_fetched_if_allowed_and_not_into_the_users_tree(
    history: History, opened: Callable[[], Source], tmp_path: Path
) -> None:
    tree = history.tree
    upstream = tmp_path / "upstream"
    subprocess.run(["git", "clone", "--quiet", str(tree.folder), str(upstream)], check=True, env=IDENTITY)
    theirs = History(UserTree(upstream))
    wanted = theirs.commit(10, "mm/other.c", "int a;\n")
    tree.git("remote", "add", "akpm", "../upstream")
    source = opened()

    without = chosen(source, mail("x", base_commit=wanted))
    fetched = chosen(source, mail("x", base_commit=wanted), may_fetch=True)

    assert f"{wanted[:12]} is not there; --fetch would ask the tree's remotes: akpm" in said(without, BaseWay.TRAILER)
    assert (fetched.commit, fetched.confidence) == (wanted, Confidence.CERTAIN)
    assert "was fetched from akpm" in fetched.reason
    kept = subprocess.run(["git", "-C", str(tree.folder), "cat-file", "-e", wanted], check=False, capture_output=True)
    assert kept.returncode != 0


def test_base_by_trailer_when_no_remote_has_it_then_that_is_said(
    history: History, opened: Callable[[], Source], tmp_path: Path
) -> None:
    history.tree.git("remote", "add", "gone", str(tmp_path / "nowhere"))

    base = chosen(opened(), mail("x", base_commit="1" * 40), may_fetch=True)

    assert said(base, BaseWay.TRAILER).endswith("is not there, and none of the remotes gave it: gone")


def test_base_by_based_on_when_it_names_a_branch_then_that_is_it(
    history: History, opened: Callable[[], Source]
) -> None:
    history.tree.git("branch", "mm-hotfixes")
    history.commit(10, "mm/other.c", "int a;\n")
    item = Prerequisite(kind=PrerequisiteKind.BASED_ON, value="mm-hotfixes (akpm)")

    base = chosen(opened(), mail("x", prerequisites=(item,)))

    assert base.commit == history.tree.git("rev-parse", "mm-hotfixes")
    assert base.reason == "the series says Based-on: mm-hotfixes"


def test_base_by_lists_when_the_branch_went_on_then_its_newest_commit_before_the_mail_is_taken(
    history: History, opened: Callable[[], Source]
) -> None:
    history.tree.git("checkout", "--quiet", "-b", "mm-unstable")
    wanted = history.commit(30, "mm/other.c", "int a;\n")
    history.commit(50, "mm/other.c", "int b;\n")

    base = chosen(opened(), mail("x"))

    assert (base.commit, base.way, base.confidence) == (wanted, BaseWay.LISTS, Confidence.MEDIUM)
    assert "the list linux-mm.kvack.org has patches for mm-unstable" in base.reason


def test_base_by_lists_when_the_branch_was_made_anew_then_its_tip_is_taken_and_that_is_said(
    history: History, opened: Callable[[], Source]
) -> None:
    history.tree.git("checkout", "--quiet", "--orphan", "mm-unstable")
    tip = history.commit(90, "mm/other.c", "int a;\n")

    base = chosen(opened(), mail("x"))

    assert base.commit == tip
    assert "its tip: all it has is younger than the mail, so it was made anew since" in base.reason


def test_base_by_lists_when_the_subject_names_a_branch_of_a_remote_then_that_goes_first(
    history: History, opened: Callable[[], Source]
) -> None:
    tree = history.tree
    wanted = history.commit(20, "mm/other.c", "int a;\n")
    tree.git("update-ref", "refs/remotes/akpm/mm-stable", "HEAD")
    history.commit(21, "mm/other.c", "int b;\n")
    tree.git("branch", "mm-unstable")

    base = chosen(opened(), mail("x", tags=("RFC", "mm-stable")))

    assert (base.commit, base.confidence) == (wanted, Confidence.HIGH)
    assert base.reason.startswith("the subject says [mm-stable], and akpm/mm-stable is there")


def test_base_by_lists_when_next_is_a_row_of_tags_then_the_newest_before_the_mail_is_taken(
    history: History, opened: Callable[[], Source]
) -> None:
    for day in (10, 39, 45):
        history.commit(day, "mm/other.c", f"int a{day};\n")
        history.tree.git("tag", f"next-2025{day}")

    base = chosen(opened(), mail("x"))

    assert base.commit == history.tree.git("rev-parse", "next-202539")


def test_base_by_releases_when_no_list_is_known_then_the_newest_before_the_mail_is_taken(
    history: History, opened: Callable[[], Source]
) -> None:
    history.tree.git("tag", "v7.1")
    history.commit(20, "mm/other.c", "int a;\n")
    history.tree.git("tag", "v7.2-rc1")
    history.tree.git("tag", "v7.2-rc1-mine")
    history.commit(50, "mm/other.c", "int b;\n")
    history.tree.git("tag", "v7.2-rc2")

    base = chosen(opened(), mail("x", lists=()))

    assert (base.way, base.confidence) == (BaseWay.RELEASES, Confidence.LOW)
    assert base.commit == history.tree.git("rev-parse", "v7.2-rc1")
    assert said(base, BaseWay.LISTS) == "the mail names no list"


def test_base_when_the_clone_is_shallow_then_it_says_what_is_missing(
    history: History, tmp_path: Path, steps: Steps
) -> None:
    old = history.tree.git("rev-parse", "HEAD")
    history.commit(10, "mm/other.c", "int a;\n")
    clone = tmp_path / "clone"
    subprocess.run(
        ["git", "clone", "--quiet", "--depth=1", f"file://{history.tree.folder}", str(clone)], check=True, env=IDENTITY
    )
    source = open_source(str(clone), cache=tmp_path / "cache", steps=steps, cancellation=Cancellation())

    base = chosen(source, mail("x", base_commit=old))

    assert "a shallow clone: what came before 2025-10-19 is not there" in said(base, BaseWay.TRAILER)
    with pytest.raises(UserError, match="a shallow clone: what came before"):
        choose_base(source, mail("x"), rev=old)


def test_base_when_the_clone_is_partial_then_it_is_found_by_blobs_and_what_is_missing_is_said(
    history: History, tmp_path: Path, steps: Steps
) -> None:
    made = history.diff("mm/twins.c", "int f1", "long f1")
    wanted = history.tree.git("rev-parse", "HEAD")
    history.commit(10, "mm/twins.c", TWINS.replace("x = 0", "x = 7"))
    history.tree.git("config", "uploadpack.allowFilter", "true")
    clone = tmp_path / "clone"
    argv = ["git", "clone", "--quiet", "--filter=blob:none", f"file://{history.tree.folder}", str(clone)]
    subprocess.run(argv, check=True, env=IDENTITY)
    source = open_source(str(clone), cache=tmp_path / "cache", steps=steps, cancellation=Cancellation())
    before = sorted(path.name for path in (clone / ".git" / "objects").rglob("*"))

    assert chosen(source, mail(made)).commit == wanted
    with pytest.raises(UserError, match=r"a partial clone \(blob:none\).* 1 objects of .* are missing"):
        prepared(source, mail(made))
    assert sorted(path.name for path in (clone / ".git" / "objects").rglob("*")) == before


def test_prepare_when_the_tree_has_local_changes_then_they_are_not_used_and_not_touched(
    history: History, opened: Callable[[], Source]
) -> None:
    made = history.diff("mm/twins.c", "int f1", "long f1")
    file = history.tree.folder / "mm" / "twins.c"
    file.write_text("local\n")
    (history.tree.folder / "untracked").write_text("mine\n")
    index = (history.tree.folder / ".git" / "index").read_bytes()

    trees = prepared(opened(), mail(made))

    assert trees.applied[0].rung is Rung.AM
    assert file.read_text() == "local\n"
    assert (history.tree.folder / "untracked").read_text() == "mine\n"
    assert (history.tree.folder / ".git" / "index").read_bytes() == index
    assert "what is not committed there is not used" in trees.source.provenance


def test_prepare_when_the_likeliest_base_does_not_take_the_series_then_the_next_does_and_all_is_recorded(
    history: History, opened: Callable[[], Source]
) -> None:
    tree = history.tree
    made = "".join(
        f"{line}\n" for line in history.diff("mm/twins.c", "int f1", "long f1").splitlines() if "index" not in line
    )
    tree.git("checkout", "--quiet", "-b", "mm-unstable")
    history.commit(20, "mm/twins.c", "int nothing;\n")

    base = prepared(opened(), mail(made)).base

    assert base.commit == tree.git("rev-parse", "master")
    assert outcomes(base) == {
        BaseWay.OPTION: StepOutcome.NOTHING,
        BaseWay.TRAILER: StepOutcome.NOTHING,
        BaseWay.BLOBS: StepOutcome.NOTHING,
        BaseWay.LISTS: StepOutcome.TAKEN,
        BaseWay.RELEASES: StepOutcome.UNASKED,
        BaseWay.HEAD: StepOutcome.UNASKED,
    }
    assert "it does not apply to 7.2.12" in base.reason


def test_prepare_when_a_clean_base_comes_behind_one_with_fuzz_then_the_clean_one_is_taken(
    history: History, opened: Callable[[], Source]
) -> None:
    tree = history.tree
    made = "".join(
        f"{line}\n" for line in history.diff("mm/twins.c", "int f1", "long f1").splitlines() if "index" not in line
    )
    tree.git("checkout", "--quiet", "-b", "mm-unstable")
    history.commit(20, "mm/twins.c", TWINS.replace("int f1(void)\n{", "int f1(void)\n/* */\n{"))

    trees = prepared(opened(), mail(made))

    assert trees.base.commit == tree.git("rev-parse", "master")
    assert trees.applied[0].rung is Rung.AM


def test_prepare_when_it_applies_nowhere_then_the_three_nearest_bases_are_shown_with_their_conflicts(
    history: History, opened: Callable[[], Source]
) -> None:
    tree = history.tree
    made = "".join(
        f"{line}\n" for line in history.diff("mm/twins.c", "int f1", "long f1").splitlines() if "index" not in line
    )
    for day, branch in ((10, "master"), (20, "mm-new"), (30, "mm-unstable")):
        if branch != "master":
            tree.git("checkout", "--quiet", "-b", branch)
        history.commit(day, "mm/twins.c", f"int nothing{day};\n\nint other{day};\n")
    tree.git("tag", "v7.2")
    lists = (MailingList(list_id="linux-mm.kvack.org", branches=("mm-unstable", "mm-new", "master")),)

    with pytest.raises(DoesNotApply) as caught:
        prepare_trees(opened(), mail(made), Preparation(lists=lists), steps=Steps(), cancellation=Cancellation())

    text = caught.value.describe()
    assert "the series applies to none of the 3 bases that were tried" in text
    for day in (30, 20, 10):
        assert f"int other{day};" in text
    assert "<<<<<<< the base" in text
    assert "||||||| what the patch wants there" in text
    assert "+long f1(void)" not in text
    assert text.count(">>>>>>> hunk 1") == 3


def test_prepare_when_prerequisites_are_in_the_input_then_they_are_put_on_the_base_first(
    history: History, opened: Callable[[], Source]
) -> None:
    tree = history.tree
    before = history.diff("mm/twins.c", "int f1(void)", "long f1(void)")
    file = tree.folder / "mm" / "twins.c"
    file.write_text(TWINS.replace("int f1(void)", "long f1(void)"))
    tree.git("add", "--all")
    made = history.diff("mm/twins.c", "long f1(void)", "char f1(void)")
    tree.git("reset", "--quiet", "--hard")
    source = opened()
    other = replace(series_of(before), message_ids=("first@example.org",))
    (patch_id,) = patch_ids(Git(source.repo, Cancellation()), [before])
    wanted = (
        Prerequisite(kind=PrerequisiteKind.PATCH_ID, value=patch_id),
        Prerequisite(kind=PrerequisiteKind.MESSAGE_ID, value="<first@example.org>", message_id="first@example.org"),
        Prerequisite(kind=PrerequisiteKind.DEPENDS_ON, value="<gone@example.org>", message_id="gone@example.org"),
    )

    trees = prepared(source, mail(made, prerequisites=wanted), others=(other,))

    states = [item.state for item in trees.base.prerequisites]
    assert states == [PrerequisiteState.APPLIED, PrerequisiteState.APPLIED, PrerequisiteState.MISSING]
    assert trees.base.describe.endswith("with 1 prerequisite")
    assert trees.base.chosen == tree.git("rev-parse", "master")
    git = Git(source.repo, Cancellation())
    assert "long f1(void)" in git.check("cat-file", "blob", f"{trees.base.commit}:mm/twins.c")
    assert "char f1(void)" in git.check("cat-file", "blob", f"{trees.patched_commit}:mm/twins.c")


def test_prepare_when_a_prerequisite_is_in_the_history_then_its_commit_is_named(
    history: History, opened: Callable[[], Source]
) -> None:
    before = history.diff("mm/twins.c", "int f1(void)", "long f1(void)")
    there = history.commit(10, "mm/twins.c", TWINS.replace("int f1(void)", "long f1(void)"))
    made = history.diff("mm/twins.c", "int f2(void)", "long f2(void)")
    source = opened()
    (patch_id,) = patch_ids(Git(source.repo, Cancellation()), [before])
    wanted = (Prerequisite(kind=PrerequisiteKind.PATCH_ID, value=patch_id),)

    (item,) = prepared(source, mail(made, prerequisites=wanted)).base.prerequisites

    assert (item.state, item.commits) == (PrerequisiteState.IN_BASE, (there,))


def test_prepare_when_a_missing_prerequisite_may_be_why_it_fails_then_it_is_named(
    history: History, opened: Callable[[], Source]
) -> None:
    made = history.diff("mm/twins.c", "int f1(void)", "long f1(void)").replace("\tint x;", "\tint unknown;")
    made = made.replace("-int f1(void)", "-char f1(void)")
    wanted = (Prerequisite(kind=PrerequisiteKind.DEPENDS_ON, value="<gone@x>", message_id="gone@x"),)

    with pytest.raises(DoesNotApply, match="fits nowhere") as caught:
        prepared(opened(), mail(made, prerequisites=wanted))

    assert (
        "it builds on what is missing: Depends-on <gone@x>: neither in the base nor in the input" in caught.value.hint
    )


def test_prepare_when_the_review_page_has_its_file_then_the_base_is_found_without_dates(
    history: History, opened: Callable[[], Source]
) -> None:
    blob = history.tree.git("rev-parse", "HEAD:mm/zswap.c")[:12]
    lines = ZSWAP.read_text().splitlines()
    head = (
        f"diff --git a/mm/zswap.c b/mm/zswap.c\nindex {blob}..123456789abc 100644\n--- a/mm/zswap.c\n+++ b/mm/zswap.c\n"
    )
    body = [lines[199].strip(), f"-{lines[200].strip()}", "+ /* new */", lines[201].strip()]
    made = f"{head}@@ -200,3 +200,3 @@\n" + "\n".join(body) + "\n"

    trees = prepared(opened(), replace(mail(made, lossy=True), sent=None, lists=()))

    assert (trees.base.way, trees.base.confidence) == (BaseWay.BLOBS, Confidence.HIGH)
    assert trees.applied[0].is_recovered
