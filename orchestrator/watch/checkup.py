"""Is the watcher well? What ``orchestrator doctor --watch`` looks at; nothing is changed."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import OrchestratorError
from orchestrator.host.deadline import Cancellation
from orchestrator.host.workspace import scratch_folder
from orchestrator.model.watch import SourceSettings, WatchSettings
from orchestrator.watch.queue import Queue
from orchestrator.watch.replies import outbox_of
from orchestrator.watch.sources import source_of
from orchestrator.watch.space import free_mib
from orchestrator.watch.state import State

LATE_S = 300.0
"""A watcher that has not done a round for so long is ill, or not there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was looked at. ``grave`` ones stop the watcher."""

    well: bool
    says: str
    grave: bool = True


def checkup(settings: WatchSettings, *, cancellation: Cancellation) -> Iterator[Check]:
    """Yield what was found."""
    tree = settings.run.linux
    if "/" in tree:
        there = Path(tree).is_dir()
        yield Check(well=there, says=f"kernel tree {tree}{'' if there else ' is not there'}")
    yield from _state(settings)
    for source in settings.sources:
        yield _source(source, cancellation)
    try:
        outbox_of(settings, cancellation)
        yield Check(well=True, says=f"replies: {settings.mail.mode}")
    except OrchestratorError as error:
        yield Check(well=False, says=f"replies: {error.message}")


def _state(settings: WatchSettings) -> Iterator[Check]:
    """Look at the folder and at the queue in it."""
    folder = settings.state
    if not folder.is_dir():
        yield Check(well=False, says=f"{folder} is not there yet: orchestrator watch makes it", grave=False)
        return
    writable = os.access(folder, os.W_OK | os.X_OK)
    yield Check(well=writable, says=f"{folder}{'' if writable else ' cannot be written'}")
    free, wanted = free_mib(folder), settings.budgets.free_mib
    yield Check(well=free >= wanted, says=f"{free} MiB are free there, {wanted} are wanted")
    if not settings.queue.is_file():
        return
    try:
        queue = Queue(settings.queue, create=False)
    except OrchestratorError as error:
        yield Check(well=False, says=error.message)
        return
    try:
        whole = queue.db.rows("PRAGMA quick_check")[0][0] == "ok"
        yield Check(well=whole, says=f"the queue {settings.queue} is {'whole' if whole else 'damaged'}")
        silent = time.time() - float(queue.meta("wall") or 0)
        lively = silent < LATE_S
        yield Check(
            well=lively,
            says="a watcher runs" if lively else f"no watcher has done a round for {silent:.0f} s",
            grave=False,
        )
        parked = queue.by_state()[State.PARKED]
        yield Check(
            well=not parked, says=f"{parked} series are parked: orchestrator queue list --state parked", grave=False
        )
    finally:
        queue.close()


def _source(settings: SourceSettings, cancellation: Cancellation) -> Check:
    """Read a source's first mail, as if it had never been read."""
    try:
        with scratch_folder("orchestrator-doctor") as scratch:
            queue = Queue(scratch / "queue.sqlite3")
            try:
                next(iter(source_of(settings).read(queue, largest=1 << 16, cancellation=cancellation)), None)
            finally:
                queue.close()
    except OrchestratorError as error:
        cancellation.check()
        return Check(well=False, says=f"source {settings.name}: {error.message}")
    return Check(well=True, says=f"source {settings.name} can be read")
