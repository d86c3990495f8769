"""Files of claims: TOML, a ``[[claim]]`` table each (docs/judging.md). Names that nothing bears are refused with their line."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError, model_validator

from orchestrator.config.toml_files import Mistake, Strict, explain, read_toml, refusal
from orchestrator.model.claim import Claim, Sense
from orchestrator.model.scenario import Scenario

Number = Annotated[float, Field(allow_inf_nan=False)]


class ClaimTable(Strict):
    """One ``[[claim]]``."""

    says: Annotated[str, Field(min_length=1)]
    scenario: str
    metric: str
    topology: str = "*"
    per: str = ""
    direction: Annotated[Sense | None, Field(strict=False)] = None
    factor: Annotated[float, Field(ge=1, allow_inf_nan=False)] | None = None
    at_least: Number | None = None
    at_most: Number | None = None

    @model_validator(mode="after")
    def check_kind(self) -> ClaimTable:
        """Refuse a claim that says nothing, or two things."""
        bounds = self.at_least is not None or self.at_most is not None
        if (self.direction is None) is not (self.factor is None):
            raise ValueError("direction and factor go together: 'falls' by 10, say")
        if bounds is (self.direction is not None):
            raise ValueError("a claim needs either direction and factor, or at_least and at_most")
        return self


class ClaimsFile(Strict):
    """A file of claims."""

    claim: Annotated[list[ClaimTable], Field(min_length=1)]


def read_claims(
    paths: Sequence[Path], *, scenarios: Mapping[str, Scenario], topologies: Collection[str]
) -> tuple[Claim, ...]:
    """Return the claims in ``paths``, in order.

    Raises :class:`UserError` with file and line for a file that is not as it should be, and for claims about a scenario,
    a topology or a metric that there is not.
    """
    return tuple(claim for path in paths for claim in _read(path, scenarios, topologies))


def _read(path: Path, scenarios: Mapping[str, Scenario], topologies: Collection[str]) -> list[Claim]:
    try:
        tables = ClaimsFile.model_validate(read_toml(path)).claim
    except ValidationError as error:
        raise explain(path, error) from error
    if mistakes := [each for at, table in enumerate(tables) for each in _mistakes(at, table, scenarios, topologies)]:
        raise refusal(path, mistakes)
    return [
        Claim(
            says=table.says,
            scenario=table.scenario,
            metric=table.metric,
            topology=table.topology,
            per=table.per,
            sense=table.direction,
            factor=table.factor or 1.0,
            at_least=table.at_least,
            at_most=table.at_most,
            source=path.name,
        )
        for table in tables
    ]


def _mistakes(
    at: int, table: ClaimTable, scenarios: Mapping[str, Scenario], topologies: Collection[str]
) -> Iterator[Mistake]:
    if not any(fnmatchcase(name, table.topology) for name in topologies):
        says = f"there is no topology '{table.topology}' (known: {', '.join(topologies)})"
        yield Mistake(where=("claim", at, "topology"), says=says)
    scenario = scenarios.get(table.scenario)
    if scenario is None:
        says = f"there is no scenario '{table.scenario}' (known: {', '.join(scenarios)})"
        yield Mistake(where=("claim", at, "scenario"), says=says)
        return
    for key in ("metric", "per"):
        name = getattr(table, key)
        if name and scenario.metric_named(name) is None:
            known = ", ".join(metric.name for metric in scenario.metrics)
            says = f"{table.scenario} has no metric '{name}' (it has: {known})"
            yield Mistake(where=("claim", at, key), says=says)
