"""Workloads tried before anything boots: mempress itself reads them, and what they map is held against the guest.

The tools are static programs for the guest's architecture, which is the host's, so that they run here as well.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.guest.placement import Placed, Stage, most_within, stages_of, within
from orchestrator.guest.tools import compiled_tools
from orchestrator.guest.workload import Job, Key, UnknownPlaceholder, jobs_of
from orchestrator.host import process, workspace
from orchestrator.host.deadline import Cancellation, Deadline
from orchestrator.model.scenario import Scenario
from orchestrator.model.topology import Topology

CHECK_TIMEOUT_S = 30.0
RESERVED_MIB = 96
"""What a guest needs beside the workload: kernel, memory map, initramfs, the null_blk device's pages at the start."""

NODE_RESERVED_MIB = 32
"""What of a node is not for what has to lie on it: about so much the kernel takes of the first; elsewhere reclaim has to
begin before a task that may allocate nowhere else is killed."""

PLACE = re.compile(r".*?:(\d+): (.*)", re.DOTALL)
"""How mempress names a mistake: ``FILE:LINE: what``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadMistake:
    """A workload that cannot run: ``key`` is the place in scenario.toml (``workload`` and an index)."""

    key: Key
    says: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Checked:
    """A job that mempress accepts: the most bytes that it maps at a time, and what lies where meanwhile."""

    job: Job
    size: int
    stages: tuple[Stage, ...]


def check_workloads(
    scenario: Scenario, topology: Topology, *, scripts: Path, cache: Path, cancellation: Cancellation
) -> tuple[WorkloadMistake, ...]:
    """Return what is wrong with the scenario's workloads on ``topology``: nothing, where they can run."""
    mempress = compiled_tools(scripts / "src", cache=cache, cancellation=cancellation)["mempress"]
    try:
        jobs = jobs_of(scenario, topology)
    except UnknownPlaceholder as error:
        return (WorkloadMistake(key=error.key, says=f"{error.message} ({error.hint})"),)
    with workspace.scratch_folder("orchestrator-workload") as scratch:
        program = scratch / "mempress"
        program.write_bytes(mempress)
        program.chmod(0o700)
        # Copies of a process have the same lines, and the same mistakes.
        return tuple(dict.fromkeys(_mistakes(topology, jobs, program, cancellation)))


def _mistakes(
    topology: Topology, jobs: Sequence[Job], program: Path, cancellation: Cancellation
) -> Iterator[WorkloadMistake]:
    read = [_read(job, program, cancellation) for job in jobs]
    refused = [each for each in read if isinstance(each, WorkloadMistake)]
    accepted = [each for each in read if isinstance(each, _Checked)]
    impossible = [mistake for each in accepted for mistake in _impossible_nodes(topology, each)]
    # What does not fit is asked of workloads that can be mapped at all; a node that is too small says more than the total.
    wrong = [*refused, *impossible]
    yield from wrong or [*_too_much_on_nodes(topology, accepted)] or _too_much(topology, accepted)


def _read(job: Job, program: Path, cancellation: Cancellation) -> _Checked | WorkloadMistake:
    workload = program.parent / "workload"
    workload.write_text(job.text)
    deadline = Deadline(CHECK_TIMEOUT_S, what="checking a workload", cancellation=cancellation)
    done = process.run([program, "--check", workload], deadline=deadline)
    if not done.ok:
        return _refused(job, done.stderr.strip())
    return _Checked(job=job, size=json.loads(done.stdout)["bytes"], stages=stages_of(job.text))


def _refused(job: Job, said: str) -> WorkloadMistake:
    match = PLACE.fullmatch(said)
    if match is None:
        return WorkloadMistake(key=job.key, says=said)
    return WorkloadMistake(key=job.key_of(int(match[1])), says=match[2])


def _impossible_nodes(topology: Topology, checked: _Checked) -> Iterator[WorkloadMistake]:
    """Yield, once a line, the nodes that there are not, or that have no memory."""
    for placed in sorted({placed for stage in checked.stages for placed in stage}, key=lambda placed: placed.line):
        for node in sorted(placed.nodes - set(topology.with_memory)):
            says = (
                f"node {node} has no memory on {topology.name}"
                if node < len(topology.nodes)
                else f"there is no node {node} on {topology.name}"
            )
            yield WorkloadMistake(key=checked.job.key_of(placed.line), says=says)


def _too_much_on_nodes(topology: Topology, accepted: Sequence[_Checked]) -> Iterator[WorkloadMistake]:
    """Yield the sets of nodes that hold less than what all processes put there, the smallest of them alone."""
    named = {placed.nodes for each in accepted for stage in each.stages for placed in stage if placed.nodes}
    full: list[frozenset[int]] = []
    for nodes in sorted(named, key=lambda nodes: (len(nodes), sorted(nodes))):
        there = sum(max(0, topology.nodes[node].memory_mib - NODE_RESERVED_MIB) for node in nodes) << 20
        size = sum(most_within(each.stages, nodes) for each in accepted)
        if size > there and not any(smaller < nodes for smaller in full):
            full.append(nodes)
            where = f"{'node' if len(nodes) == 1 else 'nodes'} {', '.join(str(node) for node in sorted(nodes))}"
            verb = "has" if len(nodes) == 1 else "have"
            says = f"the workloads put {size >> 20} MiB on {where}, which {verb} {there >> 20} MiB to give on {topology.name}"
            yield WorkloadMistake(key=_largest(accepted, nodes), says=says)


def _too_much(topology: Topology, accepted: Sequence[_Checked]) -> Iterator[WorkloadMistake]:
    size = sum(each.size for each in accepted)
    there = (topology.memory_mib - RESERVED_MIB) << 20
    if size > there:
        says = f"the workloads map {size >> 20} MiB, and {topology.name} has {there >> 20} MiB to give"
        yield WorkloadMistake(key=_largest(accepted), says=says)


def _largest(accepted: Sequence[_Checked], nodes: frozenset[int] | None = None) -> Key:
    """Return the line that maps the most (that can lie on ``nodes`` alone): what would have to become smaller."""

    def regions(stage: Stage) -> Iterator[Placed]:
        return iter(stage) if nodes is None else within(stage, nodes)

    found = [(placed, each.job) for each in accepted for stage in each.stages for placed in regions(stage)]
    placed, job = max(found, key=lambda pair: pair[0].size)
    return job.key_of(placed.line)
