"""The compiler's files for counters: .gcno, which it writes beside an object, is read; .gcda, what was counted, is written.

The format is gcc's gcc/gcov-io.h, as of gcc 12: numbers of 32 bits in the compiler's byte order (ours: all our targets are
little-endian), lengths in bytes, strings with their length before and a NUL behind. Pure.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_NOTES_MAGIC = 0x67636E6F
"""GCOV_NOTE_MAGIC, "gcno"."""
_DATA_MAGIC = 0x67636461
"""GCOV_DATA_MAGIC, "gcda"."""
_FUNCTION = 0x01000000
"""GCOV_TAG_FUNCTION."""
_ARCS = 0x01A10000
"""GCOV_TAG_FOR_COUNTER(GCOV_COUNTER_ARCS)."""

MOST_COUNT = (1 << 62) - 1
"""A larger count is none: the program that reads them calculates with 64 bits and a sign."""


class NotNotes(Exception):
    """The bytes are no .gcno file of a version that is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """A function as its object knows it: ``identity`` is unique there, the checksums are of its place and of its flow graph."""

    name: str
    identity: int
    source_checksum: int
    graph_checksum: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Notes:
    """What of a .gcno file is needed for the .gcda that belongs to it."""

    version: int
    stamp: int
    checksum: int
    functions: tuple[Function, ...]


def read_notes(data: bytes) -> Notes:
    """Return what a .gcno file says of its functions; :class:`NotNotes` when it is none, is cut off, or too old."""
    try:
        magic, version, stamp, checksum = struct.unpack_from("<4I", data)
        if magic != _NOTES_MAGIC:
            raise NotNotes("it does not begin as one")
        if compiler_major(version) < 12:
            raise NotNotes("it is of a compiler before gcc 12")
        # The folder that the compiler ran in, and whether blocks that never ran are marked.
        at = _behind_string(data, 16) + 4
        functions = tuple(_functions(data, at))
    except (struct.error, UnicodeDecodeError, IndexError) as error:
        raise NotNotes(f"it is damaged: {error}") from None
    return Notes(version=version, stamp=stamp, checksum=checksum, functions=functions)


def compiler_major(version: int) -> int:
    """Return the number that a file's version word is for: "B22*" is 12 (gcc/gcov-iov.c)."""
    word = version.to_bytes(4, "big")
    return (word[0] - ord("A")) * 10 + word[1] - ord("0")


def _functions(data: bytes, at: int) -> Iterator[Function]:
    while at + 8 <= len(data):
        tag, length = struct.unpack_from("<2I", data, at)
        at += 8
        if at + length > len(data):
            raise NotNotes("it is cut off")
        if tag == _FUNCTION:
            identity, source_checksum, graph_checksum = struct.unpack_from("<3I", data, at)
            yield Function(
                name=_string(data, at + 12),
                identity=identity,
                source_checksum=source_checksum,
                graph_checksum=graph_checksum,
            )
        at += length


def _string(data: bytes, at: int) -> str:
    (length,) = struct.unpack_from("<I", data, at)
    if at + 4 + length > len(data):
        raise NotNotes("it is cut off")
    return data[at + 4 : at + 4 + length].rstrip(b"\0").decode("utf-8", "replace")


def _behind_string(data: bytes, at: int) -> int:
    (length,) = struct.unpack_from("<I", data, at)
    if at + 4 + length > len(data):
        raise NotNotes("it is cut off")
    return at + 4 + int(length)


def data_file(notes: Notes, counts: Mapping[int, tuple[int, ...]]) -> bytes:
    """Return the .gcda file for ``notes`` in which the functions, by identity, have ``counts``; others are left out."""
    parts = [struct.pack("<4I", _DATA_MAGIC, notes.version, notes.stamp, notes.checksum)]
    for function in notes.functions:
        values = counts.get(function.identity)
        if values is None:
            continue
        parts.append(
            struct.pack("<5I", _FUNCTION, 12, function.identity, function.source_checksum, function.graph_checksum)
        )
        parts.append(struct.pack(f"<2I{len(values)}Q", _ARCS, 8 * len(values), *(min(v, MOST_COUNT) for v in values)))
    # A tag of 0 ends the file (gcov_exit_helper in libgcov-driver.c).
    return b"".join([*parts, struct.pack("<I", 0)])
