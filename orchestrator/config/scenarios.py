"""Scenario folders: ``guest_scripts/scenarios/<name>/{scenario.toml,run.sh}``. Adding a scenario is adding a folder."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError, model_validator

from orchestrator.config.catalog import Strict, explain, read_toml
from orchestrator.config.locations import guest_scripts_folder
from orchestrator.errors import UserError
from orchestrator.model.scenario import Comparison, Direction, Metric, Must, Scenario

COUNTER = r"(vmstat|memcg|debugfs):[^\s-]+"
# pydantic searches; it does not match the whole by itself.
SOURCE = re.compile(rf"^({COUNTER}|probe:\S+|derived:{COUNTER}-{COUNTER})$")
KNOB = re.compile(r"(?!TRIAL_)[A-Z][A-Z0-9_]*")
BOUNDS = {"at_least": Comparison.AT_LEAST, "at_most": Comparison.AT_MOST, "equals": Comparison.EQUAL}


class MetricTable(Strict):
    """One ``[[metric]]``."""

    name: str
    unit: str
    direction: Annotated[Direction, Field(strict=False)]
    source: Annotated[str, Field(pattern=SOURCE.pattern)]
    what_for: str
    per_node: bool = False


class MustTable(Strict):
    """One ``[[must]]``: a metric, exactly one bound, and what is said when it does not hold."""

    metric: str
    says: str
    at_least: float | None = None
    at_most: float | None = None
    equals: float | None = None

    @model_validator(mode="after")
    def check_one_bound(self) -> MustTable:
        """Refuse none and several."""
        if sum(getattr(self, bound) is not None for bound in BOUNDS) != 1:
            raise ValueError(f"exactly one of {', '.join(BOUNDS)} is needed")
        return self


class ScenarioFile(Strict):
    """A ``scenario.toml``."""

    what_for: str
    memory_mib: Annotated[int, Field(ge=64)]
    timeout_s: Annotated[float, Field(gt=0)]
    memcgs: Annotated[list[str], Field(min_length=1)]
    workload: Annotated[list[str], Field(min_length=1)]
    knobs: Annotated[dict[str, str], Field(default_factory=dict)]
    metric: Annotated[list[MetricTable], Field(min_length=1)]
    must: Annotated[list[MustTable], Field(min_length=1)]

    @model_validator(mode="after")
    def check_names(self) -> ScenarioFile:
        """Refuse knobs that are no shell variables, doubled metrics, and musts about a metric that is not there."""
        names = [metric.name for metric in self.metric]
        problems = [f"metric: '{name}' stands twice" for name in sorted({n for n in names if names.count(n) > 1})]
        problems += [
            f"must: there is no metric '{must.metric}'"
            for must in self.must
            if must.metric.partition("@")[0] not in names
        ]
        problems += [
            f"knobs: '{knob}' is not a name like MAX_POOL_PERCENT" for knob in self.knobs if not KNOB.fullmatch(knob)
        ]
        if problems:
            raise ValueError("; ".join(problems))
        return self


@functools.cache
def scenarios(folder: Path | None = None) -> Mapping[str, Scenario]:
    """Return all scenarios by name; :class:`UserError` with the file and every mistake in it."""
    root = folder or guest_scripts_folder() / "scenarios"
    found = [read_scenario(path.parent) for path in sorted(root.glob("*/scenario.toml"))]
    return {scenario.name: scenario for scenario in found}


def read_scenario(folder: Path) -> Scenario:
    """Return the scenario in ``folder``."""
    path = folder / "scenario.toml"
    if not (folder / "run.sh").is_file():
        raise UserError(f"{folder} has no run.sh")
    try:
        table = ScenarioFile.model_validate(read_toml(path))
    except ValidationError as error:
        raise explain(path, error) from error
    return Scenario(
        name=folder.name,
        what_for=table.what_for,
        folder=folder,
        knobs=tuple(sorted(table.knobs.items())),
        workload=tuple(table.workload),
        metrics=tuple(Metric(**metric.model_dump()) for metric in table.metric),
        musts=tuple(_must(must) for must in table.must),
        memcgs=tuple(table.memcgs),
        memory_mib=table.memory_mib,
        timeout_s=table.timeout_s,
    )


def _must(table: MustTable) -> Must:
    bound, value = next((name, getattr(table, name)) for name in BOUNDS if getattr(table, name) is not None)
    return Must(metric=table.metric, comparison=BOUNDS[bound], value=float(value), says=table.says)
