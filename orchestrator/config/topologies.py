"""Topologies: the catalog's, the user's own, and those of a file named on the command line; the later ones win."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError

from orchestrator.config.locations import PACKAGE
from orchestrator.config.toml_files import Mistake, Strict, mistakes_in, read_toml, refusal
from orchestrator.model.topology import Access, Node, Topology

CATALOG = PACKAGE / "config" / "catalog"
FILE = "topologies.toml"
CONFIG_NAME = "mm-patch-orchestrator"

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,47}")
"""Names are parts of trials' names, and so of folders'."""

MAXIMUM_CPUS = 16
"""CONFIG_NR_CPUS in kconfigs/x86_64.config."""

LOCAL = 10
"""What ACPI's SLIT says of a node's distance to itself."""

BANDWIDTH_BITS = 16
"""All bandwidths are multiples of one base unit, in so many bits (QEMU, hw/core/numa.c, parse_numa_hmat_lb)."""


class AccessTable(Strict):
    """How a node is reached from the CPUs of the node ``initiator``; one value for both ways, or one for each."""

    initiator: Annotated[int, Field(ge=0)]
    # 16 bits for a latency, and all ones means that there is none (ACPI 6.5, table 5.149).
    latency_ns: Annotated[int, Field(ge=1, le=65534)] | None = None
    read_latency_ns: Annotated[int, Field(ge=1, le=65534)] | None = None
    write_latency_ns: Annotated[int, Field(ge=1, le=65534)] | None = None
    bandwidth_mib_s: Annotated[int, Field(ge=1, le=1 << 22)] | None = None
    read_bandwidth_mib_s: Annotated[int, Field(ge=1, le=1 << 22)] | None = None
    write_bandwidth_mib_s: Annotated[int, Field(ge=1, le=1 << 22)] | None = None

    def value(self, name: str) -> int | None:
        """Return ``read_latency_ns`` and its like, or what was said for both ways."""
        own: int | None = getattr(self, name)
        both: int | None = getattr(self, name.partition("_")[2])
        return both if own is None else own


VALUES = ("read_latency_ns", "write_latency_ns", "read_bandwidth_mib_s", "write_bandwidth_mib_s")


class NodeTable(Strict):
    """One node of a topology."""

    memory_mib: Annotated[int, Field(ge=0, le=1 << 20)]
    cpus: Annotated[int, Field(ge=0, le=MAXIMUM_CPUS)]
    access: Annotated[list[AccessTable], Field(default_factory=list)]


class TopologyTable(Strict):
    """One topology."""

    what_for: str
    nodes: Annotated[list[NodeTable], Field(min_length=1, max_length=64)]
    distances: Annotated[list[list[Annotated[int, Field(ge=LOCAL, le=254)]]], Field(default_factory=list)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """All topologies that may be named, which file each came from, and which of them took the place of another."""

    topologies: Mapping[str, Topology]
    origins: Mapping[str, Path]
    replaced: tuple[str, ...]

    def notes(self) -> tuple[str, ...]:
        """Return a sentence for each topology that is not the one of the file before."""
        return tuple(f"topology '{name}' is the one of {self.origins[name]}" for name in self.replaced)


@functools.cache
def topologies() -> Mapping[str, Topology]:
    """Return the catalog's topologies by name."""
    return read_topologies(CATALOG / FILE)


def user_file() -> Path:
    """Return where a user's own topologies are: ``$XDG_CONFIG_HOME/mm-patch-orchestrator/topologies.toml``."""
    base = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(base) / CONFIG_NAME / FILE


def choose_topologies(extra: Path | None = None) -> Choice:
    """Return the catalog's topologies, over them the user's own (if that file is there), over these the file ``extra``.

    Raises :class:`UserError` with file, line and every mistake of a file that cannot be used.
    """
    found = dict(topologies())
    origins = dict.fromkeys(found, CATALOG / FILE)
    replaced: list[str] = []
    files = [path for path in (user_file(),) if path.is_file()] + ([extra] if extra else [])
    for path in files:
        own = read_topologies(path)
        replaced += [name for name in own if name in found and name not in replaced]
        found.update(own)
        origins.update(dict.fromkeys(own, path))
    return Choice(topologies=found, origins=origins, replaced=tuple(replaced))


def read_topologies(path: Path) -> Mapping[str, Topology]:
    """Return the topologies of a TOML file by name; :class:`UserError` with every mistake in it."""
    mistakes: list[Mistake] = []
    found: dict[str, Topology] = {}
    for name, content in read_toml(path).items():
        if not NAME.fullmatch(name):
            mistakes.append(Mistake(where=(name,), says="a name has small letters, digits and '-', at most 48"))
        try:
            table = TopologyTable.model_validate(content)
        except ValidationError as error:
            mistakes += mistakes_in(error, name)
            continue
        wrong = [Mistake(where=(name, *each.where), says=each.says) for each in _misshapen(table)]
        mistakes += wrong
        if not wrong:
            found[name] = _topology(name, table)
    if mistakes:
        raise refusal(path, mistakes)
    return found


def _misshapen(table: TopologyTable) -> Iterator[Mistake]:
    """Yield what no machine can have, or no kernel will boot on."""
    count, nodes = len(table.nodes), table.nodes
    if not any(node.cpus for node in nodes):
        yield Mistake(where=("nodes",), says="no node has a CPU")
    if sum(node.cpus for node in nodes) > MAXIMUM_CPUS:
        yield Mistake(where=("nodes",), says=f"the kernels are built for {MAXIMUM_CPUS} CPUs")
    if not nodes[0].memory_mib:
        yield Mistake(where=("nodes", 0), says="node 0 has no memory: QEMU and the kernel need some there")
    for number, node in enumerate(nodes):
        if not node.memory_mib and not node.cpus:
            yield Mistake(where=("nodes", number), says="a node without memory and without CPUs is none")
    if (count > 1 or table.distances) and [len(row) for row in table.distances] != [count] * count:
        yield Mistake(where=("distances",), says=f"distances must be {count} rows of {count}")
        return
    for number, row in enumerate(table.distances):
        for other, distance in enumerate(row):
            if other == number and distance != LOCAL:
                yield Mistake(where=("distances", number, other), says=f"a node's distance to itself is {LOCAL}")
            if other != number and distance == LOCAL:
                yield Mistake(where=("distances", number, other), says=f"only a node itself is at distance {LOCAL}")
    yield from _wrong_accesses(nodes)


def _wrong_accesses(nodes: list[NodeTable]) -> Iterator[Mistake]:
    """Yield what HMAT cannot say. A machine has it for all of its memory or not at all."""
    if not any(node.access for node in nodes):
        return
    for number, node in enumerate(nodes):
        where = ("nodes", number)
        if bool(node.access) != bool(node.memory_mib):
            says = "has no memory to access" if node.access else "has no access, and other nodes have"
            yield Mistake(where=where, says=f"node {number} {says}")
            continue
        initiators = [access.initiator for access in node.access]
        if len(set(initiators)) != len(initiators):
            yield Mistake(where=(*where, "access"), says="an initiator stands twice")
        if node.access and node.cpus and initiators[0] != number:
            yield Mistake(where=(*where, "access"), says="the first initiator of a node with CPUs is the node itself")
        for index, access in enumerate(node.access):
            yield from _wrong_access(nodes, access, (*where, "access", index))
    used = 0
    for node in nodes:
        for access in node.access:
            for name in VALUES[2:]:
                used |= access.value(name) or 0
    if used and used.bit_length() - (used & -used).bit_length() + 1 > BANDWIDTH_BITS:
        yield Mistake(
            where=("nodes",), says=f"the bandwidths have no common unit in which all fit {BANDWIDTH_BITS} bits"
        )


def _wrong_access(nodes: list[NodeTable], access: AccessTable, where: tuple[str | int, ...]) -> Iterator[Mistake]:
    if access.initiator >= len(nodes) or not nodes[access.initiator].cpus:
        yield Mistake(where=(*where, "initiator"), says=f"there is no node {access.initiator} with CPUs")
    for name in VALUES:
        if access.value(name) is None:
            yield Mistake(where=where, says=f"{name} is missing (or {name.partition('_')[2]} for both ways)")


def _topology(name: str, table: TopologyTable) -> Topology:
    return Topology(
        name=name,
        what_for=table.what_for,
        nodes=tuple(
            Node(memory_mib=node.memory_mib, cpus=node.cpus, accesses=tuple(_access(each) for each in node.access))
            for node in table.nodes
        ),
        distances=tuple(tuple(row) for row in table.distances) or ((LOCAL,),),
    )


def _access(table: AccessTable) -> Access:
    return Access(initiator=table.initiator, **{name: table.value(name) or 0 for name in VALUES})
