"""One kernel through the scenarios.  usage: bench/survey.py [--linux linux-7.2] [--flavour plain] [--patch FILE]
    [--scenario NAME]... [--topology NAME]... [--profile NAME] [--seeds N] [--first-seed N] [--again] [--limit S]
    [--table FILE]

Runs sealed trials of ONE kernel (base; with --patch: base with that patch on it, as "patched"), without a comparison:
what a kernel without our patch has to pass, which functions of zswap each scenario enters, and how long it takes.
Without --scenario and --profile all scenarios, without --topology and --profile the full profile's five.

Prints a line a trial as it ends, every check that is not a PASS, and at the end which functions each scenario entered
(Markdown, to --table FILE as well). Exits 1 when a trial ends in FAIL or ERROR, when all scenarios together leave out a
function that is there to be probed, and when the trials take longer than --limit.
"""

from __future__ import annotations

import argparse
import datetime as dt
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from orchestrator.config import catalog
from orchestrator.config.scenarios import scenarios
from orchestrator.config.waivers import read_waivers
from orchestrator.host.deadline import Cancellation
from orchestrator.host.resources import Resources, available_memory_mib, usable_cpus
from orchestrator.host.steps import Steps
from orchestrator.intake.reader import Wanted
from orchestrator.judge.waivers import apply_waivers
from orchestrator.laboratory import Laboratory
from orchestrator.model.kernel import KernelRole
from orchestrator.model.run import Profile
from orchestrator.model.trial import Status, TrialResult
from orchestrator.pipeline import TestRequest, start_run
from orchestrator.plan import planned_trials

TOPOLOGIES = ("one-node", "two-node", "four-node", "memoryless", "cpuless")
PRESENT = frozenset(
    {
        "zswap_store", "zswap_load", "zswap_invalidate", "zswap_swapon", "zswap_swapoff", "zswap_total_pages",
        "zswap_folio_swapin", "zswap_memcg_offline_cleanup", "shrink_memcg", "shrink_memcg_cb", "shrink_worker",
        "zswap_shrinker_scan", "zswap_shrinker_count", "zswap_entry_free", "zswap_decompress", "__zswap_pool_release",
        "__zswap_pool_empty", "zswap_pool_create", "list_lru_walk_one",
    }
)  # fmt: skip
"""What gcc leaves of mm/zswap.c as functions at -Os and at -O2, and the walk of its lists: all of it has to be entered."""

EMPTY_PATCH = Path(__file__).with_name("nothing.diff")
"""Only so that there is a series to choose a base for."""


def opened(arguments: argparse.Namespace, profile: Profile, results: Path) -> Laboratory:
    """Plan a run of the kernel under survey whose records go to a new folder in ``results``."""
    request = TestRequest(
        wanted=Wanted(inputs=(str(arguments.patch or EMPTY_PATCH),)),
        linux=arguments.linux,
        base_rev=None,
        profile=profile,
        sealed=True,
        sandbox=True,
        accelerator="auto",
        again=arguments.again,
        results=results,
        flavour=arguments.flavour,
    )
    run = start_run(request, steps=Steps(), now=lambda: dt.datetime.now(dt.UTC))
    return Laboratory(run, steps=Steps(), cancellation=Cancellation())


def wanted(arguments: argparse.Namespace) -> Profile:
    """Return what is to run, as a profile."""
    chosen = catalog.pick(catalog.profiles(), arguments.profile, kind="profile") if arguments.profile else None
    names = arguments.scenario or (chosen.scenarios if chosen else tuple(scenarios()))
    where = arguments.topology or (chosen.topologies if chosen else TOPOLOGIES)
    count = arguments.seeds or (len(chosen.seeds) if chosen else 1)
    seeds = tuple(range(arguments.first_seed, arguments.first_seed + count))
    only = chosen.only if chosen and not arguments.scenario and not arguments.topology else ()
    return Profile(name="survey", what_for="", scenarios=tuple(names), topologies=tuple(where), seeds=seeds, only=only)


def show(result: TrialResult, *, metrics: bool) -> None:
    """Print a trial's line, and what is wrong with it."""
    cached = ", cached" if result.cached else ""
    print(f"{result.status:5} {result.spec.id}  {result.wall_s:.1f} s wall, {result.guest_s:.1f} s guest{cached}")
    for check in result.checks:
        if check.status is not Status.PASS:
            print(f"      {check.status} {check.name}: {check.message}")
    if metrics:
        for name, value in result.metrics.items():
            print(f"      {name} = {value:g}")
    sys.stdout.flush()


def table(results: Sequence[TrialResult]) -> str:
    """Return which functions of zswap each scenario entered, calls summed over its trials, as Markdown.

    What all of them enter is said once, above.
    """
    calls: dict[str, Counter[str]] = {}
    for result in results:
        calls.setdefault(result.spec.scenario, Counter()).update(result.calls)
    entered = [{function for function, number in each.items() if number} for each in calls.values()]
    # Those that were skipped say nothing.
    told = [functions for functions in entered if functions]
    everywhere = set.intersection(*told) if told else set[str]()
    lines = [
        f"All enter {', '.join(f'`{function}`' for function in sorted(everywhere)) or 'nothing'}.",
        "",
        "| scenario | functions beside these, with their calls |",
        "| --- | --- |",
    ]
    for name, counter in sorted(calls.items()):
        own = [
            f"{function} {number}"
            for function, number in counter.most_common()
            if function not in everywhere and number
        ]
        lines.append(f"| {name} | {', '.join(own) or ('-' if counter.total() else 'not run')} |")
    return "\n".join(lines)


def never_entered(results: Sequence[TrialResult]) -> list[str]:
    """Return the functions that are there to be probed, in this kernel too, and that no trial entered."""
    calls: Counter[str] = Counter()
    for result in results:
        calls.update(result.calls)
    return sorted(function for function in PRESENT & calls.keys() if not calls[function])


def main() -> int:
    """Run the survey."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--linux", default="linux-7.2")
    parser.add_argument("--flavour", default="plain")
    parser.add_argument("--patch", type=Path)
    parser.add_argument("--scenario", action="append")
    parser.add_argument("--topology", action="append")
    parser.add_argument("--profile")
    parser.add_argument("--seeds", type=int, default=0, help="how many; 0: the profile's, or one")
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=usable_cpus())
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--metrics", action="store_true")
    parser.add_argument("--keep", type=Path, help="where the records go, instead of a folder that is removed")
    parser.add_argument("--limit", type=float, default=0.0, help="seconds that the trials may take; 0: any")
    parser.add_argument("--table", type=Path)
    arguments = parser.parse_args()
    profile = wanted(arguments)
    role = KernelRole.PATCHED if arguments.patch else KernelRole.BASE
    waivers = [waiver for waiver in read_waivers() if waiver.is_about(arguments.flavour)]
    today = dt.datetime.now(dt.UTC).date().isoformat()
    results = []
    with tempfile.TemporaryDirectory(prefix="survey-") as scratch:
        laboratory = opened(arguments, profile, arguments.keep or Path(scratch))
        runner = laboratory.runner(laboratory.kernels(laboratory.trees, compared=False))
        specs = planned_trials(
            profile,
            scenarios=laboratory.scenarios,
            topologies=laboratory.topologies,
            sealed=True,
            kernels=(role,),
        )
        begin = time.monotonic()
        for unwaived in runner.run_all(specs, Resources(cpus=arguments.jobs, memory_mib=available_memory_mib())):
            result = apply_waivers([unwaived], waivers, today).trials[0]
            show(result, metrics=arguments.metrics)
            results.append(result)
        seconds = time.monotonic() - begin
    counts = Counter(result.status for result in results)
    said = ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))
    print(f"\n{len(results)} trials of {arguments.linux} ({arguments.flavour}): {said}; {seconds:.0f} s\n")
    print(table(results))
    if arguments.table:
        arguments.table.write_text(table(results) + "\n")
    narrowed = arguments.scenario or arguments.topology or arguments.profile or arguments.patch
    missed = [] if narrowed else never_entered(results)
    if missed:
        print(f"never entered: {', '.join(missed)}")
    late = bool(arguments.limit) and seconds > arguments.limit
    return int(counts[Status.FAIL] + counts[Status.ERROR] > 0 or bool(missed) or late)


if __name__ == "__main__":
    sys.exit(main())
