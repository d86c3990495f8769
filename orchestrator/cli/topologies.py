"""``orchestrator topologies``: the machines that a guest can be, listed and drawn."""

from __future__ import annotations

import dataclasses
import json as json_format
import sys
from typing import Annotated, Any

import typer
from rich.table import Table

from orchestrator.cli.drawing import counted, drawn
from orchestrator.cli.failures import explained
from orchestrator.cli.options import TopologiesOption, chosen_topologies, console_on, plain_table
from orchestrator.config.catalog import pick
from orchestrator.model.topology import Topology

NameArgument = Annotated[str | None, typer.Argument(metavar="NAME", help="Only this one.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON: a list, an object for each topology.")]


def list_topologies(
    name: NameArgument = None, *, topologies: TopologiesOption = None, json: JsonOption = False
) -> None:
    """List the topologies and draw them: nodes, memory, CPUs, distances."""
    with explained(sys.stderr):
        known = chosen_topologies(topologies)
        shown = [pick(known, name, kind="topology")] if name else list(known.values())
        if json:
            typer.echo(json_format.dumps([as_json(each) for each in shown], indent=2))
            return
        console = console_on(sys.stdout)
        if name is None:
            console.print(_table(shown))
            console.print()
        for each in shown:
            for line in [*drawn(each), ""]:
                console.print(line, soft_wrap=True)


def as_json(topology: Topology) -> dict[str, Any]:
    """Return a topology for machines: its fields, sums, and each node with its number and the numbers of its CPUs."""
    nodes = [
        {"node": number, **dataclasses.asdict(node), "cpus": list(topology.cpus_of(number))}
        for number, node in enumerate(topology.nodes)
    ]
    return {
        "name": topology.name,
        "what_for": topology.what_for,
        "memory_mib": topology.memory_mib,
        "cpus": topology.cpus,
        "nodes": nodes,
        "distances": [list(row) for row in topology.distances],
    }


def _table(topologies: list[Topology]) -> Table:
    table = plain_table("topology", "MiB on nodes", "CPUs", "what for")
    for topology in topologies:
        table.add_row(
            topology.name,
            counted([node.memory_mib for node in topology.nodes]),
            counted([node.cpus for node in topology.nodes]),
            topology.what_for,
        )
    return table
