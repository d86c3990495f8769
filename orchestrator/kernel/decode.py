"""FRAMES → PLACES IN THE SOURCE: which file and line ``zswap_load+0x1a4/0x210`` is.

Our kernels are built without debug information: it would make every build slower and larger, and the source files of a
call trace are few. They are compiled once more, when there is something to decode, with line tables (``-g1``) and
otherwise as they were, in the same room on a copy of the same object tree. What has another size afterwards than the
kernel says is not decoded: no place is better than a wrong one.

The tools that read the objects run in the room too: what a stranger's build made is not parsed outside of it.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from orchestrator.errors import InfraError, PatchFault
from orchestrator.host.deadline import Cancellation
from orchestrator.kernel.build import BuildRequest, made_again
from orchestrator.kernel.making import Bench, Workshop, read_log, run_in_room

MOST_OBJECTS = 4
"""How many source files are compiled again at most: those of the first frames. Measured: 2 to 9 s each on a
busy host (debug flavour), and nothing where there is nothing to decode."""

MOST_TIMES = 3
"""How often files are compiled again for one kernel: of a kernel that complains in ever new ways the first are enough."""

MOST_PLACES = 200
PADDING = 64
"""By how much the size in a frame, which is the distance to the next symbol, may pass a function's own (alignment)."""

_PLACE = re.compile(
    r"(?P<before>^\s+|RIP: 0010:| at | in |kmemleak:\s+(?:\[<\w+>\] )?)"
    r"(?P<name>[A-Za-z_][\w.]{0,199})\+0x(?P<offset>[0-9a-f]{1,8})/0x(?P<size>[0-9a-f]{1,8})"
)
_SYMBOL = re.compile(r"(?P<object>\S+\.o):(?P<value>[0-9a-f]+) (?P<size>[0-9a-f]+) [tT] (?P<name>\S+)")
_REPORTING = ("mm/kasan/", "mm/kfence/", "lib/dump_stack", "kernel/panic", "kernel/kthread", "arch/")
"""Objects of what reports, and of what every stack begins with."""
_LINKED_AGAIN = ("vmlinux", "built-in", ".tmp_", ".vmlinux")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """An address as a call trace says it. ``returns`` is whether it is where a call returns to: the call stands before it."""

    function: str
    offset: int
    size: int
    returns: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Symbol:
    object: str
    value: int
    size: int


def places_in(lines: Iterable[str]) -> tuple[Place, ...]:
    """Return the places that a complaint's lines name, in order, each once; not those that the unwinder doubts ("?")."""
    found = (place for line in lines for place in _places(line))
    return tuple(dict.fromkeys(found))[:MOST_PLACES]


def with_places(lines: Sequence[str], known: Mapping[Place, str]) -> tuple[str, ...]:
    """Return the lines with what is known of their places in brackets behind them."""

    def told(line: str) -> str:
        words = [known[place] for place in _places(line) if place in known]
        return f"{line} ({'; '.join(words)})" if words else line

    return tuple(told(line) for line in lines)


def _places(line: str) -> list[Place]:
    return [
        Place(
            function=match["name"],
            offset=int(match["offset"], 16),
            size=int(match["size"], 16),
            returns=not match["before"].strip() or match["before"].startswith("kmemleak"),
        )
        for match in _PLACE.finditer(line[:2048])
    ]


@dataclass(slots=True, kw_only=True)
class Decoder:
    """Decodes the frames of one kernel; what it has found it does not look for again. May be used by several threads."""

    request: BuildRequest
    workshop: Workshop
    cancellation: Cancellation
    problem: str = ""
    _known: dict[Place, str] = field(default_factory=dict)
    _asked: set[Place] = field(default_factory=set)
    _times: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def decode(self, lines: Sequence[str]) -> tuple[str, ...]:
        """Return the lines of a complaint with file and line behind each place that could be decoded.

        Never fails for a fault of the build's or ours: the lines come back as they are then, and ``problem`` says why.
        Raises ``Cancelled``.
        """
        with self._lock:
            new = [place for place in places_in(lines) if place not in self._asked]
            if new and self._times < MOST_TIMES:
                self._times += 1
                self._asked.update(new)
                try:
                    with made_again(self.request, self.workshop, self.cancellation) as bench:
                        self._known |= _decoded(bench, new)
                except (InfraError, PatchFault) as error:
                    self.cancellation.check()
                    self.problem = error.message
            return with_places(lines, self._known)


def _decoded(bench: Bench, places: Sequence[Place]) -> dict[Place, str]:
    """Return the source places of ``places``, as far as their objects can be made again and are the same code."""
    functions = {place.function for place in places}
    objects = _worth_making(places, _symbols(bench, _objects(bench.folders.objects), functions))
    if not objects:
        return {}
    tables = dict.fromkeys(f"CFLAGS_{PurePosixPath(name).name}=-g1" for name in objects)
    run_in_room(bench, [*bench.make, f"-j{bench.workshop.jobs}", *tables, *objects])
    again = _symbols(bench, objects, functions)
    fitting = {place: symbol for place in places if (symbol := _fitting(place, again.get(place.function, [])))}
    found: dict[Place, str] = {}
    for name in objects:
        found |= _lines_of(bench, name, {place: symbol for place, symbol in fitting.items() if symbol.object == name})
    return found


def _worth_making(places: Sequence[Place], symbols: Mapping[str, list[_Symbol]]) -> list[str]:
    """Return the objects of the first places, those of memory management first and those that only report left out.

    Of a patched kernel these are still base's objects: the patch may have given a function another size.
    """
    names = []
    for place in places:
        there = symbols.get(place.function, [])
        one = _fitting(place, there) or (there[0] if len(there) == 1 else None)
        if one is not None and not one.object.startswith(_REPORTING):
            names.append(one.object)
    return sorted(dict.fromkeys(names), key=lambda name: not name.startswith("mm/"))[:MOST_OBJECTS]


def _objects(tree: Path) -> list[str]:
    """Return the compiled objects of an object tree, without those that were only linked together."""
    names = sorted(str(path.relative_to(tree)) for path in tree.rglob("*.o"))
    return [
        name
        for name in names
        if not PurePosixPath(name).name.startswith(_LINKED_AGAIN)
        and not name.startswith(("scripts/", "tools/", "usr/"))
    ]


def _symbols(bench: Bench, objects: Sequence[str], functions: set[str]) -> dict[str, list[_Symbol]]:
    """Return where each of the functions is defined in the section ``.text`` of the objects, by name."""
    said = _said(bench, ["nm", "-A", "-S", "--defined-only", "--", *objects])
    found: dict[str, list[_Symbol]] = {}
    for line in said.splitlines():
        match = _SYMBOL.fullmatch(line)
        if match and match["name"] in functions and match["object"] in objects:
            symbol = _Symbol(object=match["object"], value=int(match["value"], 16), size=int(match["size"], 16))
            found.setdefault(match["name"], []).append(symbol)
    return found


def _fitting(place: Place, symbols: Sequence[_Symbol]) -> _Symbol | None:
    """Return the one function of that name that has the size which the kernel says; None where several have, or none."""
    fitting = [symbol for symbol in symbols if 0 <= place.size - symbol.size < PADDING and place.offset <= place.size]
    return fitting[0] if len(fitting) == 1 else None


def _lines_of(bench: Bench, name: str, places: Mapping[Place, _Symbol]) -> dict[Place, str]:
    """Ask addr2line for places of one object; calls that were inlined are named from the inside out."""
    if not places:
        return {}
    # A frame's address is the one behind the call, which may be another line's.
    addresses = {place: symbol.value + place.offset - place.returns for place, symbol in places.items()}
    asked = [f"{address:#x}" for address in addresses.values()]
    said = _said(bench, ["addr2line", "-a", "-i", "-f", "-j", ".text", "-e", name, *asked])
    answers: dict[int, list[str]] = {}
    current: list[str] = []
    for line in said.splitlines():
        if re.fullmatch(r"0x[0-9a-f]+", line):
            current = answers.setdefault(int(line, 16), [])
        else:
            current.append(line)
    return {
        place: told
        for place, address in addresses.items()
        if (told := _told(answers.get(address, []), source=bench.seen_source))
    }


def _told(answer: Sequence[str], *, source: str) -> str:
    """Return addr2line's answer (a function's name, its place, and so on outwards) as ``mm/zswap.c:7, inlined at ...``."""
    places = [line.partition(" (")[0] for line in answer[1::2]]
    if not places or "?" in places[0]:
        return ""
    return ", inlined at ".join(place.removeprefix(f"{source}/") for place in places[:4])


def _said(bench: Bench, argv: Sequence[str]) -> str:
    """Run a command in the room and return what it wrote."""
    start = bench.log.stat().st_size if bench.log.exists() else 0
    run_in_room(bench, list(argv))
    return read_log(bench.log, start)
