"""The tables of a ``scenario.toml`` and of ``metrics.toml`` as they are read: what each key must be by itself."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field, field_validator, model_validator

from orchestrator.config.toml_files import Strict
from orchestrator.model.scenario import BEFORE, PRESSED, Comparison, Direction
from orchestrator.model.source import PER_NODE, WHOLE_TRIAL, sources_of

SYMBOL = re.compile(r"[A-Za-z_]\w*", re.ASCII)
BOUNDS = {"at_least": Comparison.AT_LEAST, "at_most": Comparison.AT_MOST, "equals": Comparison.EQUAL}


class MetricTable(Strict):
    """One ``[[metric]]``."""

    name: str
    unit: str
    direction: Annotated[Direction, Field(strict=False)]
    source: str
    what_for: str
    per_node: bool = False
    start: Annotated[str, Field(alias="from")] = BEFORE
    end: Annotated[str, Field(alias="to")] = PRESSED
    at: str = ""
    smallest: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    smallest_percent: Annotated[float, Field(gt=0, le=100)] | None = None

    @field_validator("source")
    @classmethod
    def check_source(cls, source: str) -> str:
        """Refuse a source that nothing can read."""
        sources_of(source)
        return source

    @model_validator(mode="after")
    def check_nodes(self) -> MetricTable:
        """Refuse a source of every node in a metric that has one value."""
        if not self.per_node and any(source.kind in PER_NODE for source in sources_of(self.source)):
            raise ValueError(f"the source {self.source} is read on every node: say per_node = true")
        return self

    @model_validator(mode="after")
    def check_samples(self) -> MetricTable:
        """Refuse samples for a source that tells of the whole trial: the value would be another than was meant."""
        if {"start", "end", "at"} & self.model_fields_set:
            for source in sources_of(self.source):
                if source.kind in WHOLE_TRIAL:
                    raise ValueError(f"'{source.kind}:' is read once, of the whole trial: leave out from, to and at")
        return self


class MustTable(Strict):
    """One ``[[must]]``: a metric, exactly one bound, and what is said when it does not hold."""

    metric: str
    says: str
    at_least: float | None = None
    at_most: float | None = None
    equals: float | None = None
    by_chance: bool = False

    @model_validator(mode="after")
    def check_one_bound(self) -> MustTable:
        """Refuse none and several."""
        if sum(getattr(self, bound) is not None for bound in BOUNDS) != 1:
            raise ValueError(f"exactly one of {', '.join(BOUNDS)} is needed")
        return self


class ProcessTable(Strict):
    """One ``[[process]]``."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9_-]+$")]
    memcg: str
    workload: Annotated[list[str], Field(min_length=1)]
    copies: Annotated[int, Field(ge=1, le=64)] = 1
    may_be_killed: bool = False


class RequiresTable(Strict):
    """``[requires]``."""

    config: Annotated[list[Annotated[str, Field(pattern=r"^CONFIG_[A-Z0-9_]+$")]], Field(default_factory=list)]
    nodes: Annotated[int, Field(ge=1)] = 1
    cpus: Annotated[int, Field(ge=1)] = 1
    first_node_mib: Annotated[int, Field(ge=0)] = 0
    at_most_cpus: Annotated[int, Field(ge=1)] | None = None
    since: Annotated[str, Field(pattern=r"^([0-9]+\.[0-9]+)?$")] = ""

    @model_validator(mode="after")
    def check_cpus(self) -> RequiresTable:
        """Refuse bounds that no number of CPUs is within."""
        if self.at_most_cpus is not None and self.at_most_cpus < self.cpus:
            raise ValueError(f"at_most_cpus = {self.at_most_cpus} is less than cpus = {self.cpus}")
        return self


class InvariantsTable(Strict):
    """``[invariants]``: all apply but those that ``except`` names, each with a reason."""

    excepted: Annotated[dict[str, str], Field(alias="except", default_factory=dict)]


class ScenarioFile(Strict):
    """A ``scenario.toml``."""

    what_for: str
    paths: Annotated[list[str], Field(default_factory=list)]
    memory_mib: Annotated[int, Field(ge=64)]
    timeout_s: Annotated[float, Field(gt=0)]
    memcgs: Annotated[list[str], Field(min_length=1)]
    workload: Annotated[list[str], Field(min_length=1)]
    process: Annotated[list[ProcessTable], Field(default_factory=list)]
    knobs: Annotated[dict[str, str], Field(default_factory=dict)]
    metrics: Annotated[list[str], Field(default_factory=list)]
    metric: Annotated[list[MetricTable], Field(default_factory=list)]
    must: Annotated[list[MustTable], Field(default_factory=list)]
    enters: Annotated[list[Annotated[str, Field(pattern=rf"^{SYMBOL.pattern}$")]], Field(default_factory=list)]
    requires: Annotated[RequiresTable, Field(default_factory=lambda: RequiresTable(config=[]))]
    invariants: Annotated[InvariantsTable, Field(default_factory=lambda: InvariantsTable(**{"except": {}}))]
    selftests: Annotated[list[str], Field(default_factory=list)]
    tracing: Annotated[list[str], Field(default_factory=list)]
