"""A small tree that is taken for Linux, as a git repository of a user's, with the real mm/zswap.c of 7.2."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from orchestrator.host.deadline import Cancellation
from orchestrator.host.steps import Steps
from orchestrator.model.series import Form, Patch, Series
from orchestrator.model.tree import Source, Trees
from orchestrator.tree.apply import apply_series
from orchestrator.tree.base import choose_base
from orchestrator.tree.sources import open_source

DATA = Path(__file__).parents[2] / "data"
ZSWAP = DATA / "trees" / "linux-7.2" / "mm" / "zswap.c"

MAKEFILE = "# SPDX-License-Identifier: GPL-2.0\nVERSION = 7\nPATCHLEVEL = 2\nSUBLEVEL = 12\nEXTRAVERSION =\nNAME = x\n"

TWINS = "".join(f"int f{nr}(void)\n{{\n\tint x;\n\n\tx = 0;\n\tx++;\n\treturn x;\n}}\n\n" for nr in range(3))

IDENTITY = {
    "GIT_AUTHOR_NAME": "A User",
    "GIT_AUTHOR_EMAIL": "u@example.org",
    "GIT_AUTHOR_DATE": "@1760000000 +0000",
    "GIT_COMMITTER_NAME": "A User",
    "GIT_COMMITTER_EMAIL": "u@example.org",
    "GIT_COMMITTER_DATE": "@1760000000 +0000",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "HOME": "/nonexistent",
    "PATH": "/usr/bin:/bin",
}


@dataclass(frozen=True)
class UserTree:
    """A git work tree as a user has one."""

    folder: Path

    def git(self, *args: str) -> str:
        command = ["git", "-C", str(self.folder), *args]
        return subprocess.run(command, check=True, capture_output=True, text=True, env=IDENTITY).stdout.removesuffix(
            "\n"
        )

    def commit(self, message: str) -> str:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")


def small_linux(folder: Path) -> UserTree:
    """Make a tree that is taken for Linux 7.2.12, with a file in which a hunk may fit at several places."""
    for name, text in {
        "Makefile": MAKEFILE,
        "Kbuild": "obj-y += mm/\n",
        "scripts/kconfig/merge_config.sh": "#!/bin/sh\n",
        "mm/zswap.c": ZSWAP.read_text(),
        "mm/twins.c": TWINS,
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    made = UserTree(folder)
    made.git("init", "--quiet", "--initial-branch=master")
    made.commit("linux 7.2.12")
    return made


@pytest.fixture
def user_tree(tmp_path: Path) -> UserTree:
    folder = tmp_path / "linux"
    for name, text in {
        "Makefile": MAKEFILE,
        "Kbuild": "obj-y += mm/\n",
        "scripts/kconfig/merge_config.sh": "#!/bin/sh\n",
        "mm/zswap.c": ZSWAP.read_text(),
        "mm/twins.c": TWINS,
        "mm/Makefile": "obj-y += zswap.o\nifdef X\n\tobj-y += y.o\nendif\n",
    }.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    (folder / "scripts" / "kconfig" / "merge_config.sh").chmod(0o755)
    (folder / "include").mkdir()
    (folder / "include" / "link").symlink_to("../mm")
    tree = UserTree(folder)
    tree.git("init", "--quiet", "--initial-branch=master")
    tree.commit("linux 7.2.12")
    return tree


@pytest.fixture
def steps() -> Steps:
    return Steps()


@pytest.fixture
def source(user_tree: UserTree, tmp_path: Path, steps: Steps) -> Source:
    return open_source(str(user_tree.folder), cache=tmp_path / "cache", steps=steps, cancellation=Cancellation())


@pytest.fixture
def apply(source: Source, steps: Steps) -> Callable[..., Trees]:
    """Apply diffs, each a patch of one series, on the head of the source."""

    def applied(*diffs: str, lossy: bool = False, on: Source | None = None) -> Trees:
        where = on or source
        series = series_of(*diffs, lossy=lossy)
        base = choose_base(where, series, rev=None, cancellation=Cancellation())
        return apply_series(where, base, series, steps=steps, cancellation=Cancellation())

    return applied


def series_of(*diffs: str, lossy: bool = False, base_commit: str | None = None) -> Series:
    patches = tuple(
        Patch(
            index=index,
            total=len(diffs),
            subject=f"mm: part {index}",
            author="Jürgen Größe <j@example.org>",
            date="Mon, 29 Jun 2026 19:20:28 +0800",
            message="Because.",
            diff=diff,
            lossy=lossy,
            stated=None,
        )
        for index, diff in enumerate(diffs, start=1)
    )
    return Series(
        title="mm: test",
        version=1,
        form=Form.DIFF,
        source="test",
        patches=patches,
        total=len(diffs),
        base_commit=base_commit,
    )


@pytest.fixture
def on_tree(user_tree: UserTree, tmp_path: Path) -> Callable[..., Trees]:
    """Put a series on the user's tree, to which files are added before."""

    def made(files: dict[str, str], *texts: str) -> Trees:
        for name, text in files.items():
            (user_tree.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (user_tree.folder / name).write_text(text)
        user_tree.commit("more")
        source: Source = open_source(
            str(user_tree.folder), cache=tmp_path / "cache", steps=Steps(), cancellation=Cancellation()
        )
        series: Series = series_of(*texts)
        base = choose_base(source, series, rev=None, cancellation=Cancellation())
        return apply_series(source, base, series, steps=Steps(), cancellation=Cancellation())

    return made
