"""As much of an ELF object file as it takes to compare what ends up in memory: sections, symbols, relocations. Pure.

Only 64-bit little-endian relocatable files (System V ABI, chapter 4): x86-64 and arm64. The bytes are a stranger's: every
offset is checked by the slices and :mod:`struct`, and what does not add up is :class:`NotAnObject`.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass

SHF_WRITE, SHF_ALLOC, SHF_EXECINSTR, SHF_STRINGS = 1, 2, 4, 0x20
SHT_SYMTAB, SHT_RELA, SHT_NOBITS, SHT_REL = 2, 4, 8, 9
STT_OBJECT, STT_FUNC, STT_SECTION, STT_FILE = 1, 2, 3, 4
STB_LOCAL = 0

_IDENT = b"\x7fELF\x02\x01\x01"
_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_SYMBOL = struct.Struct("<IBBHQQ")
_RELA = struct.Struct("<QQq")
_RESERVED = 0xFF00


class NotAnObject(ValueError):
    """The file is no object file of the kind that can be read here; the message says why."""


@dataclass(frozen=True, slots=True)
class Symbol:
    """A symbol: ``section`` is the name of the one it is in, "" for what is defined elsewhere."""

    name: str
    kind: int
    binding: int
    other: int
    section: str
    value: int
    size: int


@dataclass(frozen=True, slots=True)
class Relocation:
    """Something to be filled in at ``offset`` of a section: ``kind`` is the machine's own number."""

    offset: int
    kind: int
    symbol: Symbol
    addend: int


@dataclass(frozen=True, slots=True)
class Section:
    """A section that is loaded into memory. ``data`` is empty where it has no bytes of its own (.bss)."""

    name: str
    kind: int
    flags: int
    alignment: int
    size: int
    data: bytes
    relocations: tuple[Relocation, ...]


@dataclass(frozen=True, slots=True)
class ObjectFile:
    """An object file: its loaded sections by name (``name#2`` for a second one of a name), and all its symbols."""

    machine: int
    sections: Mapping[str, Section]
    symbols: tuple[Symbol, ...]


@dataclass(frozen=True, slots=True)
class _Raw:
    """A section header with its name and place in the file."""

    name: str
    kind: int
    flags: int
    offset: int
    size: int
    link: int
    info: int
    alignment: int


def read_object(data: bytes) -> ObjectFile:
    """Return the object file in ``data``; raises :class:`NotAnObject`."""
    try:
        return _read(data)
    except (struct.error, IndexError, ValueError, OverflowError, MemoryError) as error:
        if isinstance(error, NotAnObject):
            raise
        raise NotAnObject(f"damaged: {error}") from error


def _read(data: bytes) -> ObjectFile:
    if not data.startswith(_IDENT):
        raise NotAnObject("no 64-bit little-endian ELF file")
    _, kind, machine, _, _, _, start, _, _, _, _, size, count, names_at = _HEADER.unpack_from(data)
    if kind != 1 or size != _SECTION.size:
        raise NotAnObject("no relocatable file")
    headers = [_SECTION.unpack_from(data, start + at * size) for at in range(max(count, 1))]
    if count == 0:
        # More than 65279 sections: the first header has the number (ELF, "e_shnum").
        headers = [_SECTION.unpack_from(data, start + at * size) for at in range(headers[0][5])]
    names_at = headers[0][6] if names_at == 0xFFFF else names_at
    names = data[headers[names_at][4] : headers[names_at][4] + headers[names_at][5]]
    raw = [
        _Raw(_text(names, name), kind, flags, offset, length, link, info, alignment)
        for name, kind, flags, _, offset, length, link, info, alignment, _ in headers
    ]
    keys = _keys(raw)
    symbols = _symbols(data, raw, keys)
    relocations = _relocations(data, raw, symbols)
    sections = {
        keys[at]: Section(
            name=keys[at],
            kind=section.kind,
            flags=section.flags,
            alignment=section.alignment,
            size=section.size,
            data=b"" if section.kind == SHT_NOBITS else _bytes(data, section),
            relocations=relocations.get(at, ()),
        )
        for at, section in enumerate(raw)
        if section.flags & SHF_ALLOC
    }
    return ObjectFile(machine=machine, sections=sections, symbols=tuple(symbols))


def _keys(raw: list[_Raw]) -> list[str]:
    """Return a name for each section that no other has."""
    seen: dict[str, int] = {}
    keys = []
    for section in raw:
        seen[section.name] = seen.get(section.name, 0) + 1
        keys.append(section.name if seen[section.name] == 1 else f"{section.name}#{seen[section.name]}")
    return keys


def _symbols(data: bytes, raw: list[_Raw], keys: list[str]) -> list[Symbol]:
    table = next((section for section in raw if section.kind == SHT_SYMTAB), None)
    if table is None:
        return []
    strings = _bytes(data, raw[table.link])
    found = []
    for name, info, other, index, value, size in _SYMBOL.iter_unpack(_bytes(data, table)):
        if index == 0xFFFF:
            raise NotAnObject("it has more sections than fit a symbol")
        section = keys[index] if 0 < index < _RESERVED else "" if index == 0 else f"*{index:#x}"
        found.append(Symbol(_text(strings, name), info & 15, info >> 4, other, section, value, size))
    return found


def _relocations(data: bytes, raw: list[_Raw], symbols: list[Symbol]) -> dict[int, tuple[Relocation, ...]]:
    found: dict[int, tuple[Relocation, ...]] = {}
    for section in raw:
        if section.kind == SHT_REL:
            raise NotAnObject("its relocations have no addends")
        if section.kind == SHT_RELA and raw[section.info].flags & SHF_ALLOC:
            entries = _RELA.iter_unpack(_bytes(data, section))
            found[section.info] = found.get(section.info, ()) + tuple(
                Relocation(offset, info & 0xFFFFFFFF, symbols[info >> 32], addend) for offset, info, addend in entries
            )
    return found


def _bytes(data: bytes, section: _Raw) -> bytes:
    found = data[section.offset : section.offset + section.size]
    if len(found) != section.size:
        raise NotAnObject(f"{section.name} ends behind the file")
    return found


def _text(strings: bytes, at: int) -> str:
    return strings[at : strings.index(b"\0", at)].decode("utf-8", "surrogateescape") if at < len(strings) else ""
