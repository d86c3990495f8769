"""Interrupted in the middle, by any signal: nothing is left running, what is finished is kept, and the run goes on."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.command import (
    LINUX,
    MAIL,
    PLAIN,
    Outcome,
    eventually,
    is_running,
    orchestrator,
    processes_below,
)

pytestmark = pytest.mark.qemu

WORDS = (
    "test", MAIL, "--linux", LINUX, *PLAIN, "--scenario", "memcg-limit", "--topology", "two-node", "--seeds", "1", "--again",
)  # fmt: skip


def machines_of_trials_below(pid: int) -> set[int]:
    """Return the QEMUs of trials that descend from ``pid``: base's first boot, before there is a run, is none of them."""
    found = set()
    for child in processes_below(pid):
        try:
            qemu = Path(f"/proc/{child}/comm").read_text().startswith("qemu")
            if qemu and b"/trials/" in Path(f"/proc/{child}/cmdline").read_bytes():
                found.add(child)
        except OSError:
            continue
    return found


def interrupted(start: Callable[..., subprocess.Popen[str]], number: signal.Signals) -> tuple[int, str, set[int]]:
    """Start the main job, signal it while its machines run; return status, stderr and all it had started."""
    child = start(*WORDS)
    assert eventually(lambda: machines_of_trials_below(child.pid) or child.poll() is not None, seconds=1800)
    assert child.poll() is None, child.communicate()[1]
    below = processes_below(child.pid)
    child.send_signal(number)
    _, errors = child.communicate(timeout=120)
    return child.returncode, errors, below


@pytest.mark.usefixtures("main_run")
@pytest.mark.parametrize(
    ("number", "status"),
    [
        pytest.param(signal.SIGKILL, -signal.SIGKILL, id="SIGKILL"),
        pytest.param(signal.SIGTERM, 130, id="SIGTERM"),
        pytest.param(signal.SIGINT, 130, id="Ctrl-C"),
    ],
)
def test_run_that_is_interrupted_leaves_nothing_running_and_resumes(
    started: Callable[..., subprocess.Popen[str]], tmp_path: Path, number: signal.Signals, status: int
) -> None:
    code, errors, below = interrupted(started, number)
    assert code == status
    assert eventually(lambda: not any(is_running(pid) for pid in below))

    results = tmp_path / "results"
    run = next(results.iterdir()).name
    if number is not signal.SIGKILL:
        assert f"orchestrator test --resume {run}" in errors
    resumed = orchestrator("test", "--resume", run, results=results)
    assert resumed.status == 0, resumed.stderr
    outcome = Outcome(resumed.status, resumed.stdout, resumed.stderr, results)
    assert [trial["status"] for trial in outcome.record["trials"]] == ["PASS", "PASS"]
