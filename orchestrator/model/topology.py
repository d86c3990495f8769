"""Topologies: a guest's NUMA nodes. The unit of memory is MiB; distances are ACPI SLIT's (10 is local)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How a node's memory is reached from the CPUs of the node ``initiator``, as ACPI's HMAT tells the kernel.

    Latencies in nanoseconds, bandwidths in MiB/s. Nothing in the guest becomes slower by it: it is what the kernel is
    told, and what it orders memory tiers and demotion targets by.
    """

    initiator: int
    read_latency_ns: int
    write_latency_ns: int
    read_bandwidth_mib_s: int
    write_bandwidth_mib_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One NUMA node. ``memory_mib`` 0 is a memoryless node, ``cpus`` 0 a CPU-less one.

    ``accesses`` are the ways to its memory, the nearest initiator first; empty where the machine has no HMAT.
    """

    memory_mib: int
    cpus: int
    accesses: tuple[Access, ...] = ()


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

    @property
    def with_memory(self) -> tuple[int, ...]:
        """The numbers of the nodes that have memory."""
        return tuple(number for number, node in enumerate(self.nodes) if node.memory_mib)

    @property
    def with_cpus(self) -> tuple[int, ...]:
        """The numbers of the nodes that have CPUs."""
        return tuple(number for number, node in enumerate(self.nodes) if node.cpus)

    @property
    def has_hmat(self) -> bool:
        """Whether the machine tells latencies and bandwidths."""
        return any(node.accesses for node in self.nodes)

    def cpus_of(self, node: int) -> tuple[int, ...]:
        """Return the numbers of the CPUs of ``node``: consecutive, nodes in order."""
        first = sum(other.cpus for other in self.nodes[:node])
        return tuple(range(first, first + self.nodes[node].cpus))
