"""The catalog: topologies, profiles, architectures, kernel flavours and scenarios, read from TOML and checked.

Everything that varies is an entry in one of these tables. pydantic checks them at this edge (all mistakes at once,
unknown keys refused) and nothing of it goes further: the rest of the program sees the frozen values of ``model/``.
"""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from orchestrator.config.locations import PACKAGE
from orchestrator.errors import UserError
from orchestrator.model.kernel import Architecture, Flavour
from orchestrator.model.run import Profile
from orchestrator.model.topology import Node, Topology

CATALOG = PACKAGE / "config" / "catalog"

T = TypeVar("T")


class Strict(BaseModel):
    """A table of a TOML file: keys that are not known are refused."""

    model_config = ConfigDict(extra="forbid", strict=True)


class NodeTable(Strict):
    """One node of a topology."""

    memory_mib: Annotated[int, Field(ge=0, le=1 << 20)]
    cpus: Annotated[int, Field(ge=0, le=16)]


class TopologyTable(Strict):
    """One topology."""

    what_for: str
    nodes: Annotated[list[NodeTable], Field(min_length=1, max_length=64)]
    distances: list[list[Annotated[int, Field(ge=10, le=254)]]] = []

    @model_validator(mode="after")
    def check_shape(self) -> TopologyTable:
        """Refuse a topology that no machine can have."""
        count = len(self.nodes)
        if not any(node.cpus for node in self.nodes):
            raise ValueError("no node has a CPU")
        if not self.nodes[0].memory_mib:
            raise ValueError("node 0 has no memory: QEMU and the kernel need some there")
        if count > 1 and [len(row) for row in self.distances] != [count] * count:
            raise ValueError(f"distances must be {count} rows of {count}")
        if any(row[index] != 10 for index, row in enumerate(self.distances)):
            raise ValueError("a node's distance to itself is 10")
        return self


class ProfileTable(Strict):
    """One profile."""

    what_for: str
    scenarios: Annotated[list[str], Field(min_length=1)]
    topologies: Annotated[list[str], Field(min_length=1)]
    seeds: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]


class ArchitectureTable(Strict):
    """One architecture."""

    kernel_arch: str
    qemu: str
    machine: str
    cpu: str
    image: str
    target: str
    console: str
    fragments: list[str]


class FlavourTable(Strict):
    """One kernel flavour."""

    what_for: str
    fragments: list[str]


class KernelsFile(Strict):
    """The file ``kernels.toml``."""

    architectures: dict[str, ArchitectureTable]
    flavours: dict[str, FlavourTable]


def read_toml(path: Path) -> dict[str, object]:
    """Return a TOML file's content; :class:`UserError` with the place when it is not TOML."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"{path} is not there") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not valid TOML: {error}") from error


def explain(path: Path, error: ValidationError) -> UserError:
    """Return all that pydantic found wrong in ``path`` as one error, a line each."""
    lines = [f"{'.'.join(str(part) for part in item['loc']) or 'file'}: {item['msg']}" for item in error.errors()]
    return UserError(f"{path}:\n  " + "\n  ".join(lines))


@functools.cache
def topologies() -> Mapping[str, Topology]:
    """Return the catalog's topologies by name."""
    path = CATALOG / "topologies.toml"
    try:
        tables = TypeAdapter(dict[str, TopologyTable]).validate_python(read_toml(path))
    except ValidationError as error:
        raise explain(path, error) from error
    return {name: _topology(name, table) for name, table in tables.items()}


def _topology(name: str, table: TopologyTable) -> Topology:
    return Topology(
        name=name,
        what_for=table.what_for,
        nodes=tuple(Node(memory_mib=node.memory_mib, cpus=node.cpus) for node in table.nodes),
        distances=tuple(tuple(row) for row in table.distances) or ((10,),),
    )


@functools.cache
def profiles() -> Mapping[str, Profile]:
    """Return the catalog's profiles by name."""
    path = CATALOG / "profiles.toml"
    try:
        tables = TypeAdapter(dict[str, ProfileTable]).validate_python(read_toml(path))
    except ValidationError as error:
        raise explain(path, error) from error
    return {
        name: Profile(
            name=name,
            what_for=table.what_for,
            scenarios=tuple(table.scenarios),
            topologies=tuple(table.topologies),
            seeds=tuple(table.seeds),
        )
        for name, table in tables.items()
    }


@functools.cache
def _kernels() -> KernelsFile:
    path = CATALOG / "kernels.toml"
    try:
        return KernelsFile.model_validate(read_toml(path))
    except ValidationError as error:
        raise explain(path, error) from error


def architecture(name: str = "x86_64") -> Architecture:
    """Return an architecture of the catalog."""
    table = pick(_kernels().architectures, name, kind="architecture")
    return Architecture(name=name, **{**table.model_dump(), "fragments": tuple(table.fragments)})


def flavour(name: str = "plain") -> Flavour:
    """Return a kernel flavour of the catalog."""
    table = pick(_kernels().flavours, name, kind="kernel flavour")
    return Flavour(name=name, what_for=table.what_for, fragments=tuple(table.fragments))


def pick(table: Mapping[str, T], name: str, *, kind: str) -> T:
    """Return ``table[name]``; :class:`UserError` listing what there is when it is not there."""
    try:
        return table[name]
    except KeyError:
        raise UserError(f"there is no {kind} '{name}'", hint=f"one of: {', '.join(sorted(table))}") from None
