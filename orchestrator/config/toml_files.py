"""Reading the TOML files of the catalog, and saying all that is wrong with one, each with its line."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from orchestrator.config.toml_places import place_in
from orchestrator.errors import UserError

T = TypeVar("T")


class Strict(BaseModel):
    """A table of a TOML file: keys that are not known are refused."""

    model_config = ConfigDict(extra="forbid", strict=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """Something wrong in a file: the way to the key, and in words."""

    where: tuple[str | int, ...]
    says: str


def read_text(path: Path) -> str:
    """Return a TOML file's text; :class:`UserError` when it is not there or cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise UserError(f"{path} is not there") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not valid TOML: {error}") from error
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error


def read_toml(path: Path) -> dict[str, object]:
    """Return a TOML file's content; :class:`UserError` with the place when it is not TOML."""
    try:
        return tomllib.loads(read_text(path))
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{path} is not valid TOML: {error}") from error


def mistakes_in(error: ValidationError, *above: str | int) -> Iterator[Mistake]:
    """Yield what pydantic found wrong; ``above`` is the way to the table that it looked at."""
    for item in error.errors():
        yield Mistake(where=(*above, *item["loc"]), says=_words(item["msg"]))


def _words(message: str) -> str:
    """Return pydantic's message without what only a reader of our code can make sense of."""
    return re.sub(r" or instance of \w+", "", message.removeprefix("Value error, "))


def refusal(path: Path, mistakes: Iterable[Mistake]) -> UserError:
    """Return all mistakes of the file ``path`` as one error, a line each: file, line, key, what is wrong."""
    text = read_text(path)
    placed = [(place_in(text, mistake.where), mistake) for mistake in mistakes]
    lines = [
        f"{path}:{line}: {'.'.join(str(part) for part in mistake.where) or 'file'}: {mistake.says}"
        for line, mistake in sorted(placed, key=lambda pair: pair[0])
    ]
    return UserError("\n".join(lines))


def explain(path: Path, error: ValidationError) -> UserError:
    """Return all that pydantic found wrong in ``path`` as one error."""
    return refusal(path, mistakes_in(error))


def pick(table: Mapping[str, T], name: str, *, kind: str) -> T:
    """Return ``table[name]``; :class:`UserError` listing what there is when it is not there."""
    try:
        return table[name]
    except KeyError:
        raise UserError(f"there is no {kind} '{name}'", hint=f"one of: {', '.join(sorted(table))}") from None
