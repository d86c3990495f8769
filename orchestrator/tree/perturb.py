"""Base, so that it differs without meaning anything: the objects that a series touches, compiled another way.

In sealed time a program's layout costs nothing and its instructions all cost the same, so another optimisation level moves
every moment at which something happens, as a patch does that only moves code, and changes no result.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from orchestrator.host.deadline import Cancellation
from orchestrator.host.workspace import scratch_folder
from orchestrator.model.series import Diffstat
from orchestrator.model.tree import AppliedPatch, Rung, Trees
from orchestrator.tree.apply import COMMITTER
from orchestrator.tree.git import Git
from orchestrator.tree.scratch import Entry, Scratch

PERTURBATION = "$(if $(CONFIG_CC_OPTIMIZE_FOR_SIZE),-O2,-Os)"
"""The other one of the two levels that the kernel itself offers, so that it is known to build and to boot."""

_MAKEFILES = ("Kbuild", "Makefile")
"""In the order in which kbuild looks (scripts/Makefile.build)."""

_WHEN = "@1700000000 +0000"


def perturbed_base(trees: Trees, *, cancellation: Cancellation, flag: str = PERTURBATION) -> Trees | None:
    """Return trees whose patched is base with the C files that the series changes compiled with ``flag``.

    None where the series changes no C file that base has: then there is no object that is known to be touched.
    """
    sources = changed_sources(trees, cancellation)
    if not sources:
        return None
    lines: dict[str, list[str]] = {}
    for path in sources:
        folder, _, name = path.rpartition("/")
        lines.setdefault(folder, []).append(f"CFLAGS_{name.removesuffix('.c')}.o += {flag}")
    return with_makefile_lines(trees, lines, on_patched=False, subject=f"perturbed: {flag}", cancellation=cancellation)


def changed_sources(trees: Trees, cancellation: Cancellation) -> tuple[str, ...]:
    """Return the C files that the series changes and that both base and patched have."""
    git = Git(trees.source.repo, cancellation)
    words = git.check(
        "diff-tree", "-r", "-z", "--no-renames", "--name-only", "--diff-filter=M", trees.base.tree, trees.patched_tree
    )
    return tuple(path for path in words.split("\0") if path.endswith(".c"))


def with_makefile_lines(
    trees: Trees, lines: Mapping[str, list[str]], *, on_patched: bool, subject: str, cancellation: Cancellation
) -> Trees | None:
    """Return trees with one commit more, which appends ``lines`` (by folder) to the folders' makefiles.

    ``on_patched`` says whether it stands on the whole series or on base alone. None where a folder has no makefile.
    """
    start, parent = (trees.patched_tree, trees.patched_commit) if on_patched else (trees.base.tree, trees.base.commit)
    repo = trees.source.repo
    with scratch_folder("makefiles") as folder:
        scratch = Scratch(folder, repo, cancellation)
        scratch.load(start)
        changes = []
        for where, new in lines.items():
            found = find_makefile(scratch.full, start, where)
            if found is None:
                return None
            path, mode, text = found
            text += ("" if text.endswith("\n") or not text else "\n") + "".join(f"{line}\n" for line in new)
            changes.append((path, Entry(mode=mode, blob=scratch.store(text))))
        tree = scratch.graft(changes)
        commit = scratch.full.using(**_IDENTITY).check("commit-tree", "-p", parent, "-m", subject, tree)
    files = tuple(path for path, _ in changes)
    patch = AppliedPatch(
        index=1,
        subject=subject,
        rung=Rung.AM,
        commit=commit,
        tree=tree,
        diffstat=Diffstat(files=files, insertions=sum(len(new) for new in lines.values()), deletions=0),
        stated=None,
    )
    return dataclasses.replace(trees, applied=(*(trees.applied if on_patched else ()), patch))


_IDENTITY = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", COMMITTER[0]), ("EMAIL", COMMITTER[1]), ("DATE", _WHEN))
}


def find_makefile(git: Git, tree: str, folder: str) -> tuple[str, str, str] | None:
    """Return path, mode and text of the makefile that kbuild reads in ``folder``; None where there is none."""
    for name in _MAKEFILES:
        path = f"{folder}/{name}" if folder else name
        listed = git.check("ls-tree", "-z", tree, "--", path).rstrip("\0")
        if listed:
            mode, kind, blob = listed.partition("\t")[0].split(" ")
            if kind == "blob":
                return path, mode, git.check_bytes("cat-file", "blob", blob).decode("utf-8", "surrogateescape")
    return None
