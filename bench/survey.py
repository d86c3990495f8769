"""One kernel through the scenarios.  usage: bench/survey.py [--linux linux-7.2] [--flavour plain] [--patch FILE]
    [--scenario NAME]... [--topology NAME]... [--profile NAME] [--seeds N] [--first-seed N] [--again] [--table FILE]

Runs sealed trials of ONE kernel (base; with --patch: base with that patch on it, as "patched"), without a comparison:
what a kernel without our patch has to pass, which functions of zswap each scenario enters, and how long it takes.
Without --scenario and --profile all scenarios, without --topology and --profile the five of the issue.

Prints a line a trial as it ends, every check that is not a PASS, and at the end the table of functions (Markdown, to
--table FILE as well). Exits 1 when a trial ends in FAIL or ERROR.
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

from orchestrator.config import catalog, locations
from orchestrator.config.lists import mailing_lists
from orchestrator.config.scenarios import scenarios, scenarios_named
from orchestrator.config.waivers import read_waivers
from orchestrator.guest.image import build_guest_image
from orchestrator.host.deadline import Cancellation
from orchestrator.host.resources import Resources, available_memory_mib, usable_cpus
from orchestrator.host.sandbox import find_sandbox
from orchestrator.host.steps import Steps
from orchestrator.host.workspace import cache_root
from orchestrator.intake.reader import read_series
from orchestrator.judge.waivers import apply_waivers
from orchestrator.kernel.build import build_kernel
from orchestrator.kernel.making import Workshop
from orchestrator.kernel.selftests import Selftests
from orchestrator.kernel.toolchain import find_toolchain
from orchestrator.kernels import build_request, selftest_names, selftests_for, symbols_on
from orchestrator.laboratory import probe_specs
from orchestrator.machine.accelerator import qemu_version
from orchestrator.machine.argv import Accelerator
from orchestrator.machine.gate import compiled_gate
from orchestrator.model.kernel import KernelBuild, KernelRole
from orchestrator.model.run import Profile
from orchestrator.model.trial import Status, TrialResult
from orchestrator.plan import check_plan, planned_trials
from orchestrator.store.run_directory import RunDirectory
from orchestrator.store.trial_cache import TrialCache
from orchestrator.tree.prepare import Preparation, prepare_trees
from orchestrator.tree.sources import open_source
from orchestrator.trials import Parts, TrialRunner

TOPOLOGIES = ("one-node", "two-node", "four-node", "memoryless", "cpuless")
SHOWN = 6
"""How many scenarios a row of the table names: those with the most calls."""

EMPTY_PATCH = Path(__file__).with_name("nothing.diff")
"""Only so that there is a series to choose a base for."""


def built(
    arguments: argparse.Namespace, names: Sequence[str], cancellation: Cancellation
) -> tuple[KernelRole, dict[KernelRole, KernelBuild], dict[KernelRole, Selftests]]:
    """Build the kernel under survey (with a patch base as well) and its own tests ``names``, or take them from the cache."""
    steps, cache = Steps(), cache_root()
    series = read_series(arguments.patch or EMPTY_PATCH)
    source = open_source(arguments.linux, cache=cache, steps=steps, cancellation=cancellation)
    preparation = Preparation(lists=mailing_lists())
    trees = prepare_trees(source, series, preparation, steps=steps, cancellation=cancellation)
    sandbox = find_sandbox(cache=cache, cancellation=cancellation)
    workshop = Workshop(repo=source.repo, cache=cache, sandbox=sandbox, toolchain=find_toolchain(), jobs=usable_cpus())
    role = KernelRole.PATCHED if arguments.patch else KernelRole.BASE
    builds = {
        each: build_kernel(
            build_request(each, trees, arguments.flavour), workshop, steps=steps, cancellation=cancellation
        )
        for each in dict.fromkeys([KernelRole.BASE, role])
    }
    return role, builds, {each: selftests_for(each, names, trees, workshop, cancellation) for each in builds}


def wanted(arguments: argparse.Namespace) -> Profile:
    """Return what is to run, as a profile."""
    chosen = catalog.pick(catalog.profiles(), arguments.profile, kind="profile") if arguments.profile else None
    names = arguments.scenario or (chosen.scenarios if chosen else tuple(scenarios()))
    where = arguments.topology or (chosen.topologies if chosen else TOPOLOGIES)
    seeds = tuple(range(arguments.first_seed, arguments.first_seed + arguments.seeds))
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
    """Return which scenarios entered each function of zswap, calls summed over their trials, as Markdown."""
    calls: dict[str, Counter[str]] = {}
    for result in results:
        for function, number in result.calls.items():
            calls.setdefault(function, Counter())[result.spec.scenario] += number
    lines = ["| function | scenarios | calls |", "| --- | --- | --- |"]
    for function, counter in sorted(calls.items()):
        entered = [(name, number) for name, number in counter.most_common() if number]
        cell = ", ".join(f"{name} {number}" for name, number in entered[:SHOWN])
        more = f" and {len(entered) - SHOWN} more" if len(entered) > SHOWN else ""
        lines.append(f"| `{function}` | {len(entered)} | {cell or 'none'}{more} |")
    return "\n".join(lines)


def main() -> int:
    """Run the survey."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--linux", default="linux-7.2")
    parser.add_argument("--flavour", default="plain")
    parser.add_argument("--patch", type=Path)
    parser.add_argument("--scenario", action="append")
    parser.add_argument("--topology", action="append")
    parser.add_argument("--profile")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=usable_cpus())
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--metrics", action="store_true")
    parser.add_argument("--keep", type=Path, help="where the records go, instead of a folder that is removed")
    parser.add_argument("--table", type=Path)
    arguments = parser.parse_args()
    cancellation = Cancellation()
    profile = wanted(arguments)
    known = scenarios_named(profile.scenarios)
    check_plan(profile, scenarios=known, topologies=catalog.topologies())
    role, builds, selftests = built(arguments, selftest_names(tuple(known.values())), cancellation)
    scripts = locations.guest_scripts_folder()
    parts = Parts(
        builds=builds,
        image=build_guest_image(scripts, cache=cache_root(), cancellation=cancellation),
        gate=compiled_gate(cache=cache_root(), cancellation=cancellation),
        probes=probe_specs(scripts),
        architecture=catalog.flavour(arguments.flavour).on(catalog.architecture()),
        scenarios=known,
        topologies=catalog.topologies(),
        qemu=qemu_version(catalog.architecture()),
        accelerator=Accelerator.TCG,
        symbols={each: symbols_on(build) for each, build in builds.items()},
        selftests=selftests,
        again=arguments.again,
    )
    specs = planned_trials(profile, scenarios=known, topologies=catalog.topologies(), sealed=True, kernels=(role,))
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="survey-") as scratch:
        folder = arguments.keep or Path(scratch)
        run = RunDirectory.create(folder, title="survey", now=dt.datetime.now(dt.UTC))
        runner = TrialRunner(parts, run=run, cache=TrialCache(cache_root()), steps=Steps(), cancellation=cancellation)
        resources = Resources(cpus=arguments.jobs, memory_mib=available_memory_mib())
        results = []
        waivers, today = read_waivers(), dt.datetime.now(dt.UTC).date().isoformat()
        for unwaived in runner.run_all(specs, resources):
            result = apply_waivers([unwaived], waivers, today).trials[0]
            show(result, metrics=arguments.metrics)
            results.append(result)
    counts = Counter(result.status for result in results)
    said = ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))
    print(
        f"\n{len(results)} trials of {arguments.linux} ({arguments.flavour}): {said}; {time.monotonic() - begin:.0f} s\n"
    )
    print(table(results))
    if arguments.table:
        arguments.table.write_text(table(results) + "\n")
    return int(counts[Status.FAIL] + counts[Status.ERROR] > 0)


if __name__ == "__main__":
    sys.exit(main())
