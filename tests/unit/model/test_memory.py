"""Ranges of a guest's memory: joined without losing a byte, and read only where all of it is there."""

from __future__ import annotations

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.model.memory import MemoryPiece, MemoryRange, bytes_at, joined_ranges

RANGES = st.lists(
    st.builds(MemoryRange, start=st.integers(0, 500), size=st.integers(0, 40)), max_size=12
)  # fmt: skip
PROFILE = settings(max_examples=200, deadline=None, derandomize=True, database=None)


@PROFILE
@given(ranges=RANGES, gap=st.integers(0, 30))
def test_joined_ranges_hold_all_of_every_range_and_stay_apart(ranges: list[MemoryRange], gap: int) -> None:
    joined = joined_ranges(ranges, gap=gap)
    for wanted in ranges:
        assert any(
            each.start <= wanted.start and wanted.start + wanted.size <= each.start + each.size for each in joined
        )
    for before, after in itertools.pairwise(joined):
        assert after.start - (before.start + before.size) > gap
    assert sum(each.size for each in joined) <= sum(each.size for each in ranges) + gap * max(len(ranges) - 1, 0)


@PROFILE
@given(ranges=RANGES, address=st.integers(-5, 560), size=st.integers(0, 20))
def test_bytes_are_those_of_memory_or_none(ranges: list[MemoryRange], address: int, size: int) -> None:
    memory = bytes(number % 251 for number in range(600))
    pieces = [
        MemoryPiece(start=each.start, data=memory[each.start : each.start + each.size])
        for each in joined_ranges(ranges, gap=0)
    ]
    found = bytes_at(pieces, address, size)
    held = {at for each in ranges for at in range(each.start, each.start + each.size)}
    if found is None:
        assert size == 0 or not held.issuperset(range(address, address + size))
    else:
        assert found == memory[address : address + size]
