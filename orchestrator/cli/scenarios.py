"""``orchestrator scenarios``: what trials do to the kernel, and on which topologies."""

from __future__ import annotations

import json as json_format
import sys
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer
from rich.table import Table

from orchestrator.cli.failures import explained
from orchestrator.cli.options import TopologiesOption, chosen_topologies, console_on, plain_table
from orchestrator.config.catalog import pick
from orchestrator.config.scenarios import scenarios as all_scenarios
from orchestrator.model.scenario import Metric, Must, Scenario
from orchestrator.model.topology import Topology

NameArgument = Annotated[str | None, typer.Argument(metavar="NAME", help="Only this one, with all its details.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON: a list, an object for each scenario.")]


def list_scenarios(name: NameArgument = None, *, topologies: TopologiesOption = None, json: JsonOption = False) -> None:
    """List the scenarios: what each is for, the paths it goes through, where it runs, what it measures."""
    with explained(sys.stderr):
        known, where = all_scenarios(), chosen_topologies(topologies)
        shown = [pick(known, name, kind="scenario")] if name else list(known.values())
        if json:
            typer.echo(json_format.dumps([as_json(each, where) for each in shown], indent=2))
            return
        console = console_on(sys.stdout)
        if name is None:
            console.print(_table(shown, where))
            return
        for each in shown:
            for line in _details(each, where):
                console.print(line)


def as_json(scenario: Scenario, topologies: Mapping[str, Topology]) -> dict[str, Any]:
    """Return a scenario for machines; ``topologies`` says of each whether it runs there: "" or why not."""
    needs = scenario.requires
    return {
        "name": scenario.name,
        "what_for": scenario.what_for,
        "paths": list(scenario.paths),
        "memory_mib": scenario.memory_mib,
        "timeout_s": scenario.timeout_s,
        "requires": {
            "config": list(needs.config),
            "nodes": needs.nodes,
            "cpus": needs.cpus,
            "first_node_mib": needs.first_node_mib,
        },
        "memcgs": list(scenario.memcgs),
        "knobs": dict(scenario.knobs),
        "enters": list(scenario.enters),
        "metrics": [_metric_json(metric) for metric in scenario.metrics],
        "musts": [{**_must_json(must), "says": must.says} for must in scenario.musts],
        "excepted_invariants": dict(scenario.excepted),
        "topologies": {name: scenario.misfit(topology) for name, topology in topologies.items()},
    }


def _metric_json(metric: Metric) -> dict[str, Any]:
    return {
        "name": metric.name,
        "unit": metric.unit,
        "direction": str(metric.direction),
        "per_node": metric.per_node,
        "source": metric.source,
        "what_for": metric.what_for,
    }


def _must_json(must: Must) -> dict[str, Any]:
    return {"metric": must.metric, "comparison": str(must.comparison), "value": must.value}


def _table(shown: list[Scenario], topologies: Mapping[str, Topology]) -> Table:
    table = plain_table("scenario", "what for", "runs on", folded=2)
    for scenario in shown:
        table.add_row(scenario.name, scenario.what_for, _runs_on(scenario, topologies))
    return table


def _runs_on(scenario: Scenario, topologies: Mapping[str, Topology]) -> str:
    """Return where a scenario runs, in the shorter of two ways."""
    fits = [name for name, topology in topologies.items() if not scenario.misfit(topology)]
    others = [name for name in topologies if name not in fits]
    if not others:
        return "all"
    return f"all but {', '.join(others)}" if len(others) < len(fits) else ", ".join(fits) or "none"


def _details(scenario: Scenario, topologies: Mapping[str, Topology]) -> Iterator[Table | str]:
    yield f"{scenario.name}: {scenario.what_for}"
    yield ""
    table = plain_table(show_header=False)
    table.add_row("paths", ", ".join(scenario.paths) or "-")
    table.add_row("enters", ", ".join(scenario.enters) or "-")
    table.add_row("memory", f"{scenario.memory_mib} MiB; at most {scenario.timeout_s:g} s")
    table.add_row("kernel", ", ".join(scenario.requires.config) or "any")
    table.add_row("runs on", _runs_on(scenario, topologies))
    for name, topology in topologies.items():
        if reason := scenario.misfit(topology):
            table.add_row("", f"not on {name}: {reason}")
    table.add_row("knobs", ", ".join(f"{name}={value}" for name, value in scenario.knobs) or "-")
    for name, reason in scenario.excepted.items():
        table.add_row("not checked", f"{name}: {reason}")
    yield table
    yield ""
    metrics = plain_table("metric", "unit", "better", "what for")
    for metric in scenario.metrics:
        better = {"up": "more", "down": "less"}.get(metric.direction, "-")
        metrics.add_row(f"{metric.name}{'@node' if metric.per_node else ''}", metric.unit, better, metric.what_for)
    yield metrics
    yield ""
    for must in scenario.musts:
        yield f"must: {must.metric} {must.comparison} {must.value:g}, or: {must.says}"
