"""TREES → diffs: what each patch really changed, for the record. A recovered patch is one that git can apply again.

And whether the commits of trees that were recorded are still there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from orchestrator.host.deadline import Cancellation
from orchestrator.model.tree import Trees
from orchestrator.tree.git import Git

_ID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


def applied_diffs(trees: Trees, *, cancellation: Cancellation) -> Mapping[int, str]:
    """Return each patch's diff against the tree it was put on, by the patch's number in the series."""
    git = Git(trees.source.repo, cancellation)
    diffs = {}
    before = trees.base.commit
    for applied in trees.applied:
        diffs[applied.index] = git.check("diff", "--no-color", "--full-index", "--no-renames", before, applied.commit)
        before = applied.commit
    return diffs


def is_whole(trees: Trees, *, cancellation: Cancellation) -> bool:
    """Whether base and every prefix of the series are still commits of the repository, with the trees as recorded."""
    if not (trees.source.repo / "objects").is_dir():
        return False
    git = Git(trees.source.repo, cancellation)
    pairs = [(trees.base.commit, trees.base.tree), *((done.commit, done.tree) for done in trees.applied)]
    if not all(_ID.fullmatch(word) for pair in pairs for word in pair):
        return False
    return all(_has(git, commit, tree) for commit, tree in pairs)


def _has(git: Git, commit: str, tree: str) -> bool:
    found = git.run("rev-parse", "--verify", "--quiet", f"{commit}^{{tree}}")
    return found.ok and found.stdout.strip() == tree and git.run("cat-file", "-e", tree).ok
