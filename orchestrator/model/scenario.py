"""Scenarios: one memory-pressure test each, as data. How one runs is ``guest_scripts/``'s business."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from orchestrator.model.topology import Topology

BEFORE, PRESSED, AFTER, DRAINED = "before", "pressed", "after", "drained"
"""The samples that each trial has: set-up done; pressure over, all still mapped; all read back, freed and settled; swap off."""

SAMPLES = (BEFORE, PRESSED, AFTER, DRAINED)

VERSION = re.compile(r"(\d+)\.(\d+)", re.ASCII)
"""How the release of a kernel (``7.0.0-rc3+``) begins."""

PATHS = (
    "swap-out entry",
    "store",
    "large folio store",
    "load",
    "invalidate",
    "global writeback",
    "memcg limit writeback",
    "dynamic shrinker",
    "writeback disabled",
    "memcg offline",
    "hysteresis",
    "incompressible",
    "compressor switch",
    "NUMA",
    "swapoff",
    "CPU hotplug",
)
"""The paths of zswap that scenarios go through; docs/scenarios.md says which functions each one is made of."""


class Direction(StrEnum):
    """Which way a metric is better; ``NONE`` where a move is neither good nor bad by itself."""

    UP = "up"
    DOWN = "down"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One number of a trial. ``name`` is the kernel's own where it has one; ``per_node`` yields ``name@nodeN``.

    ``source`` says where it is read (:mod:`orchestrator.model.source`). The value is what changed between the samples
    labelled ``start`` and ``end``; with ``at`` it is what stood there in that one. ``smallest`` (in the unit) and
    ``smallest_percent`` are the smallest effect of interest; None is the unit's usual one (``judge/interest.py``).
    """

    name: str
    unit: str
    direction: Direction
    source: str
    what_for: str = ""
    per_node: bool = False
    start: str = BEFORE
    end: str = PRESSED
    at: str = ""
    # Not in the repr, for that is a part of a trial's key: they bear on the judgement, not on what is measured.
    smallest: float | None = field(default=None, repr=False)
    smallest_percent: float | None = field(default=None, repr=False)


class Comparison(StrEnum):
    """The comparisons that a ``must`` line may use."""

    AT_LEAST = ">="
    AT_MOST = "<="
    EQUAL = "=="


@dataclass(frozen=True, slots=True, kw_only=True)
class Must:
    """What has to have happened on every kernel for the trial to count; else the trial is an ERROR of ours.

    ``by_chance``: it takes a race, which a good kernel may win; then what was missed is not covered, and no error.
    """

    metric: str
    comparison: Comparison
    value: float
    says: str
    by_chance: bool = False

    def holds(self, measured: float) -> bool:
        """Whether ``measured`` fulfils it."""
        match self.comparison:
            case Comparison.AT_LEAST:
                return measured >= self.value
            case Comparison.AT_MOST:
                return measured <= self.value
            case Comparison.EQUAL:
                return measured == self.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A further mempress process beside the main one, in a memory cgroup of its own; ``copies`` of it.

    ``{n}`` in ``memcg`` and in ``workload`` becomes 0..copies-1. With ``may_be_killed`` it may end by an out of memory
    kill: the victim is data, not a crash.
    """

    name: str
    memcg: str
    workload: tuple[str, ...]
    copies: int = 1
    may_be_killed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirements:
    """What a scenario needs: kernel symbols (``CONFIG_X``), nodes with memory, CPUs, MiB on the first node.

    ``at_most_cpus`` is None where any number will do; ``since`` is the first kernel version that it is about ("7.0"), ""
    where all are.
    """

    config: tuple[str, ...] = ()
    nodes: int = 1
    cpus: int = 1
    first_node_mib: int = 0
    # Not in the repr, for that is a part of a trial's key: they bear on whether there is one, not on what is measured.
    at_most_cpus: int | None = field(default=None, repr=False)
    since: str = field(default="", repr=False)

    def too_old(self, release: str) -> bool:
        """Whether a kernel of that release came before ``since``; one whose version is not told did not."""
        first, this = VERSION.match(self.since), VERSION.match(release)
        return first is not None and this is not None and _number(this) < _number(first)


def _number(version: re.Match[str]) -> tuple[int, int]:
    return int(version[1]), int(version[2])


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A scenario folder's ``scenario.toml``, read and checked.

    ``knobs`` are shell variables handed to ``run.sh``; ``workload`` are mempress lines before expansion for a topology
    (see :mod:`orchestrator.guest.workload`), run in the first of ``memcgs``; ``folder`` holds ``run.sh``; ``timeout_s``
    is wall time on a slow host. ``enters`` are the kernel's functions that have to be entered, ``excepted`` the
    invariants that do not apply, with the reason. ``selftests`` are programs of the kernel's own that are run.
    """

    name: str
    what_for: str
    folder: Path
    knobs: tuple[tuple[str, str], ...]
    workload: tuple[str, ...]
    metrics: tuple[Metric, ...]
    musts: tuple[Must, ...]
    memcgs: tuple[str, ...]
    memory_mib: int
    timeout_s: float
    paths: tuple[str, ...] = ()
    processes: tuple[Process, ...] = ()
    enters: tuple[str, ...] = ()
    requires: Requirements = Requirements()
    excepted: Mapping[str, str] = field(default_factory=dict)
    selftests: tuple[str, ...] = ()
    tracing: tuple[str, ...] = ()

    def metric_named(self, name: str) -> Metric | None:
        """Return the metric that ``name`` (with or without ``@nodeN``) belongs to."""
        stem = name.partition("@")[0]
        return next((metric for metric in self.metrics if metric.name == stem), None)

    def misfit(self, topology: Topology) -> str:
        """Say why the scenario makes no sense on ``topology``; "" where it does."""
        with_memory = [node.memory_mib for node in topology.nodes if node.memory_mib]
        needs = self.requires
        if self.memory_mib > topology.memory_mib:
            return f"it needs {self.memory_mib} MiB, and there are {topology.memory_mib}"
        if needs.first_node_mib > with_memory[0]:
            return f"it needs {needs.first_node_mib} MiB on the first node, and there are {with_memory[0]}"
        if needs.nodes > len(with_memory):
            return f"it needs {needs.nodes} nodes with memory, and there are {len(with_memory)}"
        if needs.cpus > topology.cpus:
            return f"it needs {needs.cpus} CPUs, and there are {topology.cpus}"
        if needs.at_most_cpus is not None and needs.at_most_cpus < topology.cpus:
            return f"it is for at most {needs.at_most_cpus} CPUs, and there are {topology.cpus}"
        return ""
