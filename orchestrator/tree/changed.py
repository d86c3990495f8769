"""What a series changes, by name: the functions of C files, and the files."""

from __future__ import annotations

import re

from orchestrator.host.deadline import Cancellation
from orchestrator.host.workspace import scratch_folder
from orchestrator.model.tree import Trees
from orchestrator.tree.git import Git

_ATTRIBUTES = "*.c diff=cpp\n*.h diff=cpp\n"
"""git's own knowledge of C says in which function a hunk lies: what its sender's diff wrote there may be missing or edited."""

_HEAD = re.compile(r"(?:@@ [^@]*@@ |[-+](?=[A-Za-z_]))[^(;={}]*?\b([A-Za-z_]\w*)\s*\(")
"""The head of a function: behind a hunk's header, or a line that begins at its margin and is changed itself."""


def changed_names(trees: Trees, *, cancellation: Cancellation) -> tuple[str, ...]:
    """Return the names of the functions in which the series changes something, then the paths of the changed files.

    A function counts where a changed line lies in it, or is its head.
    """
    with scratch_folder("attributes") as folder:
        attributes = folder / "attributes"
        attributes.write_text(_ATTRIBUTES)
        git = Git(trees.source.repo, cancellation)
        said = git.check_bytes(
            "-c", f"core.attributesFile={attributes}", "-c", "core.quotePath=true",
            "diff", "--no-color", "--no-ext-diff", "--no-textconv", "--no-renames", "-U0",
            trees.base.tree, trees.patched_tree, "--",
        ).decode("utf-8", "surrogateescape")  # fmt: skip
        paths = git.check("diff-tree", "-r", "-z", "--no-renames", "--name-only", trees.base.tree, trees.patched_tree)
    functions = [found[1] for line in said.splitlines() if (found := _HEAD.match(line))]
    return tuple(dict.fromkeys([*functions, *(path for path in paths.split("\0") if path)]))
