"""Deadlines and cancellation: every wait of the orchestrator is bounded by one, and ends early when the user stops us."""

from __future__ import annotations

import time
from collections.abc import Callable

from orchestrator.errors import Cancelled, TimedOut

_GLANCE_S = 0.05
"""How long a sleeper may not notice that the user asked us to stop."""


class Cancellation:
    """The user's wish to stop, shared by all threads of a run. Set once, never cleared.

    A plain flag and short sleeps, not a threading.Event: a signal handler that sets an event deadlocks when the
    interrupted thread was just inside the event's own lock.
    """

    def __init__(self) -> None:
        self._requested = False

    def cancel(self) -> None:
        """Ask everything that waits to end with :class:`Cancelled`. Safe in a signal handler."""
        self._requested = True

    @property
    def requested(self) -> bool:
        """Whether the user asked us to stop."""
        return self._requested

    def wait(self, seconds: float) -> bool:
        """Sleep up to ``seconds``; return whether the user asked us to stop meanwhile."""
        end = time.monotonic() + seconds
        while not self._requested and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, _GLANCE_S))
        return self._requested

    def check(self) -> None:
        """Raise :class:`Cancelled` if the user asked us to stop."""
        if self.requested:
            raise Cancelled()


class Deadline:
    """A point in time by which something must have happened; made once and passed down.

    ``clock`` returns seconds and never goes back; tests pass their own.
    """

    def __init__(
        self,
        seconds: float,
        *,
        what: str,
        cancellation: Cancellation | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.seconds = seconds
        self.what = what
        self.cancellation = cancellation or Cancellation()
        self._clock = clock
        self._end = clock() + seconds

    @property
    def remaining(self) -> float:
        """Seconds left, never below 0."""
        return max(0.0, self._end - self._clock())

    @property
    def passed(self) -> bool:
        """Whether the time is over."""
        return self._clock() >= self._end

    def check(self) -> None:
        """Raise :class:`Cancelled` or :class:`TimedOut` if either is the case."""
        self.cancellation.check()
        if self.passed:
            raise TimedOut(f"{self.what}: nothing after {self.seconds:g} s")

    def pause(self, seconds: float) -> None:
        """Wait a little before looking again; raises like :meth:`check`."""
        self.check()
        self.cancellation.wait(min(seconds, self.remaining))
        self.check()
