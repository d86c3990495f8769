"""The invariants over a model of zswap's bookkeeping, done as mm/zswap.c does it: no history of events breaks one.

What the kernel may do and a short workload does not (stale entries, half stored folios, removed cgroups, pages of the
root's own, incompressible ones) comes here in any order.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.judge.invariants import check_invariants
from orchestrator.model.samples import Measured, Sample
from orchestrator.model.trial import Status

PARENT, CHILD, OTHER, ROOT = "parent", "parent/child", "other", ""
MEMCGS = (PARENT, CHILD, OTHER)
EVENTS = ("zswpout", "zswpin", "zswpwb", "pswpout", "pswpin", "swpin_zero", "swpout_zero")


@dataclass
class Entry:
    memcg: str
    length: int


@dataclass
class Kernel:
    """Swap slots, the entries under them, and every counter that the invariants read."""

    slots: dict[int, str] = field(default_factory=dict)
    entries: dict[int, Entry] = field(default_factory=dict)
    events: Counter[tuple[str, str]] = field(default_factory=Counter)
    files: Counter[str] = field(default_factory=Counter)
    calls: Counter[str] = field(default_factory=Counter)
    removed: bool = False

    def count(self, event: str, memcg: str, amount: int = 1) -> None:
        self.events[event, memcg] += amount

    def free(self, slot: int) -> None:
        if self.entries.pop(slot, None) is not None:
            self.calls["zswap_entry_free"] += 1

    def store(self, first: int, memcg: str, lengths: list[int], fails_at: int | None) -> None:
        """zswap_store() and swap_writeout() around it; ``fails_at``: the page that zswap_store_page() refuses."""
        memcg = self.living(memcg)
        slots = range(first, first + len(lengths))
        for slot in slots:
            self.slots[slot] = memcg
        self.calls["zswap_store"] += 1
        for index, slot in enumerate(slots):
            if index == fails_at:
                self.files["reject_compress_poor"] += 1
                for each in slots:
                    self.free(each)
                self.count("pswpout", memcg, len(lengths))
                return
            self.free(slot)
            self.entries[slot] = Entry(memcg, lengths[index])
        self.count("zswpout", memcg, len(lengths))

    def load(self, slot: int) -> None:
        if (entry := self.entries.get(slot)) is not None:
            self.count("zswpin", entry.memcg)
            self.free(slot)

    def write_back(self, slot: int) -> None:
        if (entry := self.entries.get(slot)) is not None:
            self.count("zswpwb", entry.memcg)
            self.free(slot)
            self.count("pswpout", entry.memcg)
            self.files["written_back_pages"] += 1

    def unmap(self, slot: int) -> None:
        if self.slots.pop(slot, None) is not None:
            self.free(slot)

    def remove(self) -> None:
        """Rmdir of parent/child: its entries and slots are the parent's from then on, and so is what it counted."""
        self.removed = True
        for entry in self.entries.values():
            entry.memcg = self.living(entry.memcg)
        self.slots = {slot: self.living(memcg) for slot, memcg in self.slots.items()}
        for event in EVENTS:
            self.events[event, PARENT] += self.events.pop((event, CHILD), 0)

    def living(self, memcg: str) -> str:
        return PARENT if memcg == CHILD and self.removed else memcg

    def sample(self, label: str) -> Sample:
        lengths = [entry.length for entry in self.entries.values()]
        pool = (sum(lengths) + 4095) // 4096
        files = {
            "/proc/vmstat": "".join(f"{event} {self.total(event, ROOT)}\n" for event in EVENTS),
            "/proc/meminfo": f"MemTotal: 400000 kB\nZswap: {pool * 4} kB\nZswapped: {len(lengths) * 4} kB\n",
            "/proc/zoneinfo": f"Node 0, zone DMA32\n      nr_zspages   {pool}\n  vm stats threshold: 0\n",
            "/proc/swaps": f"Filename Type Size Used Priority\n/dev/swap partition 4096 {len(self.slots) * 4} -1\n",
            "/sys/fs/cgroup/memory.stat": self.stat(ROOT),
            "/sys/fs/cgroup/cgroup.stat": "nr_dying_descendants 0\n",
            "/sys/fs/cgroup/memory.zswap.writeback": "1\n",
        }
        zswap = {
            "pool_total_size": pool * 4096, "stored_pages": len(lengths), "stored_incompressible_pages": lengths.count(4096),
            "decompress_fail": 0, "written_back_pages": 0, "reject_compress_poor": 0, "reject_compress_fail": 0,
            "reject_alloc_fail": 0, "reject_kmemcache_fail": 0, "reject_reclaim_fail": 0, "pool_limit_hit": 0, **self.files,
        }  # fmt: skip
        files |= {f"/sys/kernel/debug/zswap/{name}": f"{value}\n" for name, value in zswap.items()}
        parameters = {"enabled": "Y", "max_pool_percent": "20", "accept_threshold_percent": "90"}
        files |= {f"/sys/module/zswap/parameters/{name}": f"{value}\n" for name, value in parameters.items()}
        for memcg in MEMCGS[: 1 if self.removed else 2] + MEMCGS[2:]:
            folder = f"/sys/fs/cgroup/{memcg}"
            slots = sum(self.is_in(owner, memcg) for owner in self.slots.values())
            files[f"{folder}/memory.stat"] = self.stat(memcg)
            files[f"{folder}/memory.swap.current"] = f"{slots * 4096}\n"
            files[f"{folder}/memory.zswap.current"] = f"{sum(self.lengths(memcg))}\n"
            files[f"{folder}/memory.zswap.max"] = "max\n"
            files[f"{folder}/memory.zswap.writeback"] = "1\n"
        return Sample(label=label, at_s=0.0, files=files)

    def stat(self, memcg: str) -> str:
        lengths = [
            length
            for top in (MEMCGS if memcg == ROOT else (memcg,))
            for length in self.lengths(top, deep=memcg != ROOT)
        ]
        lines = {"zswap": sum(lengths), "zswapped": len(lengths) * 4096, "zswap_incomp": lengths.count(4096) * 4096}
        lines |= {event: self.total(event, memcg) for event in EVENTS}
        return "".join(f"{key} {value}\n" for key, value in lines.items())

    def lengths(self, memcg: str, *, deep: bool = True) -> list[int]:
        return [
            entry.length
            for entry in self.entries.values()
            if (self.is_in(entry.memcg, memcg) if deep else entry.memcg == memcg)
        ]

    def total(self, event: str, memcg: str) -> int:
        return sum(
            number for (name, owner), number in self.events.items() if name == event and self.is_in(owner, memcg)
        )

    @staticmethod
    def is_in(memcg: str, other: str) -> bool:
        return other == ROOT or memcg == other or memcg.startswith(f"{other}/")


SLOTS = st.integers(0, 40)
OWNERS = st.sampled_from([*MEMCGS, ROOT])
LENGTHS = st.sampled_from([64, 1365, 3000, 4096])
STORES = st.tuples(
    st.just("store"), SLOTS, OWNERS, st.lists(LENGTHS, min_size=1, max_size=4), st.none() | st.integers(0, 3)
)
OTHERS = st.tuples(st.sampled_from(["load", "write_back", "unmap"]), SLOTS)
ONCE = st.sampled_from([("remove",), ("sample",)])
HISTORIES = st.lists(STORES | STORES | OTHERS | OTHERS | ONCE, max_size=60)


def measured(history: list[tuple[object, ...]]) -> Measured:
    kernel = Kernel()
    samples, counts = [kernel.sample("before")], {"before": {"zswap_store": 0, "zswap_entry_free": 0}}

    def take(label: str) -> None:
        samples.append(kernel.sample(label))
        counts[label] = {name: kernel.calls[name] for name in ("zswap_store", "zswap_entry_free")}

    for number, (name, *arguments) in enumerate(history):
        if name == "sample":
            take(f"at-{number}")
        else:
            getattr(kernel, str(name))(*arguments)
    take("pressed")
    for slot in list(kernel.slots):
        kernel.unmap(slot)
    take("after")
    return Measured(samples=tuple(samples), memcgs=MEMCGS, counts=counts, largest_folio_pages=4, writers=1)


def with_large_folios(given_: Measured, history: list[tuple[object, ...]]) -> Measured:
    """Folios of one page only where the kernel has no counts of large ones: then I2 is exact."""
    single = all(len(event[3]) == 1 for event in history if event[0] == "store")  # type: ignore[arg-type]
    return dataclasses.replace(given_, largest_folio_pages=1 if single else 4)


@given(history=HISTORIES)
@settings(max_examples=200, deadline=None)
def test_invariants_when_a_kernel_keeps_its_books_then_none_is_broken(history: list[tuple[object, ...]]) -> None:
    checks = check_invariants(with_large_folios(measured(history), history), {})
    assert [check.message for check in checks if check.status is Status.FAIL] == []


@given(history=HISTORIES, leaked=st.integers(1, 5))
@settings(max_examples=50, deadline=None)
def test_invariants_when_entries_outlive_their_slots_then_i14_and_i15_are_broken(
    history: list[tuple[object, ...]], leaked: int
) -> None:
    """The fault of a kernel whose swap_range_free() does not call zswap_invalidate()."""
    whole = measured(history)
    last = whole.samples[-1]
    files = {**last.files, "/sys/kernel/debug/zswap/stored_pages": f"{leaked}\n"}
    broken = dataclasses.replace(whole, samples=(*whole.samples[:-1], dataclasses.replace(last, files=files)))
    failed = {check.fingerprint for check in check_invariants(broken, {}) if check.status is Status.FAIL}
    assert {"invariant I14", "invariant I15", "invariant I7"} <= failed
