"""The queue's file: SQLite in WAL mode; what is committed is there after a SIGKILL or a power cut, what is not never was."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from orchestrator.errors import InfraError, UserError
from orchestrator.host.workspace import make_folder

VERSION = 1
BUSY_S = 30.0

_SCHEMA = """
CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE source(name TEXT PRIMARY KEY, cursor TEXT NOT NULL, read_at TEXT NOT NULL, fault TEXT NOT NULL)
  STRICT, WITHOUT ROWID;
CREATE TABLE taken(source TEXT NOT NULL, key TEXT NOT NULL, PRIMARY KEY(source, key)) STRICT, WITHOUT ROWID;
CREATE TABLE counter(name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE node(id TEXT PRIMARY KEY, thread INTEGER NOT NULL, seen INTEGER NOT NULL, kept REAL NOT NULL)
  STRICT, WITHOUT ROWID;
CREATE INDEX node_thread ON node(thread);
CREATE TABLE message(
  id TEXT PRIMARY KEY, thread INTEGER NOT NULL, "index" INTEGER, total INTEGER NOT NULL, version INTEGER NOT NULL,
  address TEXT NOT NULL, title TEXT NOT NULL, title_key TEXT NOT NULL, parents TEXT NOT NULL, lists TEXT NOT NULL,
  source TEXT NOT NULL, digest TEXT NOT NULL, fault TEXT NOT NULL, kept REAL NOT NULL, size INTEGER NOT NULL,
  raw BLOB) STRICT;
CREATE INDEX message_thread ON message(thread);
CREATE TABLE series(
  id INTEGER PRIMARY KEY AUTOINCREMENT, state TEXT NOT NULL, thread INTEGER NOT NULL, version INTEGER NOT NULL,
  total INTEGER NOT NULL, title TEXT NOT NULL, address TEXT NOT NULL, resend INTEGER NOT NULL DEFAULT 0,
  numbered INTEGER NOT NULL DEFAULT 0, title_key TEXT NOT NULL DEFAULT '', change_id TEXT NOT NULL DEFAULT '',
  content TEXT NOT NULL DEFAULT '', lists TEXT NOT NULL DEFAULT '[]',
  waits_for TEXT NOT NULL DEFAULT '', "check" REAL NOT NULL DEFAULT 0,
  not_before REAL NOT NULL DEFAULT 0, changed REAL NOT NULL DEFAULT 0, profile TEXT NOT NULL DEFAULT '',
  asked_by TEXT NOT NULL DEFAULT '', partial INTEGER NOT NULL DEFAULT 0, attempt INTEGER NOT NULL DEFAULT 0,
  tries INTEGER NOT NULL DEFAULT 0, spent_s REAL NOT NULL DEFAULT 0, run TEXT NOT NULL DEFAULT '',
  outcome TEXT NOT NULL DEFAULT '', reason TEXT NOT NULL DEFAULT '', arrived_at TEXT NOT NULL, updated_at TEXT NOT NULL,
  replaced_by INTEGER, pruned INTEGER NOT NULL DEFAULT 0) STRICT;
CREATE INDEX series_state ON series(state, "check");
CREATE INDEX series_thread ON series(thread);
CREATE INDEX series_title ON series(title_key, address);
CREATE INDEX series_content ON series(content) WHERE content != '';
CREATE INDEX series_change ON series(change_id) WHERE change_id != '';
CREATE TABLE part(series INTEGER NOT NULL, message TEXT NOT NULL, PRIMARY KEY(series, message)) STRICT, WITHOUT ROWID;
CREATE INDEX part_message ON part(message);
CREATE TABLE request(
  message TEXT PRIMARY KEY, sender TEXT NOT NULL, targets TEXT NOT NULL, profile TEXT NOT NULL, state TEXT NOT NULL,
  reason TEXT NOT NULL, series INTEGER, kept REAL NOT NULL, made_at TEXT NOT NULL, raw BLOB) STRICT;
CREATE INDEX request_state ON request(state);
CREATE TABLE history(series INTEGER NOT NULL, at TEXT NOT NULL, state TEXT NOT NULL, text TEXT NOT NULL) STRICT;
CREATE INDEX history_series ON history(series);
"""


class DiskFull(InfraError):
    """The queue cannot be written for want of space; nothing of it is lost."""


class Database:
    """One connection. ``transaction`` is the only way to write."""

    def __init__(self, path: Path, *, create: bool = True) -> None:
        if create:
            make_folder(path.parent)
        elif not path.is_file():
            raise UserError(f"there is no queue in {path.parent}", hint="has orchestrator watch run with this file?")
        self.path = path
        with _explained(path):
            self.connection = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None)
            self.connection.row_factory = sqlite3.Row
            self.connection.execute("PRAGMA journal_mode = WAL")
            # A commit is on the disk before we go on: a mail that is taken is never asked for again.
            self.connection.execute("PRAGMA synchronous = FULL")
            self.connection.execute("PRAGMA journal_size_limit = 16777216")
            self._prepare()

    def _prepare(self) -> None:
        version = self.connection.execute("PRAGMA user_version").fetchone()[0]
        if version == 0:
            with self.transaction():
                # Another process may have been first.
                if self.connection.execute("PRAGMA user_version").fetchone()[0] == 0:
                    for statement in _SCHEMA.split(";\n"):
                        self.connection.execute(statement)
                    self.connection.execute(f"PRAGMA user_version = {VERSION}")
        elif version != VERSION:
            raise UserError(f"{self.path} has the format {version}, this version knows {VERSION}")

    def close(self) -> None:
        """Close the file."""
        self.connection.close()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Hold a transaction: all of the block is written, or nothing of it. Raises :class:`DiskFull`."""
        with _explained(self.path):
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self.connection.execute("COMMIT")
            except BaseException:
                # After a full disk SQLite may have rolled back by itself.
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")
                raise

    def rows(self, statement: str, *values: Any) -> list[sqlite3.Row]:
        """Return all rows of a query."""
        with _explained(self.path):
            return self.connection.execute(statement, _bindable(values)).fetchall()

    def row(self, statement: str, *values: Any) -> sqlite3.Row | None:
        """Return the first row of a query, None when there is none."""
        with _explained(self.path):
            found: sqlite3.Row | None = self.connection.execute(statement, _bindable(values)).fetchone()
            return found

    def run(self, statement: str, *values: Any) -> sqlite3.Cursor:
        """Carry out a statement; inside a :meth:`transaction` where it writes."""
        with _explained(self.path):
            return self.connection.execute(statement, _bindable(values))


def _bindable(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return values as SQLite takes them: a stranger's header may have halves of characters (UTF-7 makes them)."""
    return tuple(
        value.encode("utf-8", "replace").decode() if isinstance(value, str) and not value.isascii() else value
        for value in values
    )


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        name = getattr(error, "sqlite_errorname", "") or ""
        if name.startswith(("SQLITE_FULL", "SQLITE_IOERR")):
            raise DiskFull(
                f"cannot write {path}: {error}",
                hint="free some space on that disk; nothing is lost, it goes on by itself",
            ) from error
        raise InfraError(f"the queue {path}: {error} ({name or type(error).__name__})") from error
