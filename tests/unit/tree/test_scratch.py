"""Changes put into a full tree: the quick way does what git's index does."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.host.deadline import Cancellation
from orchestrator.model.tree import Source
from orchestrator.tree.git import Git
from orchestrator.tree.scratch import Change, Entry, Scratch, graft_changes
from tests.unit.tree.conftest import UserTree

PATHS = ["a", "b", "a.c", "d/a", "d/b", "d/e/a", "d/e/f/a", "d-x", "d.c", "ä/ö", "w ith/bl anks", "z/last"]


def by_index(git: Git, tree: str, changes: list[Change]) -> str:
    """Return the tree as git's own index makes it."""
    with tempfile.TemporaryDirectory() as name:
        indexed = git.using(GIT_INDEX_FILE=f"{name}/index")
        indexed.check("read-tree", tree)
        lines = [f"0 {'0' * 40}\t{path}\0" for path, entry in changes if entry is None]
        lines += [f"{entry.mode} {entry.blob}\t{path}\0" for path, entry in changes if entry is not None]
        indexed.check("update-index", "-z", "--index-info", stdin="".join(lines))
        return indexed.check("write-tree")


def test_graft_changes_when_anything_comes_and_goes_then_the_tree_is_what_gits_index_makes(source: Source) -> None:
    git = Git(source.repo, Cancellation())
    blob = git.check("hash-object", "-w", "--stdin", stdin="x\n")
    entries = st.sampled_from([None, Entry(mode="100644", blob=blob), Entry(mode="100755", blob=blob)])
    steps = st.lists(st.dictionaries(st.sampled_from(PATHS), entries, min_size=1, max_size=5), min_size=1, max_size=4)

    @settings(max_examples=25, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(steps)
    def check(steps: list[dict[str, Entry | None]]) -> None:
        tree = git.check("rev-parse", f"{source.head}^{{tree}}")
        for changes in steps:
            expected = by_index(git, tree, list(changes.items()))
            tree = graft_changes(git, tree, list(changes.items())) or "refused"
            assert tree == expected

    check()


def test_graft_changes_when_a_file_becomes_a_folder_then_it_does(source: Source) -> None:
    git = Git(source.repo, Cancellation())
    blob = git.check("hash-object", "-w", "--stdin", stdin="x\n")
    tree = git.check("rev-parse", f"{source.head}^{{tree}}")

    made = graft_changes(git, tree, [("Kbuild", None), ("Kbuild/new", Entry(mode="100644", blob=blob))])

    assert made is not None
    assert git.check("ls-tree", "-r", "--name-only", made, "--", "Kbuild") == "Kbuild/new"


def test_graft_when_a_name_is_no_utf_8_then_it_survives(user_tree: UserTree, source: Source, tmp_path: Path) -> None:
    strange = bytes(user_tree.folder / "mm") + b"/\xfc.c"
    Path(strange.decode("utf-8", "surrogateescape")).write_text("int u;\n")
    head = user_tree.commit("strange")
    git = Git(source.repo, Cancellation())
    blob = git.check("hash-object", "-w", "--stdin", stdin="x\n")
    (tmp_path / "s").mkdir()
    scratch = Scratch(tmp_path / "s", source.repo, Cancellation())
    scratch.load(git.check("rev-parse", f"{head}^{{tree}}"))

    made = scratch.graft([("mm/new.c", Entry(mode="100644", blob=blob))])

    names = git.check_bytes("ls-tree", "-r", "-z", "--name-only", made).split(b"\0")
    assert b"mm/\xfc.c" in names
    assert b"mm/new.c" in names
