"""The command, run as a user runs it, for the tests that build and boot real kernels.

Builds and sources come from the ordinary cache (they are identified by content); trials are always run again.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
MAIL = REPOSITORY / "tests/data/mail/re-patch-v5-2-6-mm-zswap-support-batch-writeback.txt"
PLAIN = ("--no-perturbed", "--no-coverage")
"""For runs that are about something else: a base and a patched kernel and their trials, nothing more."""

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
        "test", mail, "--linux", LINUX, *PLAIN, "--scenario", "memcg-limit", "--topology", "two-node", "--seeds", "1",
        *words, results=results,
    )  # fmt: skip


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
