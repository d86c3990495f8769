"""Topologies: a guest's NUMA nodes. The unit of memory is MiB; distances are ACPI SLIT's (10 is local)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One NUMA node. ``memory_mib`` 0 is a memoryless node, ``cpus`` 0 a CPU-less one."""

    memory_mib: int
    cpus: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Topology:
    """A guest's nodes and the distances between them; ``distances[i][j]`` is from node i to node j."""

    name: str
    what_for: str
    nodes: tuple[Node, ...]
    distances: tuple[tuple[int, ...], ...]

    @property
    def memory_mib(self) -> int:
        """Memory of all nodes."""
        return sum(node.memory_mib for node in self.nodes)

    @property
    def cpus(self) -> int:
        """CPUs of all nodes."""
        return sum(node.cpus for node in self.nodes)

    def cpus_of(self, node: int) -> tuple[int, ...]:
        """Return the numbers of the CPUs of ``node``: consecutive, nodes in order."""
        first = sum(other.cpus for other in self.nodes[:node])
        return tuple(range(first, first + self.nodes[node].cpus))
