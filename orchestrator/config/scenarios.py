"""Scenario folders: ``guest_scripts/scenarios/<name>/{scenario.toml,run.sh}``. Adding a scenario is adding a folder."""

from __future__ import annotations

import dataclasses
import fnmatch
import functools
import itertools
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError, field_validator, model_validator

from orchestrator.config.locations import guest_scripts_folder
from orchestrator.config.scenario_script import Script, read_script
from orchestrator.config.toml_files import Mistake, Strict, explain, read_toml, refusal
from orchestrator.errors import UserError
from orchestrator.model.invariant import INVARIANTS
from orchestrator.model.scenario import (
    BEFORE,
    PATHS,
    PRESSED,
    SAMPLES,
    Comparison,
    Direction,
    Metric,
    Must,
    Process,
    Requirements,
    Scenario,
)
from orchestrator.model.source import PER_NODE, WHOLE_TRIAL, sources_of

KNOB = re.compile(r"(?!TRIAL_)[A-Z][A-Z0-9_]*")
SYMBOL = re.compile(r"[A-Za-z_]\w*", re.ASCII)
MEMCG = re.compile(r"[a-z0-9_.-]+(/[a-z0-9_.-]+)*")
BOUNDS = {"at_least": Comparison.AT_LEAST, "at_most": Comparison.AT_MOST, "equals": Comparison.EQUAL}
METRICS_FILE = "metrics.toml"
"""The metrics that scenarios share, beside the scenarios' folders."""

NODE = re.compile(r"node(\d+)", re.ASCII)
LATENCY = "latency"
TRACING = (LATENCY,)
"""What a scenario may have traced beyond what every trial has."""


class MetricTable(Strict):
    """One ``[[metric]]``."""

    name: str
    unit: str
    direction: Annotated[Direction, Field(strict=False)]
    source: str
    what_for: str
    per_node: bool = False
    start: Annotated[str, Field(alias="from")] = BEFORE
    end: Annotated[str, Field(alias="to")] = PRESSED
    at: str = ""
    smallest: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    smallest_percent: Annotated[float, Field(gt=0, le=100)] | None = None

    @field_validator("source")
    @classmethod
    def check_source(cls, source: str) -> str:
        """Refuse a source that nothing can read."""
        sources_of(source)
        return source

    @model_validator(mode="after")
    def check_nodes(self) -> MetricTable:
        """Refuse a source of every node in a metric that has one value."""
        if not self.per_node and any(source.kind in PER_NODE for source in sources_of(self.source)):
            raise ValueError(f"the source {self.source} is read on every node: say per_node = true")
        return self

    @model_validator(mode="after")
    def check_samples(self) -> MetricTable:
        """Refuse samples for a source that tells of the whole trial: the value would be another than was meant."""
        if {"start", "end", "at"} & self.model_fields_set:
            for source in sources_of(self.source):
                if source.kind in WHOLE_TRIAL:
                    raise ValueError(f"'{source.kind}:' is read once, of the whole trial: leave out from, to and at")
        return self


class MustTable(Strict):
    """One ``[[must]]``: a metric, exactly one bound, and what is said when it does not hold."""

    metric: str
    says: str
    at_least: float | None = None
    at_most: float | None = None
    equals: float | None = None
    by_chance: bool = False

    @model_validator(mode="after")
    def check_one_bound(self) -> MustTable:
        """Refuse none and several."""
        if sum(getattr(self, bound) is not None for bound in BOUNDS) != 1:
            raise ValueError(f"exactly one of {', '.join(BOUNDS)} is needed")
        return self


class ProcessTable(Strict):
    """One ``[[process]]``."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9_-]+$")]
    memcg: str
    workload: Annotated[list[str], Field(min_length=1)]
    copies: Annotated[int, Field(ge=1, le=64)] = 1
    may_be_killed: bool = False


class RequiresTable(Strict):
    """``[requires]``."""

    config: Annotated[list[Annotated[str, Field(pattern=r"^CONFIG_[A-Z0-9_]+$")]], Field(default_factory=list)]
    nodes: Annotated[int, Field(ge=1)] = 1
    cpus: Annotated[int, Field(ge=1)] = 1
    first_node_mib: Annotated[int, Field(ge=0)] = 0
    at_most_cpus: Annotated[int, Field(ge=1)] | None = None
    since: Annotated[str, Field(pattern=r"^([0-9]+\.[0-9]+)?$")] = ""

    @model_validator(mode="after")
    def check_cpus(self) -> RequiresTable:
        """Refuse bounds that no number of CPUs is within."""
        if self.at_most_cpus is not None and self.at_most_cpus < self.cpus:
            raise ValueError(f"at_most_cpus = {self.at_most_cpus} is less than cpus = {self.cpus}")
        return self


class InvariantsTable(Strict):
    """``[invariants]``: all apply but those that ``except`` names, each with a reason."""

    excepted: Annotated[dict[str, str], Field(alias="except", default_factory=dict)]


class ScenarioFile(Strict):
    """A ``scenario.toml``."""

    what_for: str
    paths: Annotated[list[str], Field(default_factory=list)]
    memory_mib: Annotated[int, Field(ge=64)]
    timeout_s: Annotated[float, Field(gt=0)]
    memcgs: Annotated[list[str], Field(min_length=1)]
    workload: Annotated[list[str], Field(min_length=1)]
    process: Annotated[list[ProcessTable], Field(default_factory=list)]
    knobs: Annotated[dict[str, str], Field(default_factory=dict)]
    metrics: Annotated[list[str], Field(default_factory=list)]
    metric: Annotated[list[MetricTable], Field(default_factory=list)]
    must: Annotated[list[MustTable], Field(default_factory=list)]
    enters: Annotated[list[Annotated[str, Field(pattern=rf"^{SYMBOL.pattern}$")]], Field(default_factory=list)]
    requires: Annotated[RequiresTable, Field(default_factory=lambda: RequiresTable(config=[]))]
    invariants: Annotated[InvariantsTable, Field(default_factory=lambda: InvariantsTable(**{"except": {}}))]
    selftests: Annotated[list[str], Field(default_factory=list)]
    tracing: Annotated[list[str], Field(default_factory=list)]


Place = tuple[str | int, ...]
"""The way to a key of scenario.toml."""


def _mistakes(table: ScenarioFile, shared: Mapping[str, Metric], script: Script) -> Iterator[Mistake]:
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


@functools.cache
def scenarios(folder: Path | None = None) -> Mapping[str, Scenario]:
    """Return all scenarios by name; :class:`UserError` with the file and every mistake in it."""
    root = folder or guest_scripts_folder() / "scenarios"
    shared = shared_metrics(root.parent / METRICS_FILE)
    found = [read_scenario(path.parent, shared) for path in sorted(root.glob("*/scenario.toml"))]
    return {scenario.name: scenario for scenario in found}


VARIANT = "+"
"""Between a scenario's name and the knobs that a variant of it sets: ``memcg-limit+compressor=zstd``."""


def scenarios_named(names: Sequence[str], folder: Path | None = None) -> Mapping[str, Scenario]:
    """Return all scenarios, and those variants of them that ``names`` name.

    A variant is a scenario with other knobs, ``NAME+KNOB=VALUE+...``; :class:`UserError` for a knob that it does not have.
    A name of no scenario is left for the plan to complain about.
    """
    known = dict(scenarios(folder))
    for name in names:
        stem, *settings = name.split(VARIANT)
        if settings and stem in known:
            known[name] = _variant(known[stem], name, settings)
    return known


def _variant(scenario: Scenario, name: str, settings: Sequence[str]) -> Scenario:
    knobs = dict(scenario.knobs)
    for setting in settings:
        knob, equals, value = setting.partition("=")
        if not equals or knob.upper() not in knobs:
            raise UserError(
                f"scenario '{scenario.name}' has no knob '{knob}'",
                hint=f"its knobs: {', '.join(name.lower() for name in knobs) or 'none'}",
            )
        if not re.fullmatch(r"[\w.%-]+", value, re.ASCII):
            raise UserError(f"'{setting}' does not set a knob", hint="KNOB=VALUE, as in compressor=zstd")
        knobs[knob.upper()] = value
    return dataclasses.replace(scenario, name=name, knobs=tuple(sorted(knobs.items())))


def swept(names: Sequence[str], sweeps: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the variants that ``sweeps`` (``KNOB=VALUE,VALUE...``) make of ``names``: all combinations.

    A scenario that does not have one of the knobs is taken as it is. :class:`UserError` where none has it.
    """
    axes = []
    for sweep in sweeps:
        knob, equals, values = sweep.partition("=")
        if not equals or not all(values.split(",")):
            raise UserError(f"--sweep {sweep}: which values?", hint="as in --sweep compressor=lzo,zstd")
        axes.append((knob.lower(), [f"{knob.lower()}={value}" for value in dict.fromkeys(values.split(","))]))
    known = scenarios()
    knobs_of = {name: {knob.lower() for knob, _ in known[name].knobs} if name in known else set() for name in names}
    for knob, _ in axes:
        if not any(knob in knobs for knobs in knobs_of.values()):
            there = sorted(set().union(*knobs_of.values()))
            raise UserError(
                f"--sweep: no scenario of this run has the knob '{knob}'", hint=f"knobs: {', '.join(there)}"
            )
    return tuple(
        VARIANT.join([name, *settings])
        for name in names
        for settings in itertools.product(*(values for knob, values in axes if knob in knobs_of[name]))
    )


def shared_metrics(path: Path) -> Mapping[str, Metric]:
    """Return the metrics that a scenario may name without describing them; none where there is no such file."""
    if not path.is_file():
        return {}
    try:
        tables = TypeAdapter(list[MetricTable]).validate_python(read_toml(path).get("metric", []))
    except ValidationError as error:
        raise explain(path, error) from error
    return {table.name: Metric(**table.model_dump()) for table in tables}


def read_scenario(folder: Path, shared: Mapping[str, Metric]) -> Scenario:
    """Return the scenario in ``folder``; its ``metrics`` are names in ``shared``."""
    path = folder / "scenario.toml"
    script = read_script(folder / "run.sh")
    try:
        table = ScenarioFile.model_validate(_unfolded(read_toml(path)))
    except ValidationError as error:
        raise explain(path, error) from error
    if mistakes := [*_mistakes(table, shared, script)]:
        raise refusal(path, mistakes)
    return Scenario(
        name=folder.name,
        what_for=table.what_for,
        folder=folder,
        knobs=tuple(sorted(table.knobs.items())),
        workload=tuple(table.workload),
        metrics=(*(shared[name] for name in table.metrics), *(Metric(**each.model_dump()) for each in table.metric)),
        musts=tuple(_must(must) for must in table.must),
        memcgs=tuple(table.memcgs),
        memory_mib=table.memory_mib,
        timeout_s=table.timeout_s,
        paths=tuple(table.paths),
        processes=tuple(_process(each) for each in table.process),
        enters=tuple(table.enters),
        requires=Requirements(**{**table.requires.model_dump(), "config": tuple(table.requires.config)}),
        excepted=dict(table.invariants.excepted),
        selftests=tuple(table.selftests),
        tracing=tuple(table.tracing),
    )


def _unfolded(table: dict[str, object]) -> dict[str, object]:
    """Write out the memory cgroups that stand for many: ``many.{0..31}`` is ``many.0`` to ``many.31``."""
    names = table.get("memcgs")
    if not isinstance(names, list):
        return table
    unfolded: list[object] = []
    for name in names:
        match = re.fullmatch(r"(.*)\{(\d{1,2})\.\.(\d{1,2})\}(.*)", name) if isinstance(name, str) else None
        unfolded += [f"{match[1]}{n}{match[4]}" for n in range(int(match[2]), int(match[3]) + 1)] if match else [name]
    return {**table, "memcgs": unfolded}


def _process(table: ProcessTable) -> Process:
    return Process(**{**table.model_dump(), "workload": tuple(table.workload)})


def _must(table: MustTable) -> Must:
    bound, value = next((name, getattr(table, name)) for name in BOUNDS if getattr(table, name) is not None)
    return Must(
        metric=table.metric,
        comparison=BOUNDS[bound],
        value=float(value),
        says=table.says,
        by_chance=table.by_chance,
    )
