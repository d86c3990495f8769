"""CPUs and memory: never more leased out than there is."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.errors import Cancelled, InfraError
from orchestrator.host.deadline import Cancellation
from orchestrator.host.resources import RESERVE_MIB, Resources, available_memory_mib, usable_cpus

settings.register_profile("resources", derandomize=True, deadline=None, max_examples=25)
PROFILE = settings.get_profile("resources")

LONG_S = 60.0
CPUS, MEMORY = 4, 1000


class Ledger:
    """What is leased right now, and the most that ever was."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.cpus = self.memory = self.most_cpus = self.most_memory = 0

    def change(self, cpus: int, memory: int) -> None:
        with self.lock:
            self.cpus += cpus
            self.memory += memory
            self.most_cpus = max(self.most_cpus, self.cpus)
            self.most_memory = max(self.most_memory, self.memory)


@settings(PROFILE)
@given(
    wishes=st.lists(st.tuples(st.integers(0, CPUS * 2), st.integers(0, MEMORY), st.booleans()), min_size=1, max_size=30)
)
def test_leases_when_many_threads_ask_then_never_more_is_out_than_there_is(
    wishes: list[tuple[int, int, bool]],
) -> None:
    resources, ledger, cancellation = Resources(cpus=CPUS, memory_mib=MEMORY), Ledger(), Cancellation()

    def lease(wish: tuple[int, int, bool]) -> None:
        cpus, memory, fails = wish
        try:
            with resources.leased(cpus=cpus, memory_mib=memory, cancellation=cancellation):
                ledger.change(min(cpus, CPUS), memory)
                ledger.change(-min(cpus, CPUS), -memory)
                if fails:
                    raise KeyError
        except KeyError:
            pass

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lease, wishes))
    # Everything has come back too: this lease is for all there is.
    with resources.leased(cpus=CPUS, memory_mib=MEMORY, cancellation=cancellation):
        assert (ledger.most_cpus <= CPUS, ledger.most_memory <= MEMORY) == (True, True)


def test_lease_when_it_can_never_fit_then_is_refused_with_both_numbers() -> None:
    resources = Resources(cpus=CPUS, memory_mib=MEMORY)
    lease = resources.leased(cpus=1, memory_mib=MEMORY + 1, cancellation=Cancellation())
    with pytest.raises(InfraError, match="needs 1001 MiB, this host has 1000 MiB"), lease:
        pass


def test_lease_when_more_cpus_are_asked_for_than_there_are_then_gets_all() -> None:
    resources = Resources(cpus=CPUS, memory_mib=MEMORY)
    with resources.leased(cpus=CPUS + 1, memory_mib=1, cancellation=Cancellation()):
        pass


def test_lease_when_there_is_no_room_then_waits_until_there_is() -> None:
    resources = Resources(cpus=1, memory_mib=MEMORY)
    order = []

    def second() -> None:
        with resources.leased(cpus=1, memory_mib=1, cancellation=Cancellation()):
            order.append("second")

    with resources.leased(cpus=1, memory_mib=1, cancellation=Cancellation()):
        waiting = threading.Thread(target=second)
        waiting.start()
        order.append("first")
    waiting.join(LONG_S)
    assert order == ["first", "second"]


def test_lease_when_cancelled_while_waiting_then_ends_as_cancelled() -> None:
    resources, cancellation = Resources(cpus=1, memory_mib=MEMORY), Cancellation()
    cancellation.cancel()
    with (
        resources.leased(cpus=1, memory_mib=1, cancellation=Cancellation()),
        pytest.raises(Cancelled),
        resources.leased(cpus=1, memory_mib=1, cancellation=cancellation),
    ):
        pass


def test_memory_when_read_then_is_what_is_available_less_the_hosts_share(tmp_path: Path) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal:  9999999 kB\nMemAvailable:    2097152 kB\n")
    assert available_memory_mib(meminfo) == 2048 - RESERVE_MIB


def test_memory_when_there_is_next_to_none_then_is_zero(tmp_path: Path) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemAvailable:    1024 kB\n")
    assert available_memory_mib(meminfo) == 0


def test_memory_when_the_kernel_does_not_say_then_is_an_error_of_ours(tmp_path: Path) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal: 1 kB\n")
    with pytest.raises(InfraError, match="no MemAvailable"):
        available_memory_mib(meminfo)


def test_cpus_when_counted_then_there_is_at_least_ours() -> None:
    assert usable_cpus() >= 1
