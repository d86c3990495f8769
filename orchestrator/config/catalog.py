"""The catalog: topologies, profiles, architectures, kernel flavours and scenarios, read from TOML and checked.

Everything that varies is an entry in one of these tables. pydantic checks them at this edge (all mistakes at once,
unknown keys refused) and nothing of it goes further: the rest of the program sees the frozen values of ``model/``.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError, model_validator

from orchestrator.config.locations import PACKAGE
from orchestrator.config.toml_files import Strict, explain, pick, read_toml
from orchestrator.config.topologies import topologies
from orchestrator.model.kernel import Architecture, Flavour
from orchestrator.model.run import MOST_SEEDS, Only, Profile

__all__ = ["Strict", "architecture", "explain", "flavour", "flavours", "pick", "profiles", "read_toml", "topologies"]

CATALOG = PACKAGE / "config" / "catalog"


class OnlyTable(Strict):
    """What is asked of one scenario of a profile, where that is less than of the others."""

    topologies: Annotated[list[str], Field(default_factory=list)]
    seeds: Annotated[list[Annotated[int, Field(ge=0)]], Field(default_factory=list)]


class ProfileTable(Strict):
    """One profile."""

    what_for: str
    scenarios: Annotated[list[str], Field(min_length=1)]
    topologies: Annotated[list[str], Field(min_length=1)]
    seeds: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]
    only: Annotated[dict[str, OnlyTable], Field(default_factory=dict)]
    most_seeds: Annotated[int, Field(ge=0, le=MOST_SEEDS)] = 0
    budget_s: Annotated[float, Field(ge=0)] = 0.0
    perturbed: bool = False
    coverage: bool = False
    aims: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _only_less(self) -> ProfileTable:
        """Refuse an ``only`` that asks for what the profile does not have: it would silently ask for nothing."""
        for name, only in self.only.items():
            more = [
                *({name} - set(self.scenarios)),
                *(set(only.topologies) - set(self.topologies)),
                *(str(seed) for seed in sorted(set(only.seeds) - set(self.seeds))),
            ]
            if more:
                raise ValueError(f"only.{name}: the profile has no {', '.join(more)}")
        return self


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
    """One kernel flavour; see :class:`orchestrator.model.kernel.Flavour`."""

    what_for: str
    fragments: list[str]
    parameters: list[str] = Field(default_factory=list)
    image: str = ""
    target: str = ""
    shadow_share: Annotated[int, Field(ge=2)] | None = None
    slowdown: Annotated[int, Field(ge=1)] = 1

    @model_validator(mode="after")
    def check_image(self) -> FlavourTable:
        """Refuse an image without the target that makes it, and the reverse."""
        if bool(self.image) != bool(self.target):
            raise ValueError("image and target go together")
        return self


class KernelsFile(Strict):
    """The file ``kernels.toml``."""

    architectures: dict[str, ArchitectureTable]
    flavours: dict[str, FlavourTable]


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
            only=tuple(
                Only(scenario=scenario, topologies=tuple(only.topologies), seeds=tuple(only.seeds))
                for scenario, only in table.only.items()
            ),
            most_seeds=table.most_seeds,
            budget_s=table.budget_s,
            perturbed=table.perturbed,
            coverage=table.coverage,
            aims=table.aims,
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
    return Flavour(
        name=name,
        what_for=table.what_for,
        fragments=tuple(table.fragments),
        parameters=tuple(table.parameters),
        image=table.image,
        target=table.target,
        shadow_share=table.shadow_share or 0,
        slowdown=table.slowdown,
    )


def flavours() -> Mapping[str, Flavour]:
    """Return the catalog's kernel flavours by name."""
    return {name: flavour(name) for name in _kernels().flavours}
