"""Patches to several real files of the kernel at once, files that come and go among them, mangled as archives do.

As in :mod:`tests.unit.tree.test_round_trip`, from a page through reading it to the files: what comes out is the tree that
git made the patch of, or a refusal. White space in lines is what was lost and may differ, but that which begins a line of
a Makefile may not.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.errors import InputError
from orchestrator.model.diff import read_diff
from orchestrator.tree.recover import recover_file
from tests.unit.tree.conftest import DATA, IDENTITY
from tests.unit.tree.test_round_trip import HARD, MANGLERS, PROFILE, edited, folded, mangled

LINUX = DATA / "trees" / "linux-7.2"
MAKEFILE = "mm/Makefile"
PATHS = ("mm/zswap.c", "mm/page_io.c", "mm/list_lru.c", "include/linux/zswap.h", MAKEFILE)
FILES = {path: (LINUX / path).read_text().splitlines() for path in PATHS}
OWN = sorted({line for lines in FILES.values() for line in lines})

ASSIGNMENT = re.compile(r"\s*[\w.$(){}-]+\s*[:+?]?=")

Edits = list[tuple[int, int, list[str]]]
Tree = dict[str, list[str]]


def edits_of(path: str) -> st.SearchStrategy[Edits]:
    """Random edits of a file: where, how many lines go, and what comes, of its own lines or hard ones."""
    lines = FILES[path]
    from_anywhere = st.sampled_from(HARD) | st.sampled_from(lines) | st.sampled_from(OWN)
    # C in a Makefile is nothing that anybody writes.
    added = st.lists(st.sampled_from(lines) if path == MAKEFILE else from_anywhere, max_size=4)
    return st.lists(st.tuples(st.integers(0, len(lines) - 1), st.integers(0, 4), added), min_size=1, max_size=3)


@st.composite
def changed_trees(draw: st.DrawFn) -> Tree:
    """Draw the files as a patch leaves them: some edited, one removed maybe, one new maybe."""
    tree = dict(FILES)
    for path in draw(st.sets(st.sampled_from(PATHS), max_size=3)):
        tree[path] = edited(FILES[path], draw(edits_of(path)))
    if draw(st.integers(0, 3)) == 0:
        tree.pop(draw(st.sampled_from(PATHS)))
    if draw(st.integers(0, 2)) == 0:
        tree["mm/zswap_new.c"] = draw(st.lists(st.sampled_from(OWN), min_size=1, max_size=12))
    return tree


def written(folder: Path, tree: Tree) -> None:
    for path, lines in tree.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(f"{line}\n" for line in lines))


def git_diff(new: Tree) -> str:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for side, tree in (("a", FILES), ("b", new)):
            (folder / side).mkdir()
            written(folder / side, tree)
        command = ["git", "diff", "--no-index", "--no-prefix", "--no-renames", "a", "b"]
        return subprocess.run(command, check=False, capture_output=True, text=True, cwd=folder, env=IDENTITY).stdout


def recovered(page: str) -> Tree | None:
    """Return the files as the page's patch leaves them, None where it is refused."""
    tree = dict(FILES)
    try:
        for diff in read_diff(page, lossy=True):
            old = tree.pop(diff.old_path) if diff.old_path in tree else None
            base = None if old is None else "".join(f"{line}\n" for line in old)
            text = recover_file(base, diff, lossy=True).text
            if text is not None:
                assert diff.new_path is not None
                tree[diff.new_path] = text.splitlines()
    except InputError:
        return None
    return tree


def indentation(lines: list[str]) -> list[str]:
    """Return what lines begin with, but for assignments, which are the same to make with a tab where there is no rule."""
    return ["=" if ASSIGNMENT.match(line) else line[: len(line) - len(line.lstrip())] for line in lines]


@pytest.mark.parametrize("how", list(MANGLERS))
def test_recovery_when_several_files_change_then_it_is_the_same_tree_or_refused(how: str) -> None:
    seen: Counter[str] = Counter()

    @PROFILE
    @given(changed_trees())
    def check(new: Tree) -> None:
        diff = git_diff(new)
        if not diff:
            return
        found = recovered(mangled(diff, how))
        seen["refused" if found is None else "recovered"] += 1
        if found is not None:
            assert set(found) == set(new)
            assert {path: folded(lines) for path, lines in found.items()} == {
                path: folded(lines) for path, lines in new.items()
            }
            # To make, what begins with a tab is another line.
            assert indentation(found.get(MAKEFILE, [])) == indentation(new.get(MAKEFILE, []))

    check()
    # A recovery that refuses everything would hold, too.
    assert seen["recovered"] > seen["refused"] / 3
