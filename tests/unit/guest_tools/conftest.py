"""Folders for the tests of the guest's tools."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def in_memory() -> Iterator[Path]:
    """A folder on tmpfs: elsewhere the kernel need not be able to punch holes into a file."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield Path(folder)


@pytest.fixture
def hooks_in_memory(in_memory: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MEMPRESS_HOOKS", str(in_memory))
    return in_memory
