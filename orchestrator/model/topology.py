"""Topologies: a guest's NUMA nodes. The unit of memory is MiB; distances are ACPI SLIT's (10 is local)."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

BLOCK_MIB = 128
"""A memory block of x86_64 (memory_block_size_bytes): nodes that begin and end with one can be taken offline by it."""

IMAGE_MIB = 64
"""What the image of a kernel that has a shadow takes beyond an ordinary one's, with lockdep's and kmemleak's tables."""


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

    def with_shadow(self, share: int) -> Topology:
        """Return the topology with more memory on node 0, for a kernel that takes one part in ``share`` of all from there.

        Node 0 then has at least as much left as it would have with an ordinary kernel. KASAN's shadow of what one
        mapping covers comes from the node that this begins on (arch/x86/mm/kasan_init_64.c, map_range): from node 0.
        With ``share`` 0 it is the same topology.
        """
        if not share:
            return self
        # The shadow is one of all memory, this addition included.
        needed = (self.memory_mib // share + IMAGE_MIB) * share // (share - 1)
        first = self.nodes[0]
        more = dataclasses.replace(first, memory_mib=first.memory_mib + -(-needed // BLOCK_MIB) * BLOCK_MIB)
        return dataclasses.replace(self, nodes=(more, *self.nodes[1:]))

    def cpus_of(self, node: int) -> tuple[int, ...]:
        """Return the numbers of the CPUs of ``node``: consecutive, nodes in order."""
        first = sum(other.cpus for other in self.nodes[:node])
        return tuple(range(first, first + self.nodes[node].cpus))
