"""The run directory ``results/<run-id>/``: the record of a run, of which every report can be made again.

Knows names and places, and that a file is there whole or not at all; knows nothing of what the values mean.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import threading
from collections.abc import Iterator, Mapping
from datetime import datetime
from difflib import get_close_matches
from pathlib import Path
from typing import TypeVar

from orchestrator.errors import InfraError, UserError
from orchestrator.host.steps import StepEvent
from orchestrator.host.workspace import make_folder, publish_bytes, publish_text
from orchestrator.model.run import Plan, RunRecord
from orchestrator.model.series import Patch, Series
from orchestrator.model.trial import TrialResult
from orchestrator.store.codec import Json, MalformedRecord, decode, encode, from_text, to_text
from orchestrator.store.run_json import parse_run, render_run, trial_from_json, trial_to_json

T = TypeVar("T")

PLAN = "plan.json"
SERIES = "series/series.json"
OTHERS = "series/others.json"
EVENTS = "events.jsonl"
RUN = "run.json"
JUNIT = "junit.xml"
RESULT = "result.json"
LOCK = ".lock"

_TITLE_LENGTH = 48
_ATTEMPTS = 1000


class RunDirectory:
    """One run's folder. Made by :meth:`create`, found again by :meth:`open`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._events_end_well = False

    @classmethod
    def create(cls, results: Path, *, title: str, now: datetime) -> RunDirectory:
        """Make the folder of a new run in ``results``; its name sorts by time and is nobody else's.

        mkdir(2) is the arbiter between runs that start in the same second.
        """
        make_folder(results)
        stem = f"{now:%Y%m%d-%H%M%S}-{slug(title)}"
        for attempt in range(1, _ATTEMPTS):
            path = results / (stem if attempt == 1 else f"{stem}.{attempt}")
            try:
                path.mkdir()
            except FileExistsError:
                continue
            except OSError as error:
                raise InfraError(f"cannot make the run's folder {path}: {error.strerror}") from error
            return cls(path)
        raise InfraError(f"cannot make a run's folder in {results}: {_ATTEMPTS} runs of this name are there")

    @classmethod
    def open(cls, results: Path, run: str) -> RunDirectory:
        """Return the folder of a run that is there: ``run`` is its id in ``results``, or a path to it."""
        for path in (results / run, Path(run)):
            # What is no name for a file is no run either.
            with contextlib.suppress(OSError, ValueError):
                if run and (path / PLAN).is_file():
                    return cls(path)
        runs = sorted(folder.parent.name for folder in results.glob(f"*/{PLAN}"))
        hint = f"the latest runs there are {', '.join(runs[-3:])}" if runs else f"there are no runs in {results}"
        if near := get_close_matches(run, runs, n=3, cutoff=0.6):
            hint = f"did you mean {' or '.join(near)}?"
        raise UserError(f"there is no run {run!r} in {results}", hint=hint)

    def part(self, name: str) -> RunDirectory:
        """Return a folder inside this one for trials that are not the run's own: of a perturbed base, of a bisection."""
        path = self.path / name
        make_folder(path)
        return RunDirectory(path)

    def parts(self, name: str) -> tuple[RunDirectory, ...]:
        """Return the parts of that name that are there, in order: ``name`` itself and the further ones, ``name-2``, ``name-3``."""
        numbered = re.compile(rf"{re.escape(name)}(?:-(\d{{1,6}}))?")
        found = [
            (int(match[1] or 1), path)
            for path in self.path.glob(f"{name}*")
            if path.is_dir() and (match := numbered.fullmatch(path.name))
        ]
        return tuple(RunDirectory(path) for _, path in sorted(found))

    @property
    def run_id(self) -> str:
        """The run's id: the folder's name."""
        return self.path.resolve().name

    @property
    def junit(self) -> Path:
        """Where the JUnit file belongs."""
        return self.path / JUNIT

    @property
    def run_json(self) -> Path:
        """Where the record belongs."""
        return self.path / RUN

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold the run against a second orchestrator that would go on with it; the kernel lets go when we die."""
        with (self.path / LOCK).open("w") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UserError(
                    f"the run {self.run_id} is in progress", hint="wait for it, or stop the orchestrator that does it"
                ) from None
            yield

    @property
    def in_progress(self) -> bool:
        """Whether somebody holds the run; asked of /proc/locks, since taking the lock to see would be in his way."""
        try:
            found = (self.path / LOCK).stat()
            place = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
            lines = Path("/proc/locks").read_text(encoding="ascii").splitlines()
        except (OSError, ValueError):
            return False
        return any("FLOCK" in line.split() and place in line.split() for line in lines)

    def write_plan(self, plan: Plan) -> None:
        """Record what the run is going to do; from here on it can be resumed."""
        self._write(self.path / PLAN, encode(plan, PLAN))

    def read_plan(self) -> Plan:
        """Return what the run set out to do; :class:`UserError` when that cannot be read."""
        return decode(Plan, from_text(read_text(self.path / PLAN), PLAN), PLAN)

    def write_series_record(self, series: Series) -> None:
        """Keep the series as it was read: a run that goes on does not depend on the mail's still being there."""
        self._write(self.path / SERIES, encode(series, SERIES))

    def read_series_record(self) -> Series:
        """Return the series of the run; :class:`UserError` when that cannot be read."""
        return decode(Series, from_text(read_text(self.path / SERIES), SERIES), SERIES)

    def write_others(self, others: tuple[Series, ...]) -> None:
        """Keep the other series of the same input: what is tested may build on them."""
        self._write(self.path / OTHERS, encode(others, OTHERS))

    def read_others(self) -> tuple[Series, ...]:
        """Return the other series of the input that were kept; :class:`UserError` when they cannot be read."""
        path = self.path / OTHERS
        return decode(tuple[Series, ...], from_text(read_text(path), OTHERS), OTHERS) if path.exists() else ()

    def keep_build_file(self, source: Path, name: str) -> None:
        """Copy a build's log or configuration to ``builds/name``; the cache may lose it, the record may not."""
        with contextlib.suppress(FileNotFoundError):
            publish_bytes(self.path / "builds" / name, source.read_bytes())

    def discard(self) -> None:
        """Remove the run if it has done nothing yet: an input that turned out unusable leaves no run behind."""
        if not (self.path / "trials").exists() and not self.run_json.exists():
            shutil.rmtree(self.path, ignore_errors=True)

    def append_event(self, event: StepEvent) -> None:
        """Add a line to ``events.jsonl``. Fit to be a listener: it never raises, events are for looking, not for us."""
        line = to_text(encode(event, EVENTS), indent=None).encode() + b"\n"
        with self._lock, contextlib.suppress(OSError), (self.path / EVENTS).open("ab") as handle:
            if not self._events_end_well and handle.tell():
                # We may have been killed in the middle of a line.
                line = b"\n" + line
            # One write(2) on a file opened for appending: lines of two processes do not mix.
            os.write(handle.fileno(), line)
            self._events_end_well = True

    def read_events(self) -> tuple[StepEvent, ...]:
        """Return the events that can be read; half a line from a killed run is passed over."""
        events = []
        with contextlib.suppress(OSError):
            for line in (self.path / EVENTS).read_text(encoding="utf-8", errors="replace").splitlines():
                with contextlib.suppress(MalformedRecord):
                    events.append(decode(StepEvent, from_text(line, EVENTS), EVENTS))
        return tuple(events)

    def trial_folder(self, trial_id: str) -> Path:
        """Return a trial's folder, made if missing."""
        return make_folder(self.path / "trials" / trial_id)

    def write_trial(self, result: TrialResult) -> None:
        """Publish a trial's record; there it is done, before it is not."""
        self._write(self.trial_folder(result.spec.id) / RESULT, trial_to_json(result))

    def read_trials(self) -> tuple[TrialResult, ...]:
        """Return the trials that are done, by id. A record that cannot be read is a trial that is not done."""
        results = []
        for path in sorted((self.path / "trials").glob(f"*/{RESULT}")):
            with contextlib.suppress(MalformedRecord, UserError):
                result = trial_from_json(from_text(read_text(path), str(path)), str(path))
                if result.spec.id == path.parent.name:
                    results.append(result)
        return tuple(results)

    def write_series(self, series: Series, recovered: Mapping[int, str] | None = None) -> None:
        """Write each patch as a file that ``git am`` takes; ``recovered`` gives the diff as applied, by patch number."""
        for patch in series.patches:
            name = f"{patch.index:04}-{slug(patch.subject)}.patch"
            publish_text(self.path / "series" / name, _patch_text(patch, (recovered or {}).get(patch.index)))

    def write_run(self, record: RunRecord) -> None:
        """Publish ``run.json``."""
        publish_text(self.run_json, render_run(record))

    def read_run(self) -> RunRecord:
        """Return the record; :class:`UserError` when there is none yet, when it was edited, or when it is newer than us."""
        if not self.run_json.is_file():
            raise UserError(
                f"the run {self.run_id} has no record yet", hint=f"orchestrator test --resume {self.run_id}"
            )
        return parse_run(read_text(self.run_json), str(self.run_json))

    @staticmethod
    def _write(path: Path, data: Json) -> None:
        publish_text(path, to_text(data) + "\n")


def slug(title: str) -> str:
    """Return a patch's title as part of a file name: tags and prefixes left out, cut between words.

    >>> slug("[PATCH v5 2/6] mm/zswap: Support batch writeback in shrink_memcg()")
    'support-batch-writeback-in-shrink_memcg'
    """
    plain = re.sub(r"\[[^]]*\]", " ", title)
    words = re.findall(r"[a-z0-9_]+", plain.rpartition(": ")[2].lower()) or re.findall(r"[a-z0-9_]+", plain.lower())
    name = ""
    for word in words:
        if name and len(name) + len(word) >= _TITLE_LENGTH:
            break
        name = f"{name}-{word}" if name else word[:_TITLE_LENGTH]
    return name or "untitled"


def _patch_text(patch: Patch, diff: str | None) -> str:
    head = [f"From: {_one_line(patch.author)}", f"Subject: {_one_line(patch.subject)}"]
    if patch.date:
        head.append(f"Date: {_one_line(patch.date)}")
    if patch.message_id:
        head.append(f"Message-ID: <{_one_line(patch.message_id)}>")
    body = patch.message.strip("\n")
    text = "\n".join([*head, "", body, "---", "", (diff if diff is not None else patch.diff).rstrip("\n"), ""])
    return text.encode("utf-8", "replace").decode()


def _one_line(text: str) -> str:
    return " ".join(text.split())


def read_text(path: Path) -> str:
    """Return the text of a record's file; :class:`UserError` when it cannot be read or is no text."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise MalformedRecord(f"{path} is damaged: it is not text") from None
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
