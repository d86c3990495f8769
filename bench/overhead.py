"""What does the orchestrator itself cost?  usage: bench/overhead.py [--profile trial|demo] [--linux linux-7.2] [-n 3]

Runs ``orchestrator test`` of the review mail as a child with ``--again``, N times, with kernels from the cache, and looks
at /proc fifty times a second:

* wall time in which no QEMU and no make ran below it, as a share of all: limit 5 %. Everything else counts as ours: the
  interpreter's start, git, the sandbox's probe, reading what guests sent, the reports. It is shown by the step in which
  it fell (events.jsonl, which begins when the plan is written);
* peak resident memory of the orchestrator's process alone (VmHWM, not its children's): limit 200 MiB;
* its CPU time, children not included, for comparison: what it takes from trials that run beside.

Profile ``trial`` is memcg-limit on two-node with one seed, the smallest run that compares two kernels; ``demo`` is what
``./quickstart demo`` does after its build, and what the 5 % are about. Exits 1 when a limit is passed by the median.
"""

from __future__ import annotations

import argparse
import bisect
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.host.process import running

MAIL = Path(__file__).parents[1] / "tests/data/mail/re-patch-v5-2-6-mm-zswap-support-batch-writeback.txt"
PROFILES = {
    "trial": ("--scenario", "memcg-limit", "--topology", "two-node", "--seeds", "1"),
    "demo": ("--profile", "demo"),
}
LIMIT_SHARE = 0.05
LIMIT_MIB = 200
LOOK_EVERY_S = 0.02
WORKERS = ("qemu-system-", "make")
"""Names (the first 15 letters, as /proc has them) of what is not ours."""

BEFORE, BETWEEN, AFTER = "start", "between steps", "end"
VERDICT_STATUSES = (0, 1, 3)
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(slots=True)
class Family:
    """A process and its descendants, followed by looking only at what is new in /proc."""

    root: int
    members: set[int] = field(default_factory=set)
    strangers: set[int] = field(default_factory=set)

    def has_worker(self) -> bool:
        """Look once; return whether a QEMU or a make runs."""
        pids = {int(name) for name in os.listdir("/proc") if name.isdigit()}  # noqa: PTH208 - fifty times a second
        self.members &= pids
        self.strangers &= pids
        for pid in sorted(pids - self.members - self.strangers):
            is_ours = pid == self.root or _parent(pid) in self.members | {self.root}
            (self.members if is_ours else self.strangers).add(pid)
        return any(_name(pid).startswith(WORKERS) for pid in self.members)


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat behind the name: state, parent, ..."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _parent(pid: int) -> int:
    fields = _stat(pid)
    return int(fields[1]) if fields else 0


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def _peak_kib(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One run: seconds in all, of our own (no QEMU, no make), by step; memory and CPU of the orchestrator alone."""

    wall_s: float
    own_s: float
    by_step: Mapping[str, float]
    peak_mib: float
    cpu_s: float

    @property
    def share(self) -> float:
        """Our own part of the wall time."""
        return self.own_s / self.wall_s


def measure(command: Sequence[str], results: Path) -> Measured:
    """Run the command and look at it until it is gone."""
    own: list[tuple[float, float]] = []
    peak = ticks = 0
    begin = last = time.time()
    with (results / "output").open("wb") as output, running(command, stdout=output) as child:
        family = Family(child.pid)
        while child.exit_status is None:
            has_worker = family.has_worker()
            # The numbers are gone when the process is a zombie; the last look before that is kept.
            peak = max(peak, _peak_kib(child.pid))
            if fields := _stat(child.pid):
                ticks = max(ticks, int(fields[11]) + int(fields[12]))
            now = time.time()
            if not has_worker:
                own.append((last, now))
            last = now
            time.sleep(LOOK_EVERY_S)
        status = child.exit_status
    end = time.time()
    own.append((last, end))
    if status not in VERDICT_STATUSES:
        sys.exit(f"the run failed with status {status}:\n{(results / 'output').read_text()}")
    steps: dict[str, float] = {}
    places = _steps(results)
    for start, stop in own:
        step = _step_at((start + stop) / 2, places)
        steps[step] = steps.get(step, 0.0) + stop - start
    return Measured(
        wall_s=end - begin,
        own_s=sum(stop - start for start, stop in own),
        by_step=steps,
        peak_mib=peak / 1024,
        cpu_s=ticks / TICKS,
    )


def _steps(results: Path) -> list[tuple[float, str]]:
    """Return from when on which step was the innermost, by the run's events; trials overlap and count as one."""
    changes = [(0.0, BEFORE)]
    stack: list[str] = []
    for event in _events(results):
        name = str(event["name"])
        if event["phase"] == "started":
            stack.append(name)
        elif event["phase"] in {"finished", "failed"} and name in stack:
            del stack[len(stack) - 1 - stack[::-1].index(name)]
        else:
            continue
        changes.append((float(str(event["at"])), stack[-1] if stack else BETWEEN))
    changes[-1] = (changes[-1][0], AFTER)
    return changes


def _events(results: Path) -> Iterator[Mapping[str, object]]:
    (path,) = results.glob("*/events.jsonl")
    for line in path.read_text().splitlines():
        yield json.loads(line)


def _step_at(at: float, places: Sequence[tuple[float, str]]) -> str:
    return places[bisect.bisect([start for start, _ in places], at) - 1][1]


def show(name: str, values: Sequence[float], unit: str, limit: float | None = None) -> bool:
    """Print a row with its verdict; return whether the median keeps the limit."""
    middle = statistics.median(values)
    row = f"{name:<34} {min(values):8.2f} {middle:8.2f} {max(values):8.2f} {unit:<4}"
    is_met = limit is None or middle <= limit
    print(row if limit is None else f"{row} limit {limit:g}: {'met' if is_met else 'PASSED'}")
    return is_met


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profile", choices=PROFILES, default="trial")
    parser.add_argument("--linux", default="linux-7.2")
    parser.add_argument("-n", type=int, default=3, help="rounds (default 3)")
    options = parser.parse_args()
    program = Path(sys.executable).with_name("orchestrator")
    rounds = []
    for number in range(options.n):
        with tempfile.TemporaryDirectory(prefix="overhead.") as folder:
            words = ["test", str(MAIL), "--linux", options.linux, *PROFILES[options.profile], "--again"]
            rounds.append(measure([str(program), *words, "--results", folder], Path(folder)))
        done = rounds[-1]
        print(f"round {number + 1}: {done.own_s:.2f} s of {done.wall_s:.2f} s", file=sys.stderr)
    return report(options.profile, rounds)


def report(profile: str, rounds: Sequence[Measured]) -> int:
    """Print the table; return the exit status."""
    print(f"profile {profile}, {len(rounds)} rounds{'':<{20 - len(profile)}} {'min':>8} {'median':>8} {'max':>8}")
    show("wall time", [done.wall_s for done in rounds], "s")
    show("neither QEMU nor make", [done.own_s for done in rounds], "s")
    for step in sorted({step for done in rounds for step in done.by_step}):
        show(f"  in {step}", [done.by_step.get(step, 0.0) for done in rounds], "s")
    show("CPU time of the orchestrator", [done.cpu_s for done in rounds], "s")
    verdicts = [
        show("neither QEMU nor make, of all", [100 * done.share for done in rounds], "%", 100 * LIMIT_SHARE),
        show("peak memory of the orchestrator", [done.peak_mib for done in rounds], "MiB", LIMIT_MIB),
    ]
    return 0 if all(verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
