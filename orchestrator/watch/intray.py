"""A letter into the queue: once, into the right thread and series, or as a request. All inside one transaction.

Which parts make a series for good is decided by :mod:`orchestrator.intake` when it is complete; here they are only kept
together so far that it is known what is still missing.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from orchestrator.intake.headers import address_of
from orchestrator.model.watch import WatchSettings
from orchestrator.watch.letters import Letter
from orchestrator.watch.queue import Queue
from orchestrator.watch.state import Entry, State

MOST_PARENTS = 50
MOST_PEOPLE = 500
CLOSE_S = 3 * 24 * 3600.0
"""Parts that have no thread at all belong together when they come within this time."""


class Taken(StrEnum):
    """What became of a mail."""

    PART = "part"
    AGAIN = "again"
    REQUEST = "request"
    AUTOMATIC = "automatic"
    OWN = "own"
    OTHER_LIST = "other list"
    PASSED = "passed"


class Intray:
    """Puts letters into ``queue``."""

    def __init__(self, queue: Queue, settings: WatchSettings) -> None:
        self._queue = queue
        self._db = queue.db
        self._settings = settings

    def take(self, letter: Letter, source: str) -> Taken:
        """Keep what matters of a letter. The same letter again, from wherever, changes nothing. Inside a transaction."""
        taken = self._take(letter, source)
        self._queue.count(f"mails {taken}")
        return taken

    def _take(self, letter: Letter, source: str) -> Taken:
        wanted = self._settings.filter.lists
        to_us = self._is_to_us(letter)
        if wanted and not to_us and not set(wanted) & set(letter.envelope.lists):
            return Taken.OTHER_LIST
        thread = self._join(letter)
        if letter.automatic:
            return Taken.AUTOMATIC
        if letter.envelope.address in self._settings.requests.addresses:
            return Taken.OWN
        known = self._db.row("SELECT lists, digest FROM message WHERE id = ?", letter.message_id)
        if known is not None:
            self._again(letter, known["lists"], known["digest"])
        elif letter.is_part:
            self._keep(letter, source, thread)
            self._place(letter, thread)
        if letter.command is not None or to_us:
            self._request(letter)
        if known is not None:
            return Taken.AGAIN
        if letter.is_part:
            return Taken.PART
        return Taken.REQUEST if letter.command is not None or to_us else Taken.PASSED

    def _is_to_us(self, letter: Letter) -> bool:
        own = self._settings.requests.addresses
        people = (*letter.envelope.to, *letter.envelope.cc) if own else ()
        return any(address_of(person) in own for person in people[:MOST_PEOPLE])

    # Threads

    def _join(self, letter: Letter) -> int:
        """Return the thread of a letter; threads that it joins become one."""
        now = self._queue.clock.now()
        ids = list(dict.fromkeys((letter.message_id, *letter.envelope.parents[:MOST_PARENTS])))
        marks = ", ".join("?" for _ in ids)
        rows = self._db.rows(f"SELECT DISTINCT thread FROM node WHERE id IN ({marks}) ORDER BY thread", *ids)  # noqa: S608 - marks
        threads = [row["thread"] for row in rows]
        thread = threads[0] if threads else self._new_thread()
        for other in threads[1:]:
            for table in ("node", "message", "series"):
                self._db.run(f"UPDATE {table} SET thread = ? WHERE thread = ?", thread, other)  # noqa: S608 - our own names
        for each in ids:
            self._db.run(
                "INSERT INTO node VALUES(?, ?, ?, ?) ON CONFLICT DO UPDATE SET seen = max(seen, excluded.seen)",
                each, thread, int(each == letter.message_id), now,
            )  # fmt: skip
        if len(threads) > 1:
            self._merge(thread)
        # Whoever waits for this very message looks again.
        self._db.run('UPDATE series SET "check" = 0 WHERE thread = ? AND state = ?', thread, str(State.SEEN))
        return int(thread)

    def _new_thread(self) -> int:
        number = int(self._queue.meta("thread") or 0) + 1
        self._queue.set_meta("thread", str(number))
        return number

    def _merge(self, thread: int) -> None:
        """Make one of incomplete series that a joined thread shows to be parts of one."""
        found: list[Entry] = []
        for entry in self._queue.entries([State.SEEN], where="s.thread = ? AND s.numbered = 1", values=[thread]):
            fits = [
                other
                for other in found
                if _alike(other, entry)
                and not self._indexes(other) & self._indexes(entry)
                and self._around(other) & self._around(entry)
            ]
            if not fits:
                found.append(entry)
                continue
            self._db.run("UPDATE part SET series = ? WHERE series = ?", fits[0].id, entry.id)
            self._queue.move(entry, State.SAME, text=f"parts of series {fits[0].id}", replaced_by=fits[0].id)
            self._name(fits[0].id)

    # Messages

    def _again(self, letter: Letter, lists: str, digest: str) -> None:
        both = tuple(dict.fromkeys((*json.loads(lists), *letter.envelope.lists)))
        self._db.run("UPDATE message SET lists = ? WHERE id = ?", json.dumps(both), letter.message_id)
        if letter.digest != digest:
            self._db.run(
                "UPDATE message SET fault = ? WHERE id = ? AND fault = ''",
                f"the message id <{letter.message_id}> came twice with different patches: one is forged or damaged",
                letter.message_id,
            )
            self._queue.count("mails of one id that differ")

    def _keep(self, letter: Letter, source: str, thread: int) -> None:
        subject = letter.envelope.subject
        self._db.run(
            'INSERT INTO message(id, thread, "index", total, version, address, title, title_key, parents, lists, source, '
            "digest, fault, kept, size, raw) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            letter.message_id, thread, letter.index, letter.total, subject.version, letter.envelope.address,
            subject.title[:500], subject.key[:500], json.dumps(letter.envelope.parents[:MOST_PARENTS]),
            json.dumps(letter.envelope.lists), source, letter.digest, letter.fault, self._queue.clock.now(), len(letter.raw),
            zlib.compress(letter.raw, 6),
        )  # fmt: skip

    # Series

    def _place(self, letter: Letter, thread: int) -> None:
        """Put a part into the series that lacks it, or begin one."""
        if letter.index is None:
            self._begin(letter, thread)
            return
        where = "s.thread = ? AND s.numbered = 1 AND s.version = ? AND s.total = ? AND s.address = ? AND s.resend = ?"
        values = [thread, letter.envelope.subject.version, letter.total, letter.envelope.address, int(letter.resend)]
        found = [
            entry
            for entry in reversed(self._queue.entries(where=where, values=values))
            if letter.index not in self._indexes(entry)
        ]
        around = {letter.message_id, *letter.envelope.parents}
        near = [entry for entry in found if self._around(entry) & around]
        if near or found:
            self._add((near or found)[0], letter)
            return
        torn = [] if letter.envelope.parents or not letter.index else self._rootless(values[1:])
        fits = [entry for entry in torn if letter.index not in self._indexes(entry)]
        if len(fits) == 1:
            for table in ("node", "message", "series"):
                self._db.run(f"UPDATE {table} SET thread = ? WHERE thread = ?", fits[0].thread, thread)  # noqa: S608
            self._add(fits[0], letter)
            return
        self._begin(letter, thread)

    def _rootless(self, values: Sequence[Any]) -> list[Entry]:
        """Return open series of the same kind whose patches answer nothing: sent without threads.

        A cover letter never answers anything; of those nothing follows.
        """
        where = (
            "s.numbered = 1 AND s.version = ? AND s.total = ? AND s.address = ? AND s.resend = ? AND s.changed > ? AND NOT EXISTS "
            "(SELECT 1 FROM part p JOIN message m ON m.id = p.message WHERE p.series = s.id "
            "AND (m.parents != '[]' OR m.\"index\" = 0))"
        )
        since = self._queue.clock.now() - CLOSE_S
        return self._queue.entries([State.SEEN], where=where, values=[*values, since])

    def _add(self, entry: Entry, letter: Letter) -> None:
        """Put a part into a series that lacks it; one that is beyond waiting begins anew with it, as far as that matters."""
        if entry.state in {State.SEEN, State.DROPPED} or letter.index == 0:
            self._link(entry.id, letter)
        elif entry.state in {State.COMPLETE, State.PLANNED, State.PARKED, State.REFUSED}:
            self._link(entry.id, letter)
            self._queue.move(entry, State.SEEN, text=f"part {letter.index} came", check=0.0, partial=False)
        else:
            new = self._begin(letter, entry.thread)
            self._db.run("INSERT OR IGNORE INTO part SELECT ?, message FROM part WHERE series = ?", new, entry.id)
            self._name(new)

    def _begin(self, letter: Letter, thread: int) -> int:
        subject = letter.envelope.subject
        series = self._queue.new_series(
            state=State.SEEN,
            thread=thread,
            version=subject.version,
            total=letter.total,
            title=subject.title[:500],
            address=letter.envelope.address,
            resend=letter.resend,
            numbered=letter.index is not None,
            check=0.0,
        )
        self._link(series, letter)
        return series

    def _link(self, series: int, letter: Letter) -> None:
        self._db.run("INSERT OR IGNORE INTO part VALUES(?, ?)", series, letter.message_id)
        self._db.run('UPDATE series SET "check" = 0, changed = ? WHERE id = ?', self._queue.clock.now(), series)
        if letter.change_id:
            self._queue.change(series, change_id=letter.change_id[:200])
        self._name(series)

    def _name(self, series: int) -> None:
        """Call a series as its cover letter does, or its first part."""
        messages = self._queue.messages(series)
        first = messages[0]
        key = "".join(first.title.split()).lower() if first.index in {None, 0, 1} else ""
        self._queue.change(series, title=first.title, title_key=key)

    def _around(self, entry: Entry) -> set[str]:
        """Return the ids of a series' messages, and of what they answer."""
        messages = self._queue.messages(entry.id)
        return {message.id for message in messages} | {parent for message in messages for parent in message.parents}

    def _indexes(self, entry: Entry) -> set[int]:
        return {message.index or 0 for message in self._queue.messages(entry.id)}

    # Requests

    def _request(self, letter: Letter) -> None:
        """Keep a request; whether it is granted is looked at later: that may ask a name server."""
        own = [letter.message_id] if letter.is_part else []
        self._db.run(
            "INSERT OR IGNORE INTO request VALUES(?, ?, ?, ?, 'unchecked', '', NULL, ?, ?, ?)",
            letter.message_id, letter.envelope.address, json.dumps([*own, *letter.envelope.parents[:MOST_PARENTS]]),
            letter.command.profile if letter.command else "", self._queue.clock.now(), self._queue.clock.stamp(),
            zlib.compress(letter.raw, 6),
        )  # fmt: skip


def _alike(one: Entry, other: Entry) -> bool:
    return (one.version, one.total, one.address, one.resend) == (
        other.version,
        other.total,
        other.address,
        other.resend,
    )
