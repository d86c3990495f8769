"""Whether a patch is in a release, asked of a real git repository."""

from __future__ import annotations

import dataclasses
import subprocess
from pathlib import Path

import pytest

from orchestrator.errors import UserError
from orchestrator.host.deadline import Cancellation
from orchestrator.mail.merged import merged_commit
from orchestrator.model.mail import Merged
from orchestrator.model.run import RunRecord
from tests.unit.report.mails import recorded


class Tree:
    """A tree with a patch before the tag v6.19-rc1 and one after it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.git("init", "--quiet")
        self.old = self.commit("mm: zswap: break it")
        self.git("tag", "next-20260101")
        self.git("tag", "v6.19-rc1")
        self.new = self.commit("mm: zswap: break more")

    def git(self, *words: str) -> str:
        who = ["-c", "user.name=Jo", "-c", "user.email=jo@example.org", "-c", "tag.gpgSign=false"]
        done = subprocess.run(["git", "-C", str(self.path), *who, *words], check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def commit(self, title: str) -> str:
        self.git("commit", "--quiet", "--allow-empty", "--no-gpg-sign", "-m", title)
        return self.git("rev-parse", "HEAD")

    def run_of(self, title: str) -> RunRecord:
        found = recorded("regression")
        patches = tuple(dataclasses.replace(patch, subject=title) for patch in found.series.patches)
        source = dataclasses.replace(found.trees.source, tree=self.path, repo=self.path)
        return dataclasses.replace(
            found,
            series=dataclasses.replace(found.series, patches=patches),
            trees=dataclasses.replace(found.trees, source=source),
        )


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    return Tree(tmp_path_factory.mktemp("tree"))


def asked(tree: Tree, title: str, commit: str) -> Merged:
    return merged_commit(tree.run_of(title), commit, cancellation=Cancellation())


def test_merged_when_a_release_has_it_then_its_whole_id_and_the_first_release(tree: Tree) -> None:
    found = asked(tree, "[PATCH] mm: zswap: break it", tree.old[:12])
    assert found == Merged(commit=tree.old, tag="v6.19-rc1")


@pytest.mark.parametrize(
    ("title", "which", "says"),
    [
        ("mm: zswap: break more", "new", "no release"),
        ("mm: zswap: break more", "old", "is 'mm: zswap: break it'"),
        ("mm: zswap: break it", "0" * 40, "does not have the commit"),
        ("mm: zswap: break it", "HEAD", "no commit's id"),
        ("mm: zswap: break it", "--all", "no commit's id"),
    ],
)
def test_merged_when_it_is_not_proven_then_the_user_is_told(tree: Tree, title: str, which: str, says: str) -> None:
    with pytest.raises(UserError, match=says):
        asked(tree, title, {"new": tree.new, "old": tree.old}.get(which, which))


def test_merged_when_several_patches_and_no_bisection_then_nobody_knows_which(tree: Tree) -> None:
    found = tree.run_of("mm: zswap: break it")
    series = dataclasses.replace(found.series, patches=found.series.patches * 2)
    with pytest.raises(UserError, match="not known which patch"):
        merged_commit(dataclasses.replace(found, series=series), tree.old, cancellation=Cancellation())
