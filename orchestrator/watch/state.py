"""The steps of a series in the queue, and what a row of it says."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class State(StrEnum):
    """Where a series is. The first seven are the way of one that is tested and answered; the others are ends."""

    SEEN = "seen"
    COMPLETE = "complete"
    PLANNED = "planned"
    RUNNING = "running"
    JUDGED = "judged"
    PREPARED = "mail prepared"
    SENT = "sent"
    DONE = "done"
    FILTERED = "filtered"
    SAME = "same"
    SUPERSEDED = "superseded"
    REFUSED = "refused"
    PARKED = "parked"
    DROPPED = "dropped"


PENDING = (State.SEEN, State.COMPLETE, State.PLANNED, State.RUNNING)
"""Nothing is said of these yet: a newer version cancels them."""

OPEN = (*PENDING, State.JUDGED)
"""Something is still to be done with these by itself."""

RETRIED = (State.PARKED, State.DROPPED, State.REFUSED, State.FILTERED, State.SUPERSEDED, State.SAME)
"""A person may have these tried again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A series in the queue. Times that end in ``_at`` are for people (ISO 8601); others are steady seconds.

    ``waits_for`` says what an open one waits for; ``reason`` why it is where it is. ``run`` is the run's folder,
    relative to the watcher's. ``asked_by`` is who asked for the test, "" where the filter took it.
    """

    id: int
    state: State
    thread: int
    version: int
    total: int
    title: str
    address: str
    resend: bool = False
    numbered: bool = False
    title_key: str = ""
    change_id: str = ""
    content: str = ""
    lists: tuple[str, ...] = ()
    waits_for: str = ""
    check: float = 0.0
    not_before: float = 0.0
    changed: float = 0.0
    profile: str = ""
    asked_by: str = ""
    partial: bool = False
    attempt: int = 0
    tries: int = 0
    spent_s: float = 0.0
    run: str = ""
    outcome: str = ""
    reason: str = ""
    arrived_at: str = ""
    updated_at: str = ""
    replaced_by: int | None = None
    pruned: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message that is a part of a series, without its text. ``index`` 0 is a cover letter, None a patch without n/m."""

    id: str
    index: int | None
    total: int
    version: int
    address: str
    title: str
    parents: tuple[str, ...] = field(default=())
    fault: str = ""
