"""Scenario folders: ``guest_scripts/scenarios/<name>/{scenario.toml,run.sh}``. Adding a scenario is adding a folder."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from orchestrator.config.locations import guest_scripts_folder
from orchestrator.config.scenario_mistakes import mistakes_in
from orchestrator.config.scenario_script import read_script
from orchestrator.config.scenario_tables import BOUNDS, MetricTable, MustTable, ProcessTable, ScenarioFile
from orchestrator.config.toml_files import explain, read_toml, refusal
from orchestrator.errors import UserError
from orchestrator.model.scenario import Metric, Must, Process, Requirements, Scenario

METRICS_FILE = "metrics.toml"
"""The metrics that scenarios share, beside the scenarios' folders."""


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
    if mistakes := [*mistakes_in(table, shared, script)]:
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
