"""THE RUNS OF A RESULTS FOLDER → an index of them (sqlite), to list and find runs without reading their records.

The index is a cache: every look compares it with the folders that are there (two stat(2) a run) and reads what is new or
changed; deleting it costs time, never results. Where it cannot be written it is kept in memory.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
import stat
from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from orchestrator.errors import UserError
from orchestrator.model.run import SCHEMA_VERSION
from orchestrator.store.codec import from_text
from orchestrator.store.run_directory import PLAN, RESULT, RUN, SERIES, read_text

INDEX = ".index.sqlite"
VERSION = 1
"""Of the tables; an index of another version is made anew."""

BUSY_S = 10.0

FINISHED, UNFINISHED, UNREADABLE = "finished", "unfinished", "unreadable"

_TABLES = """
CREATE TABLE runs (
    run_id TEXT PRIMARY KEY, stamp TEXT NOT NULL, state TEXT NOT NULL, outcome TEXT NOT NULL, started TEXT NOT NULL,
    finished TEXT NOT NULL, seconds REAL, title TEXT NOT NULL, base TEXT NOT NULL, profile TEXT NOT NULL,
    planned INTEGER NOT NULL, done INTEGER NOT NULL, sentence TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE patches (run_id TEXT NOT NULL, message_id TEXT NOT NULL, diff TEXT NOT NULL);
CREATE INDEX patches_message ON patches (message_id);
CREATE INDEX patches_diff ON patches (diff);
CREATE INDEX patches_run ON patches (run_id);
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """A run in a line. ``state`` is finished, unfinished or unreadable, ``outcome`` "" unless it is finished.

    ``seconds`` is what it took (None where that is not known), ``planned`` and ``done`` count its trials. ``sentence`` is the
    verdict's first, or why the record cannot be read.
    """

    run_id: str
    state: str
    outcome: str = ""
    started: str = ""
    finished: str = ""
    seconds: float | None = None
    title: str = ""
    base: str = ""
    profile: str = ""
    planned: int = 0
    done: int = 0
    sentence: str = ""


_COLUMNS = ", ".join(field.name for field in fields(RunSummary))


def diff_key(diff: str) -> str:
    """Return a key of what a diff changes: its lines without their white space, wherever they stand (as git patch-id)."""
    lines = [
        "".join(line.split())
        for line in diff.splitlines()
        if line.startswith(("+", "-")) and not line.startswith(("--- ", "+++ "))
    ]
    return hashlib.sha256("\n".join(lines).encode("utf-8", "replace")).hexdigest() if lines else ""


class RunIndex:
    """The index of the runs in ``results``; a context manager. What it says is as of the moment it was opened."""

    def __init__(self, results: Path, *, rebuild: bool = False) -> None:
        self._results = results
        self._rebuild = rebuild
        self._database: sqlite3.Connection | None = None

    def __enter__(self) -> Self:
        for rebuild in (self._rebuild, True):
            self._database = _opened(self._results / INDEX, rebuild=rebuild)
            try:
                self._refresh(self._database)
            except sqlite3.OperationalError:
                # Not to be written, or locked for too long.
                self._database.close()
                break
            except sqlite3.DatabaseError:
                # Damaged.
                self._database.close()
            else:
                return self
        self._database = _made(":memory:")
        self._refresh(self._database)
        return self

    def __exit__(self, *_: object) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None

    def runs(self, *, search: str = "", outcome: str = "", limit: int = -1) -> tuple[RunSummary, ...]:
        """Return the runs, newest first; ``search`` looks in id, title and sentence, in any case."""
        pattern = "%" + "".join(f"\\{char}" if char in "\\%_" else char for char in search) + "%"
        found = self._ask(
            f"SELECT {_COLUMNS} FROM runs WHERE (? = '' OR outcome = ? OR (outcome = '' AND state = ?))"  # noqa: S608 - ours
            " AND (run_id LIKE ? ESCAPE '\\' OR title LIKE ? ESCAPE '\\' OR sentence LIKE ? ESCAPE '\\')"
            " ORDER BY run_id DESC LIMIT ?",
            (outcome, outcome, outcome, pattern, pattern, pattern, limit),
        )
        return tuple(RunSummary(**dict(zip(_COLUMNS.split(", "), row, strict=True))) for row in found)

    def count(self) -> int:
        """Return how many runs there are."""
        return int(self._ask("SELECT count(*) FROM runs", ())[0][0])

    def that_tested(self, *, message_id: str = "", diff: str = "") -> tuple[str, ...]:
        """Return the ids of the runs of a patch, newest first: by its message id, else by what its diff changes."""
        for column, value in (("message_id", message_id.strip().strip("<>")), ("diff", diff_key(diff))):
            if value:
                query = f"SELECT DISTINCT run_id FROM patches WHERE {column} = ? ORDER BY run_id DESC"  # noqa: S608 - ours
                found = self._ask(query, (value,))
                if found:
                    return tuple(str(row[0]) for row in found)
        return ()

    def _ask(self, query: str, values: Iterable[Any]) -> list[Any]:
        assert self._database is not None, "the index is used as a context manager"  # noqa: S101 - a bug of ours
        return self._database.execute(query, tuple(values)).fetchall()

    def _refresh(self, database: sqlite3.Connection) -> None:
        known = dict(database.execute("SELECT run_id, stamp FROM runs"))
        there = dict(_stamps(self._results))
        changed = [run_id for run_id, stamp in there.items() if known.get(run_id) != stamp]
        gone = [run_id for run_id in known if run_id not in there]
        if not changed and not gone:
            return
        with database:
            for run_id in (*gone, *changed):
                database.execute("DELETE FROM runs WHERE run_id = ?", (run_id,))
                database.execute("DELETE FROM patches WHERE run_id = ?", (run_id,))
            for run_id in changed:
                summary, patches = _read(self._results / run_id)
                values = _values(summary)
                marks = ", ".join("?" * (len(values) + 1))
                database.execute(
                    f"INSERT INTO runs ({_COLUMNS}, stamp) VALUES ({marks})",  # noqa: S608 - names of ours
                    (*values, there[run_id]),
                )
                database.executemany("INSERT INTO patches VALUES (?, ?, ?)", ((run_id, *patch) for patch in patches))


def _opened(path: Path, *, rebuild: bool) -> sqlite3.Connection:
    """Return the index at ``path``, an empty one where it is of no use, one in memory where it cannot be there."""
    if not path.parent.is_dir():
        return _made(":memory:")
    if rebuild:
        _remove(path)
    for _ in range(2):
        with contextlib.suppress(sqlite3.Error, OSError):
            database = sqlite3.connect(path, timeout=BUSY_S)
            if database.execute("PRAGMA user_version").fetchone()[0] == VERSION:
                return database
            database.close()
            _remove(path)
            return _made(str(path))
        with contextlib.suppress(OSError):
            _remove(path)
    return _made(":memory:")


def _made(path: str) -> sqlite3.Connection:
    database = sqlite3.connect(path, timeout=BUSY_S)
    with database:
        database.executescript(f"BEGIN IMMEDIATE; {_TABLES} PRAGMA user_version = {VERSION}; COMMIT;")
    return database


def _remove(path: Path) -> None:
    for each in (path, path.with_name(f"{path.name}-journal")):
        each.unlink(missing_ok=True)


def _stamps(results: Path) -> Iterator[tuple[str, str]]:
    """Return each run's id and a stamp that changes when its record does."""
    with contextlib.suppress(OSError), os.scandir(results) as entries:
        for entry in entries:
            for name in (RUN, PLAN):
                with contextlib.suppress(OSError, UnicodeEncodeError):
                    found = os.stat(os.path.join(entry.path, name))  # noqa: PTH116, PTH118 - twenty thousand of them
                    if stat.S_ISREG(found.st_mode) and entry.name.isprintable():
                        trials = "" if name == RUN else f" {_done(Path(entry.path))}"
                        yield entry.name, f"{name} {found.st_mtime_ns} {found.st_size}{trials}"
                        break


def _done(folder: Path) -> int:
    return sum(1 for _ in folder.glob(f"trials/*/{RESULT}"))


def _read(folder: Path) -> tuple[RunSummary, list[tuple[str, str]]]:
    """Return what the index says of a run, and message id and diff key of its patches; it never raises."""
    run_id = folder.name
    try:
        if (folder / RUN).is_file():
            return _of_record(run_id, _json(folder / RUN))
        return _of_plan(folder, _json(folder / PLAN))
    except UserError as error:
        return RunSummary(run_id=run_id, state=UNREADABLE, sentence=error.message), []
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        return RunSummary(run_id=run_id, state=UNREADABLE, sentence=f"its record is damaged: {error}"), []


def _of_record(run_id: str, data: Any) -> tuple[RunSummary, list[tuple[str, str]]]:
    version = data["schema_version"]
    if not isinstance(version, int) or version > SCHEMA_VERSION:
        raise UserError(f"a newer orchestrator wrote it (schema version {version})")
    verdict = data["verdict"]
    summary = RunSummary(
        run_id=run_id,
        state=FINISHED,
        outcome=str(verdict["outcome"]),
        started=str(data["started"]),
        finished=str(data["finished"]),
        seconds=_seconds(str(data["started"]), str(data["finished"])),
        title=str(data["series"]["title"]),
        base=str(data["base"]["describe"]),
        profile=str(data["plan"]["profile"]["name"]),
        planned=len(data["plan"]["trials"]),
        done=len(data["trials"]),
        sentence=str(next(iter(verdict["sentences"]), "")),
    )
    return summary, _patches(data["series"])


def _of_plan(folder: Path, data: Any) -> tuple[RunSummary, list[tuple[str, str]]]:
    series: Any = {"title": str(data["mail"]), "patches": []}
    with contextlib.suppress(UserError):
        series = _json(folder / SERIES)
    done, planned = _done(folder), len(data["trials"])
    summary = RunSummary(
        run_id=folder.name,
        state=UNFINISHED,
        started=_begun(folder.name),
        title=str(series["title"]),
        profile=str(data["profile"]["name"]),
        planned=planned,
        done=done,
        sentence=f"not finished: {done} of {planned} trials are done",
    )
    return summary, _patches(series)


def _patches(series: Any) -> list[tuple[str, str]]:
    found = [(str(patch.get("message_id") or ""), diff_key(str(patch["diff"]))) for patch in series["patches"]]
    patches = {message_id for message_id, _ in found}
    # The cover letter's.
    found += [(str(each), "") for each in series.get("message_ids", ()) if each not in patches]
    return [(_clean(message_id), diff) for message_id, diff in found]


def _values(summary: RunSummary) -> tuple[Any, ...]:
    return tuple(_clean(value) if isinstance(value, str) else value for value in astuple(summary))


def _clean(text: str) -> str:
    """Return ``text`` without lone surrogates: sqlite takes none."""
    return text.encode("utf-8", "replace").decode()


def _begun(run_id: str) -> str:
    """Return when a run began, by its id; "" where the id does not tell."""
    try:
        return datetime.strptime(run_id[:15], "%Y%m%d-%H%M%S").replace(tzinfo=UTC).isoformat()
    except ValueError:
        return ""


def _seconds(started: str, finished: str) -> float | None:
    try:
        return (datetime.fromisoformat(finished) - datetime.fromisoformat(started)).total_seconds()
    except (ValueError, TypeError):
        return None


def _json(path: Path) -> Any:
    return from_text(read_text(path), str(path))
