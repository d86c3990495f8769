"""COMPLETE → PLANNED → RUNNING → JUDGED: what is to be run, whether it may be now, and what came of it.

Each step is one transaction. A state is kept before the world is changed by it: a series that is RUNNING though nothing runs
(we were killed) is gone on with in its own folder, where its run is or is not.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from orchestrator.errors import InfraError
from orchestrator.host.workspace import make_folder, publish_bytes
from orchestrator.model.watch import WatchSettings
from orchestrator.watch.budget import Bucket
from orchestrator.watch.database import DiskFull
from orchestrator.watch.queue import Queue
from orchestrator.watch.runner import Attempt, Ended, Job, Runner, StillEnding
from orchestrator.watch.state import Entry, State

KEEP_EVERY_S = 30.0
"""How often the time that a run has taken is kept."""


class _Running:
    """An attempt of ours, and when the time it took was last kept."""

    def __init__(self, attempt: Attempt, since: float) -> None:
        self.attempt = attempt
        self.since = since


class Advancer:
    """Brings series from COMPLETE to JUDGED. ``log`` takes an event and its fields."""

    def __init__(self, queue: Queue, settings: WatchSettings, runner: Runner, log: Callable[..., None]) -> None:
        self._queue = queue
        self._settings = settings
        self._runner = runner
        self._log = log
        self._running: dict[int, _Running] = {}
        self.retried: Callable[[], None] = lambda: None

    @property
    def running(self) -> int:
        """How many attempts run."""
        return len(self._running)

    @property
    def bucket(self) -> Bucket:
        """What is left of the runs a day."""
        return Bucket.read(
            self._queue.meta("bucket"), full=self._settings.budgets.runs_a_day, now=self._queue.clock.now()
        )

    def plan(self) -> int:
        """Fix how each series is tested: COMPLETE → PLANNED. Return how many were."""
        found = self._queue.entries([State.COMPLETE], limit=100)
        for entry in found:
            profile = entry.profile or self._settings.run.profile
            with self._queue.transaction():
                # What somebody asks for comes before the queue's own.
                self._queue.move(
                    entry, State.PLANNED, text=entry.reason, profile=profile, attempt=entry.attempt + 1, not_before=0.0
                )
            self._log("planned", series=entry.id, title=entry.title, version=entry.version, profile=profile)
        return len(found)

    def start(self) -> int:
        """PLANNED → RUNNING, as far as places and budget reach. Return how many were begun."""
        begun = self._recover()
        now = self._queue.clock.now()
        while len(self._running) < self._settings.run.at_once:
            bucket = self.bucket
            due = self._queue.entries(
                [State.PLANNED],
                where="s.not_before <= ? AND s.id = (SELECT t.id FROM series t WHERE t.state = ? AND t.not_before <= ? "
                "ORDER BY t.asked_by = '', t.id LIMIT 1)",
                values=[now, str(State.PLANNED), now],
            )
            if not due:
                break
            if not bucket.may_start:
                self._say_waiting(bucket)
                break
            if self._begin(due[0], bucket):
                begun += 1
        return begun

    def poll(self) -> int:
        """Look at what runs: RUNNING → JUDGED, or again, or an end. Return how many changed."""
        changed = 0
        for series, running in list(self._running.items()):
            entry = self._queue.entry(series)
            if entry is None or entry.state is not State.RUNNING:
                self._log("stopped", series=series, state=str(entry.state) if entry else "gone")
                running.attempt.stop()
                del self._running[series]
                changed += 1
                continue
            found = running.attempt.poll()
            spent = entry.spent_s + self._queue.clock.now() - running.since
            if found is not None:
                del self._running[series]
                self._conclude(entry, found, spent)
                changed += 1
            elif spent > self._settings.budgets.series_s:
                running.attempt.stop()
                del self._running[series]
                self._park(entry, f"it took more than {self._settings.budgets.series_s:g} s", spent)
                changed += 1
            elif self._queue.clock.now() - running.since > KEEP_EVERY_S:
                with self._queue.transaction():
                    self._queue.change(series, spent_s=spent)
                running.since = self._queue.clock.now()
        return changed

    def stop(self) -> None:
        """End all attempts; they are gone on with at the next start."""
        for series, running in list(self._running.items()):
            running.attempt.stop()
            entry = self._queue.entry(series)
            if entry is not None:
                with self._queue.transaction():
                    self._queue.change(series, spent_s=entry.spent_s + self._queue.clock.now() - running.since)
            del self._running[series]

    def _recover(self) -> int:
        """Go on with what ran when we were ended."""
        begun = 0
        for entry in self._queue.entries([State.RUNNING]):
            if entry.id not in self._running and len(self._running) < self._settings.run.at_once:
                self._log("goes on", series=entry.id, attempt=entry.attempt)
                begun += self._launch(entry)
        return begun

    def _begin(self, entry: Entry, bucket: Bucket) -> bool:
        with self._queue.transaction():
            moved = self._queue.move(entry, State.RUNNING, text=entry.reason, waits_for="")
            if moved:
                self._queue.set_meta("bucket", bucket.less().text())
        if not moved:
            return False
        self._log("running", series=entry.id, title=entry.title, version=entry.version, attempt=entry.attempt)
        now = self._queue.entry(entry.id)
        return now is not None and self._launch(now)

    def _launch(self, entry: Entry) -> bool:
        try:
            job = self._job(entry)
            if job is None:
                with self._queue.transaction():
                    self._queue.move(entry, State.REFUSED, text="its mails are not kept any more")
                return False
            self._running[entry.id] = _Running(self._runner.start(job), self._queue.clock.now())
        except StillEnding:
            # It stays RUNNING, and is gone on with in the next round.
            return False
        except DiskFull:
            raise
        except (InfraError, OSError, ValueError) as error:
            self._conclude(entry, Ended(run=None, outcome=None, ours=True, says=str(error)), entry.spent_s)
            return False
        return True

    def _job(self, entry: Entry) -> Job | None:
        """Write the mails of a series where the runner finds them. None when they are gone."""
        messages = self._queue.messages(entry.id)
        raws = self._queue.raws(message.id for message in messages)
        if not raws or len(raws) < len(messages):
            return None
        mails = make_folder(self._settings.state / "mails" / str(entry.id))
        for number, raw in enumerate(raws):
            publish_bytes(mails / f"{number:04}.eml", raw)
        patches = [message.id for message in messages if message.index != 0]
        return Job(
            mails=mails,
            folder=self._settings.runs / str(entry.id) / str(entry.attempt),
            profile=entry.profile,
            version=entry.version,
            partial=entry.partial,
            pick=patches[0] if patches else messages[0].id,
        )

    def _conclude(self, entry: Entry, found: Ended, spent: float) -> None:
        fields: dict[str, Any] = {"spent_s": spent, "run": self._relative(found.run)}
        if found.outcome is not None and not found.ours:
            with self._queue.transaction():
                if self._queue.move(
                    entry, State.JUDGED, text=found.says, outcome=str(found.outcome), not_before=0.0, **fields
                ):
                    self._queue.count(f"verdict {found.outcome}")
            self._log("judged", series=entry.id, outcome=str(found.outcome), run=fields["run"])
        elif not found.ours:
            with self._queue.transaction():
                self._queue.move(entry, State.REFUSED, text=found.says, **fields)
            self._log("refused", series=entry.id, why=found.says)
        elif entry.tries + 1 >= self._settings.run.attempts:
            self._park(entry, f"tried {entry.tries + 1} times: {found.says}", spent, run=fields["run"])
        else:
            self._again(entry, found, fields)

    def _again(self, entry: Entry, found: Ended, fields: dict[str, Any]) -> None:
        """Try again after a pause: a run that has a record in a new folder, one that broke off where it was."""
        settings = self._settings.run
        pause = min(settings.backoff_s * 2**entry.tries, settings.longest_backoff_s)
        with self._queue.transaction():
            self._queue.move(
                entry, State.PLANNED, text=f"our fault, tried again: {found.says}", waits_for=f"{pause:g} s after a fault of ours",
                not_before=self._queue.clock.now() + pause, tries=entry.tries + 1,
                attempt=entry.attempt + (found.outcome is not None), **fields,
            )  # fmt: skip
        self.retried()
        self._log("again", series=entry.id, tries=entry.tries + 1, pause_s=pause, why=found.says)

    def _park(self, entry: Entry, why: str, spent: float, run: str = "") -> None:
        with self._queue.transaction():
            self._queue.move(entry, State.PARKED, text=why, spent_s=spent, run=run)
        self._log("parked", series=entry.id, why=why)

    def _say_waiting(self, bucket: Bucket) -> None:
        full = self._settings.budgets.runs_a_day
        text = f"the budget of {full} runs a day"
        waiting = self._queue.entries([State.PLANNED], where="s.waits_for = ''", limit=100)
        if waiting:
            with self._queue.transaction():
                for entry in waiting:
                    self._queue.change(entry.id, waits_for=text)
            self._log("budget", waiting=len(waiting), wait_s=round(bucket.wait_s(full)))

    def _relative(self, run: Path | None) -> str:
        return str(run.relative_to(self._settings.state)) if run is not None else ""
