"""Patched, so that it counts: a commit on it whose makefiles compile some objects with counters, and what the patch changed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from orchestrator.errors import InputError
from orchestrator.host.deadline import Cancellation
from orchestrator.model.diff import FileDiff, read_diff
from orchestrator.model.tree import Trees
from orchestrator.tree.git import Git
from orchestrator.tree.kbuild import Place, is_kernel_code, place_of, with_makefile_lines

LARGEST_SOURCE = 4 << 20

_CODE = (".c", ".h", ".S", ".rs")


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchedSource:
    """A C file of patched: its ``text``, and the numbers (from 1) of the lines that the series added or changed."""

    path: str
    text: str
    numbers: frozenset[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchedSources:
    """The changed files that could have counters, and the paths of changed ``others`` that are code and cannot."""

    files: tuple[PatchedSource, ...]
    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedTrees:
    """``trees`` with one commit more, that makes ``objects`` count; ``refused`` says of others why they do not."""

    trees: Trees
    objects: tuple[str, ...]
    refused: Mapping[str, str] = field(default_factory=dict)


def patched_sources(trees: Trees, *, cancellation: Cancellation) -> PatchedSources:
    """Return the sources that the whole series added lines to, or changed: C files (.c and .h) of the kernel, and others.

    Raises :class:`InputError` for changes that no diff can be read of.
    """
    git = Git(trees.source.repo, cancellation)
    # Of a renamed file only the new lines count. With quotePath a name has no byte that is not ASCII, and is read as it is.
    options = ("--no-color", "--no-ext-diff", "--no-textconv", "-M", "-U0")
    said = git.check_bytes("-c", "core.quotePath=true", "diff", *options, trees.base.commit, trees.patched_commit)
    found, others = [], []
    for file in read_diff(said.decode("utf-8", "surrogateescape")):
        numbers = added_lines(file)
        if file.new_path is None or not numbers:
            continue
        if not is_kernel_code(file.new_path):
            others += [file.new_path] if file.new_path.endswith(_CODE) else []
            continue
        data = git.check_bytes("cat-file", "blob", f"{trees.patched_tree}:{file.new_path}")
        if len(data) > LARGEST_SOURCE:
            raise InputError(f"{file.new_path} is too large to be read as a source")
        found.append(PatchedSource(path=file.new_path, text=data.decode("utf-8", "replace"), numbers=numbers))
    return PatchedSources(files=tuple(found), others=tuple(others))


def added_lines(file: FileDiff) -> frozenset[int]:
    """Return the numbers of the lines that a file's diff adds, in the file as it is afterwards."""
    numbers = set()
    for hunk in file.hunks:
        at = hunk.new_start
        for line in hunk.lines:
            if line.startswith("+"):
                numbers.add(at)
            at += line.startswith(("+", " ")) or line == ""
    return frozenset(numbers)


def counted_trees(
    trees: Trees, objects: Sequence[str], flags: Sequence[str], *, cancellation: Cancellation
) -> CountedTrees:
    """Return trees whose patched has ``objects`` (``mm/zswap.o``) compiled with ``flags`` as well."""
    git = Git(trees.source.repo, cancellation)
    lines: dict[str, list[str]] = {}
    taken: list[str] = []
    refused: dict[str, str] = {}
    for name in objects:
        place = _countable(git, trees.patched_tree, name)
        if isinstance(place, str):
            refused[name] = place
            continue
        lines.setdefault(place.folder, []).append(f"CFLAGS_{place.name} += {' '.join(flags)}")
        taken.append(name)
    if not taken:
        return CountedTrees(trees=trees, objects=(), refused=refused)
    counted = with_makefile_lines(trees, lines, on_patched=True, subject="counted", cancellation=cancellation)
    assert counted is not None  # noqa: S101 - each folder's makefile was just found
    return CountedTrees(trees=counted, objects=tuple(taken), refused=refused)


def _countable(git: Git, tree: str, name: str) -> Place | str:
    """Return where the object is made, or why it cannot count."""
    place = place_of(git, tree, name)
    if place is None:
        return "no makefile that could make it"
    forbidden = rf"^\s*GCOV_PROFILE(?:_{re.escape(place.name)})?\s*:?=\s*n"
    if re.search(forbidden, place.makefile.text, re.MULTILINE):
        return f"{place.makefile.path} forbids counters in it"
    return place
