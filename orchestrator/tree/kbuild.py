"""What of a tree kbuild makes, which makefile makes it, and commits that only change how."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.host.deadline import Cancellation
from orchestrator.host.workspace import scratch_folder
from orchestrator.model.series import Diffstat
from orchestrator.model.tree import AppliedPatch, Rung, Trees
from orchestrator.tree.apply import COMMITTER
from orchestrator.tree.git import Git
from orchestrator.tree.scratch import Entry, Scratch

_MAKEFILES = ("Kbuild", "Makefile")
"""In the order in which kbuild looks (scripts/Makefile.build)."""

_NOT_THE_KERNEL = re.compile(
    r"^(?:scripts|tools|usr|samples|Documentation)/|^arch/[^/]+/(?:boot|purgatory|tools)/|/vdso\w*/"
)
"""What is no part of the running kernel, or runs before it or outside of it."""

_OBJECT = re.compile(r"[\w./+,-]+\.o", re.ASCII)

_WHEN = "@1700000000 +0000"

_IDENTITY = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", COMMITTER[0]), ("EMAIL", COMMITTER[1]), ("DATE", _WHEN))
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Makefile:
    """A makefile of a tree that kbuild reads; ``mode`` is git's."""

    path: str
    mode: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where an object is made: the ``folder`` of the ``makefile``, and the object's ``name`` as that makefile says it."""

    folder: str
    name: str
    makefile: Makefile


def is_kernel_code(path: str) -> bool:
    """Whether ``path`` is C code of the running kernel itself."""
    return path.endswith((".c", ".h")) and _NOT_THE_KERNEL.search(path) is None


def place_of(git: Git, tree: str, path: str) -> Place | None:
    """Return where the object ``path`` (``mm/zswap.o``) is made.

    None where no makefile is on the way to it, or its name is none that a makefile could say.
    """
    if not _OBJECT.fullmatch(path):
        return None
    folder, _, name = path.rpartition("/")
    # fs/xfs/Makefile makes libxfs/xfs_ag.o as well: the next makefile on the way up is the one.
    while folder:
        found = find_makefile(git, tree, folder)
        if found is not None:
            return Place(folder=folder, name=name, makefile=found)
        folder, _, above = folder.rpartition("/")
        name = f"{above}/{name}"
    return None


def find_makefile(git: Git, tree: str, folder: str) -> Makefile | None:
    """Return the makefile that kbuild reads in ``folder``; None where there is none."""
    for name in _MAKEFILES:
        path = f"{folder}/{name}" if folder else name
        listed = git.check("ls-tree", "-z", tree, "--", path).rstrip("\0")
        if listed:
            mode, kind, blob = listed.partition("\t")[0].split(" ")
            if kind == "blob":
                text = git.check_bytes("cat-file", "blob", blob).decode("utf-8", "surrogateescape")
                return Makefile(path=path, mode=mode, text=text)
    return None


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
            text = found.text
            text += ("" if text.endswith("\n") or not text else "\n") + "".join(f"{line}\n" for line in new)
            changes.append((found.path, Entry(mode=found.mode, blob=scratch.store(text))))
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
