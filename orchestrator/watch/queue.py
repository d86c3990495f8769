"""The queue: series and their messages, threads, requests, cursors. What writes says that it belongs into a transaction."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from orchestrator.watch.clock import SteadyClock
from orchestrator.watch.database import Database
from orchestrator.watch.state import OPEN, Entry, Message, State

MOST_TEXT = 1000
_COLUMNS = tuple(Entry.__dataclass_fields__)
_SELECT = "SELECT " + ", ".join(f's."{name}"' for name in _COLUMNS) + " FROM series s"  # noqa: S608 - our own names


class Queue:
    """The queue in one file. ``clock`` is made from what the file last kept of it, unless one is given."""

    def __init__(self, path: Path, *, create: bool = True, clock: SteadyClock | None = None) -> None:
        self.db = Database(path, create=create)
        if clock is None:
            reading, wall = self.meta("steady"), self.meta("wall")
            clock = SteadyClock(float(reading), float(wall)) if reading and wall else SteadyClock()
        self.clock = clock

    def close(self) -> None:
        """Close the file."""
        self.db.close()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Hold a transaction; the clock's reading is kept with it."""
        with self.db.transaction():
            yield
            self.keep_time()

    def keep_time(self) -> None:
        """Keep what the clock shows. Inside a transaction."""
        self.set_meta("steady", repr(self.clock.now()))
        self.set_meta("wall", repr(self.clock.wall()))

    def meta(self, key: str) -> str:
        """Return a kept word, "" where there is none."""
        row = self.db.row("SELECT value FROM meta WHERE key = ?", key)
        return row["value"] if row else ""

    def set_meta(self, key: str, value: str) -> None:
        """Keep a word. Inside a transaction."""
        self.db.run("INSERT INTO meta VALUES(?, ?) ON CONFLICT DO UPDATE SET value = excluded.value", key, value)

    def count(self, name: str, by: int = 1) -> None:
        """Add to a counter. Inside a transaction."""
        self.db.run("INSERT INTO counter VALUES(?, ?) ON CONFLICT DO UPDATE SET value = value + ?", name, by, by)

    def counters(self) -> dict[str, int]:
        """Return all counters."""
        return {row["name"]: row["value"] for row in self.db.rows("SELECT name, value FROM counter")}

    # Sources

    def cursor(self, source: str) -> str:
        """Return how far a source was read, "" at first."""
        row = self.db.row("SELECT cursor FROM source WHERE name = ?", source)
        return row["cursor"] if row else ""

    def set_cursor(self, source: str, cursor: str) -> None:
        """Keep how far a source is read. Inside the transaction that keeps the mails."""
        self.db.run(
            "INSERT INTO source VALUES(?, ?, ?, '') ON CONFLICT DO UPDATE SET cursor = excluded.cursor",
            source, cursor, self.clock.stamp(),
        )  # fmt: skip

    def set_source_state(self, source: str, fault: str) -> None:
        """Keep when a source was last read, and what was wrong with it ("" for nothing). Inside a transaction."""
        self.db.run(
            "INSERT INTO source VALUES(?, '', ?, ?) ON CONFLICT DO UPDATE SET read_at = excluded.read_at, fault = excluded.fault",
            source, self.clock.stamp(), fault[:MOST_TEXT],
        )  # fmt: skip

    def sources(self) -> list[dict[str, str]]:
        """Return name, time of the last look, and fault of every source."""
        return [dict(row) for row in self.db.rows("SELECT name, read_at, fault FROM source ORDER BY name")]

    def taken(self, source: str) -> set[str]:
        """Return the keys of a source's mails that were taken."""
        return {row["key"] for row in self.db.rows("SELECT key FROM taken WHERE source = ?", source)}

    def take(self, source: str, key: str) -> None:
        """Keep that a mail was taken. Inside the transaction that keeps the mail."""
        self.db.run("INSERT OR IGNORE INTO taken VALUES(?, ?)", source, key)

    def forget_taken(self, source: str, keys: Iterable[str]) -> None:
        """Forget keys of mails that the source does not hold any more. Inside a transaction."""
        for key in keys:
            self.db.run("DELETE FROM taken WHERE source = ? AND key = ?", source, key)

    # Series

    def entry(self, series: int) -> Entry | None:
        """Return a series, None when there is none of that number."""
        row = self.db.row(f"{_SELECT} WHERE s.id = ?", series)
        return _entry(row) if row else None

    def entries(
        self, states: Sequence[State] = (), *, where: str = "", values: Sequence[Any] = (), limit: int = -1
    ) -> list[Entry]:
        """Return the series in ``states`` (all where there are none named), oldest first; ``where`` is SQL of ours."""
        words = []
        if states:
            words.append("s.state IN (" + ", ".join("?" for _ in states) + ")")
        if where:
            words.append(where)
        text = _SELECT + (f" WHERE {' AND '.join(words)}" if words else "") + " ORDER BY s.id LIMIT ?"
        return [_entry(row) for row in self.db.rows(text, *(str(state) for state in states), *values, limit)]

    def new_series(self, **fields: Any) -> int:
        """Add a series and return its number. Inside a transaction."""
        stamp = self.clock.stamp()
        fields = {"arrived_at": stamp, "updated_at": stamp, "changed": self.clock.now(), **_plain(fields)}
        names = ", ".join(f'"{name}"' for name in fields)
        marks = ", ".join("?" for _ in fields)
        cursor = self.db.run(f"INSERT INTO series({names}) VALUES({marks})", *fields.values())
        series = int(cursor.lastrowid or 0)
        self.note(series, State(fields["state"]), "")
        return series

    def change(self, series: int, **fields: Any) -> None:
        """Change columns of a series that are not its state. Inside a transaction."""
        fields = {"updated_at": self.clock.stamp(), **_plain(fields)}
        sets = ", ".join(f'"{name}" = ?' for name in fields)
        self.db.run(f"UPDATE series SET {sets} WHERE id = ?", *fields.values(), series)  # noqa: S608 - names of ours

    def move(self, entry: Entry, to: State, *, text: str = "", **fields: Any) -> bool:
        """Bring a series from the state that ``entry`` shows to another; whether it was still there.

        Somebody else (``orchestrator queue drop``) may have moved it meanwhile. Inside a transaction.
        """
        fields = {
            "state": to, "reason": text[:MOST_TEXT], "waits_for": "", "updated_at": self.clock.stamp(),
            "changed": self.clock.now(), **fields,
        }  # fmt: skip
        values = _plain(fields)
        sets = ", ".join(f'"{name}" = ?' for name in values)
        cursor = self.db.run(
            f"UPDATE series SET {sets} WHERE id = ? AND state = ?",  # noqa: S608 - names of ours
            *values.values(), entry.id, str(entry.state),
        )  # fmt: skip
        if cursor.rowcount:
            self.note(entry.id, to, text)
        return bool(cursor.rowcount)

    def note(self, series: int, state: State, text: str) -> None:
        """Add a line to the history of a series. Inside a transaction."""
        self.db.run("INSERT INTO history VALUES(?, ?, ?, ?)", series, self.clock.stamp(), str(state), text[:MOST_TEXT])

    def history(self, series: int) -> list[dict[str, str]]:
        """Return what became of a series when."""
        return [
            dict(row)
            for row in self.db.rows("SELECT at, state, text FROM history WHERE series = ? ORDER BY rowid", series)
        ]

    def by_state(self) -> dict[State, int]:
        """Return how many series are in each state."""
        found = {
            State(row["state"]): row["n"] for row in self.db.rows("SELECT state, count(*) n FROM series GROUP BY state")
        }
        return {state: found.get(state, 0) for state in State}

    def oldest_open(self) -> float | None:
        """Return how long the open series that has been longest in its state is there, in seconds."""
        marks = ", ".join("?" for _ in OPEN)
        row = self.db.row(f"SELECT min(changed) at FROM series WHERE state IN ({marks})", *(str(s) for s in OPEN))  # noqa: S608
        return None if row is None or row["at"] is None else max(0.0, self.clock.now() - row["at"])

    # Messages

    def messages(self, series: int) -> list[Message]:
        """Return the messages of a series by part, then as they came."""
        rows = self.db.rows(
            'SELECT m.id, m."index", m.total, m.version, m.address, m.title, m.parents, m.fault FROM part p '
            'JOIN message m ON m.id = p.message WHERE p.series = ? ORDER BY coalesce(m."index", 0), m.rowid',
            series,
        )
        return [Message(**{**dict(row), "parents": tuple(json.loads(row["parents"]))}) for row in rows]

    def raws(self, message_ids: Iterable[str]) -> list[bytes]:
        """Return the mails themselves, of those that are still kept."""
        found = []
        for message_id in message_ids:
            row = self.db.row("SELECT raw FROM message WHERE id = ?", message_id)
            if row is not None and row["raw"] is not None:
                found.append(zlib.decompress(row["raw"]))
        return found

    def requests(self) -> list[dict[str, Any]]:
        """Return the requests for tests, oldest first: who asked when, what became of it, and of which series."""
        return [
            dict(row)
            for row in self.db.rows(
                "SELECT made_at, sender, profile, state, reason, series, message FROM request ORDER BY rowid"
            )
        ]

    def has_seen(self, message_id: str) -> bool:
        """Whether a message of that id came by, kept or not."""
        row = self.db.row("SELECT seen FROM node WHERE id = ?", message_id)
        return bool(row and row["seen"])


def _plain(fields: dict[str, Any]) -> dict[str, Any]:
    """Return values as SQLite takes them."""
    return {
        name: json.dumps(value)
        if isinstance(value, tuple)
        else str(value)
        if isinstance(value, State)
        else int(value)
        if isinstance(value, bool)
        else value
        for name, value in fields.items()
    }


def _entry(row: sqlite3.Row) -> Entry:
    fields = dict(row)
    fields |= {name: bool(fields[name]) for name in ("resend", "numbered", "partial", "pruned")}
    return Entry(**{**fields, "state": State(fields["state"]), "lists": tuple(json.loads(fields["lists"]))})
