"""How busy the host is: what live trials have to be read against."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

PROC_STAT = Path("/proc/stat")
_STEAL = 7
"""Which of the times in the line "cpu" is the one stolen by other guests (proc(5))."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostTimes:
    """Clock ticks of all CPUs since boot: all, and those that were stolen from us."""

    total: int
    stolen: int

    def steal_percent(self, earlier: HostTimes) -> float:
        """Return the share of the time since ``earlier`` that was stolen, in percent; 0.0 where none has passed."""
        passed = self.total - earlier.total
        return round(100.0 * (self.stolen - earlier.stolen) / passed, 1) if passed > 0 else 0.0


def host_times(stat: Path = PROC_STAT) -> HostTimes:
    """Return the times so far; zeros where they cannot be read."""
    try:
        words = stat.read_text(encoding="ascii").splitlines()[0].split()[1:]
        ticks = [int(word) for word in words]
    except (OSError, ValueError, IndexError):
        return HostTimes(total=0, stolen=0)
    # The guests' times are counted in the user's already.
    return HostTimes(total=sum(ticks[:8]), stolen=ticks[_STEAL] if len(ticks) > _STEAL else 0)


def load_a_cpu() -> float:
    """Return how many processes want to run, a CPU that we may use, over the last minute."""
    try:
        return round(os.getloadavg()[0] / max(1, len(os.sched_getaffinity(0))), 2)
    except OSError:
        return 0.0
