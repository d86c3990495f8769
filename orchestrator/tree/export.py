"""TREES → diffs: what each patch really changed, for the record. A recovered patch is one that git can apply again."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.host.deadline import Cancellation
from orchestrator.model.tree import Trees
from orchestrator.tree.git import Git


def applied_diffs(trees: Trees, *, cancellation: Cancellation) -> Mapping[int, str]:
    """Return each patch's diff against the tree it was put on, by the patch's number in the series."""
    git = Git(trees.source.repo, cancellation)
    diffs = {}
    before = trees.base.commit
    for applied in trees.applied:
        diffs[applied.index] = git.check("diff", "--no-color", "--full-index", "--no-renames", before, applied.commit)
        before = applied.commit
    return diffs
