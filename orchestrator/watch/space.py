"""Disk space: how much is free, and what goes when it gets little. Records stay: artefacts of old runs go, then old mails."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

from orchestrator.model.watch import WatchSettings
from orchestrator.watch.queue import Queue
from orchestrator.watch.state import OPEN, Entry, State

KEPT = frozenset({"run.json", "plan.json", "junit.xml", "events.jsonl", "result.json", "orchestrator.log"})
KEPT_FOLDERS = frozenset({"series"})
NODE_DAYS = 365.0
DAY_S = 24 * 3600.0


def free_mib(folder: Path) -> int:
    """Return the space that is free on the disk of ``folder``."""
    return shutil.disk_usage(folder).free >> 20


def size_of(folder: Path) -> int:
    """Return the bytes below a folder."""
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            total += path.lstat().st_blocks * 512
    return total


class Pruner:
    """Makes room."""

    def __init__(self, queue: Queue, settings: WatchSettings) -> None:
        self._queue = queue
        self._settings = settings

    def prune(self) -> list[int]:
        """Forget old mails, and remove artefacts of the oldest runs while there are too many; return whose."""
        self._forget_mails()
        budgets = self._settings.budgets
        left = size_of(self._settings.runs)
        gone = []
        for entry in self._prunable():
            if left <= budgets.artefacts_mib << 20 and free_mib(self._settings.state) >= budgets.free_mib:
                break
            left -= self._strip(entry)
            gone.append(entry.id)
        return gone

    def _prunable(self) -> list[Entry]:
        busy = {*OPEN, State.PREPARED}
        states = [state for state in State if state not in busy]
        return self._queue.entries(states, where="s.pruned = 0 AND s.attempt > 0")

    def _strip(self, entry: Entry) -> int:
        folder = self._settings.runs / str(entry.id)
        before = size_of(folder)
        for path in sorted(folder.rglob("*"), reverse=True):
            with contextlib.suppress(OSError):
                if path.is_dir() and not path.is_symlink():
                    # Only one that is empty goes.
                    path.rmdir()
                elif path.name not in KEPT and not KEPT_FOLDERS & set(path.relative_to(folder).parts):
                    path.unlink()
        with self._queue.transaction():
            self._queue.change(entry.id, pruned=True)
            self._queue.note(entry.id, entry.state, "artefacts were removed to make room; the record is kept")
        return before - size_of(folder)

    def _forget_mails(self) -> None:
        """Drop the text of mails, and the ids of those that were no part of anything, that are older than they are kept."""
        now = self._queue.clock.now()
        marks = ", ".join("?" for _ in OPEN)
        with self._queue.transaction():
            self._queue.db.run(
                "UPDATE message SET raw = NULL WHERE raw IS NOT NULL AND kept < ? AND NOT EXISTS (SELECT 1 FROM part p "  # noqa: S608
                f"JOIN series s ON s.id = p.series WHERE p.message = message.id AND s.state IN ({marks}))",
                now - self._settings.budgets.mail_days * DAY_S, *(str(state) for state in OPEN),
            )  # fmt: skip
            self._queue.db.run(
                "DELETE FROM node WHERE kept < ? AND id NOT IN (SELECT id FROM message)", now - NODE_DAYS * DAY_S
            )
