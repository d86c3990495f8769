"""The lists' map: which branches patches to a mailing list are made for; the catalog's table and the user's additions."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, TypeAdapter, ValidationError

from orchestrator.config.locations import PACKAGE
from orchestrator.config.toml_files import Strict, explain, read_toml
from orchestrator.model.tree import MailingList

CATALOG = PACKAGE / "config" / "catalog"
FILE = "lists.toml"


def _branch(name: str) -> str:
    """Refuse what can be no pattern of a branch's name (git-check-ref-format(1)); ``*`` stands for anything."""
    plain = name.replace("*", "x")
    parts = plain.split("/")
    bad = any(char.isspace() or not char.isprintable() or char in "~^:?[\\" for char in plain)
    if bad or plain.startswith("-") or ".." in plain or any(not part or part.startswith(".") for part in parts):
        raise ValueError(f"{name!r} is no name of a branch")
    return name


class ListTable(Strict):
    """One mailing list."""

    what_for: str = ""
    branches: Annotated[list[Annotated[str, AfterValidator(_branch)]], Field(min_length=1, max_length=64)]


def user_file() -> Path:
    """Return where the user's additions are looked for: ``$XDG_CONFIG_HOME/mm-patch-orchestrator/lists.toml``."""
    base = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(base) / "mm-patch-orchestrator" / "lists.toml"


def mailing_lists() -> tuple[MailingList, ...]:
    """Return the lists' map: the user's entries first, then the catalog's that they do not replace.

    Raises :class:`UserError` with all mistakes of a file.
    """
    own = user_file()
    theirs = _read(own) if own.exists() else {}
    return (*theirs.values(), *(entry for list_id, entry in _catalog().items() if list_id not in theirs))


@functools.cache
def _catalog() -> Mapping[str, MailingList]:
    return _read(CATALOG / FILE)


def _read(path: Path) -> dict[str, MailingList]:
    try:
        tables = TypeAdapter(dict[str, ListTable]).validate_python(read_toml(path))
    except ValidationError as error:
        raise explain(path, error) from error
    return {
        list_id.lower(): MailingList(list_id=list_id.lower(), branches=tuple(table.branches), what_for=table.what_for)
        for list_id, table in tables.items()
    }
