"""The checkouts that builds share: so many are kept, the longest unused goes, one in use never."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

from orchestrator.host.deadline import Cancellation
from orchestrator.kernel.sources import KEPT, Checkout, checked_out
from tests.unit.kernel.conftest import FakeLinux


def copies(fake_linux: FakeLinux, folder: Path, count: int) -> list[Path]:
    return [Path(shutil.copytree(fake_linux.repo, folder / f"copy{number}.git")) for number in range(count)]


def whose(cache: Path) -> int:
    return len(list((cache / "worktrees").glob("*/tree")))


def used(fake_linux: FakeLinux, repo: Path, when: float) -> Path:
    """Use a checkout as of ``when``; return its folder."""
    tree = fake_linux.git("rev-parse", f"{fake_linux.base}^{{tree}}")
    wanted = Checkout(tree=tree, base=tree)
    with checked_out(repo, wanted, cache=fake_linux.workshop.cache, cancellation=Cancellation()) as (source, _):
        os.utime(source.parent / "checkout.json", (when, when))
        return source


def test_checkouts_when_there_are_more_than_are_kept_then_the_longest_unused_goes(
    fake_linux: FakeLinux, tmp_path: Path
) -> None:
    sources = [
        used(fake_linux, repo, 1e9 + number)
        for number, repo in enumerate(copies(fake_linux, tmp_path / "repos", KEPT + 2))
    ]
    assert [source.exists() for source in sources] == [False] * 2 + [True] * KEPT
    again = used(fake_linux, tmp_path / "repos" / "copy0.git", 2e9)
    assert (again / "mm" / "swap.c").exists()
    assert whose(fake_linux.workshop.cache) == KEPT


def test_checkouts_when_one_is_in_use_then_it_stays_however_old(fake_linux: FakeLinux, tmp_path: Path) -> None:
    tree = fake_linux.git("rev-parse", f"{fake_linux.base}^{{tree}}")
    wanted = Checkout(tree=tree, base=tree)
    first, *others = copies(fake_linux, tmp_path / "repos", KEPT + 2)
    with contextlib.ExitStack() as stack:
        cache, cancellation = fake_linux.workshop.cache, Cancellation()
        held, _ = stack.enter_context(checked_out(first, wanted, cache=cache, cancellation=cancellation))
        os.utime(held.parent / "checkout.json", (1.0, 1.0))
        for number, repo in enumerate(others):
            used(fake_linux, repo, 1e9 + number)
        assert (held / "mm" / "swap.c").exists()
