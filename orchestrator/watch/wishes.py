"""What a person may do with a series of the queue, while the watcher runs or not."""

from __future__ import annotations

from orchestrator.errors import UserError
from orchestrator.watch.queue import Queue
from orchestrator.watch.state import PENDING, RETRIED, Entry, State


def retry(queue: Queue, entry: Entry) -> str:
    """Have a series tested again; return what is going to happen. Raises :class:`UserError` where that makes no sense."""
    if entry.state is State.PLANNED and entry.not_before > queue.clock.now():
        with queue.transaction():
            queue.change(entry.id, not_before=0.0, waits_for="")
        return "tried again at once"
    if entry.state is State.PREPARED and entry.waits_for:
        with queue.transaction():
            queue.change(entry.id, waits_for="", not_before=0.0, tries=0)
        return "the reply is handed on again"
    if entry.state not in RETRIED:
        raise UserError(
            f"series {entry.id} is {entry.state}: only what was {', '.join(RETRIED)} can be tried again",
            hint="a test of a series that has its verdict is asked for by mail, or by orchestrator test",
        )
    with queue.transaction():
        moved = queue.move(
            entry, State.COMPLETE, text="a person had it tried again", tries=0, spent_s=0.0, not_before=0.0, replaced_by=None,
            asked_by=entry.asked_by or "the operator",
        )  # fmt: skip
    return "is tested again" if moved else "has changed meanwhile: look again"


def drop(queue: Queue, entry: Entry) -> str:
    """Take a series out of the queue; return what was done. Raises :class:`UserError` where nothing is left to drop."""
    if entry.state not in {*PENDING, State.JUDGED, State.PREPARED, State.PARKED}:
        raise UserError(f"series {entry.id} is {entry.state}: there is nothing left to do with it")
    with queue.transaction():
        moved = queue.move(entry, State.DROPPED, text="a person dropped it")
    return "dropped" if moved else "has changed meanwhile: look again"
