"""What in a ``scenario.toml`` stands for nothing, though each key by itself may be what it is: one against the other, and run.sh."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Collection, Iterator, Mapping, Sequence

from orchestrator.config.scenario_script import Script
from orchestrator.config.scenario_tables import MetricTable, ProcessTable, ScenarioFile
from orchestrator.config.toml_files import Mistake
from orchestrator.model.invariant import INVARIANTS
from orchestrator.model.scenario import PATHS, SAMPLES, Metric
from orchestrator.model.source import sources_of

KNOB = re.compile(r"(?!TRIAL_)[A-Z][A-Z0-9_]*")
MEMCG = re.compile(r"[a-z0-9_.-]+(/[a-z0-9_.-]+)*")
NODE = re.compile(r"node(\d+)", re.ASCII)
LATENCY = "latency"
TRACING = (LATENCY,)
"""What a scenario may have traced beyond what every trial has."""


Place = tuple[str | int, ...]
"""The way to a key of scenario.toml."""


def mistakes_in(table: ScenarioFile, shared: Mapping[str, Metric], script: Script) -> Iterator[Mistake]:
    """Yield what stands for nothing: names, metrics that nothing can give a value, hooks that ``script`` does not have."""
    yield from _name_mistakes(table, shared)
    yield from _metric_mistakes(table, shared, script)
    yield from _must_mistakes(table, shared)
    yield from _step_mistakes(table, script)


def _name_mistakes(table: ScenarioFile, shared: Mapping[str, Metric]) -> Iterator[Mistake]:
    """Yield the names that nothing bears (knobs, memory cgroups, paths, invariants), and the doubled ones."""
    names = [*table.metrics, *(metric.name for metric in table.metric)]
    yield from _unknown("metrics", table.metrics, shared, "shared metric")
    yield from _unknown("paths", table.paths, PATHS, "path of zswap")
    yield from _unknown("tracing", table.tracing, TRACING, "kind of tracing")
    for name in _doubled(names):
        yield Mistake(where=("metric",), says=f"'{name}' stands twice")
    for name in _doubled([each.name for each in table.process]):
        yield Mistake(where=("process",), says=f"'{name}' stands twice")
    for knob in table.knobs:
        if not KNOB.fullmatch(knob):
            yield Mistake(where=("knobs", knob), says=f"'{knob}' is not a name like MAX_POOL_PERCENT")
    for index, name in enumerate(table.memcgs):
        if not MEMCG.fullmatch(name):
            yield Mistake(where=("memcgs", index), says=f"'{name}' is no path of lower-case names")
    for index, process in enumerate(table.process):
        for name in _copies(process):
            if name not in table.memcgs:
                yield Mistake(where=("process", index, "memcg"), says=f"'{name}' is not among memcgs")
    for name in table.invariants.excepted:
        if name not in INVARIANTS:
            known = ", ".join(INVARIANTS)
            yield Mistake(where=("invariants", "except", name), says=f"there is no '{name}' (known: {known})")
    if not (table.must or table.enters or table.selftests):
        yield Mistake(where=(), says="neither must nor enters says what has to have happened")


def _metrics_of(table: ScenarioFile, shared: Mapping[str, Metric]) -> Iterator[tuple[Place, str, Metric | MetricTable]]:
    """Yield the metrics, each with its place and its name; those that are shared first."""
    for index, name in enumerate(table.metrics):
        if name in shared:
            yield ("metrics", index), name, shared[name]
    for index, metric in enumerate(table.metric):
        yield ("metric", index), metric.name, metric


def _metric_mistakes(table: ScenarioFile, shared: Mapping[str, Metric], script: Script) -> Iterator[Mistake]:
    """Yield where a metric is looked for, and is not."""
    for place, _, metric in _metrics_of(table, shared):
        # A shared one has its keys in another file.
        own = isinstance(metric, MetricTable)
        for says in _source_mistakes(metric.source, table):
            yield Mistake(where=(*place, "source") if own else place, says=says)
        for key, label in (("from", metric.start), ("to", metric.end), ("at", metric.at)):
            if label and script.samples is not None and label not in {*SAMPLES, *script.samples}:
                known = ", ".join([*SAMPLES, *sorted(script.samples)])
                says = f"there is no sample '{label}' (known: {known})"
                yield Mistake(where=(*place, key) if own else place, says=says)


def _source_mistakes(text: str, table: ScenarioFile) -> Iterator[str]:
    for source in sources_of(text):
        if source.kind == "memcg" and source.where and not fnmatch.filter(table.memcgs, source.where):
            yield f"'{source.where}' is not among memcgs"
        if source.kind == LATENCY and LATENCY not in table.tracing:
            yield f"'{LATENCY}:' is measured only with tracing = [\"{LATENCY}\"]"


def _must_mistakes(table: ScenarioFile, shared: Mapping[str, Metric]) -> Iterator[Mistake]:
    """Yield the musts whose metric is not measured under that name."""
    metrics = {name: metric for _, name, metric in _metrics_of(table, shared)}
    for index, must in enumerate(table.must):
        stem, _, node = must.metric.partition("@")
        metric = metrics.get(stem)
        if metric is None and stem not in table.metrics:
            yield Mistake(where=("must", index, "metric"), says=f"there is no metric '{must.metric}'")
        if metric is not None and (says := _node_mistake(metric, stem, node, nodes=table.requires.nodes)):
            yield Mistake(where=("must", index, "metric"), says=says)


def _node_mistake(metric: Metric | MetricTable, name: str, node: str, *, nodes: int) -> str:
    """Say why ``metric`` has no value for ``node`` ("": none is named) on each topology with so many nodes; "" if it has."""
    if not metric.per_node:
        return f"'{name}' is of the whole machine: leave out '@{node}'" if node else ""
    match = NODE.fullmatch(node)
    if match is None:
        return f"'{name}' has a value for each node: say which, as in {name}@node0"
    if int(match[1]) >= nodes:
        return f"a topology need not have a node {match[1]}: [requires] nodes = {int(match[1]) + 1} says that it has"
    return ""


def _step_mistakes(table: ScenarioFile, script: Script) -> Iterator[Mistake]:
    """Yield the lines of workloads that are none, and the hooks that ``script`` does not have."""
    workloads: list[tuple[Place, list[str], int]] = [(("workload",), table.workload, 1)]
    workloads += [(("process", n, "workload"), each.workload, each.copies) for n, each in enumerate(table.process)]
    for place, lines, copies in workloads:
        for index, line in enumerate(lines):
            if "\n" in line:
                yield Mistake(where=(*place, index), says="a workload's lines are strings of one line each")
            for name in _hooks_in(line, copies):
                if f"hook_{name}" not in script.functions:
                    yield Mistake(where=(*place, index), says=f"run.sh has no hook_{name}()")


def _hooks_in(line: str, copies: int) -> Iterator[str]:
    """Yield what a step asks run.sh for; a name with a node's number in it is known only on a topology."""
    match line.partition("#")[0].split():
        case ["step", "hook", name]:
            names = (name.replace("{n}", str(number)) for number in range(copies))
            yield from (each for each in dict.fromkeys(names) if "{" not in each)


def _unknown(key: str, names: Sequence[str], known: Collection[str], kind: str) -> Iterator[Mistake]:
    for index, name in enumerate(names):
        if name not in known:
            yield Mistake(where=(key, index), says=f"there is no {kind} '{name}' (known: {', '.join(known)})")


def _copies(process: ProcessTable) -> list[str]:
    return [process.memcg.replace("{n}", str(number)) for number in range(process.copies)]


def _doubled(names: Sequence[str]) -> list[str]:
    return sorted({name for name in names if names.count(name) > 1})
