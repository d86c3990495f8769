"""What do the probes cost?  usage: bench/tracing.py [--linux linux-7.2 | --kernel VMLINUX] [-n 3]

One sealed trial, memcg-limit on two nodes of base with seed 1, run with each of these in turn, N times:

* none: one probe, on a function that is not called while the trial is under pressure;
* count: the probes of zswap.spec that count calls;
* all: zswap.spec, which every trial has;
* latency: that and zswap-latency.spec, which scenarios may ask for.

For each: wall time of the whole trial; the host's CPU time, which other work beside disturbs less; guest time under
pressure, which is that of the workload's pageout steps (zswap does all its work in them); guest time of the whole trial.
Guest time is sealed, so it is the same in all rounds, and what is spent in probes is part of it; the whole's has steps of a
second, because the trial's script looks once a second whether the workload is done. Ratios are to "none" of the same round.
There is no limit: the figures are there to be stated. Exits 1 when a probe could not be placed, an event was lost, or a
metric that is no probe's differs.
"""

from __future__ import annotations

import argparse
import hashlib
import resource
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from boot import kernel

from orchestrator.config import catalog, locations
from orchestrator.config.scenarios import scenarios
from orchestrator.guest.image import GuestImage, build_guest_image
from orchestrator.guest.payload import SshFiles, keys_payload, trial_payload
from orchestrator.host.deadline import Cancellation
from orchestrator.host.workspace import cache_root, scratch_folder
from orchestrator.machine.argv import Accelerator
from orchestrator.machine.keys import make_keys
from orchestrator.model.kernel import KernelBuild, KernelRole
from orchestrator.model.trial import Status, TrialSpec
from orchestrator.trial.records import json_lines
from orchestrator.trial.request import MEMPRESS, TrialRequest
from orchestrator.trial.runner import run_trial

SPEC = TrialSpec(kernel=KernelRole.BASE, topology="two-node", scenario="memcg-limit", seed=1)
NONE = "count enter.zswap_swapoff zswap_swapoff\n"
REFERENCE = "none"
CHECKS = ("probes", "workload")


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One trial: host seconds of it all, guest seconds of the pageout steps and of it all."""

    wall_s: float
    cpu_s: float
    pressure_s: float
    guest_s: float
    metrics: Mapping[str, float]


def specs() -> Mapping[str, str]:
    """Return what is compared: the probes' specifications by name."""
    folder = locations.guest_scripts_folder() / "src" / "probes"
    all_probes = (folder / "zswap.spec").read_text()
    counts = "".join(line for line in all_probes.splitlines(keepends=True) if line.startswith("count "))
    latency = all_probes + (folder / "zswap-latency.spec").read_text()
    return {REFERENCE: NONE, "count": counts, "all": all_probes, "latency": latency}


def build_of(image: Path) -> KernelBuild:
    """Return ``image`` as a build of which nothing else is known: a trial needs no more of it."""
    return KernelBuild(
        role=KernelRole.BASE,
        key="",
        tree="",
        commit="",
        release="",
        image=image,
        image_sha256=hashlib.sha256(image.read_bytes()).hexdigest(),
        config_sha256="",
        toolchain="",
        warnings=(),
        seconds=0.0,
        cached=True,
        sandboxed=True,
    )


def measure(probes: str, build: KernelBuild, image: GuestImage, folder: Path) -> Measured:
    """Run the trial once with these probes; ends the program when it does not end well."""
    scenario, topology = scenarios()[SPEC.scenario], catalog.topologies()[SPEC.topology]
    keys = make_keys()
    files = SshFiles(authorized_keys=keys.authorized_keys, host_key=keys.host_key_file, entropy=keys.entropy)
    payload = trial_payload(SPEC, scenario, topology, probes=probes.encode())
    request = TrialRequest(
        spec=SPEC,
        key="",
        scenario=scenario,
        topology=topology,
        architecture=catalog.architecture(),
        build=build,
        initrd=image.data + payload + keys_payload(files),
        keys=keys,
        accelerator=Accelerator.TCG,
        folder=folder,
    )
    before = children_cpu_s()
    result = run_trial(request, cancellation=Cancellation()).result
    bad = [check for check in result.checks if check.name in CHECKS and check.status is not Status.PASS]
    if bad or not result.metrics:
        sys.exit(f"the trial is no use: {result.message} {'; '.join(check.message for check in bad)}")
    steps = json_lines((folder / "guest" / MEMPRESS).read_bytes(), what="the workload's record")
    pressure = sum(value for step in steps if step.get("op") == "pageout" and isinstance(value := step.get("ns"), int))
    return Measured(
        wall_s=result.wall_s,
        cpu_s=children_cpu_s() - before,
        pressure_s=pressure / 1e9,
        guest_s=result.guest_s,
        metrics=dict(result.metrics),
    )


def children_cpu_s() -> float:
    """Return the CPU seconds of all children that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def differing(rounds: Sequence[Mapping[str, Measured]]) -> list[str]:
    """Return the metrics that are not the same in all trials in which they are."""
    trials = [measured.metrics for measured_by_name in rounds for measured in measured_by_name.values()]
    names = {name for metrics in trials for name in metrics}
    return sorted(name for name in names if len({metrics[name] for metrics in trials if name in metrics}) > 1)


def show(name: str, what: str, rounds: Sequence[Mapping[str, Measured]]) -> None:
    """Print one quantity of one variant, and its ratio to the reference, each as minimum, median and maximum."""
    values = [getattr(measured[name], what) for measured in rounds]
    ratios = [getattr(measured[name], what) / getattr(measured[REFERENCE], what) for measured in rounds]
    columns = [min(values), statistics.median(values), max(values), min(ratios), statistics.median(ratios), max(ratios)]
    print(f"{name:8} {what:10} " + " ".join(f"{column:7.3f}" for column in columns))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--linux", default="linux-7.2", help="the tree whose kernel is used (default linux-7.2)")
    parser.add_argument("--kernel", type=Path, help="a kernel image that is there already, not --linux")
    parser.add_argument("-n", type=int, default=3, help="rounds (default 3)")
    options = parser.parse_args()
    build = build_of(options.kernel or kernel(options.linux))
    image = build_guest_image(locations.guest_scripts_folder(), cache=cache_root(), cancellation=Cancellation())
    rounds = []
    with scratch_folder("tracing") as scratch:
        for number in range(options.n):
            rounds.append(
                {name: measure(probes, build, image, scratch / f"{name}-{number}") for name, probes in specs().items()}
            )
            print(
                f"round {number + 1}: " + ", ".join(f"{name} {it.wall_s:.2f} s" for name, it in rounds[-1].items()),
                flush=True,
            )
    print(f"{'':19} {'min':>7} {'median':>7} {'max':>7}    and of the ratio")
    for name in specs():
        for what in ("wall_s", "cpu_s", "pressure_s", "guest_s"):
            show(name, what, rounds)
    different = differing(rounds)
    print(f"metrics that tracing changes: {', '.join(different) or 'none'}")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
