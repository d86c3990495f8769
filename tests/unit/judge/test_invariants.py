"""The invariants on a real trial's record: they hold as it is, and each breaks when one counter is off by one."""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.judge.invariants import TABLE, check_invariants
from orchestrator.model.invariant import INVARIANTS
from orchestrator.model.samples import Measured, Sample, parse_samples
from orchestrator.model.trial import Check, Status

ROOT = Path(__file__).parents[3]
RECORD = ROOT / "tests/data/trials/memcg-limit-two-node-base-s1/samples"
DEBUGFS = "/sys/kernel/debug/zswap/"
PARAMETERS = "/sys/module/zswap/parameters/"
LOAD = "/sys/fs/cgroup/load/"
CGROUP = "/sys/fs/cgroup/"
VMSTAT, MEMINFO, SWAPS, ZONEINFO = "/proc/vmstat", "/proc/meminfo", "/proc/swaps", "/proc/zoneinfo"
STAT = LOAD + "memory.stat"
SETTINGS = {
    PARAMETERS + "enabled": "Y\n",
    PARAMETERS + "max_pool_percent": "50\n",
    PARAMETERS + "accept_threshold_percent": "90\n",
    CGROUP + "cgroup.stat": "nr_descendants 1\nnr_dying_descendants 0\n",
    CGROUP + "memory.zswap.writeback": "1\n",
    LOAD + "memory.zswap.writeback": "1\n",
}
"""What is sampled today and was not when the record was made, as the same trial gave it."""

COUNTS = {
    "before": {"zswap_entry_free": 0, "zswap_store": 0},
    "pressed": {"zswap_entry_free": 8962, "zswap_store": 20480},
    "after": {"zswap_entry_free": 8962 + 6146, "zswap_store": 20480},
}
"""As two kprobes counted them in the same trial; the loads of "after" are those of vmstat."""

Files = dict[str, str]
Change = Callable[[Files], None]


@functools.cache
def real() -> Measured:
    samples = parse_samples(RECORD.read_bytes())
    # The root's memory.stat had the very figures of the only cgroup below it.
    whole = [{**SETTINGS, **sample.files, CGROUP + "memory.stat": sample.files[STAT]} for sample in samples]
    samples = tuple(dataclasses.replace(sample, files=files) for sample, files in zip(samples, whole, strict=True))
    return Measured(samples=samples, memcgs=("load",), counts=COUNTS, writers=1)


def changed(measured: Measured, changes: Mapping[str, Change | None], default: Change | None = None) -> Measured:
    """Return ``measured`` with the files of the named samples changed; ``default`` changes all others."""

    def one(sample: Sample) -> Sample:
        files = dict(sample.files)
        if (change := changes.get(sample.label, default)) is not None:
            change(files)
        return dataclasses.replace(sample, files=files)

    return dataclasses.replace(measured, samples=tuple(one(sample) for sample in measured.samples))


def add(path: str, amount: int, key: str = "") -> Change:
    """Return a change of one number: the file's, or that after ``key``."""

    def change(files: Files) -> None:
        pattern = rf"(?m)^(\s*{re.escape(key)}:?\s+)(\d+)" if key else r"()(\d+)"
        text, count = re.subn(pattern, lambda match: f"{match[1]}{int(match[2]) + amount}", files[path], count=1)
        assert count == 1, f"{key} is not in {path}"
        files[path] = text

    return change


def put(**values: str) -> Change:
    return lambda files: files.update({NAMES[name]: text for name, text in values.items()})


NAMES = {
    "writeback": LOAD + "memory.zswap.writeback",
    "root_writeback": CGROUP + "memory.zswap.writeback",
    "zswap_max": LOAD + "memory.zswap.max",
    "current": LOAD + "memory.zswap.current",
    "swaps": SWAPS,
    "percent": PARAMETERS + "max_pool_percent",
    "stored": DEBUGFS + "stored_pages",
    "written_back": DEBUGFS + "written_back_pages",
}


def both(*changes: Change) -> Change:
    def change(files: Files) -> None:
        for each in changes:
            each(files)

    return change


def found(measured: Measured, name: str) -> Check:
    return next(check for check in check_invariants(measured, {}) if check.name.split()[1] == name)


def ids(status: Status, measured: Measured) -> set[str]:
    return {check.name.split()[1] for check in check_invariants(measured, {}) if check.status is status}


def test_invariants_when_the_record_is_real_then_all_hold() -> None:
    assert ids(Status.FAIL, real()) == set()
    assert ids(Status.SKIP, real()) == {"I11"}
    assert found(real(), "I11").message.startswith("no measured memory cgroup has memory.zswap.writeback=0")


def test_table_when_shipped_then_has_the_names_that_scenarios_and_waivers_use() -> None:
    assert tuple(TABLE) == INVARIANTS


# Each line: the invariant, the sample, and the one counter that is off by one there (bytes: by one page or byte).
OFF_BY_ONE = [
    ("I1", "pressed", add(DEBUGFS + "stored_pages", 1)),
    ("I1", "pressed", add(DEBUGFS + "stored_pages", -1)),
    ("I1", "pressed", add(VMSTAT, -1, "zswpout")),
    ("I1", "after", add(VMSTAT, 1, "zswpin")),
    ("I1", "pressed", add(STAT, 4096, "zswapped")),
    ("I2", "pressed", add(VMSTAT, 1, "pswpout")),
    ("I2", "pressed", add(VMSTAT, -1, "zswpout")),
    ("I3", "after", add(VMSTAT, 1, "zswpwb")),
    ("I3", "after", add(STAT, 1, "zswpwb")),
    ("I4", "pressed", add(STAT, -1, "zswpwb")),
    ("I4", "pressed", add(STAT, 1, "zswpwb")),
    ("I4", "pressed", add(VMSTAT, 1, "zswpwb")),
    ("I4", "after", add(STAT, -1, "zswpin")),
    ("I4", "after", add(STAT, 1, "zswpout")),
    ("I4", "pressed", add(CGROUP + "memory.stat", -1, "zswpwb")),
    ("I4", "pressed", add(DEBUGFS + "written_back_pages", 1)),
    ("I4", "pressed", put(written_back="0\n")),
    ("I5", "pressed", add(DEBUGFS + "pool_total_size", 4096)),
    ("I5", "pressed", add(MEMINFO, -4, "Zswap")),
    ("I5", "pressed", add(LOAD + "memory.zswap.current", 1)),
    ("I5", "pressed", add(STAT, -1, "zswap")),
    ("I6", "pressed", add(DEBUGFS + "stored_pages", 1)),
    ("I6", "pressed", add(DEBUGFS + "stored_pages", -1)),
    ("I6", "pressed", add(STAT, 4096, "zswapped")),
    ("I6", "pressed", add(STAT, -4096, "zswapped")),
    ("I6", "after", add(MEMINFO, 4, "Zswapped")),
    ("I7", "after", add(DEBUGFS + "stored_pages", 1)),
    ("I7", "after", add(DEBUGFS + "pool_total_size", 4096)),
    ("I7", "pressed", put(swaps="Filename Type Size Used Priority\n")),
    ("I8", "after", add(DEBUGFS + "written_back_pages", -1)),
    ("I8", "after", add(VMSTAT, -1, "pswpout")),
    ("I8", "after", add(STAT, -1, "zswpout")),
    ("I8", "pressed", add(DEBUGFS + "decompress_fail", 1)),
    ("I8", "after", put(stored=f"{2**64 - 1}\n")),
    ("I8", "after", add(STAT, 2**64 - 4096, "zswapped")),
    ("I9", "pressed", add(DEBUGFS + "stored_incompressible_pages", 1)),
    ("I9", "after", add(DEBUGFS + "stored_incompressible_pages", 1)),
    ("I9", "pressed", add(STAT, 4096, "zswap_incomp")),
    ("I12", "after", add(CGROUP + "cgroup.stat", 1, "nr_dying_descendants")),
    ("I14", "after", add(DEBUGFS + "stored_pages", 1)),
    ("I14", "after", add(DEBUGFS + "stored_incompressible_pages", 1)),
    ("I14", "after", add(DEBUGFS + "pool_total_size", 4096)),
    ("I14", "after", add(STAT, 1, "zswap")),
    ("I14", "after", add(STAT, 4096, "zswapped")),
    ("I14", "after", add(STAT, 4096, "zswap_incomp")),
    ("I15", "after", add(DEBUGFS + "stored_pages", 1)),
    ("I15", "after", add(STAT, 4096, "zswapped")),
]


@pytest.mark.parametrize(("name", "label", "change"), OFF_BY_ONE)
def test_invariant_when_one_counter_is_off_by_one_then_is_broken_and_says_where(
    name: str, label: str, change: Change
) -> None:
    check = found(changed(real(), {label: change}), name)
    assert check.status is Status.FAIL
    assert check.fingerprint == f"invariant {name}"
    assert f"sample '{label}'" in check.message
    assert any(line.startswith(f"{label}: ") for line in check.detail)


@pytest.mark.parametrize(("name", "function"), [("I1", "zswap_entry_free"), ("I2", "zswap_store")])
@pytest.mark.parametrize("amount", [-1, 1])
def test_invariant_when_a_count_of_calls_is_off_by_one_then_is_broken(name: str, function: str, amount: int) -> None:
    counts = {label: {**values} for label, values in COUNTS.items()}
    counts["pressed"][function] += amount
    assert found(dataclasses.replace(real(), counts=counts), name).status is Status.FAIL


def test_every_invariant_when_tests_are_read_then_has_one_that_breaks_it() -> None:
    elsewhere = {"I10", "I11", "I13"}
    assert {name for name, _, _ in OFF_BY_ONE} | elsewhere == set(INVARIANTS)


@given(amount=st.integers(-6000, 2**40).filter(bool))
@settings(deadline=None)
def test_i6_when_stored_pages_is_anything_else_then_is_broken(amount: int) -> None:
    assert found(changed(real(), {"pressed": add(DEBUGFS + "stored_pages", amount)}), "I6").status is Status.FAIL


def test_i5_when_nr_zspages_is_within_what_cpus_keep_back_then_holds_and_beyond_is_broken() -> None:
    # Two populated zones of two CPUs each, "vm stats threshold: 12".
    assert found(changed(real(), {"pressed": add(ZONEINFO, 48, "nr_zspages")}), "I5").status is Status.PASS
    check = found(changed(real(), {"pressed": add(ZONEINFO, 49, "nr_zspages")}), "I5")
    assert "pool_total_size is 2144 pages where nr_zspages is 2193, and that may lag by 48" in check.message


def test_i4_when_a_memcg_counts_no_writeback_then_the_figures_are_told() -> None:
    measured = changed(real(), {"pressed": add(STAT, -8962, "zswpwb"), "after": add(STAT, -8962, "zswpwb")})
    check = found(measured, "I4")
    said = "load counted 15108 of 15108 zswpout, 0 of 0 zswpin, 0 of 8962 zswpwb: 8962 pages left zswap elsewhere"
    assert said in check.message
    assert "pressed: vmstat zswpwb beyond load's = 8962" in check.detail


def test_i4_and_i6_when_pages_outside_were_stored_and_written_back_then_hold() -> None:
    more = both(
        add(VMSTAT, 7, "zswpout"), add(VMSTAT, 3, "zswpwb"), add(VMSTAT, 3, "pswpout"),
        add(DEBUGFS + "stored_pages", 4), add(MEMINFO, 16, "Zswapped"),
        add(CGROUP + "memory.stat", 7, "zswpout"), add(CGROUP + "memory.stat", 3, "zswpwb"),
    )  # fmt: skip
    measured = changed(real(), {"pressed": more})
    assert {"I4", "I6"} & ids(Status.FAIL, measured) == set()
    # One more written back than was stored there cannot have come from there.
    broken = changed(measured, {"pressed": both(add(VMSTAT, 5, "zswpwb"), add(CGROUP + "memory.stat", 5, "zswpwb"))})
    assert {"I4", "I6"} <= ids(Status.FAIL, broken)


def test_i1_when_a_large_folio_may_have_failed_half_way_then_more_frees_than_stores_are_allowed() -> None:
    large = dataclasses.replace(real(), largest_folio_pages=16)
    one_more = add(DEBUGFS + "reject_compress_poor", 1)
    refused = changed(large, {"pressed": one_more, "after": one_more})

    def freed(measured: Measured, calls: int) -> Status:
        counts = {**COUNTS, "pressed": {"zswap_entry_free": calls}, "after": {"zswap_entry_free": calls + 6146}}
        return found(dataclasses.replace(measured, counts=counts), "I1").status

    assert (freed(refused, 8970), freed(large, 8970)) == (Status.PASS, Status.FAIL)
    assert (freed(refused, 8961), freed(large, 8961)) == (Status.FAIL, Status.FAIL)


def test_i2_when_folios_are_large_then_the_counts_of_large_ones_are_used() -> None:
    large = dataclasses.replace(real(), largest_folio_pages=16)
    assert "hugepages-*kB/stats/zswpout" in found(large, "I2").message
    stats = "/sys/kernel/mm/transparent_hugepage/hugepages-64kB/stats/"
    none, some = (
        {stats + "zswpout": "0\n", stats + "swpout": "0\n"},
        {stats + "zswpout": "3\n", stats + "swpout": "2\n"},
    )
    counted = changed(large, {"before": lambda files: files.update(none)}, lambda files: files.update(some))
    counts = {label: {**values} for label, values in COUNTS.items()}
    for label in ("pressed", "after"):
        counts[label]["zswap_store"] -= 5 * 15
    assert found(dataclasses.replace(counted, counts=counts), "I2").status is Status.PASS
    counts["pressed"]["zswap_store"] += 1
    assert found(dataclasses.replace(counted, counts=counts), "I2").status is Status.FAIL


def test_i2_when_somebody_may_not_write_then_folios_may_stay_where_they_are() -> None:
    measured = changed(real(), {}, put(root_writeback="0\n"))
    counts = {label: {**values} for label, values in COUNTS.items()}
    for label in ("pressed", "after"):
        counts[label]["zswap_store"] += 100
    assert found(dataclasses.replace(measured, counts=counts), "I2").status is Status.PASS
    counts["pressed"]["zswap_store"] = 20479
    assert found(dataclasses.replace(measured, counts=counts), "I2").status is Status.FAIL


def test_i10_when_one_byte_more_than_the_stores_under_way_can_add_then_is_broken() -> None:
    most = 8388608 + (1 + 8962) * 4096
    assert found(changed(real(), {"pressed": put(current=f"{most}\n")}), "I10").status is Status.PASS
    check = found(changed(real(), {"pressed": put(current=f"{most + 1}\n")}), "I10")
    assert f"load's memory.zswap.current is {most + 1}, 1 bytes more than" in check.message


def test_i10_when_nothing_was_written_back_then_only_stores_under_way_may_pass_the_limit() -> None:
    # From "pressed" to "after" nothing is: what was above the limit before may still be, and a writer's page more.
    assert found(changed(real(), {"after": put(current=f"{8389290 + 4096}\n")}), "I10").status is Status.PASS
    assert found(changed(real(), {"after": put(current=f"{8389290 + 4097}\n")}), "I10").status is Status.FAIL


@pytest.mark.parametrize("knob", ["writeback", "root_writeback"])
@pytest.mark.parametrize("key", ["zswpwb", "pswpout"])
def test_i11_when_one_page_is_written_where_none_may_be_then_is_broken(knob: str, key: str) -> None:
    off = put(**{knob: "0\n"})
    measured = changed(real(), {"pressed": off, "after": off})
    assert found(measured, "I11").status is Status.PASS
    assert found(changed(measured, {"after": add(STAT, 1, key)}), "I11").status is Status.FAIL


def test_i11_when_zswap_is_disabled_then_writeback_0_forbids_nothing() -> None:
    off = both(put(writeback="0\n"), lambda files: files.update({PARAMETERS + "enabled": "N\n"}))
    measured = changed(real(), {"pressed": off, "after": both(off, add(STAT, 1, "pswpout"))})
    assert found(measured, "I11").status is Status.SKIP


def test_i11_when_max_is_0_then_a_store_needs_a_writeback() -> None:
    none = put(zswap_max="0\n")
    measured = changed(real(), {"pressed": none, "after": none})
    assert found(measured, "I11").status is Status.PASS
    stored = changed(measured, {"after": add(STAT, 1, "zswpout")})
    assert found(stored, "I11").status is Status.FAIL
    assert found(changed(stored, {"after": add(STAT, 1, "zswpwb")}), "I11").status is Status.PASS


def test_i13_when_the_pool_is_larger_than_stores_under_way_can_make_it_then_is_broken() -> None:
    # MemTotal is 1020468 KiB: 255117 pages, of which 1 % are 2551; one writer's page may open a zspage of 16.
    total = f"MemTotal:        {255117 * 4} kB\n"

    def shaped(pool: int) -> Measured:
        def change(files: Files) -> None:
            files[MEMINFO] = total
            files[NAMES["percent"]] = "1\n"

        size = both(change, lambda files: files.update({DEBUGFS + "pool_total_size": f"{pool * 4096}\n"}))
        return changed(real(), {"pressed": size}, change)

    assert found(shaped(2551 + 16), "I13").status is Status.PASS
    assert found(shaped(2551 + 17), "I13").status is Status.FAIL


def test_i13_when_a_full_pool_takes_pages_then_enough_must_have_been_freed() -> None:
    def full(files: Files) -> None:
        files[MEMINFO] = f"MemTotal:        {214400 * 4} kB\n"
        files[NAMES["percent"]] = "1\n"

    # The pool has 2144 pages, 1 % of 214400; the threshold is 1929; 215 pages less take 14 entries at 16 pages a zspage.
    def after(taken: int, freed: int) -> Measured:
        more = both(full, add(VMSTAT, taken, "zswpout"), put(stored=f"{6146 + taken - freed}\n"))
        return changed(real(), {"after": more}, full)

    assert found(after(1, 14), "I13").status is Status.PASS
    assert found(after(1, 13), "I13").status is Status.FAIL
    assert found(after(0, 0), "I13").status is Status.PASS


def without(*paths: str) -> Measured:
    def change(files: Files) -> None:
        for path in [path for path in files if path.startswith(paths)]:
            del files[path]

    return changed(real(), {}, change)


@pytest.mark.parametrize(
    ("name", "paths", "says"),
    [
        ("I3", (VMSTAT, LOAD), "vmstat pswpout"),
        ("I7", (DEBUGFS,), "stored_pages"),
        ("I10", (LOAD + "memory.zswap.max",), "load/memory.zswap.max"),
        ("I11", (LOAD + "memory.zswap", PARAMETERS), "load/memory.zswap.writeback"),
        ("I12", (CGROUP + "cgroup.stat",), "cgroup.stat nr_dying_descendants"),
        ("I13", (PARAMETERS + "max",), "zswap's parameter max_pool_percent"),
        ("I14", (SWAPS, LOAD + "memory.swap"), "/proc/swaps"),
    ],
)
def test_invariant_when_what_it_needs_is_absent_then_is_skipped_and_names_it(
    name: str, paths: tuple[str, ...], says: str
) -> None:
    check = found(without(*paths), name)
    assert (check.status, says in check.message) == (Status.SKIP, True), check.message


def test_invariants_when_the_kernel_is_older_and_lacks_counters_then_nothing_is_broken() -> None:
    """6.12 has neither decompress_fail nor the gauge of incompressible pages, nor zswap_incomp."""

    def older(files: Files) -> None:
        del files[DEBUGFS + "decompress_fail"], files[DEBUGFS + "stored_incompressible_pages"]
        files[STAT] = re.sub(r"(?m)^zswap_incomp .*\n", "", files[STAT])

    measured = changed(real(), {}, older)
    assert ids(Status.FAIL, measured) == set()
    assert "not looked at, for want of: stored_incompressible_pages" in found(measured, "I14").message
    assert "decompress_fail" in found(measured, "I8").message


def test_invariants_when_nothing_was_counted_by_probes_then_i2_is_skipped_and_i1_compares_the_rest() -> None:
    measured = dataclasses.replace(real(), counts={}, writers=0)
    assert found(measured, "I2").message == "not there: a count of zswap_store()"
    assert found(measured, "I1").status is Status.PASS
    assert found(measured, "I10").status is Status.SKIP


def test_invariants_when_there_is_no_sample_then_all_are_skipped() -> None:
    nothing = Measured(samples=(), memcgs=("load",))
    assert {check.status for check in check_invariants(nothing, {})} == {Status.SKIP}


def test_invariant_when_the_scenario_excepts_it_then_is_skipped_with_the_reason() -> None:
    broken = changed(real(), {"after": add(DEBUGFS + "stored_pages", 1)})
    check = check_invariants(broken, {"I14": "tmpfs files stay"})[13]
    assert (check.status, check.message) == (Status.SKIP, "does not apply to this scenario: tmpfs files stay")


@given(
    text=st.text(max_size=200),
    path=st.sampled_from([VMSTAT, MEMINFO, SWAPS, ZONEINFO, STAT, DEBUGFS + "stored_pages", LOAD + "memory.zswap.max"]),
)
@settings(deadline=None)
def test_invariants_when_a_file_holds_anything_then_no_exception_gets_out(text: str, path: str) -> None:
    checks = check_invariants(changed(real(), {}, lambda files: files.update({path: text})), {})
    assert len(checks) == len(TABLE)


def test_document_when_read_then_has_a_section_for_every_invariant_and_no_other() -> None:
    text = (ROOT / "docs/invariants.md").read_text(encoding="utf-8")
    sections = re.findall(r"(?m)^### (I\d+) (.*)$", text)
    assert sorted(sections) == sorted((name, invariant.says) for name, invariant in TABLE.items())
