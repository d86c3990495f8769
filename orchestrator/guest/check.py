"""Workloads tried before anything boots: mempress itself reads them, and what they map is held against the guest.

The tools are static programs for the guest's architecture, which is the host's, so that they run here as well.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import UserError
from orchestrator.guest.tools import compiled_tools
from orchestrator.guest.workload import MAIN, Job, jobs_of
from orchestrator.host import process, workspace
from orchestrator.host.deadline import Cancellation, Deadline
from orchestrator.model.scenario import Scenario
from orchestrator.model.topology import Topology

CHECK_TIMEOUT_S = 30.0
RESERVED_MIB = 96
"""What a guest needs beside the workload: kernel, memory map, initramfs, the null_blk device's pages at the start."""

PLACE = re.compile(r".*?:(\d+): (.*)", re.DOTALL)
"""How mempress names a mistake: ``FILE:LINE: what``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadMistake:
    """A workload that cannot run: ``key`` and ``line`` are the place in scenario.toml (``workload`` and an index)."""

    key: tuple[str | int, ...]
    says: str


def check_workloads(
    scenario: Scenario, topology: Topology, *, scripts: Path, cache: Path, cancellation: Cancellation
) -> tuple[WorkloadMistake, ...]:
    """Return what is wrong with the scenario's workloads on ``topology``: nothing, where they can run."""
    mempress = compiled_tools(scripts / "src", cache=cache, cancellation=cancellation)["mempress"]
    try:
        jobs = jobs_of(scenario, topology)
    except UserError as error:
        return (WorkloadMistake(key=("workload",), says=f"{error.message} ({error.hint})"),)
    with workspace.scratch_folder("orchestrator-workload") as scratch:
        program = scratch / "mempress"
        program.write_bytes(mempress)
        program.chmod(0o700)
        return tuple(_mistakes(scenario, topology, jobs, program, cancellation))


def _mistakes(
    scenario: Scenario, topology: Topology, jobs: tuple[Job, ...], program: Path, cancellation: Cancellation
) -> Iterator[WorkloadMistake]:
    total = 0
    for job in jobs:
        workload = program.parent / "workload"
        workload.write_text(job.text)
        deadline = Deadline(CHECK_TIMEOUT_S, what="checking a workload", cancellation=cancellation)
        done = process.run([program, "--check", workload], deadline=deadline)
        if done.ok:
            said = json.loads(done.stdout)
            total += said["bytes"]
            yield from _impossible_nodes(scenario, topology, job, said["nodes"])
        else:
            yield _refused(scenario, job, done.stderr.strip())
    there = (topology.memory_mib - RESERVED_MIB) << 20
    if total > there:
        says = f"the workloads map {total >> 20} MiB, and {topology.name} has {there >> 20} MiB to give"
        yield WorkloadMistake(key=("workload",), says=says)


def _refused(scenario: Scenario, job: Job, said: str) -> WorkloadMistake:
    match = PLACE.fullmatch(said)
    key = _key_of(scenario, job)
    if match is None:
        return WorkloadMistake(key=key, says=said)
    line = int(match[1]) - 1
    origin = job.origins[line] if 0 <= line < len(job.origins) else 0
    return WorkloadMistake(key=(*key, origin), says=match[2])


def _impossible_nodes(scenario: Scenario, topology: Topology, job: Job, nodes: list[int]) -> Iterator[WorkloadMistake]:
    for node in nodes:
        if node >= len(topology.nodes) or not topology.nodes[node].memory_mib:
            says = (
                f"node {node} has no memory on {topology.name}"
                if node < len(topology.nodes)
                else (f"there is no node {node} on {topology.name}")
            )
            yield WorkloadMistake(key=_key_of(scenario, job), says=says)


def _key_of(scenario: Scenario, job: Job) -> tuple[str | int, ...]:
    if job.name == MAIN:
        return ("workload",)
    stem = job.name.rpartition(".")[0] or job.name
    names = [process.name for process in scenario.processes]
    return ("process", names.index(stem if stem in names else job.name), "workload")
