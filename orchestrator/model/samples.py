"""What a trial recorded in the guest: samples of counter files, and what probes counted. Standard library only."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from orchestrator.errors import InfraError

_SAMPLE = re.compile(rb"@sample (\S+) (\d+)\.(\d{9})")
_FILE = re.compile(rb"@file (.+) (\d+)")
_ERROR = re.compile(rb"@error (.+) (\S+)")

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
    """One line of the probes' record: a probe, the group (``nid`` and so on), calls, sums and histograms by field.

    ``maxima`` are a latency's. ``missed`` calls are known to have happened unseen (count and latency probes). ``by`` is
    what counted: ``buffer`` (the trace buffer), ``trigger`` (a hist trigger) or ``profile`` (kprobe_profile).
    """

    probe: str
    group: Mapping[str, str]
    calls: int
    sums: Mapping[str, int]
    histograms: Mapping[str, Mapping[str, int]]
    maxima: Mapping[str, int] = field(default_factory=dict)
    missed: int = 0
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probes:
    """The probes' record: which could be placed, what they counted, how many events (or fields) were lost."""

    placed: Mapping[str, str]
    totals: tuple[ProbeTotals, ...]
    lost: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """All that a trial recorded at its settled moments, in order, and what of its machine one must know to judge that.

    ``samples`` begin with ``before`` and have each label once. ``memcgs`` are the measured memory cgroups, names below
    /sys/fs/cgroup (``parent/child``). ``counts`` says by label how often each kernel function had been entered by then
    (count probes); a function that could not be probed, or lost a hit, is not in it. ``largest_folio_pages`` is the
    largest folio that may be swapped out whole, 1 where the kernel has no huge pages or the scenario keeps them off.
    ``writers`` is how many tasks may be in zswap_store() at once, at most (the workload's threads, a kswapd a node, and
    what reclaims on its own account); 0 where nobody knows.
    """

    samples: tuple[Sample, ...]
    memcgs: tuple[str, ...]
    counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    largest_folio_pages: int = 1
    writers: int = 0


def parse_samples(data: bytes) -> tuple[Sample, ...]:
    """Return the samples of a sampler's file (guest_scripts/src/README.md) in order; :class:`InfraError` for a damaged one.

    A last sample that was cut off (the guest died while writing it) is left out.
    """
    samples: list[tuple[str, float, dict[str, str]]] = []
    at = 0
    while at < len(data):
        end = data.find(b"\n", at)
        if end < 0:
            break
        line, at = data[at:end], end + 1
        if samples and (match := _FILE.fullmatch(line)):
            length = _number(match[2])
            if at + length + 1 > len(data):
                samples.pop()
                break
            samples[-1][2][_decoded(match[1])] = data[at : at + length].decode("utf-8", "replace")
            at += length + 1
        elif match := _SAMPLE.fullmatch(line):
            samples.append((_decoded(match[1]), _number(match[2]) + _number(match[3]) / 1e9, {}))
        elif not _ERROR.fullmatch(line):
            raise InfraError(f"the guest's samples are damaged at byte {at}: {line[:60]!r}")
    return tuple(Sample(label=label, at_s=at_s, files=files) for label, at_s, files in samples)


def _decoded(name: bytes) -> str:
    return name.decode("utf-8", "replace")


def _number(digits: bytes) -> int:
    # int() refuses thousands of digits with an error of its own (sys.set_int_max_str_digits).
    if len(digits) > DIGITS:
        raise InfraError(f"the guest's record is damaged: {digits[:DIGITS]!r}... is too large a number")
    return int(digits)
