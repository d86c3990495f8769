"""JUDGED → MAIL PREPARED → SENT, or DONE where nothing is to be said. A fault of ours here is tried again, and told to nobody."""

from __future__ import annotations

import traceback
from collections.abc import Callable

from orchestrator.errors import Cancelled, OrchestratorError
from orchestrator.model.watch import WatchSettings
from orchestrator.watch.database import DiskFull
from orchestrator.watch.letters import is_made_id
from orchestrator.watch.outbox import Fate, Outbox, Prepared, Verdictful
from orchestrator.watch.queue import Queue
from orchestrator.watch.state import Entry, State


class Answerer:
    """Brings series that have their verdict to their reply. ``log`` takes an event and its fields."""

    def __init__(self, queue: Queue, settings: WatchSettings, outbox: Outbox, log: Callable[..., None]) -> None:
        self._queue = queue
        self._settings = settings
        self._outbox = outbox
        self._log = log

    def work(self) -> int:
        """Do what is to be done now; return how many replies changed."""
        done = 0
        for entry in self._queue.entries(
            [State.JUDGED], where="s.not_before <= ?", values=[self._queue.clock.now()], limit=20
        ):
            done += self._prepare(entry)
        for entry in self._queue.entries(
            [State.PREPARED], where="s.waits_for = '' AND s.not_before <= ?", values=[self._queue.clock.now()], limit=20
        ):
            done += self._deliver(entry)
        return done

    def _prepare(self, entry: Entry) -> bool:
        try:
            if any(is_made_id(message.id) for message in self._queue.messages(entry.id)):
                prepared = Prepared(silence="its mails came without a message id: there is nothing to answer", says="")
            else:
                prepared = self._outbox.prepare(self._judged(entry))
        except (DiskFull, Cancelled):
            raise
        except Exception as error:  # noqa: BLE001 - one reply that we stumble over must not stop the others
            return self._later(entry, _said(error))
        with self._queue.transaction():
            to = State.DONE if prepared.silence else State.PREPARED
            text = f"no mail: {prepared.silence}" if prepared.silence else prepared.says
            moved = self._queue.move(entry, to, text=text, tries=0)
        self._log(str(to), series=entry.id, why=text)
        return moved

    def _deliver(self, entry: Entry) -> bool:
        try:
            delivered = self._outbox.deliver(self._judged(entry))
        except (DiskFull, Cancelled):
            raise
        except Exception as error:  # noqa: BLE001 - as above; what was being sent is in the ledger
            return self._later(entry, _said(error))
        self._log("delivered", series=entry.id, fate=str(delivered.fate), says=delivered.says)
        with self._queue.transaction():
            if delivered.fate is Fate.SENT:
                return self._queue.move(entry, State.SENT, text=delivered.says)
            if delivered.fate is Fate.REFUSED and entry.tries + 1 < self._settings.run.attempts:
                pause = min(self._settings.run.backoff_s * 2**entry.tries, self._settings.run.longest_backoff_s)
                due = self._queue.clock.now() + pause
                self._queue.change(entry.id, reason=delivered.says, not_before=due, tries=entry.tries + 1)
            elif delivered.fate is Fate.LATER:
                self._queue.change(
                    entry.id, reason=delivered.says, not_before=self._queue.clock.now() + delivered.after_s
                )
            else:
                self._queue.change(entry.id, reason=delivered.says, waits_for="a person")
                self._queue.note(entry.id, State.PREPARED, delivered.says)
        return True

    def _later(self, entry: Entry, why: str) -> bool:
        """Try a reply again in a while: a fault of ours, of which nobody is told by mail."""
        self._log("reply fault", series=entry.id, why=why)
        with self._queue.transaction():
            self._queue.change(entry.id, reason=why, not_before=self._queue.clock.now() + self._settings.run.backoff_s)
        return True

    def _judged(self, entry: Entry) -> Verdictful:
        return Verdictful(series=entry.id, run=self._settings.state / entry.run, requested=bool(entry.asked_by))


def _said(error: Exception) -> str:
    """Return an error for a person; one that is nobody's with where it came from."""
    return (
        error.message if isinstance(error, OrchestratorError) else "".join(traceback.format_exception(error, limit=-3))
    )
