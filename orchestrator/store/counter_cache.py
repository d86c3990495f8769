"""What guests' memory held of a kernel's counters when their trials were over, by the trials' keys.

A sealed trial of the same key leaves the same counters, so it need not be run again for them. Deleting the cache costs
time, never results.
"""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Sequence
from pathlib import Path

from orchestrator.errors import InfraError
from orchestrator.host.workspace import publish_text
from orchestrator.model.memory import MemoryPiece
from orchestrator.store.trial_cache import KEY


class CounterCache:
    """A folder of pieces of memory; safe to use from several processes at once."""

    def __init__(self, root: Path) -> None:
        """``root`` is the cache folder; records lie in ``counters/`` of it."""
        self.root = root / "counters"

    def find(self, key: str) -> tuple[MemoryPiece, ...] | None:
        """Return what was kept of the trial with this key; None when there is nothing that can be read."""
        try:
            data = json.loads(self._path(key).read_text(encoding="utf-8"))
            return tuple(
                MemoryPiece(start=int(entry["start"]), data=base64.b64decode(entry["data"], validate=True))
                for entry in data["pieces"]
            )
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            return None

    def put(self, key: str, pieces: Sequence[MemoryPiece]) -> None:
        """Keep the memory of a trial. A full disk is no reason to fail a run."""
        entries = [{"start": piece.start, "data": base64.b64encode(piece.data).decode()} for piece in pieces]
        with contextlib.suppress(InfraError, ValueError):
            publish_text(self._path(key), json.dumps({"pieces": entries}) + "\n")

    def _path(self, key: str) -> Path:
        if not KEY.fullmatch(key):
            raise ValueError(f"{key!r} is no key")
        return self.root / key[:2] / f"{key}.json"
