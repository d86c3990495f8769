"""Kernels that count which of their lines run: a few objects compiled with gcov's counters, and what is kept of them.

CONFIG_GCOV_KERNEL is not used. It changes the configuration, so that base would have to be built once more, and it brings
constructors and a runtime of its own. The compiler's counters need neither: they are arrays in memory, and whoever knows
where (the kernel's symbol table says it) can read them out of a guest that has come to its end. What is added to a patched
kernel is its changed objects, compiled another way; measured for mm/zswap.c: 25 s for the build, as any patched one.

* ``-fprofile-info-section`` puts the list of counters into a section, which the kernel's linker script drops, and makes no
  constructor (gcc 11 and later).
* ``--defsym`` gives the object the one function of gcov's runtime that it still names, as an absolute symbol of its own.
* ``early_optimizations`` run before the counters are put in, and drop and move lines: of a function with a condition, a
  loop and a ``goto`` 5 lines had a counter with them, and 9 without. The later passes are all there.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from orchestrator.errors import InfraError, PatchFault
from orchestrator.kernel.making import Bench, plain_file, read_log, run_in_room

COUNTERS = "counters-1.json"
"""The name of what is kept, among a build's artefacts."""

FLAGS = (
    "-fprofile-arcs",
    "-ftest-coverage",
    # No increment of another CPU is lost, and none is kept in a register.
    "-fprofile-update=atomic",
    # As the kernel's own makefile has it for gcov (Makefile, CFLAGS_GCOV).
    "-fno-tree-loop-im",
    "-fprofile-info-section=.discard.gcov_info",
    "-fdisable-tree-early_optimizations",
    "-Wa,--defsym,__gcov_merge_add=0",
)
"""What makes an object count: the words for its line in the makefile."""

OLDEST_GCC = 12
"""The first whose files :mod:`orchestrator.kernel.gcov_files` knows."""

_LARGEST_NOTES = 32 << 20
_SYMBOL = re.compile(r"(?P<file>\S+) (?P<address>[0-9a-f]{8,16}) (?P<size>\d{1,9}) __gcov(?P<kind>0|_)\.(?P<name>\S+)")
_SEGMENT = re.compile(
    r"LOAD\s+0x[0-9a-f]+ 0x(?P<virtual>[0-9a-f]+) 0x(?P<physical>[0-9a-f]+) 0x[0-9a-f]+ 0x(?P<size>[0-9a-f]+) "
)
_MARKER = re.compile(r'# (\d{1,9}) "((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Counter:
    """The counters of one function: where in the guest's physical memory, and how many (of 8 bytes).

    ``record`` is where the compiler's own record of the function is (struct gcov_fn_info, gcc's libgcov.h): it says which
    function's they are, and so whether it is the guest's memory that is looked at.
    """

    function: str
    address: int
    count: int
    record: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedObject:
    """One object with counters; ``notes`` is the compiler's .gcno file."""

    name: str
    notes: bytes
    counters: tuple[Counter, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """What is known of a kernel that counts. ``source`` is the source folder's name in the compiler's files.

    ``kept`` has, by path in the tree, the first and last numbers of runs of lines that the preprocessor left. Of the objects
    that were asked for ``absent`` were not compiled, and those of ``unreadable`` have counters that cannot be told apart.
    """

    source: str
    objects: tuple[CountedObject, ...]
    kept: dict[str, tuple[tuple[int, int], ...]]
    absent: tuple[str, ...]
    unreadable: tuple[str, ...]


def counters_note(bench: Bench, objects: Sequence[str]) -> str:
    """Return what is kept of ``objects`` of a kernel that was just built on ``bench``: text for :func:`read_counters`."""
    tables = _tables(bench)
    found: list[dict[str, str]] = []
    kept: dict[str, list[int]] = {}
    absent = []
    for name in objects:
        stem = name.removesuffix(".o")
        try:
            notes = _bytes_of(plain_file(bench, f"{stem}.gcno"))
            said = _preprocessed(bench, stem)
        except (PatchFault, InfraError):
            bench.cancellation.check()
            absent.append(name)
            continue
        for path, lines in said.items():
            kept[path] = sorted({*kept.get(path, []), *lines})
        found.append({"name": name, "notes": base64.b64encode(notes).decode()})
    return json.dumps(
        {
            "source": bench.seen_source,
            "objects": found,
            "kept": {path: _runs(lines) for path, lines in kept.items()},
            "absent": absent,
            **tables,
        }
    )


def read_counters(folder: Path) -> Counted | None:
    """Return what was kept with the build in ``folder``; None where there is nothing that can be read."""
    try:
        data = json.loads((folder / COUNTERS).read_text())
        segments = [_Segment(*(int(number) for number in entry)) for entry in data["segments"]]
        symbols = [
            _Symbol(str(file), int(address), int(size), str(kind), str(name))
            for file, address, size, kind, name in data["symbols"]
        ]
        notes = {str(entry["name"]): base64.b64decode(entry["notes"], validate=True) for entry in data["objects"]}
        found = {name: _counters(_symbols_of(name, list(notes), symbols), segments) for name in notes}
        return Counted(
            source=str(data["source"]),
            objects=tuple(
                CountedObject(name=name, notes=notes[name], counters=counters)
                for name, counters in found.items()
                if counters
            ),
            kept={str(path): tuple((int(a), int(b)) for a, b in runs) for path, runs in data["kept"].items()},
            absent=tuple(str(name) for name in data["absent"]),
            unreadable=tuple(name for name, counters in found.items() if not counters),
        )
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


class _Segment(NamedTuple):
    virtual: int
    physical: int
    size: int


class _Symbol(NamedTuple):
    """A symbol of gcov's; ``file`` is its source file without a folder, ``kind`` "0" for counters and "_" for a record."""

    file: str
    address: int
    size: int
    kind: str
    name: str


def _symbols_of(name: str, objects: Sequence[str], symbols: Sequence[_Symbol]) -> list[_Symbol]:
    """Return the symbols of one object; none where another has a source of the same name, and nobody knows whose is which."""
    stem = Path(name).stem
    alone = sum(Path(other).stem == stem for other in objects) == 1
    return [symbol for symbol in symbols if symbol.file == f"{stem}.c"] if alone else []


def _counters(symbols: Sequence[_Symbol], segments: Sequence[_Segment]) -> tuple[Counter, ...]:
    """Return the counters among the symbols of one file; () where a name is there twice."""
    places: dict[str, dict[str, tuple[int, int]]] = {"0": {}, "_": {}}
    for symbol in symbols:
        physical = _physical(symbol.address, segments)
        if physical is None or symbol.name in places[symbol.kind]:
            return ()
        places[symbol.kind][symbol.name] = physical, symbol.size
    return tuple(
        Counter(function=name, address=address, count=size // 8, record=places["_"][name][0])
        for name, (address, size) in sorted(places["0"].items())
        if size >= 8 and size % 8 == 0 and name in places["_"]
    )


def _physical(address: int, segments: Sequence[_Segment]) -> int | None:
    """Return where an address of the kernel is in physical memory: it is loaded where its image says (nokaslr)."""
    for segment in segments:
        if segment.virtual <= address < segment.virtual + segment.size:
            return segment.physical + address - segment.virtual
    return None


def _tables(bench: Bench) -> dict[str, object]:
    """Return the kernel's segments and the symbols of the counters, from its image before it was stripped."""
    plain_file(bench, "vmlinux")
    # awk, for a symbol table has a hundred thousand lines.
    listing = (
        "readelf -sW vmlinux | awk '$4 == \"FILE\" { file = $8 } $8 ~ /^__gcov[0_][.]/ { print file, $2, $3, $8 }'"
    )
    symbols = [match for line in _said(bench, ["sh", "-c", listing]).splitlines() if (match := _SYMBOL.fullmatch(line))]
    segments = _SEGMENT.finditer(_said(bench, ["readelf", "-lW", "vmlinux"]))
    return {
        "symbols": [[m["file"], int(m["address"], 16), int(m["size"]), m["kind"], m["name"]] for m in symbols],
        "segments": [[int(m["virtual"], 16), int(m["physical"], 16), int(m["size"], 16)] for m in segments],
    }


def _preprocessed(bench: Bench, stem: str) -> dict[str, list[int]]:
    """Return which lines of which files of the tree are in the object's source once directives have been obeyed.

    Macros are not expanded (-fdirectives-only), so that each line stays where it was.
    """
    compiler = bench.workshop.toolchain.compiler
    run_in_room(bench, [*bench.make, f"CPP={compiler} -E -fdirectives-only", f"{stem}.i"])
    text = _bytes_of(plain_file(bench, f"{stem}.i")).decode("utf-8", "replace")
    return kept_lines(text, source=bench.seen_source)


def kept_lines(text: str, *, source: str) -> dict[str, list[int]]:
    """Return the numbers of the lines that are not blank in preprocessed ``text``, by file below the folder ``source``."""
    found: dict[str, set[int]] = {}
    here: set[int] | None = None
    number = 0
    for line in text.split("\n"):
        if match := _MARKER.match(line):
            path, number = match[2], int(match[1])
            here = found.setdefault(path.removeprefix(f"{source}/"), set()) if path.startswith(f"{source}/") else None
            continue
        if here is not None and line.strip():
            here.add(number)
        number += 1
    return {path: sorted(numbers) for path, numbers in found.items() if numbers}


def _runs(lines: Sequence[int]) -> list[list[int]]:
    runs: list[list[int]] = []
    for line in lines:
        if runs and line == runs[-1][1] + 1:
            runs[-1][1] = line
        else:
            runs.append([line, line])
    return runs


def _bytes_of(path: Path) -> bytes:
    if path.stat().st_size > _LARGEST_NOTES:
        raise InfraError(f"{path.name} is too large")
    return path.read_bytes()


def _said(bench: Bench, argv: Sequence[str]) -> str:
    """Run a command in the room and return what it wrote."""
    start = bench.log.stat().st_size if bench.log.exists() else 0
    run_in_room(bench, list(argv))
    return read_log(bench.log, start)
