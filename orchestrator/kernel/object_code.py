"""Whether patched is the same code as base: what is loaded into memory of the objects that were made anew. Pure.

Two objects are the same when every section that is loaded has the same bytes and the same relocations to the same
places, and the same symbols are seen from outside. Left out are debug sections (not loaded), what the linker drops
(``.discard.*``), names of local symbols, and line numbers: those of ``__bug_table`` (struct bug_entry,
include/asm-generic/bug.h, with CONFIG_DEBUG_BUGVERBOSE). A line number may also stand in the code itself (might_sleep()
hands ``__LINE__`` on); such a difference is believed to be one only where the sources are the same but for comments
(:func:`same_code_lines`), never by how it looks.

Which functions differ is for people to read, and errs on the side of naming one too many.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from orchestrator.kernel.elf import (
    SHF_EXECINSTR,
    SHF_STRINGS,
    STB_LOCAL,
    STT_FUNC,
    STT_OBJECT,
    ObjectFile,
    Relocation,
    Section,
    Symbol,
)

BUG_TABLE = "__bug_table"

_DROPPED = (".discard.", ".comment", ".note.GNU-stack", ".note.gnu.property")
_NUMBERED = re.compile(r"\.\d+$|(?<=^__UNIQUE_ID_)(.*?)_?\d+$")
"""The compiler's number behind a name, and that of include/linux/compiler.h's __UNIQUE_ID, which counts through a file."""

_PC_RELATIVE = {62: {2, 4, 9, 41, 42}}
"""By e_machine: the relocations of x86-64 whose addend counts from behind the four bytes (PC32, PLT32, GOTPCREL...)."""

_COMMENT_OR_TEXT = re.compile(r"""//(?:\\\n|[^\n])*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'""", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeDifference:
    """How one object differs: names of functions and of data; both empty where the difference has no name."""

    functions: tuple[str, ...]
    data: tuple[str, ...]


def compare_objects_code(
    base: ObjectFile, patched: ObjectFile, *, lines_in_bug_table: bool, named: bool = True
) -> CodeDifference | None:
    """Return how two versions of an object differ, None where they are the same code; names only where ``named``."""
    if _shape(base, lines=lines_in_bug_table) == _shape(patched, lines=lines_in_bug_table):
        return None
    if not named:
        return CodeDifference(functions=(), data=())
    names = {kind: tuple(sorted(_changed(base, patched, kind))) for kind in (STT_FUNC, STT_OBJECT)}
    data = names[STT_OBJECT]
    if not names[STT_FUNC] and not data:
        data = tuple(_changed_sections(base, patched, lines=lines_in_bug_table))
    return CodeDifference(functions=names[STT_FUNC], data=data)


def same_code_lines(old: str, new: str) -> bool:
    """Whether two C files are the same to the compiler but for where lines stand: only comments and blanks differ.

    Each line of code has to be the same, so what ``__LINE__`` is may differ, and nothing else.
    """
    return _code_lines(old) == _code_lines(new)


def _code_lines(text: str) -> list[str]:
    def replaced(match: re.Match[str]) -> str:
        # Between tokens a comment is one blank (C11 5.1.1.2, phase 3); strings stay as they are.
        found = match.group(0)
        return found if found[0] in "\"'" else " "

    spliced = text.replace("\\\n", "")
    lines = _COMMENT_OR_TEXT.sub(replaced, spliced).split("\n")
    return [folded for line in lines if (folded := _fold_blanks(line))]


def _fold_blanks(line: str) -> str:
    """Return a line with blanks folded, those in strings kept."""
    pieces = re.split(r"""("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')""", line)
    return "".join(piece if at % 2 else re.sub(r"\s+", " ", piece) for at, piece in enumerate(pieces)).strip()


def _shape(code: ObjectFile, *, lines: bool) -> tuple[object, ...]:
    """Return all of an object that matters, to be compared as a whole."""
    sections = {name: _section_shape(section, lines=lines) for name, section in _kept(code)}
    seen = frozenset(symbol for symbol in code.symbols if symbol.binding != STB_LOCAL)
    return code.machine, sections, seen


def _kept(code: ObjectFile) -> Iterator[tuple[str, Section]]:
    return ((name, section) for name, section in code.sections.items() if not name.startswith(_DROPPED))


def _section_shape(section: Section, *, lines: bool) -> tuple[object, ...]:
    data = _without_lines(section) if lines and section.name.partition("#")[0] == BUG_TABLE else section.data
    places = tuple(
        (entry.offset, entry.kind, _place(entry.symbol), entry.addend)
        for entry in sorted(section.relocations, key=lambda entry: (entry.offset, entry.kind))
    )
    return section.kind, section.flags, section.alignment, section.size, data, places


def _place(symbol: Symbol) -> tuple[object, ...]:
    """Return what a symbol means: its place for a local one, whose name is nobody's business, its name for another."""
    return (
        (symbol.section, symbol.value) if symbol.binding == STB_LOCAL else (symbol.name, symbol.section, symbol.value)
    )


def _without_lines(section: Section) -> bytes:
    """Return the bytes of a bug table with all line numbers 0.

    An entry is two or three relative pointers of four bytes (the place, the format on some architectures, the file),
    each with a relocation, then the line in two bytes, then the flags. What is laid out otherwise stays as it is.
    """
    offsets = sorted({entry.offset for entry in section.relocations})
    starts = [offset for offset in offsets if offset - 4 not in offsets]
    pointers = len(offsets) // len(starts) if starts else 0
    stride = starts[1] - starts[0] if len(starts) > 1 else section.size
    wanted = [start + 4 * nr for start in range(0, section.size, max(stride, 1)) for nr in range(pointers)]
    if pointers not in {2, 3} or stride < 4 * pointers + 4 or offsets != wanted:
        return section.data
    data = bytearray(section.data)
    for start in starts:
        data[start + 4 * pointers : start + 4 * pointers + 2] = b"\0\0"
    return bytes(data)


def _changed_sections(base: ObjectFile, patched: ObjectFile, *, lines: bool) -> Iterator[str]:
    before, after = dict(_kept(base)), dict(_kept(patched))
    for name in sorted({*before, *after}):
        shapes = [
            None if section is None else _section_shape(section, lines=lines)
            for section in (before.get(name), after.get(name))
        ]
        if shapes[0] != shapes[1]:
            yield f"section {name}"


def _changed(base: ObjectFile, patched: ObjectFile, kind: int) -> set[str]:
    """Return the names of functions (or data) that differ, came or went."""
    sides = [_pieces(base, kind), _pieces(patched, kind)]
    names = {*sides[0], *sides[1]}
    return {_plain(name) for name in names if not _same_pieces(sides[0].get(name, []), sides[1].get(name, []))}


def _plain(name: str) -> str:
    """Return a function's name as in the source, without what the compiler made of a part or a copy of it."""
    return re.sub(r"(?:\.(?:isra|constprop|part|cold|llvm)(?:\.\d+)*|\.\d+)+$", "", name)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Piece:
    """A function or variable: its bytes with what is filled in, and where each place in its section belongs to."""

    data: bytes
    start: int
    relocations: tuple[tuple[int, int, object], ...]
    owners: Sequence[tuple[int, int, str]]
    is_code: bool


def _pieces(code: ObjectFile, kind: int) -> dict[str, list[_Piece]]:
    """Return the functions (or variables) of an object by name; a number that only tells two of a name apart is dropped."""
    owners = {name: _owners(code, name) for name in code.sections}
    ordered = {name: sorted(part.relocations, key=lambda entry: entry.offset) for name, part in code.sections.items()}
    found: dict[str, list[_Piece]] = {}
    for symbol in sorted(code.symbols, key=lambda symbol: (symbol.section, symbol.value)):
        section = code.sections.get(symbol.section)
        if symbol.kind != kind or section is None or not symbol.size or symbol.section.startswith(_DROPPED):
            continue
        end = symbol.value + symbol.size
        entries = ordered[symbol.section]
        first = bisect.bisect_left(entries, symbol.value, key=lambda entry: entry.offset)
        last = bisect.bisect_left(entries, end, key=lambda entry: entry.offset)
        piece = _Piece(
            data=section.data[symbol.value : end] if section.data else bytes(min(symbol.size, 1 << 16)),
            start=symbol.value,
            relocations=tuple(
                (entry.offset - symbol.value, entry.kind, _target(code, entry, owners)) for entry in entries[first:last]
            ),
            owners=owners[symbol.section],
            is_code=bool(section.flags & SHF_EXECINSTR),
        )
        found.setdefault(_NUMBERED.sub(r"\1", symbol.name), []).append(piece)
    return found


def _owners(code: ObjectFile, section: str) -> list[tuple[int, int, str]]:
    """Return (start, end, name) of all that has a name in a section."""
    return sorted(
        (symbol.value, symbol.value + symbol.size, _NUMBERED.sub(r"\1", symbol.name))
        for symbol in code.symbols
        if symbol.section == section and symbol.size and symbol.kind in {STT_FUNC, STT_OBJECT}
    )


def _target(code: ObjectFile, entry: Relocation, owners: dict[str, list[tuple[int, int, str]]]) -> object:
    """Return what a relocation means in words that do not depend on where other things stand."""
    symbol = entry.symbol
    if symbol.binding != STB_LOCAL or symbol.section not in code.sections:
        return symbol.name, symbol.section == "", entry.addend
    section = code.sections[symbol.section]
    behind = 4 if entry.kind in _PC_RELATIVE.get(code.machine, ()) else 0
    at = symbol.value + entry.addend + behind
    if section.flags & SHF_STRINGS and 0 <= at < len(section.data):
        return "text", section.data[at : section.data.find(b"\0", at)]
    return symbol.section, _owner(owners[symbol.section], at)


def _owner(owners: Sequence[tuple[int, int, str]], at: int) -> object:
    """Return whose place ``at`` is and how far into it; the bare number where it is nobody's."""
    nearest = bisect.bisect_right(owners, at, key=lambda owner: owner[0])
    for start, end, name in reversed(owners[max(nearest - 2, 0) : nearest]):
        if start <= at < end:
            return name, at - start
    return at


def _same_pieces(before: Sequence[_Piece], after: Sequence[_Piece]) -> bool:
    return len(before) == len(after) and all(_same_piece(*pair) for pair in zip(before, after, strict=True))


def _same_piece(before: _Piece, after: _Piece) -> bool:
    if before.relocations != after.relocations or len(before.data) != len(after.data):
        return False
    at = 0
    while at < len(before.data):
        if before.data[at] != after.data[at]:
            skip = _same_jump(before, after, at) if before.is_code else None
            if skip is None:
                return False
            at = skip
        else:
            at += 1
    return True


def _same_jump(before: _Piece, after: _Piece, at: int) -> int | None:
    """Return where the four bytes around ``at`` end if both sides' are a distance to the same place, None if not.

    The assembler fills in distances within a section itself, and they change with what lies between.
    """
    for first in range(max(at - 3, 0), min(at, len(before.data) - 4) + 1):
        end = first + 4
        aims = []
        for piece in (before, after):
            distance = int.from_bytes(piece.data[first:end], "little", signed=True)
            aims.append(_owner(piece.owners, piece.start + end + distance))
        if aims[0] == aims[1] and isinstance(aims[0], tuple):
            return end
    return None
