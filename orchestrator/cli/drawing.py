"""TOPOLOGY → LINES: a guest's nodes drawn in plain characters, for terminals of 80 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from itertools import groupby

from orchestrator.model.topology import Access, Topology

COLUMNS = 4
"""Boxes beside each other."""

WIDTH = 16
"""Of a box, inside."""

LINE = 78


def drawn(topology: Topology) -> list[str]:
    """Return a drawing: a box for each node, then the distances, then how memory is reached where HMAT tells."""
    title = f"{topology.name}: {topology.what_for}"
    lines = [*textwrap.wrap(title, LINE, subsequent_indent="  "), ""]
    boxes = [_box(topology, number) for number in range(len(topology.nodes))]
    for start in range(0, len(boxes), COLUMNS):
        row = boxes[start : start + COLUMNS]
        lines += ["  " + " ".join(parts) for parts in zip(*row, strict=True)]
    if len(topology.nodes) > 1:
        lines += ["", *_matrix(topology)]
    if topology.has_hmat:
        lines += ["", *_ways(topology)]
    return lines


def counted(values: Sequence[int]) -> str:
    """Return a short form of one value for each node: "4 x 256", "512, 0, 512"."""
    groups = [(value, len(list(group))) for value, group in groupby(values)]
    return ", ".join(f"{count} x {value}" if count > 1 else str(value) for value, count in groups)


def cpu_range(cpus: Sequence[int]) -> str:
    """Return consecutive CPUs as the kernel writes them: "0-7"."""
    return str(cpus[0]) if len(cpus) == 1 else f"{cpus[0]}-{cpus[-1]}"


def _box(topology: Topology, number: int) -> list[str]:
    node, cpus = topology.nodes[number], topology.cpus_of(number)
    rows = [
        f"node {number}",
        f"{node.memory_mib} MiB" if node.memory_mib else "no memory",
        f"CPU{'s' if len(cpus) > 1 else ''} {cpu_range(cpus)}" if cpus else "no CPU",
    ]
    if topology.has_hmat:
        rows.append(_latency(node.accesses[0]) if node.accesses else "")
    edge = f"+{'-' * (WIDTH)}+"
    return [edge, *(f"| {row:<{WIDTH - 2}} |" for row in rows), edge]


def _matrix(topology: Topology) -> Iterator[str]:
    count = len(topology.nodes)
    width = max(4, min(6, (LINE - 10) // count))
    to = "to " if width == 6 else ""
    yield "  distance" + "".join(f"{f'{to}{target}':>{width}}" for target in range(count))
    for source in range(count):
        row = "".join(f"{distance:>{width}}" for distance in topology.distances[source])
        yield f"  {f'from {source}':<8}{row}"


def _ways(topology: Topology) -> Iterator[str]:
    yield "  memory of  from CPUs of    read, write"
    for number, node in enumerate(topology.nodes):
        for access in node.accesses:
            yield (
                f"  {f'node {number}':<9}  {f'node {access.initiator}':<14}  {_latency(access)}, "
                f"{_both(access.read_bandwidth_mib_s, access.write_bandwidth_mib_s)} MiB/s"
            )


def _latency(access: Access) -> str:
    return f"{_both(access.read_latency_ns, access.write_latency_ns)} ns"


def _both(read: int, write: int) -> str:
    return str(read) if read == write else f"{read}/{write}"
