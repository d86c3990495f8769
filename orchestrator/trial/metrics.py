"""A trial's metrics from its records. Pure.

A metric is what changed from one sample to another: unless it says otherwise from ``before`` (set-up done, nothing pressed
yet) to ``pressed`` (the workload's last step done, everything settled, everything still mapped). What the kernel does
not have is not there: an absent counter gives no metric, never 0.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from orchestrator.model.samples import Measured, Probes, Sample
from orchestrator.model.scenario import Metric, Scenario
from orchestrator.model.source import PER_NODE, Source, sources_of
from orchestrator.trial import probe_metrics

VMSTAT = "/proc/vmstat"
ZONEINFO = "/proc/zoneinfo"
DEBUGFS = "/sys/kernel/debug/zswap/"
CGROUP = "/sys/fs/cgroup/"
HUGEPAGES = "/sys/kernel/mm/transparent_hugepage/"
NODE = "/sys/devices/system/node/"
ZONE = re.compile(r"Node (\d+), zone", re.ASCII)

NS_A_MS = 1_000_000

Values = dict[str, float]
"""A metric's values by what its name ends with: "" for the whole machine, ``@nodeN`` for a node."""

_OF_SAMPLES = frozenset({"vmstat", "debugfs", "memcg", "file", "thp", "node", "zone"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What metrics are computed from: the samples, the probes, the workload's own records, and the number of nodes."""

    measured: Measured
    probes: Probes
    workload: Sequence[Mapping[str, object]]
    nodes: int


def measured_metrics(scenario: Scenario, evidence: Evidence) -> dict[str, float]:
    """Return the scenario's metrics by name; per-node ones as ``name@nodeN`` for each of the nodes."""
    out: dict[str, float] = {}
    for metric in scenario.metrics:
        if (found := _values(metric, scenario, evidence)) is not None:
            out |= {metric.name + suffix: number for suffix, number in found.items()}
    return out


def _values(metric: Metric, scenario: Scenario, evidence: Evidence) -> Values | None:
    parts = [_of_source(source, metric, scenario, evidence) for source in sources_of(metric.source)]
    found = [part for part in parts if part is not None]
    if len(found) < len(parts):
        return None
    values = found[0]
    for other in found[1:]:
        values = {name: value - other[name] for name, value in values.items() if name in other}
    return values


def _of_source(source: Source, metric: Metric, scenario: Scenario, evidence: Evidence) -> Values | None:
    match source.kind:
        case "probe":
            found = probe_metrics.reading(source.key, evidence.probes)
            return None if found is None else _on_every_node(found, metric, evidence.nodes)
        case "latency":
            return _whole(probe_metrics.latency(evidence.probes, source.key, source.what))
        case "calls":
            return _whole(_calls(source.key, metric, evidence))
        case "mempress":
            return _whole(_of_workload(source, evidence.workload))
        case kind if kind in _OF_SAMPLES:
            return _between(source, metric, scenario, evidence)
    raise ValueError(f"unknown kind of source '{source.kind}'")


def _whole(value: float | None) -> Values | None:
    return None if value is None else {"": float(value)}


def _on_every_node(found: Values, metric: Metric, nodes: int) -> Values:
    """Give every node its number: a probe that worked and never fired there has seen 0."""
    if not metric.per_node:
        return found
    return {f"@node{node}": found.get(f"@node{node}", 0.0) for node in range(nodes)}


def _calls(function: str, metric: Metric, evidence: Evidence) -> float | None:
    """Return the calls between the metric's samples; None where the function could not be probed."""
    counts = evidence.measured.counts
    end = counts.get(metric.at or metric.end, {}).get(function)
    start = 0 if metric.at else counts.get(metric.start, {}).get(function)
    return None if end is None or start is None else float(end - start)


def _of_workload(source: Source, lines: Sequence[Mapping[str, object]]) -> float | None:
    """Sum a field over the workload's steps of one kind (and on one region); ``ms`` is the field ``ns`` in milliseconds."""
    field, divisor = ("ns", NS_A_MS) if source.what == "ms" else (source.what, 1)
    values = [
        value
        for line in lines
        if line.get("op") == source.key and (not source.where or line.get("region") == source.where)
        if isinstance(value := line.get(field), int) and not isinstance(value, bool)
    ]
    return sum(values) / divisor if values else None


def _between(source: Source, metric: Metric, scenario: Scenario, evidence: Evidence) -> Values | None:
    samples = {sample.label: sample for sample in evidence.measured.samples}
    end = _at(source, scenario, samples.get(metric.at or metric.end), evidence.nodes)
    if metric.at:
        return end
    start = _at(source, scenario, samples.get(metric.start), evidence.nodes)
    if start is None or end is None:
        return None
    return {name: end[name] - start[name] for name in end if name in start}


def _at(source: Source, scenario: Scenario, sample: Sample | None, nodes: int) -> Values | None:
    if sample is None:
        return None
    if source.kind in PER_NODE:
        values = {f"@node{node}": _on_node(source, sample, node) for node in range(nodes)}
        there = {name: float(value) for name, value in values.items() if value is not None}
        return there or None
    return _whole(_counter(source, scenario, sample))


def _counter(source: Source, scenario: Scenario, sample: Sample) -> float | None:
    match source.kind:
        case "vmstat":
            return sample.keyed(VMSTAT).get(source.key)
        case "debugfs":
            return sample.number(DEBUGFS + source.key)
        case "file":
            return sample.number(source.key)
        case "thp":
            return sample.number(f"{HUGEPAGES}hugepages-{source.where}/stats/{source.key}")
    return _of_memcgs(source, scenario, sample)


def _of_memcgs(source: Source, scenario: Scenario, sample: Sample) -> float | None:
    pattern = source.where or scenario.memcgs[0]
    names = [name for name in scenario.memcgs if fnmatch.fnmatchcase(name, pattern)]
    values = [value for name in names if (value := _of_memcg(name, source.key, sample)) is not None]
    if not values or len(values) < len(names):
        return None
    match source.what:
        case "min":
            return min(values)
        case "max":
            return max(values)
    return sum(values)


def _of_memcg(name: str, key: str, sample: Sample) -> int | None:
    """Return a line of memory.stat, or a file of its own that holds one number."""
    found = sample.keyed(f"{CGROUP}{name}/memory.stat").get(key)
    return sample.number(f"{CGROUP}{name}/{key}") if found is None else found


def _on_node(source: Source, sample: Sample, node: int) -> int | None:
    if source.kind == "node":
        return sample.keyed(f"{NODE}node{node}/vmstat").get(source.key)
    return _in_zones(sample.files.get(ZONEINFO, ""), source.key, node)


def _in_zones(text: str, key: str, node: int) -> int | None:
    """Return the sum of a counter over a node's zones (mm/vmstat.c, zoneinfo_show_print)."""
    values = []
    current = -1
    for line in text.splitlines():
        if match := ZONE.match(line):
            current = int(match[1])
        words = line.split()
        if current == node and len(words) == 2 and words[0] == key and words[1].isdecimal():
            values.append(int(words[1]))
    return sum(values) if values else None
