"""What invariants read: the counters of one settled moment by their names, and what comes of comparing them.

A counter that is not there is :class:`Absent`, which ends only the part of an invariant that needs it; it is never 0.
"""

from __future__ import annotations

import contextlib
import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from orchestrator.model.samples import Measured, Sample, counter_of

PAGE = 4096
"""PAGE_SIZE of x86_64, arm64's default and riscv64: what the guests' kernels are configured for."""

DEBUGFS = "/sys/kernel/debug/zswap/"
PARAMETERS = "/sys/module/zswap/parameters/"
CGROUP = "/sys/fs/cgroup/"
VMSTAT = "/proc/vmstat"
MEMINFO = "/proc/meminfo"
SWAPS = "/proc/swaps"
ZONEINFO = "/proc/zoneinfo"
ROOT = ""
"""The root memory cgroup's name."""

_THP_STAT = re.compile(r"/sys/kernel/mm/transparent_hugepage/hugepages-(\d+)kB/stats/(\w+)", re.ASCII)
_ZSPAGES = re.compile(r"\s+nr_zspages\s+(\d+)\s*", re.ASCII)
_THRESHOLD = re.compile(r"\s+vm stats threshold:\s+(\d+)\s*", re.ASCII)


class Absent(Exception):
    """A counter that the kernel does not have, or that was not sampled; ``args[0]`` is its name for a person."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One settled moment, read by the kernel's own names. All methods raise :class:`Absent`."""

    sample: Sample

    @property
    def label(self) -> str:
        """The sample's label."""
        return self.sample.label

    def vmstat(self, key: str) -> int:
        """Return a counter of /proc/vmstat, of all CPUs (all_vm_events() in mm/vmstat.c)."""
        return _there(self.sample.keyed(VMSTAT).get(key), f"vmstat {key}")

    def zswap(self, file: str) -> int:
        """Return a file of zswap's debugfs folder."""
        return _there(self.sample.number(DEBUGFS + file), file)

    def has_memcg(self, memcg: str) -> bool:
        """Whether the memory cgroup was there at this moment."""
        return _path(memcg, "memory.stat") in self.sample.files

    def stat(self, memcg: str, key: str) -> int:
        """Return a line of a cgroup's memory.stat, its descendants' share included: bytes, or pages for events."""
        path = _path(memcg, "memory.stat")
        return _there(self.sample.keyed(path).get(key), f"{_path(memcg, 'memory.stat').removeprefix(CGROUP)} {key}")

    def pages(self, memcg: str, key: str) -> int:
        """Return a line of memory.stat that is a multiple of the page size, in pages."""
        return self.stat(memcg, key) // PAGE

    def control(self, memcg: str, file: str) -> int | None:
        """Return a cgroup's file that holds a number; None for ``max``."""
        path = _path(memcg, file)
        text = self.sample.files.get(path, "").strip()
        return None if text == "max" else _there(counter_of(text), path.removeprefix(CGROUP))

    def number(self, memcg: str, file: str) -> int:
        """Return a cgroup's file that holds a number and never ``max``."""
        return _there(self.control(memcg, file), _path(memcg, file).removeprefix(CGROUP))

    def parameter(self, name: str) -> str:
        """Return one of zswap's module parameters."""
        text = self.sample.files.get(PARAMETERS + name)
        if text is None:
            raise Absent(f"zswap's parameter {name}")
        return text.strip()

    def percentage(self, name: str) -> int:
        """Return one of zswap's module parameters that is a number."""
        return _there(counter_of(self.parameter(name)), f"zswap's parameter {name}")

    def meminfo(self, key: str) -> int:
        """Return a line of /proc/meminfo, in KiB."""
        for line in self.sample.files.get(MEMINFO, "").splitlines():
            name, _, rest = line.partition(":")
            if name == key:
                return _there(counter_of(rest.removesuffix("kB")), f"meminfo {key}")
        raise Absent(f"meminfo {key}")

    def swap_devices(self) -> int:
        """Return how many swap devices are on."""
        return len(self._swap_lines())

    def swap_used(self) -> int:
        """Return the swap slots in use on all devices, in pages (swap_show() in mm/swapfile.c: KiB)."""
        columns = [line.split() for line in self._swap_lines()]
        return sum(_there(counter_of(words[3]) if len(words) == 5 else None, SWAPS) for words in columns) * 1024 // PAGE

    def _swap_lines(self) -> list[str]:
        if SWAPS not in self.sample.files:
            raise Absent(SWAPS)
        return self.sample.files[SWAPS].splitlines()[1:]

    def zspages(self) -> tuple[int, int]:
        """Return nr_zspages of all zones, in pages, and how far it may lag behind.

        Each CPU keeps up to its ``vm stats threshold`` of a zone's changes to itself (__inc_zone_state() in
        mm/vmstat.c); /proc/zoneinfo says how many that are.
        """
        lines = self.sample.files.get(ZONEINFO, "").splitlines()
        pages = [_bounded(match[1]) for line in lines if (match := _ZSPAGES.fullmatch(line))]
        lag = [_bounded(match[1]) for line in lines if (match := _THRESHOLD.fullmatch(line))]
        if not pages:
            raise Absent("zoneinfo nr_zspages")
        return sum(pages), sum(lag)

    def folios(self, pages: int, stat: str, largest: int) -> int:
        """Return how many folios ``pages`` were, by the counts of large ones (``hugepages-*kB/stats/STAT``)."""
        if largest == 1:
            return pages
        large = {
            int(match[1]) * 1024 // PAGE: self.sample.number(path)
            for path in self.sample.files
            if (match := _THP_STAT.fullmatch(path)) and match[2] == stat and len(match[1]) < 10
        }
        if not large:
            raise Absent(f"hugepages-*kB/stats/{stat}")
        return pages - sum((size - 1) * (count or 0) for size, count in large.items())


def readings(measured: Measured) -> tuple[Reading, ...]:
    """Return the settled moments in order."""
    return tuple(Reading(sample) for sample in measured.samples)


def intervals(measured: Measured) -> tuple[tuple[Reading, Reading], ...]:
    """Return each two consecutive moments."""
    moments = readings(measured)
    return tuple(itertools.pairwise(moments))


def topmost(measured: Measured, moment: Reading) -> tuple[str, ...]:
    """Return the measured memory cgroups that were there and lie below no other: their figures add up, no page twice."""
    there = [memcg for memcg in dict.fromkeys(measured.memcgs) if moment.has_memcg(memcg)]
    return tuple(memcg for memcg in there if not any(is_below(memcg, other) for other in there))


def is_below(memcg: str, other: str) -> bool:
    """Whether ``memcg`` is a descendant of ``other``."""
    return memcg.startswith(f"{other}/") if other else bool(memcg)


def lineage(memcg: str) -> tuple[str, ...]:
    """Return a memory cgroup and its ancestors, the root last: ``a/b`` gives ``a/b``, ``a`` and the root."""
    parts = memcg.split("/")
    return (*("/".join(parts[:length]) for length in range(len(parts), 0, -1)), ROOT)


@dataclass(slots=True)
class Look:
    """What came of looking at one invariant: how much was compared, what did not hold, what was not there."""

    compared: int = 0
    broken: list[str] = field(default_factory=list)
    raw: list[str] = field(default_factory=list)
    absent: dict[str, None] = field(default_factory=dict)
    nothing: str = "nothing in this trial says anything about it"

    @contextlib.contextmanager
    def part(self) -> Iterator[None]:
        """One comparison, or a few that need the same counters: what is not there ends it, and is remembered."""
        try:
            yield
        except Absent as absence:
            self.absent[str(absence.args[0])] = None

    def expect(self, message: str, figures: Sequence[tuple[str, int]], at: Reading, *, holds: bool) -> None:
        """Count a comparison; when it does not hold, remember ``message`` and the raw ``figures`` behind it."""
        self.compared += 1
        if not holds:
            self.broken.append(f"sample '{at.label}': {message}")
            self.raw += [f"{at.label}: {name} = {value}" for name, value in figures]

    def equal(self, left: tuple[str, int], right: tuple[str, int], at: Reading, *, unit: str = "pages") -> None:
        """Expect two figures to be the same."""
        difference = left[1] - right[1]
        message = f"{left[0]} is {left[1]} where {right[0]} is {right[1]} ({difference:+} {unit})"
        self.expect(message, [left, right], at, holds=difference == 0)

    def at_most(self, left: tuple[str, int], right: tuple[str, int], at: Reading, *, unit: str = "pages") -> None:
        """Expect the first figure not to be larger than the second."""
        excess = left[1] - right[1]
        message = f"{left[0]} is {left[1]}, {excess} {unit} more than {right[0]} ({right[1]})"
        self.expect(message, [left, right], at, holds=excess <= 0)


def _path(memcg: str, file: str) -> str:
    return f"{CGROUP}{memcg}/{file}" if memcg else CGROUP + file


def _there(value: int | None, name: str) -> int:
    if value is None:
        raise Absent(name)
    return value


def _bounded(digits: str) -> int:
    return _there(counter_of(digits), ZONEINFO)
