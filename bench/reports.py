"""How long do reports take, and how much memory?  usage: bench/reports.py [--trials 500] [--runs 10000] [--only formats|index]

Formats: a run of 500 trials (5 scenarios x 5 topologies x 10 seeds x 2 kernels) with the samples of recorded real trials is
rendered in each format by `orchestrator report`, one process a format and one for all. Time and peak memory of each; as a
ratio, how many times it takes to read the run's files from disk and parse run.json as JSON.

Index: 10,000 runs (hard links to a recorded one). Made from nothing, and looked at again; as a ratio, how many times it takes
to stat(2) the records.

Exits 1 when all formats take more than 10 s or 500 MB, a look (`orchestrator history`, less what it takes for no runs) more
than 1 s, or making the index more than 60 s. Judged by CPU time: nothing here waits for anything, and the wall clock of a
busy host is no figure.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from orchestrator.model.run import Plan, RunRecord
from orchestrator.report.formats import FORMATS
from orchestrator.store.index import RunIndex
from orchestrator.store.run_json import parse_run, render_run

RUNS = Path(__file__).resolve().parent.parent / "tests/data/runs"
ALL_S, ALL_MB, LOOK_S, REBUILD_S = 10.0, 500.0, 1.0, 60.0
SCENARIOS, TOPOLOGIES = 5, 5


def large_run(results: Path, trials: int) -> Path:
    """Make a run of so many trials of the recorded one, samples and all, and return its folder."""
    small = parse_run((RUNS / "changed" / "run.json").read_text())
    seeds = tuple(range(1, trials // (2 * SCENARIOS * TOPOLOGIES) + 1))
    record = multiplied(small, seeds)
    folder = results / record.run_id
    for trial in record.trials:
        source = RUNS / "changed" / "trials" / f"memcg-limit-two-node-{trial.spec.kernel}-s1" / "guest"
        target = folder / "trials" / trial.spec.id / "guest"
        target.mkdir(parents=True)
        for name in ("samples", "series"):
            shutil.copyfile(source / name, target / name)
    (folder / "run.json").write_text(render_run(record))
    return folder


def multiplied(small: RunRecord, seeds: tuple[int, ...]) -> RunRecord:
    """Return the recorded run with more scenarios, topologies and seeds of the same."""
    scenarios = tuple(dataclasses.replace(small.scenarios[0], name=f"memcg-limit-{n}") for n in range(SCENARIOS))
    topologies = tuple(dataclasses.replace(small.topologies[0], name=f"two-node-{n}") for n in range(TOPOLOGIES))
    by_kernel = {trial.spec.kernel: trial for trial in small.trials}
    trials = tuple(
        dataclasses.replace(
            trial,
            spec=dataclasses.replace(trial.spec, scenario=scenario.name, topology=topology.name, seed=seed),
        )
        for scenario in scenarios
        for topology in topologies
        for seed in seeds
        for trial in by_kernel.values()
    )
    changes = tuple(
        dataclasses.replace(
            change,
            scenario=scenario.name,
            topology=topology.name,
            seeds=seeds,
            base=tuple(change.base[k % len(change.base)] for k in range(len(seeds))),
            patched=tuple(change.patched[k % len(change.patched)] for k in range(len(seeds))),
        )
        for scenario in scenarios
        for topology in topologies
        for change in small.verdict.changes
    )
    profile = dataclasses.replace(
        small.plan.profile,
        scenarios=tuple(scenario.name for scenario in scenarios),
        topologies=tuple(topology.name for topology in topologies),
        seeds=seeds,
    )
    plan: Plan = dataclasses.replace(
        small.plan, profile=profile, trials=tuple(trial.spec for trial in trials), topologies=topologies, run_id="large"
    )
    verdict = dataclasses.replace(small.verdict, changes=changes)
    return dataclasses.replace(
        small, run_id="large", plan=plan, scenarios=scenarios, topologies=topologies, trials=trials, verdict=verdict
    )


def measured(*words: str) -> tuple[float, float, float]:
    """Run the command; return wall seconds, seconds of CPU, and peak memory in MB."""
    started = time.monotonic()
    with subprocess.Popen([sys.executable, "-m", "orchestrator", *words], stdout=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"orchestrator {' '.join(words)}: exit status {process.returncode}")
    return time.monotonic() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / 1e6


def timed(work: Callable[[], object]) -> float:
    """Return how many seconds of CPU ``work`` takes."""
    started = time.process_time()
    work()
    return time.process_time() - started


def read_all(folder: Path) -> None:
    """Read what the formats read, and understand no more than JSON of it."""
    json.loads((folder / "run.json").read_bytes())
    for path in folder.glob("trials/*/guest/*"):
        path.read_bytes()


def formats(scratch: Path, trials: int) -> bool:
    """Measure the formats; return whether all of them together keep the limits."""
    folder = large_run(scratch / "results", trials)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6
    reference = timed(lambda: read_all(folder))
    print(f"{trials} trials, {size:.0f} MB; reference (read all, parse JSON): {reference:.2f} s")
    print(f"{'format':10} {'wall s':>6} {'CPU s':>6} {'MB':>6} {'x reference':>12} {'file, MB':>9}")
    for name in (*sorted([*FORMATS, "json"]), "all"):
        out = scratch / "out" / name
        target = out if name == "all" else out / "file"
        wall, seconds, memory = measured("report", str(folder), "-f", name, "-o", str(target))
        written = sum(path.stat().st_size for path in out.rglob("*")) / 1e6
        print(
            f"{name:10} {wall:6.2f} {seconds:6.2f} {memory:6.0f} {seconds / reference:12.1f} {written:9.2f}", flush=True
        )
    return seconds <= ALL_S and memory <= ALL_MB


def index(scratch: Path, runs: int) -> bool:
    """Measure the index; return whether it keeps the limits."""
    results = scratch / "runs"
    for number in range(runs):
        folder = results / f"20261123-{number:06}-run"
        folder.mkdir(parents=True)
        os.link(RUNS / "pass" / "run.json", folder / "run.json") if _same_disk(results) else shutil.copyfile(
            RUNS / "pass" / "run.json", folder / "run.json"
        )
    records = [folder / "run.json" for folder in results.iterdir()]
    reference = timed(lambda: [path.stat() for path in records])

    def look() -> None:
        with RunIndex(results) as found:
            assert len(found.runs(limit=20)) == min(20, runs)

    made, again = timed(look), min(timed(look) for _ in range(3))
    wall, command, memory = measured("history", "--results", str(results))
    _, empty, _ = measured("history", "--results", str(scratch / "nothing"))
    print(f"{runs} runs; reference (stat each record): {reference:.3f} s")
    print(f"index made: {made:.1f} s ({made / runs * 1e3:.2f} ms a run), looked at again: {again:.2f} s "
          f"({again / reference:.1f} x reference); orchestrator history: {wall:.2f} s, {command:.2f} s of CPU, {memory:.0f} MB")  # fmt: skip
    return made <= REBUILD_S and command - empty <= LOOK_S


def _same_disk(folder: Path) -> bool:
    return folder.stat().st_dev == RUNS.stat().st_dev


def main() -> None:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=500)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--only", choices=("formats", "index"))
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        good = [
            each(Path(scratch), number)
            for name, each, number in (("formats", formats, asked.trials), ("index", index, asked.runs))
            if asked.only in {None, name}
        ]
    sys.exit(0 if all(good) else 1)


if __name__ == "__main__":
    main()
