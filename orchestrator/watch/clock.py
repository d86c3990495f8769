"""A clock that a jump of the host's clock does not move, and that goes on over restarts.

Quiet times, pauses and budgets are measured in *steady seconds*: they pass with the monotonic clock while we run; for the
time between two runs of ours the wall clock is asked, and believed between 0 and :data:`LONGEST_PAUSE_S`.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable

LONGEST_PAUSE_S = 30 * 24 * 3600.0


class SteadyClock:
    """``reading`` and ``wall`` are what the clock showed, and the host's clock, when both were last kept."""

    def __init__(
        self,
        reading: float = 0.0,
        wall: float | None = None,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._monotonic = monotonic
        self._wall_clock = wall_clock
        pause = 0.0 if wall is None else min(max(wall_clock() - wall, 0.0), LONGEST_PAUSE_S)
        self._offset = reading + pause - monotonic()

    def now(self) -> float:
        """Return steady seconds; they never go back."""
        return self._monotonic() + self._offset

    def wall(self) -> float:
        """Return the host's clock, seconds since 1970: for people, and for the pause till the next start."""
        return self._wall_clock()

    def stamp(self) -> str:
        """Return the host's time for a person, ISO 8601, UTC."""
        return dt.datetime.fromtimestamp(self._wall_clock(), dt.UTC).isoformat(timespec="seconds")
