"""Real kernels for the integration tests: the command is run as a user runs it, and what it built is shared.

Builds and sources come from the ordinary cache (they are identified by content); trials are always run again.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
MAIL = REPOSITORY / "tests/data/mail/re-patch-v5-2-6-mm-zswap-support-batch-writeback.txt"
LINUX = "linux-7.2"
COMMAND = [sys.executable, "-m", "orchestrator"]
LONG_S = 2400
"""For a cold cache on a slow machine; nothing is measured against it."""


@dataclass(frozen=True)
class Outcome:
    """What one call of the command gave."""

    status: int
    stdout: str
    stderr: str
    results: Path

    @property
    def folder(self) -> Path:
        """The run's folder."""
        return next(path for path in sorted(self.results.iterdir()) if (path / "plan.json").is_file())

    @property
    def record(self) -> dict[str, Any]:
        """run.json."""
        loaded: dict[str, Any] = json.loads((self.folder / "run.json").read_text())
        return loaded

    def metrics(self, kernel: str) -> dict[str, float]:
        """The metrics of the first trial of a kernel."""
        return next(trial["metrics"] for trial in self.record["trials"] if trial["kernel"] == kernel)


def orchestrator(*words: str | Path, results: Path, environment: dict[str, str] | None = None) -> Outcome:
    """Run the command to its end."""
    argv = [*COMMAND, *(str(word) for word in words), "--results", str(results)]
    done = subprocess.run(
        argv, capture_output=True, text=True, timeout=LONG_S, check=False, env={**os.environ, **(environment or {})}
    )
    return Outcome(done.returncode, done.stdout, done.stderr, results)


def small_test(*words: str | Path, results: Path, mail: Path = MAIL) -> Outcome:
    """Run ``orchestrator test`` with one trial a kernel."""
    return orchestrator(
        "test", mail, "--linux", LINUX, "--scenario", "memcg-limit", "--topology", "two-node", "--seeds", "1",
        *words, results=results,
    )  # fmt: skip


@pytest.fixture(scope="session")
def main_run(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """The main job, small: the review mail, memcg-limit on two nodes, one seed."""
    return small_test("--again", results=tmp_path_factory.mktemp("main"))


@pytest.fixture(scope="session")
def base_kernel_image(main_run: Outcome) -> Path:
    """The base kernel that the main job built."""
    build = next(build for build in main_run.record["builds"] if build["role"] == "base")
    return Path(build["image"])


def processes_below(pid: int) -> set[int]:
    """Return the ids of all processes that descend from ``pid``."""
    parents = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = status.read_text()
        except OSError:
            continue
        parents[int(text.split()[0])] = int(text.rpartition(")")[2].split()[1])
    found: set[int] = set()
    grown = True
    while grown:
        more = {child for child, parent in parents.items() if parent == pid or parent in found} - found
        found |= more
        grown = bool(more)
    return found


def is_running(pid: int) -> bool:
    """Whether a process is there and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def eventually(condition: Any, *, seconds: float = 60.0) -> bool:
    """Wait until ``condition()`` holds; a bound, not a measurement."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return False


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Any]:
    """Start the command in the background; it is ended after the test."""
    children: list[subprocess.Popen[str]] = []

    def start(*words: str | Path) -> subprocess.Popen[str]:
        argv = [*COMMAND, *(str(word) for word in words), "--results", str(tmp_path / "results")]
        child = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        children.append(child)
        return child

    yield start
    for child in children:
        if child.poll() is None:
            child.send_signal(signal.SIGKILL)
        child.communicate()
