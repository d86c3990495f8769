"""What trials counted, kept by their keys: found whole, or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.model.memory import MemoryPiece
from orchestrator.store.counter_cache import CounterCache

KEY = "0123456789abcdef"
PIECES = (MemoryPiece(start=4096, data=b"\x00\xff" * 9), MemoryPiece(start=1 << 40, data=b""))


def test_pieces_when_kept_then_found_as_they_were(tmp_path: Path) -> None:
    cache = CounterCache(tmp_path)
    assert cache.find(KEY) is None
    cache.put(KEY, PIECES)
    assert CounterCache(tmp_path).find(KEY) == PIECES


@pytest.mark.parametrize(
    "text",
    ["", "null", "[]", '{"pieces": 3}', '{"pieces": [{"start": "x", "data": ""}]}', "[" * 3000,
     '{"pieces": [{"start": 1, "data": "no base64"}]}', '{"pieces": [{"start": 1}]}', "\x00"],
)  # fmt: skip
def test_pieces_when_damaged_then_as_good_as_not_there(tmp_path: Path, text: str) -> None:
    cache = CounterCache(tmp_path)
    cache.put(KEY, PIECES)
    next(tmp_path.rglob("*.json")).write_text(text)
    assert cache.find(KEY) is None


@pytest.mark.parametrize("key", ["", "short", "../../../../etc/passwd", "a/b-cdefghijk", "\x00" * 16])
def test_key_when_it_could_lead_elsewhere_then_nothing_is_found_or_written(tmp_path: Path, key: str) -> None:
    cache = CounterCache(tmp_path)
    cache.put(key, PIECES)
    assert cache.find(key) is None
    assert list(tmp_path.rglob("*")) == []
