"""A trial's metrics from its records. Pure.

A metric is what changed from the sample ``before`` (set-up done, nothing pressed yet) to the sample ``pressed`` (the
workload's last step done, everything settled, everything still mapped). What the kernel does not have is not there:
an absent counter gives no metric, never 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from orchestrator.model.samples import Probes, Sample
from orchestrator.model.scenario import Metric, Scenario

VMSTAT = "/proc/vmstat"
DEBUGFS = "/sys/kernel/debug/zswap/"
CGROUP = "/sys/fs/cgroup/"


def measured_metrics(
    scenario: Scenario, *, before: Sample, pressed: Sample, probes: Probes, nodes: int
) -> dict[str, float]:
    """Return the scenario's metrics by name; per-node ones as ``name@nodeN`` for each of the ``nodes`` nodes."""
    out: dict[str, float] = {}
    for metric in scenario.metrics:
        if metric.source.startswith("probe:"):
            found = _from_probe(metric, probes)
            out |= {} if found is None else _on_every_node(found, metric, nodes)
        elif (value := _from_counters(metric.source, scenario, before, pressed)) is not None:
            out[metric.name] = value
    return out


def _on_every_node(found: dict[str, float], metric: Metric, nodes: int) -> dict[str, float]:
    """Give every node its number: a probe that worked and never fired there has seen 0."""
    if not metric.per_node:
        return found
    return {f"{metric.name}@node{node}": found.get(f"{metric.name}@node{node}", 0.0) for node in range(nodes)}


def _from_counters(source: str, scenario: Scenario, before: Sample, pressed: Sample) -> float | None:
    kind, _, rest = source.partition(":")
    if kind == "derived":
        left, right = rest.split("-")
        first = _from_counters(left, scenario, before, pressed)
        second = _from_counters(right, scenario, before, pressed)
        return None if first is None or second is None else first - second
    start, end = _counter(kind, rest, scenario, before), _counter(kind, rest, scenario, pressed)
    return None if start is None or end is None else float(end - start)


def _counter(kind: str, key: str, scenario: Scenario, sample: Sample) -> int | None:
    match kind:
        case "vmstat":
            return sample.keyed(VMSTAT).get(key)
        case "debugfs":
            return sample.number(DEBUGFS + key)
        case "memcg":
            return sample.keyed(f"{CGROUP}{scenario.memcgs[0]}/memory.stat").get(key)
    raise ValueError(f"unknown kind of source '{kind}'")


def _from_probe(metric: Metric, probes: Probes) -> dict[str, float] | None:
    """Return a probe's metric; None when a probe it needs could not be placed or events were lost ("no data")."""
    name = metric.source.removeprefix("probe:")
    needed, value = READERS[name]
    if probes.lost or any(probes.placed.get(probe) != "ok" for probe in needed):
        return None
    return {metric.name + suffix: number for suffix, number in value(probes).items()}


def _shrink_memcg_calls(probes: Probes) -> dict[str, float]:
    return {"": float(sum(total.calls for total in probes.totals if total.probe == SHRINK_MEMCG))}


def _walked(probes: Probes) -> dict[str, float]:
    """Pages looked at: what was asked for at entry, less what was left at return."""
    asked, left = _per_node(probes, WALK_ENTRY, "ask"), _per_node(probes, WALK_RETURN, "left")
    return {node: asked[node] - left.get(node, 0.0) for node in asked}


def _written(probes: Probes) -> dict[str, float]:
    return _per_node(probes, WALK_RETURN, "written")


def _per_node(probes: Probes, probe: str, field: str) -> dict[str, float]:
    out: dict[str, float] = {}
    for total in probes.totals:
        if total.probe == probe and "nid" in total.group:
            node = f"@node{total.group['nid']}"
            out[node] = out.get(node, 0.0) + total.sums.get(field, 0)
    return out


SHRINK_MEMCG, WALK_ENTRY, WALK_RETURN = "shrink_memcg", "walk_entry", "walk_return"
"""The probes of ``guest_scripts/src/probes/zswap.spec``."""

READERS: Mapping[str, tuple[tuple[str, ...], Callable[[Probes], dict[str, float]]]] = {
    "shrink_memcg.calls": ((SHRINK_MEMCG,), _shrink_memcg_calls),
    "list_lru_walk_one.walked": ((WALK_ENTRY, WALK_RETURN), _walked),
    "list_lru_walk_one.written": ((WALK_RETURN,), _written),
}
"""What a metric with the source ``probe:NAME`` needs and how it is read; per-node ones give ``@nodeN`` suffixes."""
