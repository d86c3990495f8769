"""Who tests a series: ``orchestrator test`` as a process of its own. What it found is read from its run folder alone."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from orchestrator.errors import InfraError, OrchestratorError, TimedOut
from orchestrator.host import process
from orchestrator.host.deadline import Deadline
from orchestrator.host.workspace import make_folder
from orchestrator.model.verdict import Outcome
from orchestrator.model.watch import RunSettings

RUN = "run.json"
PLAN = "plan.json"
LOG = "orchestrator.log"
HELD = ".held"
LOG_TAIL = 2000
_PLAIN = re.compile(r"[\x21-\x7e]{1,500}")
STOP_S = 60.0
"""How long a run may take to end its machines before it is killed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One attempt at a series. ``mails`` is a folder with its mails; ``folder`` is this attempt's own."""

    mails: Path
    folder: Path
    profile: str
    version: int
    partial: bool
    pick: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How an attempt ended. ``run`` is the run's folder, None where none was made; ``outcome`` the verdict's, None without.

    ``ours`` says that it is no verdict and no fault of the input: it may be tried again. ``says`` is why, for a person.
    """

    run: Path | None
    outcome: Outcome | None
    ours: bool
    says: str


class Attempt(Protocol):
    """A running attempt."""

    def poll(self) -> Ended | None:
        """Return how it ended, None while it runs."""

    def stop(self) -> None:
        """End it; what is finished of the run stays, and a new attempt in the same folder goes on with it."""


class StillEnding(InfraError):
    """The process of an earlier life of ours is not gone yet: to be tried again in a moment."""


class Runner(Protocol):
    """Tests series."""

    def start(self, job: Job) -> Attempt:
        """Begin an attempt, or go on with the one in its folder. Raises :class:`InfraError` when that cannot be."""


class ProcessRunner:
    """Starts ``orchestrator test``; must be called from the thread that lives as long as we do (see host.process)."""

    def __init__(self, settings: RunSettings) -> None:
        self._settings = settings

    def start(self, job: Job) -> Attempt:
        """Begin, or go on with, a run."""
        make_folder(job.folder)
        stack = contextlib.ExitStack()
        try:
            held = stack.enter_context((job.folder / HELD).open("a"))
            # The run inherits it. A run of our last life may just be dying; or, where we were killed before the kernel
            # knew that it was to die with us (see host.process), still be at work.
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return self._started(job, stack, held.fileno())
        except BlockingIOError:
            stack.close()
            raise StillEnding(f"the run in {job.folder} is still ending") from None
        except OSError as error:
            stack.close()
            raise InfraError(f"cannot write in {job.folder}: {error.strerror}") from error
        except OrchestratorError:
            stack.close()
            raise

    def _started(self, job: Job, stack: contextlib.ExitStack, held: int) -> Attempt:
        found = run_folder(job.folder)
        if found is not None and (found / RUN).is_file():
            stack.close()
            return _Over(ended(found, None, job.folder, resumed=True))
        words = ["--resume", found.name] if found is not None else self._words(job)
        argv = [*self._command(), "test", *words, "--results", str(job.folder)]
        log = stack.enter_context((job.folder / LOG).open("ab"))
        child = stack.enter_context(process.running(argv, stdout=log, stderr=log, pass_fds=(held,)))
        return _Running(child, stack, job.folder, resumed=found is not None)

    def _command(self) -> Sequence[str]:
        return self._settings.command or (sys.executable, "-m", "orchestrator")

    def _words(self, job: Job) -> list[str]:
        words = [str(job.mails), "--linux", self._settings.linux, "--profile", job.profile, *self._settings.options]
        words += ["--version", str(job.version)]
        # A stranger's word: nothing that a command line cannot carry.
        words += [f"--pick={job.pick}"] if _PLAIN.fullmatch(job.pick) else []
        return [*words, "--partial"] if job.partial else words


class _Running:
    """A process that runs."""

    def __init__(self, child: process.Process, stack: contextlib.ExitStack, folder: Path, *, resumed: bool) -> None:
        self._child = child
        self._stack = stack
        self._folder = folder
        self._resumed = resumed

    def poll(self) -> Ended | None:
        """Return how it ended."""
        status = self._child.exit_status
        if status is None:
            return None
        self._stack.close()
        return ended(run_folder(self._folder), status, self._folder, resumed=self._resumed)

    def stop(self) -> None:
        """Ask it to end its machines, and wait."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._child.pid, signal.SIGTERM)
        with contextlib.suppress(TimedOut):
            self._child.wait(Deadline(STOP_S, what="the run"))
        self._stack.close()


class _Over:
    """An attempt that had ended before anybody looked."""

    def __init__(self, found: Ended) -> None:
        self._found = found

    def poll(self) -> Ended | None:
        """Return how it ended."""
        return self._found

    def stop(self) -> None:
        """Do nothing."""


def run_folder(folder: Path) -> Path | None:
    """Return the run in an attempt's folder, None where none got so far that it can be gone on with."""
    with contextlib.suppress(OSError):
        runs = sorted(child for child in folder.iterdir() if (child / PLAN).is_file())
        return runs[-1] if runs else None
    return None


def ended(run: Path | None, status: int | None, folder: Path, *, resumed: bool) -> Ended:
    """Return what an attempt's exit status and record say. The input of a run that is gone on with was good before."""
    outcome = _outcome(run)
    if outcome is not None and outcome is not Outcome.ERROR:
        return Ended(run=run, outcome=outcome, ours=False, says=str(outcome))
    if outcome is Outcome.ERROR:
        return Ended(run=run, outcome=outcome, ours=True, says=_first_sentence(run) or "ERROR")
    says = _last_words(folder)
    if status == 2 and not resumed:
        return Ended(run=None, outcome=None, ours=False, says=says or "the input cannot be used")
    how = (
        "its record is gone"
        if status is None
        else f"killed by signal {-status}"
        if status < 0
        else f"exit status {status}"
    )
    return Ended(run=run, outcome=None, ours=True, says=f"{how}{': ' + says if says else ''}")


def _verdict(run: Path | None) -> dict[str, object]:
    """Return the verdict in a run's record, {} where there is none."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        if run is not None:
            found = json.loads((run / RUN).read_text(encoding="utf-8"))
            verdict = found.get("verdict")
            return verdict if isinstance(verdict, dict) else {}
    return {}


def _outcome(run: Path | None) -> Outcome | None:
    with contextlib.suppress(ValueError, KeyError):
        return Outcome(str(_verdict(run)["outcome"]))
    return None


def _first_sentence(run: Path | None) -> str:
    sentences = _verdict(run).get("sentences")
    return str(sentences[0])[:LOG_TAIL] if isinstance(sentences, list) and sentences else ""


def _last_words(folder: Path) -> str:
    """Return the error that the command ended with, or its last lines."""
    try:
        with (folder / LOG).open("rb") as handle:
            handle.seek(max(0, os.fstat(handle.fileno()).st_size - 8192))
            text = handle.read().decode("utf-8", "replace")
    except OSError:
        return ""
    at = text.rfind("orchestrator: ")
    lines = (text[at + len("orchestrator: ") :] if at >= 0 else text).strip().splitlines()
    return "\n".join(lines if at >= 0 else lines[-5:])[:LOG_TAIL]
