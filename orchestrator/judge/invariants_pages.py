"""Invariants of where pages are: stored, loaded, written back, freed, refused, and in which swap slots.

The functions named are those of Linux 7.2, mm/zswap.c unless another file is named. docs/invariants.md explains each.
"""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.judge.invariants_readings import (
    PAGE,
    Absent,
    Look,
    Reading,
    intervals,
    is_below,
    lineage,
    readings,
)
from orchestrator.model.samples import Measured

FREE = "zswap_entry_free"
STORE = "zswap_store"
REFUSALS = ("reject_compress_poor", "reject_compress_fail", "reject_alloc_fail", "reject_kmemcache_fail")
"""What zswap_store_page() counts, one or the other, whenever it fails."""


def entries_are_accounted_for(measured: Measured) -> Look:
    """I1: what was stored and has neither been loaded, written back nor freed is what is stored.

    zswap_store() counts zswpout once all pages of a folio are in; zswap_load() and zswap_writeback_entry() count one
    zswpin or zswpwb and call zswap_entry_free() once; so does whatever else ends an entry (zswap_invalidate(), a newer
    store, the way out of a failed store) without counting. So zswpout - zswpin - zswpwb is never less than
    stored_pages, in every memory cgroup too (count_objcg_events(), obj_cgroup_charge_zswap() in mm/memcontrol.c). With
    the entries of zswap_entry_free() counted, the change of stored_pages is that of zswpout less those. Only a large
    folio can fail half way; then entries were freed which zswpout never counted, and the change may be larger.
    """
    look = Look()
    for moment in readings(measured):
        with look.part():
            left = moment.vmstat("zswpout") - moment.vmstat("zswpin") - moment.vmstat("zswpwb")
            look.at_most(("stored_pages", moment.zswap("stored_pages")), ("zswpout - zswpin - zswpwb", left), moment)
        for memcg in filter(moment.has_memcg, measured.memcgs):
            with look.part():
                left = moment.stat(memcg, "zswpout") - moment.stat(memcg, "zswpin") - moment.stat(memcg, "zswpwb")
                stored = f"{memcg}'s zswapped", moment.pages(memcg, "zswapped")
                look.at_most(stored, (f"{memcg}'s zswpout - zswpin - zswpwb", left), moment)
    for earlier, later in intervals(measured):
        with look.part():
            freed = _calls(measured.counts, FREE, earlier, later)
            remaining = _rise(earlier, later, "zswpout") - freed
            change = later.zswap("stored_pages") - earlier.zswap("stored_pages")
            named = f"zswpout's rise less the calls of {FREE}()", remaining
            if _stores_were_whole(measured, earlier, later):
                look.equal(("stored_pages' change", change), named, later)
            else:
                look.at_most(named, ("stored_pages' change", change), later)
    return look


def stores_end_somewhere(measured: Measured) -> Look:
    """I2: every folio given to zswap_store() was stored, or went to swap itself, or stayed where memory.zswap.writeback=0.

    swap_writeout() (mm/page_io.c) is zswap_store()'s only caller; where that fails it calls __swap_writepage(), which
    counts pswpout, or gives the folio back (AOP_WRITEPAGE_ACTIVATE) where its cgroup may not write. The other caller of
    __swap_writepage() is zswap_writeback_entry(), one page and one zswpwb each. Pages of zeroes never get there.
    """
    look = Look()
    for earlier, later in intervals(measured):
        with look.part():
            calls = _calls(measured.counts, STORE, earlier, later)
            largest = measured.largest_folio_pages
            stored, written = (
                later.folios(later.vmstat(event), stat, largest) - earlier.folios(earlier.vmstat(event), stat, largest)
                for event, stat in (("zswpout", "zswpout"), ("pswpout", "swpout"))
            )
            ended = stored + written - _rise(earlier, later, "zswpwb")
            names = (f"calls of {STORE}()", calls), ("folios stored or written past zswap", ended)
            if _may_all_write(measured, earlier) and _may_all_write(measured, later):
                look.equal(*names, later, unit="folios")
            else:
                look.at_most(names[1], names[0], later, unit="folios")
    return look


def _may_all_write(measured: Measured, moment: Reading) -> bool:
    there = [memcg for memcg in measured.memcgs if moment.has_memcg(memcg)]
    line = dict.fromkeys(name for memcg in there for name in lineage(memcg))
    return all(moment.number(name, "memory.zswap.writeback") != 0 for name in line)


def writeback_reaches_swap(measured: Measured) -> Look:
    """I3: pswpout - zswpwb, the pages that zswap refused, never falls.

    zswap_writeback_entry() counts zswpwb and then calls __swap_writepage(), all of whose ways count pswpout
    (count_swpout_vm_event() in mm/page_io.c). In a memory cgroup as well, unless others lie below it: an entry of a
    removed cgroup counts for its parent, its swap slot's page need not.
    """
    look = Look()
    for earlier, later in intervals(measured):
        with look.part():
            written = "pswpout's rise", _rise(earlier, later, "pswpout")
            look.at_most(("zswpwb's rise", _rise(earlier, later, "zswpwb")), written, later)
        for memcg in measured.memcgs:
            is_leaf = not any(is_below(other, memcg) for other in measured.memcgs)
            if is_leaf and earlier.has_memcg(memcg) and later.has_memcg(memcg):
                with look.part():
                    back, out = (later.stat(memcg, key) - earlier.stat(memcg, key) for key in ("zswpwb", "pswpout"))
                    look.at_most((f"{memcg}'s zswpwb's rise", back), (f"{memcg}'s pswpout's rise", out), later)
    return look


def no_device_no_entries(measured: Measured) -> Look:
    """I7: without a swap device nothing is stored; and the pool has pages where it has entries, and only there.

    try_to_unuse() (mm/swapfile.c) brings every slot in before zswap_swapoff(). zsmalloc gives a zspage back as soon as
    its last object is freed (zs_free() in mm/zsmalloc.c), so that a pool without entries has no pages.
    """
    look = Look()
    for moment in readings(measured):
        with look.part():
            stored, pool = moment.zswap("stored_pages"), moment.zswap("pool_total_size")
            if not moment.swap_devices():
                look.equal(("stored_pages without a swap device", stored), ("what can be stored there", 0), moment)
            figures = [("stored_pages", stored), ("pool_total_size", pool)]
            message = f"stored_pages is {stored} and pool_total_size {pool}: one of them is 0"
            look.expect(message, figures, moment, holds=(stored == 0) == (pool == 0))
    return look


def drained_holds_nothing(measured: Measured) -> Look:
    """I14: once the last swap slot is freed, nothing is left in zswap, and nothing charged for it.

    swap_range_free() (mm/swapfile.c) calls zswap_invalidate() for every slot that it frees; zswap_entry_free() then
    takes the entry off stored_pages, off stored_incompressible_pages when it held a page as it was, and
    obj_cgroup_uncharge_zswap() (mm/memcontrol.c) takes it off zswap, zswapped and zswap_incomp. Without swap slots in
    use, or charged to the cgroup (memory.swap.current), all of them are 0.
    """
    look = Look(nothing="swap was in use in every sample after the first: nothing was drained")
    for moment in readings(measured)[1:]:
        with look.part():
            if moment.swap_used() == 0:
                for file in ("stored_pages", "pool_total_size", "stored_incompressible_pages"):
                    with look.part():
                        look.equal((file, moment.zswap(file)), ("swap in use", 0), moment, unit="left")
        for memcg in filter(moment.has_memcg, measured.memcgs):
            with look.part():
                if moment.number(memcg, "memory.swap.current") == 0:
                    for key in ("zswap", "zswapped", "zswap_incomp"):
                        with look.part():
                            left = f"{memcg}'s {key}", moment.stat(memcg, key)
                            look.equal(left, (f"{memcg}'s memory.swap.current", 0), moment, unit="bytes left")
    return look


def entries_have_slots(measured: Measured) -> Look:
    """I15: there are never more entries than swap slots in use, globally and in each memory cgroup.

    An entry is filed under its slot (swap_zswap_tree()), one each, and ends with it: swap_range_free() in
    mm/swapfile.c invalidates before it lowers the count that /proc/swaps shows. Slots are charged to the cgroup of the
    folio (mem_cgroup_try_charge_swap() in mm/memcontrol.c) whose obj_cgroup the entry is charged to.
    """
    look = Look()
    for moment in readings(measured):
        with look.part():
            used = "the swap slots in use", moment.swap_used()
            look.at_most(("stored_pages", moment.zswap("stored_pages")), used, moment)
        for memcg in filter(moment.has_memcg, measured.memcgs):
            with look.part():
                slots = moment.number(memcg, "memory.swap.current") // PAGE
                stored = f"{memcg}'s zswapped", moment.pages(memcg, "zswapped")
                look.at_most(stored, (f"{memcg}'s memory.swap.current", slots), moment)
    return look


def full_pool_refuses(measured: Measured) -> Look:
    """I13: a pool at max_pool_percent takes nothing until it is back at the accept threshold, so it never grows past.

    zswap_check_limits() refuses from zswap_max_pages() on until zswap_accept_thr_pages() is reached. Past the check are
    at most the tasks inside zswap_store(), each with one folio, each of whose pages may open a zspage of up to 16 pages
    (CONFIG_ZSMALLOC_CHAIN_SIZE). A pool that was full at one sample and took pages by the next must have shrunk to the
    threshold, which takes that many freed entries (zswpout's rise less stored_pages' change) at a zspage each.
    """
    look = Look(nothing="zswap's limits changed between the samples")
    for earlier, later in intervals(measured):
        with look.part():
            limit = _max_pages(later)
            if limit != _max_pages(earlier) or _is_off(earlier) or _is_off(later):
                continue
            before, after = (moment.zswap("pool_total_size") // PAGE for moment in (earlier, later))
            if measured.writers:
                slack = measured.writers * measured.largest_folio_pages * ZSPAGE
                bound = f"max_pool_percent's {limit} pages and {slack} for stores under way", max(limit, before) + slack
                look.at_most(("pool_total_size / 4096", after), bound, later)
            else:
                look.absent["how many tasks swap out at once"] = None
            taken = _rise(earlier, later, "zswpout")
            whole = _stores_were_whole(measured, earlier, later)
            threshold = limit * earlier.percentage("accept_threshold_percent") // 100
            if before >= limit and taken > 0 and whole:
                freed = taken - later.zswap("stored_pages") + earlier.zswap("stored_pages")
                needed = "what must be freed to get to the accept threshold", -(-(before - threshold) // ZSPAGE)
                look.at_most(needed, ("entries freed while the full pool took pages", freed), later, unit="entries")
    return look


ZSPAGE = 16
"""Pages of the largest zspage: CONFIG_ZSMALLOC_CHAIN_SIZE is 4 to 16 (mm/Kconfig)."""


def _max_pages(moment: Reading) -> int:
    """Return zswap_max_pages(): totalram_pages(), which is MemTotal, by max_pool_percent."""
    return moment.meminfo("MemTotal") * 1024 // PAGE * moment.percentage("max_pool_percent") // 100


def _is_off(moment: Reading) -> bool:
    return moment.parameter("enabled") != "Y"


def _rise(earlier: Reading, later: Reading, key: str) -> int:
    return later.vmstat(key) - earlier.vmstat(key)


def _stores_were_whole(measured: Measured, earlier: Reading, later: Reading) -> bool:
    """Whether no large folio was stored in part: there were none, or no page of any was refused."""
    if measured.largest_folio_pages == 1:
        return True
    try:
        return all(later.zswap(file) == earlier.zswap(file) for file in REFUSALS)
    except Absent:
        return False


def _calls(counts: Mapping[str, Mapping[str, int]], function: str, earlier: Reading, later: Reading) -> int:
    """Return how often a kernel function was entered between two samples."""
    try:
        return counts[later.label][function] - counts[earlier.label][function]
    except KeyError:
        raise Absent(f"a count of {function}()") from None
