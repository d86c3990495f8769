"""Invariants of who pays: memory cgroups against the whole, limits, and the figures that must be the same everywhere.

The functions named are those of Linux 7.2, mm/memcontrol.c unless another file is named. docs/invariants.md explains
each. memory.stat is read at rest: its figures lag up to two seconds behind (FLUSH_TIME).
"""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.judge.invariants_readings import (
    PAGE,
    ROOT,
    Absent,
    Look,
    Reading,
    intervals,
    lineage,
    readings,
    topmost,
)
from orchestrator.model.samples import Measured

EVENTS = ("zswpout", "zswpin", "zswpwb")
FEW = 64
"""Events of which nothing is said."""
NO_MEMCG = "no measured memory cgroup was there"


def written_back_is_counted(measured: Measured) -> Look:
    """I4: memory cgroups count the same stores, loads and writebacks as the whole, one each.

    count_objcg_events() stands beside every count_vm_event(s)() of ZSWPOUT, ZSWPIN and ZSWPWB in mm/zswap.c. What
    vmstat has more was stored outside of the measured cgroups (the root's own pages, when the whole machine is short of
    memory); nothing can have been loaded or written back from there that was not stored there. Looked at with the
    measured cgroups, and with the root's memory.stat, which has all of them. written_back_pages is a plain u64 that
    shrink_memcg_cb() (mm/zswap.c) increments after each zswpwb, without a lock: it may lose some, never gain, and never
    as many as it counts (:data:`FEW` apart): two CPUs have to meet within a few instructions.
    """
    look = Look(nothing=NO_MEMCG)
    for moment in readings(measured):
        with look.part():
            counted, whole = moment.zswap("written_back_pages"), moment.vmstat("zswpwb")
            look.at_most(("written_back_pages", counted), ("vmstat zswpwb", whole), moment)
            message = f"written_back_pages is {counted} where vmstat's zswpwb is {whole}: more is lost than is counted"
            figures = [("written_back_pages", counted), ("vmstat zswpwb", whole)]
            look.expect(message, figures, moment, holds=whole - counted <= counted + FEW)
        for names in _wholes(measured, moment):
            with look.part():
                rest = {key: _rest(moment, names, key) for key in EVENTS}
                who = _who(names)
                for key in EVENTS:
                    total = moment.vmstat(key)
                    look.at_most((f"{who}'s {key}", total - rest[key]), (f"vmstat {key}", total), moment)
                gone, come = rest["zswpin"] + rest["zswpwb"], rest["zswpout"]
                counts = ", ".join(f"{moment.vmstat(key) - rest[key]} of {moment.vmstat(key)} {key}" for key in EVENTS)
                message = f"{who} counted {counts}: {gone} pages left zswap elsewhere, where {come} were stored"
                figures = [(f"vmstat {key} beyond {who}'s", rest[key]) for key in EVENTS]
                look.expect(message, figures, moment, holds=gone <= come)
    return look


def _wholes(measured: Measured, moment: Reading) -> list[tuple[str, ...]]:
    """Return the ways to take all memory cgroups together: the topmost measured ones, and the root."""
    tops = topmost(measured, moment)
    return [names for names in (tops, (ROOT,)) if names and all(moment.has_memcg(name) for name in names)]


def _rest(moment: Reading, names: Sequence[str], key: str) -> int:
    """Return how much of a vmstat event the memory cgroups did not count."""
    return moment.vmstat(key) - sum(moment.stat(name, key) for name in names)


def _who(names: Sequence[str]) -> str:
    if names == (ROOT,):
        return "the root cgroup"
    return names[0] if len(names) == 1 else f"the sum of {len(names)} memory cgroups"


def pool_is_what_it_seems(measured: Measured) -> Look:
    """I5: one pool, the same size wherever it is shown, and large enough for what is charged for it.

    zs_malloc() (mm/zsmalloc.c) places an object of entry->length bytes into a class at least as large;
    obj_cgroup_charge_zswap() charges the length. zswap_total_pages() is what debugfs and meminfo show.
    alloc_zpdesc() and free_zpdesc() (mm/zsmalloc.c) count NR_ZSPAGES for each page of it; each CPU keeps a zone's last
    changes to itself, up to the threshold that /proc/zoneinfo shows. memory.zswap.current and memory.stat's zswap are
    one number (zswap_current_read(), memcg_stat_format()).
    """
    look = Look()
    for moment in readings(measured):
        with look.part():
            pool = moment.zswap("pool_total_size")
            with look.part():
                look.equal(
                    ("meminfo Zswap", moment.meminfo("Zswap")),
                    ("pool_total_size / 1024", pool // 1024),
                    moment,
                    unit="KiB",
                )
            with look.part():
                pages, lag = moment.zspages()
                message = (
                    f"pool_total_size is {pool // PAGE} pages where nr_zspages is {pages}, and that may lag by {lag}"
                )
                figures = [("pool_total_size", pool), ("nr_zspages", pages), ("vm stats thresholds, summed", lag)]
                look.expect(message, figures, moment, holds=abs(pool // PAGE - pages) <= lag)
            tops = topmost(measured, moment)
            with look.part():
                charged = sum(moment.stat(memcg, "zswap") for memcg in tops)
                if tops:
                    look.at_most((f"{_who(tops)}'s zswap", charged), ("pool_total_size", pool), moment, unit="bytes")
        for memcg in filter(moment.has_memcg, measured.memcgs):
            with look.part():
                current = f"{memcg}'s memory.zswap.current", moment.number(memcg, "memory.zswap.current")
                look.equal(current, (f"{memcg}'s memory.stat zswap", moment.stat(memcg, "zswap")), moment, unit="bytes")
    return look


def stored_pages_are_charged(measured: Measured) -> Look:
    """I6: what the memory cgroups are charged for is what is stored, less what was stored outside of them.

    zswap_store_page() increments zswap_stored_pages where obj_cgroup_charge_zswap() increments zswapped, and
    zswap_entry_free() takes both back. Not charged are entries of the root's own pages and of cgroups that are not
    measured: at most vmstat's zswpout - zswpin - zswpwb less theirs. Where nothing was stored outside, the two are the
    same. meminfo's Zswapped is stored_pages (meminfo_proc_show() in fs/proc/meminfo.c).
    """
    look = Look()
    for moment in readings(measured):
        with look.part():
            stored = moment.zswap("stored_pages")
            with look.part():
                shown = "meminfo Zswapped", moment.meminfo("Zswapped")
                look.equal(shown, ("stored_pages * 4", stored * PAGE // 1024), moment, unit="KiB")
            tops = topmost(measured, moment)
            if not tops:
                continue
            charged = sum(moment.pages(memcg, "zswapped") for memcg in tops)
            rest = _rest(moment, tops, "zswpout") - _rest(moment, tops, "zswpin") - _rest(moment, tops, "zswpwb")
            look.at_most((f"{_who(tops)}'s zswapped", charged), ("stored_pages", stored), moment)
            named = f"stored_pages less {_who(tops)}'s zswapped", stored - charged
            look.at_most(named, ("what was stored elsewhere and is not gone", rest), moment)
    return look


MONOTONE_FILES = (
    "written_back_pages", "pool_limit_hit", "reject_reclaim_fail", "reject_alloc_fail", "reject_kmemcache_fail",
    "reject_compress_fail", "reject_compress_poor", "decompress_fail",
)  # fmt: skip
GAUGES = ("stored_pages", "stored_incompressible_pages", "pool_total_size")
MONOTONE_EVENTS = (*EVENTS, "pswpin", "pswpout", "swpin_zero", "swpout_zero")
SIGN = 2**63
"""Where an unsigned long begins that was decremented below 0."""


def counters_only_rise(measured: Measured) -> Look:
    """I8: what counts events never falls, no gauge went below 0, and no page failed to decompress.

    The debugfs files are u64 that mm/zswap.c only increments; vm events are summed over CPUs and folded when one goes
    (vm_events_fold_cpu() in mm/vmstat.c). The gauges are atomic_long_t printed as unsigned: below 0 they show 2^64 less
    something. zswap_decompress() counts decompress_fail only for data that zswap_compress() did not make.
    """
    look = Look()
    for moment in readings(measured):
        for file in (*MONOTONE_FILES, *GAUGES):
            with look.part():
                value = moment.zswap(file)
                look.expect(f"{file} is {value - 2**64}: below 0", [(file, value)], moment, holds=value < SIGN)
        with look.part():
            failed = moment.zswap("decompress_fail")
            message = f"{failed} pages failed to decompress"
            look.expect(message, [("decompress_fail", failed)], moment, holds=failed == 0)
        for memcg in filter(moment.has_memcg, measured.memcgs):
            for key in ("zswap", "zswapped", "zswap_incomp"):
                with look.part():
                    value = moment.stat(memcg, key)
                    message = f"{memcg}'s {key} is {value - 2**64}: below 0"
                    look.expect(message, [(f"{memcg} {key}", value)], moment, holds=value < SIGN)
    for earlier, later in intervals(measured):
        for file in MONOTONE_FILES:
            with look.part():
                _never_falls(look, file, earlier.zswap(file), later.zswap(file), later)
        for key in MONOTONE_EVENTS:
            with look.part():
                _never_falls(look, f"vmstat {key}", earlier.vmstat(key), later.vmstat(key), later)
            for memcg in measured.memcgs:
                if earlier.has_memcg(memcg) and later.has_memcg(memcg):
                    with look.part():
                        before, after = earlier.stat(memcg, key), later.stat(memcg, key)
                        _never_falls(look, f"{memcg}'s {key}", before, after, later)
    return look


def _never_falls(look: Look, name: str, before: int, after: int, at: Reading) -> None:
    figures = [(f"{name} before", before), (name, after)]
    look.expect(f"{name} fell from {before} to {after}", figures, at, holds=after >= before)


def incompressible_is_a_part(measured: Measured) -> Look:
    """I9: entries that hold a page as it was are among those stored, and are charged 4096 bytes each.

    zswap_store_page() and zswap_entry_free() (mm/zswap.c) move stored_incompressible_pages with stored_pages, for
    entries of length PAGE_SIZE; zswap_incomp moves with zswapped on the same condition, and zswap by the length, which
    is never more than PAGE_SIZE. Entries that no measured cgroup is charged for bound what the gauges may differ by.
    """
    look = Look()
    for moment in readings(measured):
        with look.part():
            stored, raw = moment.zswap("stored_pages"), moment.zswap("stored_incompressible_pages")
            look.at_most(("stored_incompressible_pages", raw), ("stored_pages", stored), moment)
            if tops := topmost(measured, moment):
                charged = sum(moment.pages(memcg, "zswap_incomp") for memcg in tops)
                elsewhere = stored - sum(moment.pages(memcg, "zswapped") for memcg in tops)
                named = f"{_who(tops)}'s zswap_incomp", charged
                look.at_most(named, ("stored_incompressible_pages", raw), moment)
                rest = f"stored_incompressible_pages less {_who(tops)}'s zswap_incomp", raw - charged
                look.at_most(rest, ("pages stored elsewhere", elsewhere), moment)
        for memcg in filter(moment.has_memcg, measured.memcgs):
            with look.part():
                size = f"{memcg}'s zswap", moment.stat(memcg, "zswap")
                look.at_most(size, (f"{memcg}'s zswapped", moment.stat(memcg, "zswapped")), moment, unit="bytes")
                raw_bytes = f"{memcg}'s zswap_incomp", moment.stat(memcg, "zswap_incomp")
                look.at_most(raw_bytes, size, moment, unit="bytes")
    return look


def limit_is_kept(measured: Measured) -> Look:
    """I10: a memory cgroup stays at memory.zswap.max but for the stores under way and those that wrote a page back.

    obj_cgroup_may_zswap() lets a store pass while the cgroup is below its limit, and charges afterwards; at the limit
    zswap_store() goes on only when shrink_memcg() wrote a page back, and what it then stores may be larger than that.
    Each may add one folio of uncompressed pages at most. A cgroup that was above its limit already may stay there.
    """
    look = Look(nothing="no measured memory cgroup has a memory.zswap.max that stayed the same")
    for earlier, later in intervals(measured):
        for memcg in measured.memcgs:
            if not (earlier.has_memcg(memcg) and later.has_memcg(memcg)):
                continue
            with look.part():
                limit = later.control(memcg, "memory.zswap.max")
                if limit is None or limit != earlier.control(memcg, "memory.zswap.max"):
                    continue
                if not measured.writers:
                    raise Absent("how many tasks swap out at once")
                current = later.number(memcg, "memory.zswap.current")
                allowed = max(limit, earlier.number(memcg, "memory.zswap.current"))
                written = later.stat(memcg, "zswpwb") - earlier.stat(memcg, "zswpwb")
                slack = (measured.writers + written) * measured.largest_folio_pages * PAGE
                bound = f"its memory.zswap.max of {limit} and {slack} for stores under way", allowed + slack
                look.at_most((f"{memcg}'s memory.zswap.current", current), bound, later, unit="bytes")
    return look


def switches_are_obeyed(measured: Measured) -> Look:
    """I11: with memory.zswap.writeback=0 nothing of the cgroup is written to swap; with memory.zswap.max=0 none is stored.

    mem_cgroup_zswap_writeback_enabled() asks the cgroup and all its ancestors, and is asked by shrink_memcg(),
    zswap_shrinker_scan() (mm/zswap.c) and swap_writeout() (mm/page_io.c); it says yes while zswap is disabled. At
    memory.zswap.max=0 zswap_store() still takes a folio for a page that shrink_memcg() has written back.
    """
    look = Look(nothing="no measured memory cgroup has memory.zswap.writeback=0 or memory.zswap.max=0")
    for earlier, later in intervals(measured):
        for memcg in measured.memcgs:
            if not (earlier.has_memcg(memcg) and later.has_memcg(memcg)):
                continue
            with look.part():
                if _is_switched_off(memcg, "memory.zswap.writeback", earlier, later) and all(
                    moment.parameter("enabled") == "Y" for moment in (earlier, later)
                ):
                    for key in ("zswpwb", "pswpout"):
                        figures = f"{memcg}'s {key}", later.stat(memcg, key)
                        before = "what it was before, with memory.zswap.writeback=0", earlier.stat(memcg, key)
                        look.equal(figures, before, later)
            with look.part():
                if _is_switched_off(memcg, "memory.zswap.max", earlier, later):
                    stored, written = (
                        later.stat(memcg, key) - earlier.stat(memcg, key) for key in ("zswpout", "zswpwb")
                    )
                    bound = f"{memcg}'s zswpwb's rise, in folios", written * measured.largest_folio_pages
                    look.at_most((f"{memcg}'s zswpout's rise at memory.zswap.max=0", stored), bound, later)
    return look


def _is_switched_off(memcg: str, file: str, earlier: Reading, later: Reading) -> bool:
    """Whether the cgroup or one of its ancestors had 0 in ``file`` at both moments. The root has no memory.zswap.max."""
    names = lineage(memcg) if file == "memory.zswap.writeback" else lineage(memcg)[:-1]
    return any(all(moment.control(name, file) == 0 for moment in (earlier, later)) for name in names)


def the_dead_leave(measured: Measured) -> Look:
    """I12: when all is freed, no more removed cgroups linger than before.

    A removed cgroup lives on (nr_dying_descendants of the root's cgroup.stat, kernel/cgroup/cgroup.c) while something
    is charged to it; mem_cgroup_css_offline() hands zswap's entries and its LRU to the parent
    (memcg_reparent_objcgs(), memcg_reparent_list_lrus()). Looked at in the last sample, once swap is as empty as at first.
    """
    look = Look(nothing="swap was not as empty at the end as at the beginning")
    if len(measured.samples) < 2:
        return look
    first, last = readings(measured)[0], readings(measured)[-1]
    with look.part():
        if last.swap_used() <= first.swap_used():
            dying = [_dying(moment) for moment in (first, last)]
            before = "nr_dying_descendants before", dying[0]
            look.at_most(("nr_dying_descendants at the end", dying[1]), before, last, unit="cgroups")
    return look


def _dying(moment: Reading) -> int:
    value = moment.sample.keyed("/sys/fs/cgroup/cgroup.stat").get("nr_dying_descendants")
    if value is None:
        raise Absent("cgroup.stat nr_dying_descendants")
    return value
