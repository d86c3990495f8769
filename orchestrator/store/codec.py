"""Frozen dataclasses ⇄ JSON, by their type hints.

What is written is read back equal, or not at all: an unknown key, a missing one, a wrong type and a number that is none
are errors that name the place. Handles what ``model/`` uses: dataclasses, enums, tuples, mappings with string keys,
paths, strings, numbers, booleans and unions with None.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import types
import typing
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from orchestrator.errors import UserError

Json = dict[str, Any] | list[Any] | str | int | float | bool | None
T = TypeVar("T")

_NAMES = {dict: "an object", list: "a list", str: "a string", bool: "true or false", int: "a number", float: "a number"}


class MalformedRecord(UserError):
    """A record of ours that cannot be read: truncated, edited, or not one of ours. The message names the place."""


def encode(value: object, where: str = "record") -> Json:
    """Return ``value`` as what :func:`json.dumps` takes; :class:`MalformedRecord` for what cannot be written."""
    match value:
        case None | bool() | str() if not isinstance(value, Enum):
            return value
        case Enum():
            return encode(value.value, where)
        case int():
            return value
        case float():
            return _encode_float(value, where)
        case Path():
            return str(value)
        case Mapping():
            return {str(key): encode(item, f"{where}.{key}") for key, item in value.items()}
        case tuple() | list():
            return [encode(item, f"{where}[{index}]") for index, item in enumerate(value)]
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            names = [field.name for field in dataclasses.fields(value)]
            return {name: encode(getattr(value, name), f"{where}.{name}") for name in names}
        case _:
            raise MalformedRecord(f"{where}: a {type(value).__name__} cannot be recorded")


def _encode_float(value: float, where: str) -> int | float:
    if not math.isfinite(value):
        raise MalformedRecord(f"{where}: {value} is not a number and cannot be recorded")
    # Counters are floats only by their hint; "8962" is what the kernel printed.
    return int(value) if value.is_integer() and abs(value) < 1 << 53 else value


def decode(kind: type[T], data: object, where: str = "record") -> T:
    """Return ``data`` (parsed JSON) as a ``kind``; :class:`MalformedRecord` naming the place when it is none."""
    return typing.cast("T", _decode(kind, data, where))


def _decode(hint: Any, data: object, where: str) -> object:
    origin = typing.get_origin(hint)
    if origin in {typing.Union, types.UnionType}:
        return _decode_union(typing.get_args(hint), data, where)
    if origin is tuple:
        return _decode_tuple(typing.get_args(hint), data, where)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        items = _expect(dict, data, where)
        value_hint = typing.get_args(hint)[1]
        return {key: _decode(value_hint, item, f"{where}.{key}") for key, item in items.items()}
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return _decode_dataclass(hint, data, where)
    return _decode_scalar(hint, data, where)


def _decode_scalar(hint: Any, data: object, where: str) -> object:
    if isinstance(hint, type) and issubclass(hint, Enum):
        try:
            return hint(data)
        except ValueError:
            known = ", ".join(repr(member.value) for member in hint)
            raise MalformedRecord(f"{where}: {data!r} is none of {known}") from None
    if hint is Path:
        return Path(_expect(str, data, where))
    if hint in {int, float}:
        return _decode_number(hint, data, where)
    if hint in {str, bool}:
        return _expect(hint, data, where)
    if hint is type(None) and data is None:
        return None
    raise _refusal(getattr(hint, "__name__", str(hint)), data, where)


def _decode_number(hint: type, data: object, where: str) -> int | float:
    # JSON has one kind of number, and a counter above 2^53 must stay an integer to stay itself.
    if isinstance(data, bool) or not isinstance(data, int | float) or (hint is int and not isinstance(data, int)):
        raise _refusal("an integer" if hint is int else "a number", data, where)
    if isinstance(data, float) and not math.isfinite(data):
        raise _refusal("a finite number", data, where)
    return data


def _decode_union(hints: tuple[Any, ...], data: object, where: str) -> object:
    if data is None and type(None) in hints:
        return None
    others = [hint for hint in hints if hint is not type(None)]
    for hint in others[:-1]:
        try:
            return _decode(hint, data, where)
        except MalformedRecord:
            continue
    return _decode(others[-1], data, where)


def _decode_tuple(hints: tuple[Any, ...], data: object, where: str) -> tuple[object, ...]:
    items = _expect(list, data, where)
    if len(hints) == 2 and hints[1] is Ellipsis:
        return tuple(_decode(hints[0], item, f"{where}[{index}]") for index, item in enumerate(items))
    if len(items) != len(hints):
        raise MalformedRecord(f"{where}: expected {len(hints)} items, found {len(items)}")
    pairs = zip(hints, items, strict=True)
    return tuple(_decode(hint, item, f"{where}[{index}]") for index, (hint, item) in enumerate(pairs))


@functools.cache
def _hints(kind: type) -> Mapping[str, Any]:
    return typing.get_type_hints(kind)


def _decode_dataclass(kind: type, data: object, where: str) -> object:
    items = _expect(dict, data, where)
    fields = {field.name: field for field in dataclasses.fields(kind)}
    for key in items:
        if key not in fields:
            raise MalformedRecord(f"{where}: unknown key {key!r} in a {kind.__name__}")
    values = {}
    for name, field in fields.items():
        if name in items:
            values[name] = _decode(_hints(kind)[name], items[name], f"{where}.{name}")
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise MalformedRecord(f"{where}: the key {name!r} is missing")
    return kind(**values)


def _expect(kind: type[T], data: object, where: str) -> T:
    if isinstance(data, kind) and not (kind is not bool and isinstance(data, bool)):
        return data
    raise _refusal(_NAMES[kind], data, where)


def _refusal(expected: str, data: object, where: str) -> MalformedRecord:
    found = "null" if data is None else _NAMES.get(type(data), type(data).__name__)
    return MalformedRecord(f"{where}: expected {expected}, found {found}")


def to_text(data: Json, *, indent: int | None = 2) -> str:
    """Return JSON text that can always be written as UTF-8: what a guest sends may be no text at all."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, indent=indent)
    try:
        text.encode()
    except UnicodeEncodeError:
        text = json.dumps(data, ensure_ascii=True, allow_nan=False, indent=indent)
    return text


def from_text(text: str, where: str) -> Json:
    """Return parsed JSON; :class:`MalformedRecord` for what is none, for NaN and for a key that is there twice."""
    try:
        return typing.cast("Json", json.loads(text, parse_constant=_no_constant, object_pairs_hook=_no_double))
    except (ValueError, RecursionError) as error:
        raise MalformedRecord(f"{where} is damaged: {error}") from None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number")


def _no_double(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        double = next(key for index, (key, _) in enumerate(pairs) if key in dict(pairs[:index]))
        raise ValueError(f"the key {double!r} is there twice")
    return found
