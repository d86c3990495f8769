"""Record tests/data/runs/ anew, with real kernels in real QEMU.  usage: bench/record_runs.py [NAME...] [--linux linux-7.2]

Each recorded run is one call of ``orchestrator test --again`` (so that every trial is run here, and has samples) on a patch with a
known answer; RUNS says which. What is kept of a run's folder is what reports are rendered from: run.json, plan.json,
the series' record, and of each seed-1 trial its result and the guest's samples. Nothing in these files is edited.

Two runs are of our own faults, made for real: `our-error` has the machine of its patched trial killed each time it comes up,
`half-finished` is interrupted (Ctrl-C) once its first trial is done.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MAIL = ROOT / "tests/data/mail/re-patch-v5-2-6-mm-zswap-support-batch-writeback.txt"
KNOWN_BAD = ROOT / "tests/data/patches/known-bad"
TARGET = ROOT / "tests/data/runs"
KEPT = ("run.json", "plan.json", "events.jsonl", "series/series.json")
KEPT_OF_TRIALS = ("result.json", "guest/samples", "guest/series")
LIMIT_S = 1200.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A run to record: the patch, the options, the exit status that it has, and what is done to it on its way."""

    name: str
    patch: Path
    options: tuple[str, ...]
    exit_status: int
    kill: str = ""
    interrupt: bool = False


def cell(scenario: str, topology: str, seeds: int) -> tuple[str, ...]:
    """Return the options for one scenario on one topology."""
    return ("--scenario", scenario, "--topology", topology, "--seeds", str(seeds))


RUNS = (
    Recorded(
        name="pass",
        patch=ROOT / "tests/data/patches/benign/03-split-writeback-helper.diff",
        options=(*cell("memcg-limit", "two-node", 2), "--run-anyway"),
        exit_status=0,
    ),
    Recorded(name="changed", patch=MAIL, options=cell("memcg-limit", "two-node", 3), exit_status=0),
    Recorded(
        name="regression",
        patch=KNOWN_BAD / "05-invalidate-first-only.diff",
        options=cell("churn", "one-node", 1),
        exit_status=1,
    ),
    Recorded(
        name="inconclusive",
        patch=KNOWN_BAD / "29-shrink-first-node-only.diff",
        options=cell("numa-interleave", "two-node", 1),
        exit_status=3,
    ),
    Recorded(
        name="our-error",
        patch=MAIL,
        options=cell("memcg-limit", "two-node", 1),
        exit_status=3,
        kill="memcg-limit-two-node-patched-s1",
    ),
    Recorded(
        name="half-finished",
        patch=MAIL,
        options=cell("memcg-limit", "two-node", 2),
        exit_status=130,
        interrupt=True,
    ),
)


def machines_of(ancestor: int, trial: str) -> list[int]:
    """Return the QEMUs below process ``ancestor`` that run the trial."""
    found = []
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            argv = (folder / "cmdline").read_bytes().decode("utf-8", "replace")
            program, _, rest = argv.partition("\0")
            if "qemu-system" in program and f"/{trial}/" in rest and ancestor in ancestors(int(folder.name)):
                found.append(int(folder.name))
    return found


def ancestors(pid: int) -> list[int]:
    """Return the parents of a process, the nearest first."""
    found: list[int] = []
    while pid > 1:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
        pid = int(stat.rpartition(")")[2].split()[1])
        found.append(pid)
    return found


def carry_out(recorded: Recorded, linux: str, results: Path) -> Path:
    """Run the orchestrator, disturb it as the run asks, and return the run's folder."""
    argv = [
        sys.executable, "-m", "orchestrator", "test", str(recorded.patch), "--linux", linux, "--again", *recorded.options,
        "--results", str(results),
    ]  # fmt: skip
    deadline = time.monotonic() + LIMIT_S
    with subprocess.Popen(argv, cwd=ROOT) as process:
        while process.poll() is None and time.monotonic() < deadline:
            if recorded.kill:
                for pid in machines_of(process.pid, recorded.kill):
                    os.kill(pid, signal.SIGKILL)
            if recorded.interrupt and any(results.glob("*/trials/*/result.json")):
                process.send_signal(signal.SIGINT)
                process.wait(60)
            time.sleep(0.3)
        if process.poll() is None:
            process.terminate()
    if process.returncode != recorded.exit_status:
        sys.exit(f"{recorded.name}: exit status {process.returncode}, expected {recorded.exit_status}")
    (run,) = results.iterdir()
    return run


def keep(run: Path, target: Path) -> None:
    """Copy what reports are rendered from."""
    shutil.rmtree(target, ignore_errors=True)
    wanted = [run / name for name in KEPT]
    wanted += [folder / name for folder in run.glob("trials/*-s1") for name in KEPT_OF_TRIALS]
    for path in wanted:
        if path.exists():
            place = target / path.relative_to(run)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place)


def main(argv: Sequence[str] | None = None) -> None:
    """Record the runs that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(run.name for run in RUNS)}")
    parser.add_argument("--linux", default="linux-7.2")
    asked = parser.parse_args(argv)
    for recorded in RUNS:
        if asked.names and recorded.name not in asked.names:
            continue
        with tempfile.TemporaryDirectory() as scratch:
            keep(carry_out(recorded, asked.linux, Path(scratch) / "results"), TARGET / recorded.name)


if __name__ == "__main__":
    main()
