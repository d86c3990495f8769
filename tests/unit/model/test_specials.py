"""Renames, modes and links: what is said of them, and what is refused."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.errors import InputError
from orchestrator.model.diff import read_diff
from orchestrator.model.specials import check_link, special_changes


def link(path: str, target: str, *, mode: str = "120000") -> str:
    return (
        f"diff --git a/{path} b/{path}\nnew file mode {mode}\nindex 0000000..1111111\n--- /dev/null\n+++ b/{path}\n"
        f"@@ -0,0 +1 @@\n+{target}\n\\ No newline at end of file\n"
    )


@pytest.mark.parametrize(
    ("path", "target"), [("a/b", "c"), ("a/b", "../c"), ("a/b/c", "../../d/e"), ("top", "mm/zswap.c")]
)
def test_link_when_it_stays_inside_then_it_is_said(path: str, target: str) -> None:
    assert special_changes(read_diff(link(path, target))) == (f"new symbolic link {path} -> {target}",)


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("top", "../x"), ("a/b", "../../x"), ("a/b", "/etc/passwd"), ("a/b", "c/../../../x"), ("a/b", ".."),
        ("a/b", "../.git/hooks"), ("a/b", ""), ("a/b", "c\x07"), ("a/b", "../../../../../proc/self/root"),
        ("a/b", "c/.."),
    ],
)  # fmt: skip
def test_link_when_it_may_lead_out_then_it_is_refused(path: str, target: str) -> None:
    if (path, target) == ("a/b", ".."):
        # The folder above: inside the tree, and allowed.
        assert check_link(path, target) == ".."
        return
    with pytest.raises(InputError, match="unsafe symbolic link"):
        special_changes(read_diff(link(path, target)))


@given(
    st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=4),
    st.lists(st.sampled_from(["..", ".", "", "a", "b", "x", ".git", "/"]), max_size=6),
)
def test_link_when_it_is_allowed_then_the_kernel_too_finds_it_inside(path: list[str], target: list[str]) -> None:
    words = "/".join(target)
    try:
        check_link("/".join(path), words)
    except InputError:
        return
    with tempfile.TemporaryDirectory() as name:
        root = Path(os.path.realpath(name)) / "tree"
        place = root.joinpath(*path)
        place.parent.mkdir(parents=True)
        place.symlink_to(words)
        try:
            place.stat()
        except OSError as error:
            if error.errno == errno.ELOOP:
                return  # it leads to itself, and nowhere else
        assert Path(os.path.realpath(place)).is_relative_to(root)


def test_link_when_it_is_changed_then_its_new_target_is_looked_at() -> None:
    diff = "diff --git a/l b/l\nindex 1111111..2222222 120000\n--- a/l\n+++ b/l\n@@ -1 +1 @@\n-mm\n+{}\n"

    assert special_changes(read_diff(diff.format("fs"))) == ("symbolic link l -> fs",)
    with pytest.raises(InputError, match="unsafe symbolic link"):
        special_changes(read_diff(diff.format("../fs")))


def test_link_when_the_page_lost_white_space_then_it_is_refused() -> None:
    with pytest.raises(InputError, match="white space"):
        special_changes(read_diff(link("a", "b")), lossy=True)


@pytest.mark.parametrize(("old", "new"), [("100644", "120000"), ("120000", "100644")])
def test_mode_when_a_file_becomes_a_link_by_it_alone_then_it_is_refused(old: str, new: str) -> None:
    diff = f"diff --git a/x b/x\nold mode {old}\nnew mode {new}\n"

    with pytest.raises(InputError, match="by its mode alone"):
        special_changes(read_diff(diff))


@pytest.mark.parametrize("mode", ["104755", "100777", "040000", "7", "x"])
def test_mode_when_git_does_not_know_it_then_it_is_refused(mode: str) -> None:
    with pytest.raises(InputError, match="git knows no mode"):
        special_changes(read_diff(link("a", "b", mode=mode)))


def test_moves_and_modes_when_there_are_some_then_they_are_said() -> None:
    diff = (
        "diff --git a/x b/y\nold mode 100644\nnew mode 100755\nsimilarity index 100%\nrename from x\nrename to y\n"
        + link("run", "#!/bin/sh", mode="100755")
    )

    assert special_changes(read_diff(diff)) == (
        "rename x -> y",
        "mode of y: 100644 -> 100755",
        "new executable file run",
    )
