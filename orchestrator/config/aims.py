"""The aims of the catalog: which scenarios a run adds for what a patch changes."""

from __future__ import annotations

import functools
from typing import Annotated

from pydantic import Field, ValidationError

from orchestrator.config.catalog import CATALOG
from orchestrator.config.toml_files import Strict, explain, read_toml
from orchestrator.model.aim import Aim


class AimTable(Strict):
    """One aim."""

    changes: Annotated[list[str], Field(min_length=1)]
    scenarios: Annotated[dict[str, str], Field(min_length=1)]


class AimsFile(Strict):
    """The file ``aims.toml``."""

    aim: list[AimTable]


@functools.cache
def aims() -> tuple[Aim, ...]:
    """Return the catalog's aims, in their order."""
    path = CATALOG / "aims.toml"
    try:
        tables = AimsFile.model_validate(read_toml(path)).aim
    except ValidationError as error:
        raise explain(path, error) from error
    return tuple(Aim(changes=tuple(table.changes), scenarios=table.scenarios) for table in tables)
