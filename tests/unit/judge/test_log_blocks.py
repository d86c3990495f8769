"""Complaints of several CPUs in one log: told apart by the kernel's own word where it gives it, by what is said where not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.judge.fingerprint import REST_UNKNOWN, fingerprint, frames, plain_function, same_complaint
from orchestrator.judge.kernel_log import FINDINGS, scan_kernel_log
from orchestrator.judge.log_blocks import BLOCK_LINES, OPEN_BLOCKS
from orchestrator.judge.log_patterns import LogKind

LOGS = Path(__file__).parents[2] / "data" / "kernel-log"
BANNER = "[    0.000000] Linux version 7.2.12 (user@host)"
STAMP = re.compile(r"^\[ *\d+\.\d+\] ")


def said(name: str, begin: str, end: str) -> list[str]:
    """Return lines of a real log, without their stamps, from the one with ``begin`` to the next with ``end``."""
    lines = [STAMP.sub("", line) for line in (LOGS / f"{name}.txt").read_text().splitlines()]
    first = next(nr for nr, line in enumerate(lines) if begin in line)
    last = next(nr for nr, line in enumerate(lines) if nr > first and end in line)
    return lines[first : last + 1]


ONE_OF_EACH = "real-7.2-debug-one-of-each"
LEFT = ["------------[ cut here ]------------", *said(ONE_OF_EACH, "zoo: left 0", "end trace")]
RIGHT = ["------------[ cut here ]------------", *said(ONE_OF_EACH, "at zoo_warn_right", "end trace")]
KASAN = said(ONE_OF_EACH, "BUG: KASAN", "=======")


def log(lines: list[tuple[str, str]]) -> str:
    """Return a log of (caller, text); "" is a kernel that does not say who speaks."""
    return "\n".join(
        [
            BANNER,
            *(f"[    7.{nr:06}]{f'[{caller:>6}]' if caller else ''} {text}" for nr, (caller, text) in enumerate(lines)),
        ]
    )


def alone(block: list[str]) -> str:
    (finding,) = scan_kernel_log(log([("", line) for line in block])).findings
    return finding.fingerprint


@st.composite
def merged(draw: st.DrawFn, first: list[str], second: list[str], *, callers: bool, whole_dumps: bool) -> str:
    """Return a log in which two complaints are said at the same time."""
    left, right = list(first), list(second)
    out: list[tuple[str, str]] = []
    dumping = ""
    while left or right:
        take_left = bool(left) and (not right or draw(st.booleans()))
        if whole_dumps and dumping:
            take_left = dumping == "left"
        text = (left if take_left else right).pop(0)
        if text.startswith("CPU: ") and " PID: " in text:
            dumping = "left" if take_left else "right"
        elif "</TASK>" in text:
            dumping = ""
        out.append(((f"T{46 if take_left else 47}" if callers else ""), text))
    return log(out)


@given(merged(LEFT, RIGHT, callers=True, whole_dumps=False))
def test_two_warnings_at_once_when_the_kernel_says_who_speaks_then_each_is_as_if_alone(text: str) -> None:
    assert {each.fingerprint for each in scan_kernel_log(text).findings} == {alone(LEFT), alone(RIGHT)}


@given(merged(LEFT, KASAN, callers=True, whole_dumps=False))
def test_warning_and_kasan_at_once_when_the_kernel_says_who_speaks_then_each_is_as_if_alone(text: str) -> None:
    assert {each.fingerprint for each in scan_kernel_log(text).findings} == {alone(LEFT), alone(KASAN)}


@given(merged(LEFT, RIGHT, callers=False, whole_dumps=True))
def test_two_warnings_at_once_when_only_their_dumps_are_whole_then_each_is_as_if_alone(text: str) -> None:
    assert {each.fingerprint for each in scan_kernel_log(text).findings} == {alone(LEFT), alone(RIGHT)}


@settings(max_examples=300)
@given(merged(LEFT, RIGHT, callers=False, whole_dumps=False))
def test_two_warnings_line_by_line_when_nothing_tells_them_apart_then_no_frame_is_given_to_the_wrong_one(
    text: str,
) -> None:
    found = [each.fingerprint for each in scan_kernel_log(text).findings]
    assert len(found) == 2
    for mark in (alone(LEFT), alone(RIGHT)):
        assert sum(same_complaint(mark, other) for other in found) == 1


def test_warnings_line_by_line_then_the_trace_is_said_to_be_unknown() -> None:
    both = [pair for lines in zip(LEFT, RIGHT, strict=False) for pair in (("", lines[0]), ("", lines[1]))]
    assert sorted(each.fingerprint for each in scan_kernel_log(log(both)).findings) == [
        f"WARNING|zoo_warn_left|{REST_UNKNOWN}", f"WARNING|zoo_warn_right|{REST_UNKNOWN}",
    ]  # fmt: skip


def test_report_in_an_interrupt_in_the_midst_of_another_then_both_are_found() -> None:
    at = next(nr for nr, line in enumerate(KASAN) if line == "Call Trace:")
    text = log(
        [("T48", line) for line in KASAN[:at]]
        + [("C1", line) for line in LEFT]
        + [("T48", line) for line in KASAN[at:]]
    )
    assert {each.fingerprint for each in scan_kernel_log(text).findings} == {alone(LEFT), alone(KASAN)}


def test_one_of_each_in_a_real_log_then_each_with_its_own_frames() -> None:
    found = {each.kind: each for each in scan_kernel_log((LOGS / f"{ONE_OF_EACH}.txt").read_text()).findings}
    assert (
        found[LogKind.LIST_CORRUPTION].fingerprint
        == "list corruption|zoo_list|zoo_sequence|kthread|ret_from_fork|ret_from_fork_asm"
    )
    assert found[LogKind.BAD_PAGE].fingerprint.endswith("|zoo_page|zoo_sequence")
    assert found[LogKind.BUG].fingerprint.startswith("BUG|zoo_locks|zoo_sequence|kthread")
    assert found[LogKind.KASAN].fingerprint.startswith("KASAN|zoo_slab|zoo_sequence|kthread")
    assert found[LogKind.RCU_STALL].fingerprint.startswith("RCU stall|delay_tsc|__const_udelay|zoo_spins|zoo_sequence")
    assert found[LogKind.OOPS].fingerprint.startswith("Oops|zoo_sequence|kthread")
    assert "Fatal exception" in "".join(found[LogKind.OOPS].lines)
    assert (
        found[LogKind.BAD_RSS].fingerprint
        == "bad rss counter|BUG: Bad rss-counter state mm:N type:MM_ANONPAGES val:N Comm:zoo-sequence Pid:N"
    )


def test_known_bad_42_in_a_real_log_then_its_use_after_free_begins_at_the_list() -> None:
    first, second = scan_kernel_log((LOGS / "real-7.2-debug-lru-del-skipped.txt").read_text()).findings
    assert first.fingerprint == "KASAN|__list_lru_add|list_lru_add|zswap_store|swap_writeout|shrink_folio_list"
    assert any(line.startswith("Freed by task") for line in first.lines)
    assert (second.kind, second.count) == (LogKind.BAD_SWAP, 10)


LEAK = """kmemleak: unreferenced object 0xffff88800bed14a0 (size 64):
kmemleak:   comm "mempress", pid 83, jiffies 4294939990
kmemleak:   hex dump (first 32 bytes):
kmemleak:     00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00  ................
kmemleak:   backtrace (crc 1b2c3d4e):
kmemleak:     kmem_cache_alloc_node_noprof+0x1d1/0x2a0
kmemleak:     zswap_store+0x2a0/0x6b1
kmemleak:     swap_writeout+0x122/0x208"""


def test_leaks_when_kmemleak_names_them_then_known_by_who_allocated_and_their_number_is_no_other_finding() -> None:
    text = f"{LEAK}\n{LEAK}\nkmemleak: 2 new suspected memory leaks (see /sys/kernel/debug/kmemleak)\nzswap: all well"
    (finding,) = scan_kernel_log(log([("", line) for line in text.splitlines()])).findings
    assert (finding.fingerprint, finding.count) == ("kmemleak|zswap_store|swap_writeout", 2)


TRACE = """CPU: 1 UID: 0 PID: 77 Comm: mempress Not tainted 7.2.12 #1
Call Trace:
 <TASK>
 dump_stack_lvl+0x5d/0x6f
 {}+0x2a0/0x6b1
 swap_writeout+0x122/0x208
 </TASK>"""

DOUBLE_FAULT = """traps: PANIC: double fault, error_code: 0x0
Oops: double fault: 0000 [#1] SMP
CPU: 1 UID: 0 PID: 77 Comm: mempress Not tainted 7.2.12 #1
RIP: 0010:zswap_store+0x2a0/0x6b1
Call Trace:
 <TASK>
 swap_writeout+0x122/0x208
 </TASK>
---[ end trace 0000000000000000 ]---
Kernel panic - not syncing: Fatal exception in interrupt"""

TOO_DEEP = f"""BUG: MAX_LOCK_DEPTH too low!
turning off the locking correctness validator.
depth: 48  max: 48!
48 locks held by mempress/77:
INFO: lockdep is turned off.
{TRACE.format("__lock_acquire")}"""

SLEEPS = f"""BUG: sleeping function called from invalid context at mm/zswap.c:7
in_atomic(): 1, irqs_disabled(): 0, non_block: 0, pid: 77, name: mempress
INFO: lockdep is turned off.
{TRACE.format("zswap_store")}"""


def kinds_and_marks(text: str) -> list[tuple[LogKind, str]]:
    findings = scan_kernel_log(log([("", line) for line in text.splitlines()])).findings
    return [(each.kind, each.fingerprint) for each in findings]


def test_double_fault_with_the_oops_and_the_panic_that_it_leads_to_is_one_complaint() -> None:
    assert kinds_and_marks(DOUBLE_FAULT) == [(LogKind.OOPS, "Oops|zswap_store|swap_writeout")]


def test_lock_depth_that_is_too_low_is_one_block_with_its_trace_and_known_by_the_limit() -> None:
    found = kinds_and_marks(f"{TOO_DEEP}\nzswap: all well")
    assert found == [(LogKind.LOCKDEP_LIMIT, "lockdep limit|BUG: MAX_LOCK_DEPTH too low!")]


def test_trace_below_a_limit_of_lockdep_is_not_given_to_another_complaint() -> None:
    chains = f"BUG: MAX_LOCKDEP_CHAINS too low!\n{TRACE.format('add_chain_cache')}"
    bad_page = "BUG: Bad page state in process mempress  pfn:0bb3a"
    found = kinds_and_marks(f"{bad_page}\n{chains}\n{TRACE.format('zs_free')}")
    assert found == [
        (LogKind.BAD_PAGE, "bad page state|zs_free|swap_writeout"),
        (LogKind.LOCKDEP_LIMIT, "lockdep limit|BUG: MAX_LOCKDEP_CHAINS too low!"),
    ]


def test_word_of_lockdep_in_the_midst_of_a_complaint_leaves_that_its_trace() -> None:
    assert kinds_and_marks(SLEEPS) == [
        (LogKind.BUG, "BUG|zswap_store|swap_writeout"),
        (LogKind.LOCKDEP_OFF, "lockdep off|INFO: lockdep is turned off."),
    ]


def test_panic_after_lockdep_s_own_word_belongs_to_what_led_to_it() -> None:
    text = f"{SLEEPS}\nINFO: lockdep is turned off.\nKernel panic - not syncing: kernel: panic on warn set"
    crash, off = scan_kernel_log(log([("", line) for line in text.splitlines()])).findings
    assert (crash.kind, off.count) == (LogKind.BUG, 2)
    assert crash.lines[-1].startswith("Kernel panic")
    assert off.lines == ("INFO: lockdep is turned off.",)


@pytest.mark.parametrize(
    "line",
    ["Write-error on swap-device (252:0:2048)", "mm/pgtable-generic.c:54: bad pmd 00000000f3a6b2c1(8000000012345067)"],
)
def test_one_line_in_the_midst_of_a_trace_then_both_are_as_if_alone(line: str) -> None:
    at = next(nr for nr, text in enumerate(KASAN) if text == "Call Trace:") + 2
    found = scan_kernel_log(log([("", text) for text in [*KASAN[:at], line, *KASAN[at:]]])).findings
    assert {each.fingerprint for each in found} == {alone(KASAN), alone([line])}
    assert [each.lines for each in found if each.kind is not LogKind.KASAN] == [(line,)]


def test_slab_error_of_the_old_allocator_has_the_trace_that_follows_it() -> None:
    text = (
        f"slab error in verify_redzone_free(): cache `kmalloc-64': double free detected\n{TRACE.format('zswap_store')}"
    )
    assert kinds_and_marks(text) == [(LogKind.BUG, "BUG|zswap_store|swap_writeout")]


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("shrink_memcg_cb.isra.0", "shrink_memcg_cb"),
        ("zswap_store.part.0.constprop.12", "zswap_store"),
        ("zswap_store.cold", "zswap_store"),
        ("zswap_load.llvm.123", "zswap_load"),
        ("is.odd", "is.odd"),
    ],
)
def test_plain_function(name: str, plain: str) -> None:
    assert plain_function(name) == plain


def test_same_complaint_when_both_are_known_then_only_if_equal() -> None:
    assert not same_complaint("WARNING|a|b", "WARNING|a")
    assert same_complaint("WARNING|a|~", "WARNING|a")
    assert not same_complaint("BUG|a|~", "WARNING|a")


@given(lines=st.lists(st.text(), max_size=20), kind=st.sampled_from(list(LogKind)), tangled=st.booleans())
def test_fingerprint_of_anything_begins_with_its_kind(lines: list[str], kind: LogKind, *, tangled: bool) -> None:
    mark = fingerprint(kind, lines[0] if lines else "", lines, tangled=tangled)
    assert mark.startswith(f"{kind}|")
    assert len(frames(kind, lines)) <= 5


WORDS = st.sampled_from(
    [
        *LEFT,
        *KASAN,
        *LEAK.splitlines(),
        *TOO_DEEP.splitlines(),
        *DOUBLE_FAULT.splitlines(),
        "x invoked oom-killer: gfp",
        "BUG: Bad page state in process x",
    ]
)


@given(st.lists(st.tuples(st.sampled_from(["", "T1", "C0"]), WORDS | st.text()), max_size=200))
def test_scan_of_pieces_in_any_order_never_fails_and_no_block_is_endless(pieces: list[tuple[str, str]]) -> None:
    for finding in scan_kernel_log(log(pieces)).findings:
        # Panics that belong to it come on top.
        assert len(finding.lines) <= BLOCK_LINES + len(pieces)
        assert finding.count >= 1


GARBAGE = {
    "stamps alone": "[    1.000000] \n",
    "open brackets": "[ ",
    "one line": "a",
    "warnings": "[    1.000000] WARNING: x\n",
    "heads and traces": "[    1.000000] BUG: a\n[    1.000000] CPU: 1 UID: 0 PID: 3 Comm: x\n[    1.000000] Call Trace:\n",
    "many callers": "".join(f"[    1.000000][ T{nr}] BUG: x\n" for nr in range(2000)),
    "hexadecimal": "[    1.000000] BUG: " + "1" * 2000 + "g\n",
    "tasks": "[    1.000000] BUG: KASAN: " + "by task " * 250 + "\n",
    "clones": "[    1.000000] Oops: x\n[    1.000000] Call Trace:\n[    1.000000]  " + "a.isra" * 300 + "+0x1/0x2\n",
    "places": "[    1.000000] " + "a.c:1" * 400 + "\n",
    "escapes": "\x1b[" + "1;" * 1000 + "\n",
}


@pytest.mark.parametrize("name", GARBAGE)
def test_scan_of_megabytes_of_garbage_comes_to_an_end_with_few_findings(name: str) -> None:
    # Not timed: what grew with the square of the length would not come back within the test session.
    piece = GARBAGE[name]
    scan = scan_kernel_log(f"{BANNER}\n{(piece * ((2 << 20) // len(piece) + 1))[: 2 << 20]}")
    assert len(scan.findings) <= FINDINGS


def test_scan_when_complaints_never_end_then_only_so_many_are_followed() -> None:
    lines = [("", f"BUG: Bad page state in process p{letter}") for letter in "ghijklmnopqrstuvwxyz"]
    assert len(scan_kernel_log(log(lines)).findings) == 20
    assert OPEN_BLOCKS < 20


def test_scan_when_there_are_more_kinds_than_are_shown_then_says_how_many() -> None:
    lines = [("", f"WARNING: {one}{two}") for one in "ghijklmnop" for two in "qrstuvwxyz"]
    scan = scan_kernel_log(log(lines))
    assert (len(scan.findings), scan.left_out) == (FINDINGS, 50)
