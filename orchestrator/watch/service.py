"""The watcher: round after round, mails are taken, series settled, runs begun and looked at, replies prepared.

One thread does all of it, so that a kill leaves nothing half done but what SQLite undoes; sources that listen (IMAP) only
wake it.
"""

from __future__ import annotations

import contextlib
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from orchestrator.errors import Cancelled, OrchestratorError, TimedOut, UserError
from orchestrator.host.deadline import Cancellation, Deadline
from orchestrator.host.workspace import locked
from orchestrator.model.watch import WatchSettings
from orchestrator.watch.advance import Advancer
from orchestrator.watch.answer import Answerer
from orchestrator.watch.database import DiskFull
from orchestrator.watch.health import Log, Notifier, Numbers
from orchestrator.watch.intray import Intray
from orchestrator.watch.letters import Letter, read_letter
from orchestrator.watch.outbox import Outbox
from orchestrator.watch.queue import Queue
from orchestrator.watch.requests import RequestDesk
from orchestrator.watch.runner import Runner
from orchestrator.watch.settle import Settler
from orchestrator.watch.sources.base import Arrival, Passed, Source
from orchestrator.watch.space import Pruner, free_mib
from orchestrator.watch.state import State

BATCH = 50
BATCH_BYTES = 8 << 20
"""So many mails are kept in one transaction."""

ROUND_MAILS = 1000
"""So many mails of a source are taken before runs are looked at again."""

ONCE_LOOKS = 2
GLANCE_S = 0.2
IDLE_S = 2.0
SHOW_S = 5.0
PRUNE_S = 3600.0
LONGEST_PAUSE_S = 900.0
FULL_PAUSE_S = 10.0
DYING_S = 3.0


class _Beating(Cancellation):
    """The wish to stop, for what takes long: whoever looks at it (every wait does, and ends by its own deadline) shows that we live."""

    def __init__(self, inner: Cancellation, beat: Callable[[], None]) -> None:
        super().__init__()
        self._inner = inner
        self._beat = beat

    @property
    def requested(self) -> bool:
        """Whether the user asked us to stop."""
        self._beat()
        return self._inner.requested

    def cancel(self) -> None:
        """Ask everything that waits to end."""
        self._inner.cancel()

    def wait(self, seconds: float) -> bool:
        """Sleep; whether the user asked us to stop meanwhile."""
        return self._inner.wait(seconds)


class _Watched:
    """A source, and when it is to be looked at again (monotonic seconds)."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.due = 0.0
        self.failed = 0


class Watcher:
    """Does rounds until ``cancellation``. ``log`` is called for every event, before and after a step is kept."""

    def __init__(
        self,
        settings: WatchSettings,
        *,
        queue: Queue,
        sources: Sequence[Source],
        runner: Runner,
        outbox: Outbox,
        log: Callable[..., None],
        cancellation: Cancellation,
        notifier: Notifier | None = None,
        numbers: Numbers | None = None,
    ) -> None:
        self._settings = settings
        self._queue = queue
        self._sources = [_Watched(source) for source in sources]
        self._log = log
        self._cancellation = cancellation
        self._notifier = notifier or Notifier({})
        self._numbers = numbers
        self._beating = _Beating(cancellation, self._beat)
        self._intray = Intray(queue, settings)
        self._desk = RequestDesk(queue, settings)
        self._settler = Settler(queue, settings)
        self._advancer = Advancer(queue, settings, runner, log)
        if numbers is not None:
            self._advancer.retried = numbers.retries.inc
        self._answerer = Answerer(queue, settings, outbox, log)
        self._pruner = Pruner(queue, settings)
        self._wake = threading.Event()
        self._shown = self._pruned = -PRUNE_S
        self._full_until = 0.0
        self._taking = True

    def run(self, *, once: bool = False) -> None:
        """Watch until told to stop; runs are ended then, and gone on with at the next start.

        ``once`` ends by itself when there is nothing to do now; what waits for something stays in the queue.
        """
        for watched in self._sources:
            watched.source.listen(lambda watched=watched: self._woken(watched))  # type: ignore[misc]
        self._log(
            "started", sources=[watched.source.name for watched in self._sources], state=str(self._settings.state)
        )
        self._notifier.ready()
        try:
            idle = 0
            while not self._cancellation.requested:
                if self.round():
                    idle = 0
                    continue
                idle += 1
                # Some sources need two looks.
                if once and idle > ONCE_LOOKS and not self._advancer.running:
                    break
                if once:
                    self.look_again()
                self._rest()
        finally:
            self._notifier.stopping()
            self._log("stopping", running=self._advancer.running)
            for watched in self._sources:
                watched.source.close()
            self._advancer.stop()
            self._log("stopped")

    def round(self) -> bool:
        """Do what is to be done now; return whether there was anything. A full disk ends the round, and loses nothing."""
        try:
            done = self._round()
        except DiskFull as error:
            self._no_space(error.message)
            return False
        except Cancelled:
            return True
        return done

    def _round(self) -> bool:
        done = self._advancer.poll()
        self._look_for_space()
        if self._taking:
            done += self._read_sources()
        done += self._desk.work()
        done += self._settle()
        done += self._advancer.plan()
        if self._taking:
            done += self._advancer.start()
        done += self._answerer.work()
        self._tend()
        return bool(done)

    def look_again(self) -> None:
        """Look at every source in the next round, whenever that would be due."""
        for watched in self._sources:
            watched.due = 0.0

    # Mails

    def _woken(self, watched: _Watched) -> None:
        watched.due = 0.0
        self._wake.set()

    def _read_sources(self) -> int:
        taken = 0
        for watched in self._sources:
            if time.monotonic() < watched.due:
                continue
            try:
                count = self._read(watched.source)
            except OrchestratorError as error:
                if isinstance(error, (DiskFull, Cancelled)):
                    raise
                watched.failed += 1
                pause = min(watched.source.settings.poll_s * 2**watched.failed, LONGEST_PAUSE_S)
                self._source_state(watched, error.message, pause)
                watched.due = time.monotonic() + pause
                continue
            while watched.source.notes:
                self._log("source note", source=watched.source.name, says=watched.source.notes.pop(0))
            self._source_state(watched, "", 0.0)
            watched.failed = 0
            # One that had more than a round takes is looked at again at once.
            watched.due = 0.0 if count >= ROUND_MAILS else time.monotonic() + watched.source.settings.poll_s
            taken += count
        return taken

    def _source_state(self, watched: _Watched, fault: str, pause: float) -> None:
        name = watched.source.name
        if fault:
            self._log("source fault", source=name, why=fault, pause_s=pause)
        elif watched.failed:
            self._log("source well", source=name)
        with self._queue.transaction():
            self._queue.set_source_state(name, fault)

    def _read(self, source: Source) -> int:
        """Take what is new of one source, at most so much as a round takes."""
        batch: list[tuple[Arrival | Passed, Letter | None]] = []
        count = size = 0
        with contextlib.closing(
            source.read(self._queue, largest=self._settings.budgets.largest_mail, cancellation=self._beating)  # type: ignore[type-var]
        ) as arrivals:
            for arrival in arrivals:
                letter = self._letter(arrival, source) if isinstance(arrival, Arrival) else None
                batch.append((arrival, letter))
                count += letter is not None
                size += len(letter.raw) if letter else 0
                if len(batch) >= BATCH or size >= BATCH_BYTES:
                    self._keep(batch, source.name)
                    batch, size = [], 0
                    self._beat()
                    if count >= ROUND_MAILS:
                        break
        self._keep(batch, source.name)
        return count

    def _letter(self, arrival: Arrival, source: Source) -> Letter | None:
        try:
            return read_letter(arrival.data, size=arrival.size, list_id=source.settings.list_id)
        except Exception:  # noqa: BLE001 - a stranger's mail that we stumble over must not stop all that come behind it
            self._log("unreadable", source=source.name, key=arrival.key, why=traceback.format_exc(limit=-3))
            return None

    def _keep(self, batch: Sequence[tuple[Arrival | Passed, Letter | None]], source: str) -> None:
        """Keep mails and how far the source is read with them: both, or neither."""
        if not batch:
            return
        self._log("taking", source=source, mails=len(batch))
        with self._queue.transaction():
            for arrival, letter in batch:
                if letter is not None:
                    self._intray.take(letter, source)
                elif isinstance(arrival, Arrival):
                    self._queue.count("mails unreadable")
                if isinstance(arrival, Arrival) and arrival.key:
                    self._queue.take(source, arrival.key)
            cursors = [arrival.cursor for arrival, _ in batch if arrival.cursor is not None]
            if cursors:
                self._queue.set_cursor(source, cursors[-1])
        self._log("taken", source=source, mails=len(batch))

    def _settle(self) -> int:
        found = self._settler.due()
        for entry in found:
            state = self._settler.settle(entry)
            if state is not State.SEEN:
                now = self._queue.entry(entry.id)
                why = now.reason if now else ""
                self._log(str(state), series=entry.id, title=entry.title, version=entry.version, why=why)
        return len(found)

    # Space and health

    def _look_for_space(self) -> None:
        free = free_mib(self._settings.state)
        enough = free >= self._settings.budgets.free_mib
        if not enough and time.monotonic() >= self._full_until:
            self._pruner.prune()
            enough = free_mib(self._settings.state) >= self._settings.budgets.free_mib
        if enough and not self._taking and time.monotonic() >= self._full_until:
            self._taking = True
            self._log("space again", free_mib=free)
        elif not enough:
            if self._taking:
                self._no_space(
                    f"{free} MiB are free in {self._settings.state}; {self._settings.budgets.free_mib} are wanted"
                )
            elif time.monotonic() >= self._full_until:
                self._full_until = time.monotonic() + FULL_PAUSE_S

    def _no_space(self, why: str) -> None:
        self._taking = False
        self._full_until = time.monotonic() + FULL_PAUSE_S
        self._log("no space", why=why, says="nothing is taken, nothing is lost: it goes on when there is room")

    def _tend(self) -> None:
        """Keep the time, prune, show numbers."""
        self._beat()
        now = time.monotonic()
        if now - self._pruned >= PRUNE_S:
            self._pruned = now
            for series in self._pruner.prune():
                self._log("pruned", series=series)
        if now - self._shown < SHOW_S:
            return
        self._shown = now
        with self._queue.transaction():
            self._queue.set_meta("taking", str(int(self._taking)))
        if self._numbers is not None:
            self._numbers.show(
                states=self._queue.by_state(),
                counters=self._queue.counters(),
                faults={source["name"]: bool(source["fault"]) for source in self._queue.sources()},
                free=free_mib(self._settings.state),
                oldest=self._queue.oldest_open(),
                runs_left=self._advancer.bucket.left,
                taking=self._taking,
            )

    def _beat(self) -> None:
        self._notifier.beat(f"{self._advancer.running} running, {'taking mails' if self._taking else 'no space'}")

    def _rest(self) -> None:
        """Wait until something may be to do."""
        due = min((watched.due for watched in self._sources), default=0.0) - time.monotonic()
        longest = IDLE_S if not self._advancer.running else GLANCE_S
        end = time.monotonic() + (min(max(due, 0.0), longest) if self._taking else longest)
        while not self._cancellation.requested and not self._wake.is_set() and (left := end - time.monotonic()) > 0:
            self._wake.wait(min(left, GLANCE_S))
        self._wake.clear()


@contextlib.contextmanager
def only_one(state: Path) -> Iterator[None]:
    """Hold the folder ``state`` against a second watcher; the kernel lets go when we die (flock(2)).

    One that was killed may have left a child that is just dying: it is waited for a little. Raises :class:`UserError` when
    there is another watcher.
    """
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(locked(state / "lock", Deadline(DYING_S, what="the lock")))
        except TimedOut:
            raise UserError(
                f"another watcher runs with {state}", hint="stop it first, or give this one a state folder of its own"
            ) from None
        yield


__all__ = ["Log", "Watcher", "only_one"]
