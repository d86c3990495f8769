"""``orchestrator scenarios``: what trials do to the kernel, and on which topologies."""

from __future__ import annotations

import json as json_format
import sys
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from orchestrator.cli.failures import explained
from orchestrator.cli.options import TopologiesOption, chosen_topologies, console_on, plain_table
from orchestrator.config.catalog import pick
from orchestrator.config.scenarios import scenarios as all_scenarios
from orchestrator.model.scenario import BEFORE, PRESSED, Metric, Must, Process, Requirements, Scenario
from orchestrator.model.source import WHOLE_TRIAL, sources_of
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
            "at_most_cpus": needs.at_most_cpus,
            "since": needs.since,
        },
        "memcgs": list(scenario.memcgs),
        "workload": list(scenario.workload),
        "processes": [_process_json(process) for process in scenario.processes],
        "selftests": list(scenario.selftests),
        "tracing": list(scenario.tracing),
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
        **_samples_json(metric),
        "what_for": metric.what_for,
    }


def _samples_json(metric: Metric) -> dict[str, str]:
    """Return the samples that a metric is read at, by the keys of scenario.toml; none where it is of the whole trial."""
    if _of_whole_trial(metric):
        return {}
    return {"at": metric.at} if metric.at else {"from": metric.start, "to": metric.end}


def _of_whole_trial(metric: Metric) -> bool:
    return all(source.kind in WHOLE_TRIAL for source in sources_of(metric.source))


def _process_json(process: Process) -> dict[str, Any]:
    return {
        "name": process.name,
        "memcg": process.memcg,
        "copies": process.copies,
        "may_be_killed": process.may_be_killed,
        "workload": list(process.workload),
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


def _details(scenario: Scenario, topologies: Mapping[str, Topology]) -> Iterator[Table | Text | str]:
    yield f"{scenario.name}: {scenario.what_for}"
    yield ""
    table = plain_table(show_header=False)
    table.add_row("paths", ", ".join(scenario.paths) or "-")
    table.add_row("enters", ", ".join(scenario.enters) or "-")
    table.add_row("memory", f"{scenario.memory_mib} MiB; at most {scenario.timeout_s:g} s")
    table.add_row("kernel", _kernel(scenario.requires))
    table.add_row("runs on", _runs_on(scenario, topologies))
    for name, topology in topologies.items():
        if reason := scenario.misfit(topology):
            table.add_row("", f"not on {name}: {reason}")
    table.add_row("knobs", ", ".join(f"{name}={value}" for name, value in scenario.knobs) or "-")
    table.add_row("selftests", ", ".join(scenario.selftests) or "-")
    table.add_row("tracing", ", ".join(scenario.tracing) or "-")
    for name, reason in scenario.excepted.items():
        table.add_row("not checked", f"{name}: {reason}")
    yield table
    yield ""
    yield from _workload_lines(scenario)
    yield ""
    yield _metrics_table(scenario)
    yield ""
    for must in scenario.musts:
        yield f"must: {must.metric} {must.comparison} {must.value:g}, or: {must.says}"


def _kernel(needs: Requirements) -> str:
    return ", ".join([*([f"{needs.since} or later"] if needs.since else []), *needs.config]) or "any"


def _workload_lines(scenario: Scenario) -> Iterator[Text]:
    """Yield each process with its workload, as it is written: these are no words to fold or to colour."""
    yield Text(f"workload in {scenario.memcgs[0]}:")
    yield from (Text(f"  {line}") for line in scenario.workload)
    for process in scenario.processes:
        copies = f", {process.copies} copies" if process.copies > 1 else ""
        killed = ", may be killed" if process.may_be_killed else ""
        yield Text(f"process {process.name} in {process.memcg}{copies}{killed}:")
        yield from (Text(f"  {line}") for line in process.workload)


def _metrics_table(scenario: Scenario) -> Table:
    metrics = plain_table("metric", "unit", "better", "when", "what for")
    for metric in scenario.metrics:
        better = {"up": "more", "down": "less"}.get(metric.direction, "-")
        name = f"{metric.name}{'@node' if metric.per_node else ''}"
        metrics.add_row(name, metric.unit, better, _when(metric), metric.what_for)
    return metrics


def _when(metric: Metric) -> str:
    """Return the samples that a metric is read at; what nearly all are, from before to pressed, is not worth the words."""
    if _of_whole_trial(metric):
        return "whole trial"
    if metric.at:
        return f"at {metric.at}"
    return "-" if (metric.start, metric.end) == (BEFORE, PRESSED) else f"{metric.start} to {metric.end}"
