"""SIGKILL at every step, with real processes: see tests/killed.py. Nothing is lost, nothing is done twice."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.command import REPOSITORY

EXPECTED = {
    "entries": {
        "alpha v1": "sent", "fails v1": "sent", "other v1": "filtered", "beta v2": "sent", "beta v1": "superseded",
    },
    "records": {"alpha v1": ["PASS"], "fails v1": ["ERROR", "PASS"], "beta v2": ["PASS"]},
    "answered": True,
    "whole": "ok",
    "parts": 10,
}  # fmt: skip


@pytest.fixture
def fast() -> Iterator[Path]:
    """A folder in memory where there is one: a kill spares what is written, a disk's flushes only take time."""
    memory = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(prefix="watch.", dir=memory if memory.is_dir() else None))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def killed(folder: Path, *words: str) -> list[dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.killed", str(folder), *words],
        cwd=REPOSITORY, capture_output=True, text=True, timeout=1200, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_watcher_when_it_is_killed_before_any_statement_then_it_goes_on_from_there(fast: Path) -> None:
    *found, last = killed(fast, "sweep", "3", "7")

    assert [each for each in found if each != EXPECTED] == []
    assert last["kills"] > 60


def test_watcher_when_it_is_killed_again_and_again_at_any_moment_then_it_comes_to_the_same_end(fast: Path) -> None:
    found, last = killed(fast, "random", "150", "20261123")

    assert found["entries"] | {"beta v1": "superseded"} == EXPECTED["entries"]
    assert {**found, "entries": {}} == {**EXPECTED, "entries": {}}
    assert last["kills"] == 150
