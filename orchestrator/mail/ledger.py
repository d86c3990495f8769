"""The ledger: which mail was sent, on the way, or perhaps sent. It survives our end at any moment.

An attempt goes from prepared over sending to accepted or refused. It is recorded as sending before the first octet that
a server could accept, so that one which we find in that state and nobody works on is unknown: a server may have taken it,
and it is not sent again without the user's word. Each change is one transaction, on disk before the next step.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from orchestrator.errors import InfraError, TimedOut, UserError
from orchestrator.host.deadline import Cancellation, Deadline
from orchestrator.host.workspace import locked, make_folder
from orchestrator.mail.prepare import PUBLIC, MailKey, PreparedMail
from orchestrator.model.mail import EarlierReport
from orchestrator.model.verdict import Outcome

SCHEMA = 1
WAIT_S = 30.0
_TABLE = """
CREATE TABLE IF NOT EXISTS attempt (
    id INTEGER PRIMARY KEY,
    series TEXT NOT NULL, version INTEGER NOT NULL, outcome TEXT NOT NULL, audience TEXT NOT NULL,
    run_id TEXT NOT NULL, message_id TEXT NOT NULL, title TEXT NOT NULL, recipients TEXT NOT NULL,
    scenario TEXT NOT NULL, topology TEXT NOT NULL,
    way TEXT NOT NULL, state TEXT NOT NULL, says TEXT NOT NULL,
    prepared REAL NOT NULL, changed REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS attempt_of ON attempt (series, version, outcome, audience);
"""


class State(StrEnum):
    """What became of an attempt."""

    PREPARED = "prepared"
    SENDING = "sending"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    DRAFTED = "drafted"

    @property
    def may_have_arrived(self) -> bool:
        """Whether somebody may have got the mail."""
        return self in {State.SENDING, State.ACCEPTED, State.UNKNOWN}


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One attempt at one mail. Times are seconds since the epoch."""

    id: int
    key: MailKey
    run_id: str
    message_id: str
    title: str
    recipients: tuple[str, ...]
    scenario: str
    topology: str
    way: str
    state: State
    says: str
    prepared: float
    changed: float


class Ledger:
    """The ledger in a file; :meth:`open` holds it. Attempts are begun and changed only inside :meth:`held`."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path

    @classmethod
    @contextlib.contextmanager
    def open(cls, path: Path) -> Iterator[Ledger]:
        """Hold the ledger, made if it is not there. Raises :class:`InfraError` when it is damaged: then nothing is sent."""
        make_folder(path.parent)
        with _explained(path):
            connection = sqlite3.connect(path, isolation_level=None, timeout=WAIT_S)
            try:
                connection.row_factory = sqlite3.Row
                # Each change is on the disk when the call returns, whatever ends us or the machine.
                connection.execute("PRAGMA synchronous = FULL")
                version = connection.execute("PRAGMA user_version").fetchone()[0]
                if version > SCHEMA:
                    raise UserError(
                        f"the ledger {path} was written by a newer orchestrator", hint="use that one, or a newer one"
                    )
                connection.executescript(_TABLE)
                connection.execute(f"PRAGMA user_version = {SCHEMA:d}")
                yield cls(connection, path)
            finally:
                connection.close()

    @contextlib.contextmanager
    def held(self, *, wait_s: float = WAIT_S, cancellation: Cancellation | None = None) -> Iterator[None]:
        """Hold the right to send, which one process of the user has at a time; the kernel drops it when we end.

        Who holds it knows that nobody works on an attempt that he finds as sending: it becomes unknown.
        """
        lock = self._path.with_name(f"{self._path.name}.lock")
        deadline = Deadline(wait_s, what="another orchestrator that is sending", cancellation=cancellation)
        try:
            with locked(lock, deadline):
                self._find_unknown()
                yield
        except TimedOut as error:
            if deadline.passed and error.message.startswith(deadline.what):
                raise UserError("another orchestrator is sending a mail", hint="wait for it") from error
            raise

    def attempts(self, key: MailKey | None = None) -> tuple[Attempt, ...]:
        """Return the attempts at one mail, or all, the oldest first."""
        where, values = "", ()
        if key is not None:
            where = "WHERE series = ? AND version = ? AND outcome = ? AND audience = ?"
            values = (key.series, key.version, str(key.outcome), key.audience)  # type: ignore[assignment]
        with _explained(self._path):
            rows = self._connection.execute(f"SELECT * FROM attempt {where} ORDER BY id", values)  # noqa: S608 - ours
            return tuple(_attempt(row) for row in rows)

    def begin(self, mail: PreparedMail, *, way: str, now: float) -> int:
        """Record an attempt as prepared; return its number."""
        with _explained(self._path):
            cursor = self._connection.execute(
                "INSERT INTO attempt (series, version, outcome, audience, run_id, message_id, title, recipients, scenario,"
                " topology, way, state, says, prepared, changed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '', ?, ?)",
                (
                    mail.key.series,
                    mail.key.version,
                    str(mail.key.outcome),
                    mail.key.audience,
                    mail.run_id,
                    mail.message_id,
                    mail.title.encode("utf-8", "replace").decode(),
                    json.dumps([address.address for address in mail.recipients.everybody]),
                    mail.scenario,
                    mail.topology,
                    way,
                    str(State.PREPARED),
                    now,
                    now,
                ),
            )
        assert cursor.lastrowid is not None  # noqa: S101 - an INSERT has one
        return cursor.lastrowid

    def change(self, attempt: int, state: State, *, says: str = "", now: float) -> None:
        """Record what became of an attempt; it is on the disk when this returns."""
        with _explained(self._path):
            self._connection.execute(
                "UPDATE attempt SET state = ?, says = ?, changed = ? WHERE id = ?",
                (str(state), says.encode("utf-8", "replace").decode(), now, attempt),
            )

    def left_since(self, moment: float) -> tuple[float, ...]:
        """Return when each mail left (or may have) since ``moment``, the oldest first."""
        return tuple(
            attempt.changed
            for attempt in self.attempts()
            if attempt.state.may_have_arrived and attempt.changed > moment
        )

    def earlier_report(self, series: str, version: int) -> EarlierReport | None:
        """Return our latest accepted report of a regression on an earlier version of the series; None without one."""
        found = [
            attempt
            for attempt in self.attempts()
            if attempt.key.series == series
            and attempt.key.version < version
            and attempt.key.outcome is Outcome.REGRESSION
            and attempt.key.audience == PUBLIC
            and attempt.state is State.ACCEPTED
            and attempt.scenario
        ]
        if not found:
            return None
        last = max(found, key=lambda attempt: (attempt.key.version, attempt.id))
        return EarlierReport(
            version=last.key.version, message_id=last.message_id, scenario=last.scenario, topology=last.topology
        )

    def _find_unknown(self) -> None:
        with _explained(self._path):
            self._connection.execute(
                "UPDATE attempt SET state = ?, says = ? WHERE state = ?",
                (str(State.UNKNOWN), "we ended while it was being sent", str(State.SENDING)),
            )


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise InfraError(
            f"the ledger of mails {path} cannot be used ({error}): nothing is sent",
            hint="look at the file system; if it is damaged, put a backup there",
        ) from error


def _attempt(row: sqlite3.Row) -> Attempt:
    try:
        key = MailKey(
            series=row["series"], version=row["version"], outcome=Outcome(row["outcome"]), audience=row["audience"]
        )
        return Attempt(
            id=row["id"],
            key=key,
            run_id=row["run_id"],
            message_id=row["message_id"],
            title=row["title"],
            recipients=tuple(json.loads(row["recipients"])),
            scenario=row["scenario"],
            topology=row["topology"],
            way=row["way"],
            state=State(row["state"]),
            says=row["says"],
            prepared=row["prepared"],
            changed=row["changed"],
        )
    except (ValueError, TypeError) as error:
        raise sqlite3.DatabaseError(f"attempt {row['id']} is damaged: {error}") from error
