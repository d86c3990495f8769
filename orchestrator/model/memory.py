"""A guest's physical memory, as far as somebody looked at it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryRange:
    """``size`` bytes of the guest's physical memory from address ``start`` on."""

    start: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryPiece:
    """What stood in a guest's memory from the physical address ``start`` on."""

    start: int
    data: bytes


def bytes_at(pieces: Sequence[MemoryPiece], address: int, size: int) -> bytes | None:
    """Return ``size`` bytes from ``address`` on; None where no piece has all of them."""
    for piece in pieces:
        at = address - piece.start
        if at >= 0 and at + size <= len(piece.data):
            return piece.data[at : at + size]
    return None


def joined_ranges(ranges: Sequence[MemoryRange], *, gap: int) -> tuple[MemoryRange, ...]:
    """Return ranges that hold all of ``ranges``, in order; those less than ``gap`` bytes apart become one."""
    out: list[MemoryRange] = []
    for new in sorted(ranges, key=lambda wanted: wanted.start):
        if out and new.start <= out[-1].start + out[-1].size + gap:
            end = max(out[-1].start + out[-1].size, new.start + new.size)
            out[-1] = MemoryRange(start=out[-1].start, size=end - out[-1].start)
        else:
            out.append(new)
    return tuple(out)
