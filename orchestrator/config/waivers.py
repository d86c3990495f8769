"""Waiver files: TOML, a ``[[waiver]]`` table each; the catalog's own and any that the user names."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError, field_validator

from orchestrator.config import catalog
from orchestrator.config.catalog import Strict, explain, read_toml
from orchestrator.errors import UserError
from orchestrator.model.waiver import Waiver

Text = Annotated[str, Field(min_length=1)]


class WaiverTable(Strict):
    """One waiver. ``expires`` is a TOML date, without quotes."""

    name: Text
    reason: Annotated[str, Field(min_length=10)]
    expires: date
    link: str = ""
    scenario: Text = "*"
    topology: Text = "*"
    flavour: Text = "*"

    @field_validator("name")
    @classmethod
    def check_name(cls, name: str) -> str:
        """Refuse a waiver of everything."""
        if not name.strip("*? "):
            raise ValueError("a waiver must say which failure it is about")
        return name

    @field_validator("flavour")
    @classmethod
    def check_flavour(cls, flavour: str) -> str:
        """Refuse one that fits no flavour: such a waiver would never be missed."""
        if not any(fnmatchcase(known, flavour) for known in catalog.flavours()):
            raise ValueError(f"no flavour is called {flavour}; there are {', '.join(catalog.flavours())}")
        return flavour


class WaiversFile(Strict):
    """A file of waivers."""

    waiver: Annotated[list[WaiverTable], Field(default_factory=list)]


def read_waivers(paths: Sequence[Path] = ()) -> tuple[Waiver, ...]:
    """Return the shipped waivers and those of the user's ``paths``, in that order.

    Raises :class:`UserError` naming file and key for a file that is not there, not TOML or not as it should be, and for
    a waiver that stands there twice.
    """
    shipped = catalog.CATALOG / "waivers.toml"
    waivers = _read(shipped, source=shipped.name)
    waivers += [waiver for path in paths for waiver in _read(path, source=str(path))]
    seen: dict[tuple[str, ...], Waiver] = {}
    for waiver in waivers:
        other = seen.setdefault((waiver.name, waiver.scenario, waiver.topology, waiver.flavour), waiver)
        if other is not waiver:
            raise UserError(
                f"'{waiver.name}' is waived twice: in {other.source} and in {waiver.source}", hint="remove one of them"
            )
    return tuple(waivers)


def _read(path: Path, *, source: str) -> list[Waiver]:
    try:
        tables = WaiversFile.model_validate(read_toml(path)).waiver
    except ValidationError as error:
        raise explain(path, error) from error
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
    return [Waiver(source=source, **{**table.model_dump(), "expires": table.expires.isoformat()}) for table in tables]
