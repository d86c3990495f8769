"""SEEN → COMPLETE, or what it waits for, or an end: too many parts missing, not for us, the same as another, replaced.

The series itself is put together by :mod:`orchestrator.intake` from the mails as they came.
"""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.errors import InputError, OrchestratorError
from orchestrator.host.workspace import content_key
from orchestrator.intake.assemble import assemble
from orchestrator.intake.item import Item
from orchestrator.intake.message import read_mail
from orchestrator.intake.reader import spans
from orchestrator.intake.threads import Topic, unique
from orchestrator.intake.topics import find_topics
from orchestrator.model.series import Form, Series
from orchestrator.model.watch import Incomplete, WatchSettings
from orchestrator.watch.filters import not_for_us, too_large
from orchestrator.watch.queue import Queue
from orchestrator.watch.state import PENDING, Entry, Message, State

MOST_SIBLINGS = 300
"""Messages beside a series' own in which its missing parts are looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """A series put together, and the ids of the messages that it is made of."""

    series: Series
    message_ids: tuple[str, ...]


class Settler:
    """Looks at series that were seen."""

    def __init__(self, queue: Queue, settings: WatchSettings) -> None:
        self._queue = queue
        self._settings = settings

    def due(self, limit: int = 50) -> list[Entry]:
        """Return series that are to be looked at now."""
        now = self._queue.clock.now()
        return self._queue.entries([State.SEEN], where='s."check" <= ?', values=[now], limit=limit)

    def settle(self, entry: Entry) -> State:
        """Look at one series; return where it is then. One transaction."""
        messages = self._queue.messages(entry.id)
        now = self._queue.clock.now()
        quiet_over = now >= entry.changed + self._settings.completion.quiet_s
        missing = _missing(messages)
        waits_for = _waits_for(missing, messages, self._queue)
        if waits_for and not quiet_over:
            due = entry.changed + self._settings.completion.quiet_s
            with self._queue.transaction():
                self._queue.change(entry.id, waits_for=waits_for, check=due)
            return State.SEEN
        try:
            gathered = self._gathered(entry, messages, look_around=bool(missing) or _has_no_thread(messages))
            return self._decide(entry, gathered, missing=gathered.series.missing)
        except InputError as error:
            return self._end(entry, State.REFUSED, error.message)
        except OrchestratorError:
            raise
        except Exception:  # noqa: BLE001 - a stranger's series that we stumble over must not stop all that wait behind it
            return self._end(entry, State.PARKED, f"our own fault: {traceback.format_exc(limit=-2)}")

    def _decide(self, entry: Entry, gathered: Gathered, *, missing: tuple[int, ...]) -> State:
        series = gathered.series
        if missing and self._settings.completion.incomplete is Incomplete.PARK:
            return self._end(entry, State.PARKED, f"of {series.total} parts {spans(missing)} did not come")
        if found := too_large(series, self._settings.filter):
            return self._end(entry, State.REFUSED, found)
        if not entry.asked_by and (found := not_for_us(series, self._settings.filter)):
            return self._end(entry, State.FILTERED, found)
        content = content_key(*(patch.diff for patch in series.patches), series.base_commit or "", str(series.version))
        with self._queue.transaction():
            self._adopt(entry, gathered.message_ids)
            self._queue.change(entry.id, content=content, title=series.title[:500], lists=series.lists)
            return self._place_among_others(entry, content, missing)

    def _place_among_others(self, entry: Entry, content: str, missing: tuple[int, ...]) -> State:
        if not entry.asked_by:
            if same := self._same(entry, content):
                self._queue.move(entry, State.SAME, text=f"the same changes as series {same.id}", replaced_by=same.id)
                return State.SAME
            if newer := self._newer(entry):
                self._queue.move(
                    entry, State.SUPERSEDED, text=f"v{newer.version} is series {newer.id}", replaced_by=newer.id
                )
                return State.SUPERSEDED
        text = f"tested without its parts {spans(missing)}, which did not come" if missing else ""
        if not self._queue.move(entry, State.COMPLETE, text=text, partial=bool(missing)):
            return State.DROPPED
        for older in self._older(entry):
            self._queue.move(
                older, State.SUPERSEDED, text=f"v{entry.version} came: series {entry.id}", replaced_by=entry.id
            )
        return State.COMPLETE

    def _end(self, entry: Entry, state: State, why: str) -> State:
        with self._queue.transaction():
            self._queue.move(entry, state, text=why)
        return state

    def _adopt(self, entry: Entry, message_ids: Sequence[str]) -> None:
        """Take messages in that were found to belong to a series; what else waited with them waits no more."""
        for message_id in message_ids:
            cursor = self._queue.db.run("INSERT OR IGNORE INTO part VALUES(?, ?)", entry.id, message_id)
            for other in self._waiting_with(message_id, entry.id) if cursor.rowcount else []:
                if {message.id for message in self._queue.messages(other.id)} <= set(message_ids):
                    self._queue.move(other, State.SAME, text=f"parts of series {entry.id}", replaced_by=entry.id)

    def _waiting_with(self, message_id: str, series: int) -> list[Entry]:
        where = "s.id != ? AND s.id IN (SELECT series FROM part WHERE message = ?)"
        return self._queue.entries([State.SEEN], where=where, values=[series, message_id])

    # Others of the same kind

    def _same(self, entry: Entry, content: str) -> Entry | None:
        known = self._queue.entries(
            where="s.content = ? AND s.id != ? AND s.address = ? AND s.state NOT IN (?, ?, ?)",
            values=[content, entry.id, entry.address, str(State.DROPPED), str(State.SUPERSEDED), str(State.SAME)],
        )
        return known[0] if known else None

    def _topic(self, entry: Entry) -> tuple[str, list[object]]:
        """Return SQL for the postings of the same series: as :mod:`orchestrator.intake.topics` tells them."""
        words, values = [], list[object]()
        if entry.numbered:
            words.append("(s.thread = ? AND s.numbered = 1 AND s.address = ?)")
            values += [entry.thread, entry.address]
        if entry.title_key:
            words.append("(s.title_key = ? AND s.address = ?)")
            values += [entry.title_key, entry.address]
        if entry.change_id:
            words.append("(s.change_id = ? AND s.address = ?)")
            values += [entry.change_id, entry.address]
        return f"s.id != ? AND ({' OR '.join(words) or '0'})", [entry.id, *values]

    def _newer(self, entry: Entry) -> Entry | None:
        """Return a newer version that is complete already."""
        where, values = self._topic(entry)
        ends = (State.SEEN, State.REFUSED, State.DROPPED, State.SAME, State.SUPERSEDED, State.PARKED)
        marks = ", ".join("?" for _ in ends)
        found = self._queue.entries(
            where=f"{where} AND s.version > ? AND s.state NOT IN ({marks})",
            values=[*values, entry.version, *(str(state) for state in ends)],
        )
        return found[-1] if found else None

    def _older(self, entry: Entry) -> list[Entry]:
        """Return older versions, and earlier postings of this one, that nothing was said of yet."""
        where, values = self._topic(entry)
        shares = (
            "s.id IN (SELECT p.series FROM part p JOIN part q ON q.message = p.message AND q.series = ?) "
            "OR (s.title_key != '' AND s.title_key = ? AND s.address = ?)"
        )
        again = f"s.version = ? AND s.id < ? AND ({shares})"
        return self._queue.entries(
            PENDING,
            where=f"(({where} AND s.version < ?) OR ({again})) AND s.asked_by = ''",
            values=[*values, entry.version, entry.version, entry.id, entry.id, entry.title_key, entry.address],
        )

    # Putting together

    def _gathered(self, entry: Entry, messages: Sequence[Message], *, look_around: bool) -> Gathered:
        for message in messages:
            if message.fault:
                raise InputError(message.fault)
        own = [message.id for message in messages]
        found = self._assembled(own, own, entry.version)
        siblings = self._siblings(entry, own) if look_around else []
        if not siblings:
            return found
        wider = self._assembled([*own, *siblings], own, entry.version)
        fewer = len(wider.series.missing) < len(found.series.missing)
        return wider if fewer or (wider.series.cover and not found.series.cover) else found

    def _assembled(self, message_ids: Sequence[str], own: Sequence[str], version: int) -> Gathered:
        items: list[Item] = []
        for raw in self._queue.raws(message_ids):
            items += read_mail(raw, what="the mail")[:1]
        kept, _ = unique(items)
        topics = find_topics(kept)
        if not topics:
            raise InputError("no patch in it")
        topic = max(topics, key=lambda each: len(_ids(each) & set(own)))
        series = assemble(topic, form=Form.MAIL, source="mail", version=version)
        return Gathered(series=series, message_ids=series.message_ids)

    def _siblings(self, entry: Entry, own: Sequence[str]) -> list[str]:
        """Return other messages of the sender's, of the same thread or of torn parts of the same kind."""
        rows = self._queue.db.rows(
            "SELECT id FROM message WHERE thread = ? AND address = ? UNION "
            "SELECT p.message FROM series s JOIN part p ON p.series = s.id WHERE s.state = ? AND s.numbered = 1 AND s.address = ? "
            "AND s.version = ? AND s.total = ? AND s.changed > ? LIMIT ?",
            entry.thread, entry.address, str(State.SEEN), entry.address, entry.version, entry.total,
            entry.changed - 3 * 24 * 3600.0, MOST_SIBLINGS,
        )  # fmt: skip
        return [row["id"] for row in rows if row["id"] not in own]


def _ids(topic: Topic) -> set[str | None]:
    return {item.envelope.message_id for posting in topic.postings for item in posting.messages}


def _missing(messages: Sequence[Message]) -> tuple[int, ...]:
    """Return the numbers of parts that no message has."""
    if any(message.index is None for message in messages):
        return ()
    there = {message.index for message in messages}
    total = min(max(message.total for message in messages), 1000)
    return tuple(index for index in range(1, total + 1) if index not in there)


def _waits_for(missing: tuple[int, ...], messages: Sequence[Message], queue: Queue) -> str:
    """Return what a series waits for in words, "" when nothing is missing."""
    total = max(message.total for message in messages)
    if missing:
        return f"part{'s' if len(missing) > 1 else ''} {spans(missing)} of {total}"
    if any(message.index in {None, 0} for message in messages):
        return ""
    above = {message.parents[0] for message in messages if message.parents} - {message.id for message in messages}
    unseen = sorted(parent for parent in above if not queue.has_seen(parent))
    return f"what it answers: <{unseen[0]}>" if unseen else ""


def _has_no_thread(messages: Sequence[Message]) -> bool:
    """Whether a series' parts were sent without threads: then its cover letter may wait elsewhere."""
    return all(message.index and not message.parents for message in messages) and len(messages) > 1
