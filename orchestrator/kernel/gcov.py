"""COUNTERS → LINES: what a guest's memory holds of the counters, and what the compiler's own gcov makes of it."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from orchestrator.errors import InfraError, MissingProgram
from orchestrator.host.deadline import Cancellation, Deadline
from orchestrator.host.process import find_program, run
from orchestrator.host.sandbox import ROOM_PATH, Bind, Room, Sandbox, sandboxed
from orchestrator.host.workspace import scratch_folder
from orchestrator.kernel.counters import OLDEST_GCC, Counted, CountedObject, Counter
from orchestrator.kernel.gcov_files import Function, Notes, NotNotes, data_file, read_notes
from orchestrator.kernel.toolchain import Toolchain
from orchestrator.model.memory import MemoryPiece, MemoryRange, bytes_at, joined_ranges

GCOV_S = 120.0
RECORD_BYTES = 40
"""sizeof(struct gcov_fn_info) with one kind of counters, on 64 bits (gcc's libgcc/libgcov.h)."""
PAGE = 4096
MOST_BYTES = 8 << 20
"""Of counters in all: a hundred times what one object of memory management has."""

Counts = Mapping[str, Mapping[int, tuple[int, ...]]]
"""By object, by the function's identity in it: its counters."""


def require_gcov(toolchain: Toolchain) -> None:
    """Raise :class:`InfraError` unless the compiler's counters can be read here."""
    if find_program("gcov", path=ROOM_PATH) is None:
        raise MissingProgram("gcov (package gcc)", purpose="to say which lines of a patch ran")
    version = toolchain.identity.partition(";")[0].rpartition(" ")[2]
    if not version.partition(".")[0].isdigit() or int(version.partition(".")[0]) < OLDEST_GCC:
        raise InfraError(
            f"the counters of {toolchain.identity.partition(';')[0]} are not known here: gcc {OLDEST_GCC} or later is"
        )


def ranges_of(counted: Counted) -> tuple[MemoryRange, ...]:
    """Return where in a guest's memory its counters and their records are."""
    wanted = [
        MemoryRange(start=start, size=size)
        for each in counted.objects
        for counter in each.counters
        for start, size in ((counter.address, 8 * counter.count), (counter.record, RECORD_BYTES))
    ]
    ranges = joined_ranges(wanted, gap=PAGE)
    if sum(found.size for found in ranges) > MOST_BYTES:
        raise InfraError("the kernel says that it has more counters than there could be")
    return ranges


def counts_in(counted: Counted, memory: Sequence[MemoryPiece]) -> Counts:
    """Return the counters as they stood in a guest's ``memory``.

    Raises :class:`InfraError` where what stands beside them is not the compiler's record of the same function: it is not
    the memory of this kernel then, or not where it is thought to be.
    """
    return {each.name: _counts_of(each, memory) for each in counted.objects}


def _counts_of(each: CountedObject, memory: Sequence[MemoryPiece]) -> dict[int, tuple[int, ...]]:
    functions = {function.name: function for function in _notes(each).functions}
    found = {}
    for counter in each.counters:
        function = functions.get(counter.function)
        if function is None:
            continue
        data = bytes_at(memory, counter.address, 8 * counter.count)
        record = bytes_at(memory, counter.record, RECORD_BYTES)
        if data is None or record is None or not _is_record_of(function, counter, record):
            raise InfraError(f"the guest's memory does not hold the counters of {each.name} where its kernel says")
        found[function.identity] = struct.unpack(f"<{counter.count}Q", data)
    return found


def _is_record_of(function: Function, counter: Counter, record: bytes) -> bool:
    """Whether ``record`` is the function's struct gcov_fn_info: key, three numbers, and its counters' number and place."""
    identity, source_checksum, graph_checksum = struct.unpack_from("<3I", record, 8)
    (number,) = struct.unpack_from("<I", record, 24)
    known = (function.identity, function.source_checksum, function.graph_checksum, counter.count)
    return (identity, source_checksum, graph_checksum, number) == known


def _notes(each: CountedObject) -> Notes:
    try:
        return read_notes(each.notes)
    except NotNotes as error:
        raise InfraError(f"the compiler's notes on {each.name} cannot be read: {error}") from None


def summed(readings: Iterable[Counts]) -> Counts:
    """Return the counters of several trials together."""
    total: dict[str, dict[int, tuple[int, ...]]] = {}
    for reading in readings:
        for name, functions in reading.items():
            mine = total.setdefault(name, {})
            for identity, values in functions.items():
                before = mine.get(identity, (0,) * len(values))
                mine[identity] = tuple(a + b for a, b in zip(before, values, strict=True))
    return total


def line_counts(
    counted: Counted, counts: Counts, *, sandbox: Sandbox, cancellation: Cancellation
) -> Mapping[str, Mapping[int, int]]:
    """Return how often the lines of the tree's files ran, by path and number, as far as they have a counter.

    Counts of all objects that have the line are added up. Raises :class:`InfraError` where gcov can make nothing of an
    object: its lines would look as if there were no code.
    """
    lines: dict[str, dict[int, int]] = {}
    with scratch_folder("gcov") as folder:
        for number, each in enumerate(counted.objects):
            (folder / f"{number}.gcno").write_bytes(each.notes)
            (folder / f"{number}.gcda").write_bytes(data_file(_notes(each), counts.get(each.name, {})))
            said, why = _gcov(folder, number, sandbox, cancellation)
            if said is None:
                raise InfraError(f"gcov says nothing of {each.name}: {why}")
            for path, own in _lines_in(said, source=counted.source).items():
                mine = lines.setdefault(path, {})
                for line, calls in own.items():
                    mine[line] = mine.get(line, 0) + calls
    return lines


def _gcov(folder: Path, number: int, sandbox: Sandbox, cancellation: Cancellation) -> tuple[object, str]:
    """Return what gcov says of one object's files, as JSON; None and why where that is nothing.

    In a room: the notes are what a stranger's build made.
    """
    room = Room(read_only=(Bind(outside=folder, inside="/work"),), env={"PATH": ROOM_PATH, "LC_ALL": "C"}, cwd="/work")
    argv = ["gcov", "--json-format", "--stdout", f"{number}.gcda"]
    deadline = Deadline(GCOV_S, what="gcov", cancellation=cancellation)
    finished = run(sandboxed(argv, sandbox=sandbox, room=room), deadline=deadline)
    last = (finished.stderr.strip().splitlines() or [f"it ended with status {finished.exit_status}"])[-1]
    # What does not belong together is passed over with a word, and counted as never run.
    if not finished.ok or "mismatch" in finished.stderr or "prefer" in finished.stderr:
        return None, last
    try:
        return json.loads(finished.stdout), ""
    except (ValueError, RecursionError):
        return None, last


def _lines_in(said: object, *, source: str) -> dict[str, dict[int, int]]:
    """Return the counts by path in the tree of gcov's JSON (gcov.1, --json-format); what is not as it should be is left out."""
    found: dict[str, dict[int, int]] = {}
    files = said.get("files") if isinstance(said, dict) else None
    for file in files if isinstance(files, list) else []:
        path = file.get("file") if isinstance(file, dict) else None
        if not isinstance(path, str) or not path.startswith(f"{source}/"):
            continue
        mine = found.setdefault(path.removeprefix(f"{source}/"), {})
        for line in file.get("lines", []):
            number, calls = line.get("line_number"), line.get("count")
            if isinstance(number, int) and isinstance(calls, int):
                mine[number] = mine.get(number, 0) + max(calls, 0)
    return found
