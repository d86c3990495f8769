"""The host's CPUs and memory, leased out: no machine starts before there is room for it."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

from orchestrator.errors import InfraError
from orchestrator.host.deadline import Cancellation

RESERVE_MIB = 512
"""What is left to the host itself."""


def usable_cpus() -> int:
    """Return how many CPUs we may use (sched_getaffinity(2), which a container or taskset narrows)."""
    return len(os.sched_getaffinity(0))


def available_memory_mib(meminfo: Path = Path("/proc/meminfo")) -> int:
    """Return the kernel's own estimate of what can be used without swapping, less what is left to the host."""
    for line in meminfo.read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return max(0, int(line.split()[1]) // 1024 - RESERVE_MIB)
    raise InfraError(f"{meminfo} has no MemAvailable")


class Resources:
    """CPUs and memory of this host. Leases wait for one another; what can never fit is refused at once."""

    def __init__(self, *, cpus: int, memory_mib: int) -> None:
        self.cpus = cpus
        self.memory_mib = memory_mib
        self._free_cpus = cpus
        self._free_memory_mib = memory_mib
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def leased(self, *, cpus: int, memory_mib: int, cancellation: Cancellation) -> Iterator[None]:
        """Hold ``cpus`` (at most all there are) and ``memory_mib``; :class:`InfraError` if it can never fit."""
        cpus = min(cpus, self.cpus)
        if memory_mib > self.memory_mib:
            raise InfraError(
                f"a machine needs {memory_mib} MiB, this host has {self.memory_mib} MiB to spare",
                hint="a smaller topology, or free some memory",
            )
        with self._changed:
            while self._free_cpus < cpus or self._free_memory_mib < memory_mib:
                cancellation.check()
                self._changed.wait(0.2)
            self._free_cpus -= cpus
            self._free_memory_mib -= memory_mib
        try:
            yield
        finally:
            with self._changed:
                self._free_cpus += cpus
                self._free_memory_mib += memory_mib
                self._changed.notify_all()
