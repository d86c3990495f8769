"""What a trial recorded in the guest: samples of counter files, and what probes counted. Standard library only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

DIGITS = 20
"""What a counter of the kernel has at most (2**64 - 1); nothing longer is believed to be one."""

LARGEST = 2**64 - 1


def counter_of(text: str) -> int | None:
    """Return the number that ``text`` holds; None when it holds none, or a larger one than a kernel can count to."""
    word = text.strip()
    if len(word) > DIGITS or not (word.isascii() and word.isdecimal()):
        return None
    return int(word) if int(word) <= LARGEST else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """All files at one moment of guest time (seconds since boot). A file that was not there is not in ``files``."""

    label: str
    at_s: float
    files: Mapping[str, str]

    def keyed(self, path: str) -> Mapping[str, int]:
        """Return a file of ``key value`` lines (vmstat, memory.stat); {} when the file was not there."""
        out = {}
        for line in self.files.get(path, "").splitlines():
            key, _, value = line.partition(" ")
            if (number := counter_of(value)) is not None:
                out[key] = number
        return out

    def number(self, path: str) -> int | None:
        """Return a file that holds one number; None when it was not there or holds something else."""
        return counter_of(self.files.get(path, ""))


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeTotals:
    """One line of the probes' record: a probe, the group (``nid`` and so on), calls, sums and histograms by field."""

    probe: str
    group: Mapping[str, str]
    calls: int
    sums: Mapping[str, int]
    histograms: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Probes:
    """The probes' record: which could be placed, what they counted, how many events (or fields) were lost."""

    placed: Mapping[str, str]
    totals: tuple[ProbeTotals, ...]
    lost: int
