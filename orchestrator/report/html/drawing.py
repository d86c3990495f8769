"""TOPOLOGY → drawing: a box a node, as high as its memory; its CPUs in it. Colours are the page's classes."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.model.topology import Topology

BOX, GAP, TALL, CPU, IN_ROW = 104, 14, 96, 18, 5
MOST_NODES = 16
MOST_CPUS = 20
"""More are told in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuBox:
    """A CPU: where it is drawn, and its number."""

    x: float
    y: float
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeBox:
    """A node: its number, and where its memory's box stands (``height`` 0: it has none)."""

    number: int
    memory_mib: int
    x: float
    y: float
    height: float
    cpus: tuple[CpuBox, ...]
    cpu_words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """A topology as boxes in ``width`` × ``height`` pixels."""

    topology: Topology
    width: int
    height: int
    nodes: tuple[NodeBox, ...]

    @property
    def says(self) -> str:
        """The drawing in words, for who cannot see it."""
        parts = [f"node {box.number}: {box.memory_mib} MiB, {box.cpu_words}" for box in self.nodes]
        return f"{self.topology.name}: {'; '.join(parts)}"


def drawing_of(topology: Topology) -> Drawing:
    """Return the drawing; nodes beyond the first :data:`MOST_NODES` are in the table of distances only."""
    most = max((node.memory_mib for node in topology.nodes), default=0) or 1
    boxes = []
    rows = 0
    for number, node in enumerate(topology.nodes[:MOST_NODES]):
        x = number * (BOX + GAP)
        height = TALL * max(node.memory_mib / most, 0.12) if node.memory_mib else 0.0
        numbers = topology.cpus_of(number)
        cpus = tuple(
            CpuBox(x=x + index % IN_ROW * (CPU + 3), y=TALL + 22 + index // IN_ROW * (CPU + 3), number=cpu)
            for index, cpu in enumerate(numbers[:MOST_CPUS])
        )
        rows = max(rows, -(-len(cpus) // IN_ROW))
        boxes.append(
            NodeBox(
                number=number,
                memory_mib=node.memory_mib,
                x=x,
                y=16 + TALL - height,
                height=height,
                cpus=cpus,
                cpu_words=_cpu_words(numbers),
            )
        )
    width = max(1, len(boxes)) * (BOX + GAP) - GAP
    return Drawing(topology=topology, width=width, height=TALL + 22 + max(rows, 1) * (CPU + 3), nodes=tuple(boxes))


def _cpu_words(numbers: tuple[int, ...]) -> str:
    if not numbers:
        return "no CPU"
    if len(numbers) == 1:
        return f"CPU {numbers[0]}"
    return f"CPUs {numbers[0]}–{numbers[-1]}"
