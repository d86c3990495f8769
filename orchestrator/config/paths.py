"""Named sets of files (``zswap``: mm/zswap.c, mm/page_io.c, ...) for filters: the catalog's table."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError

from orchestrator.config.locations import PACKAGE
from orchestrator.config.toml_files import Strict, explain, read_toml
from orchestrator.errors import UserError

CATALOG = PACKAGE / "config" / "catalog"
FILE = "paths.toml"


class PathsTable(Strict):
    """One named set."""

    what_for: str
    paths: Annotated[list[str], Field(min_length=1)]


@functools.cache
def path_sets() -> Mapping[str, tuple[str, ...]]:
    """Return the catalog's sets by name."""
    path = CATALOG / FILE
    try:
        tables = TypeAdapter(dict[str, PathsTable]).validate_python(read_toml(path))
    except ValidationError as error:
        raise explain(path, error) from error
    return {name: tuple(table.paths) for name, table in tables.items()}


def globs_of(words: Sequence[str]) -> tuple[str, ...]:
    """Return the globs that ``words`` mean: names of sets, or paths (told by a slash, a dot or a star).

    Raises :class:`UserError` for a name that is neither.
    """
    sets = path_sets()
    found: dict[str, None] = {}
    for word in words:
        if word in sets:
            found |= dict.fromkeys(sets[word])
        elif any(char in word for char in "/.*"):
            found[word] = None
        else:
            raise UserError(f"there is no set of paths '{word}'", hint=f"a path, or one of: {', '.join(sorted(sets))}")
    return tuple(found)
