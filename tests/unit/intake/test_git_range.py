"""Commits of a real git tree as a series; the tree is not changed, whatever is configured in it."""

from __future__ import annotations

import hashlib
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from orchestrator.errors import UserError
from orchestrator.intake.reader import Wanted, read_series
from orchestrator.model.series import Form, Series

CONTENT = "".join(f"line {number}\n" for number in range(30))


@dataclass(frozen=True)
class Tree:
    folder: Path

    def git(self, *words: str) -> str:
        identity = ["-c", "user.name=Jürgen", "-c", "user.email=j@example.org"]
        argv = ["git", "-C", str(self.folder), *identity, *words]
        return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()

    def commit(self, title: str, **files: str) -> str:
        for name, text in files.items():
            (self.folder / name).write_text(text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "-m", f"{title}\n\nBecause.")
        return self.git("rev-parse", "HEAD")

    def digest(self) -> str:
        """A sum over all that is in the folder, .git included."""
        total = hashlib.sha256()
        for path in sorted(self.folder.rglob("*")):
            total.update(str(path).encode() + (path.read_bytes() if path.is_file() else b""))
        return total.hexdigest()

    def read(self, revisions: str) -> Series:
        return read_series(wanted=Wanted(git_range=revisions, tree=self.folder))


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    tree = Tree(tmp_path / "tree")
    tree.folder.mkdir()
    tree.git("init", "--quiet", "--initial-branch=master")
    tree.commit("base", a=CONTENT)
    tree.git("tag", "v1")
    tree.commit("mm: one", a=CONTENT.replace("line 3\n", "line three\n"))
    tree.commit("mm: two", a=CONTENT.replace("line 3\n", "line three\n").replace("line 20\n", ""), b="new\n")
    return tree


def test_range_when_it_has_two_commits_then_they_are_two_patches_on_their_base(tree: Tree) -> None:
    series = tree.read("v1..HEAD")

    assert (series.form, series.total, series.missing) == (Form.GIT_RANGE, 2, ())
    assert [(patch.index, patch.subject) for patch in series.patches] == [(1, "mm: one"), (2, "mm: two")]
    assert series.patches[0].author == "Jürgen <j@example.org>"
    assert series.base_commit == tree.git("rev-parse", "v1")
    assert len(series.patches[0].blobs[0].blob) == 40


def test_range_when_only_a_start_is_given_then_the_commits_since(tree: Tree) -> None:
    assert tree.read("v1").total == 2
    assert tree.read("HEAD~1").total == 1


def test_range_when_read_then_nothing_in_the_tree_changes(tree: Tree) -> None:
    (tree.folder / "a").write_text("changed, and not committed\n")
    before = tree.digest()

    tree.read("v1..HEAD")

    assert tree.digest() == before


def test_range_when_the_user_sends_patches_in_another_way_then_here_they_are_plain(tree: Tree, tmp_path: Path) -> None:
    plain = tree.read("v1..HEAD")
    for name, value in {
        "format.attach": "true", "format.signOff": "true", "format.subjectPrefix": "RFC", "format.coverLetter": "true",
        "format.outputDirectory": str(tmp_path / "out"), "format.useAutoBase": "true", "format.to": "x@example.org",
        "format.pretty": "oneline", "format.noprefix": "true", "diff.noprefix": "true", "diff.external": "/bin/false",
        "diff.mnemonicPrefix": "true", "diff.context": "0", "color.ui": "always", "core.pager": "/bin/false",
        "format.suffix": ".txt", "format.thread": "deep", "format.encodeEmailHeaders": "false",
    }.items():  # fmt: skip
        tree.git("config", name, value)

    series = tree.read("v1..HEAD")

    assert [patch.diff for patch in series.patches] == [patch.diff for patch in plain.patches]
    assert [patch.message for patch in series.patches] == ["Because.", "Because."]
    assert not (tmp_path / "out").exists()


def test_range_when_it_has_a_merge_then_it_is_refused(tree: Tree) -> None:
    tree.git("checkout", "--quiet", "-b", "side", "v1")
    tree.commit("side", c="x\n")
    tree.git("merge", "--quiet", "-m", "merge", "master")

    with pytest.raises(UserError, match="holds 1 merge"):
        tree.read("v1..HEAD")


@pytest.mark.parametrize(
    ("revisions", "said"),
    [
        ("v1..v1", "holds no commit"),
        ("nothing..HEAD", "git rev-list fails"),
        ("--all", "is no range"),
        ("", "is no range"),
        ("v1..HEAD --output=x", "fails"),
    ],
)
def test_range_when_it_is_none_then_it_says_so(tree: Tree, revisions: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        tree.read(revisions)


def test_range_when_the_folder_is_no_tree_then_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="git rev-list fails"):
        Tree(tmp_path).read("a..b")
    with pytest.raises(UserError, match="is no folder"):
        Tree(tmp_path / "nothing").read("a..b")


def test_range_when_the_environment_points_elsewhere_then_the_named_tree_is_read(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", os.devnull)

    wanted = Wanted(git_range="v1..HEAD", tree=tree.folder)
    assert read_series(wanted=wanted).total == 2
