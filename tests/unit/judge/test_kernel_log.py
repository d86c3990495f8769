"""The kernel-log scanner on real and on realistic console logs, named by what happened."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.judge.kernel_log import KernelLogScan, scan_kernel_log, told_where, with_kernel_log
from orchestrator.judge.log_patterns import LogKind
from orchestrator.model.trial import Status
from tests.unit.record_builder import BASE, spec, trial

LOGS = Path(__file__).parents[2] / "data" / "kernel-log"
BANNER = "[    0.000000] Linux version 7.2.12 (user@host)\n"


def scan(name: str) -> KernelLogScan:
    return scan_kernel_log((LOGS / f"{name}.txt").read_text())


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("clean", []),
        ("real-7.2-panic-no-root", [LogKind.PANIC]),
        ("real-7.2-panic-init-killed", [LogKind.PANIC]),
        ("real-7.2-warning-topology", [LogKind.WARNING]),
        ("real-7.2-memcg-oom", [LogKind.OOM_KILL]),
        ("real-7.2-global-oom", [LogKind.OOM_KILL, LogKind.OOM_KILL]),
        ("warning-zswap-swapoff", [LogKind.WARNING]),
        ("warning-zswap-swapoff-6.12-format-caller-id", [LogKind.WARNING]),
        ("warning-glued-to-program-text", [LogKind.WARNING]),
        ("warning-after-oom-kill", [LogKind.OOM_KILL, LogKind.WARNING]),
        ("null-dereference-then-panic", [LogKind.BUG]),
        ("list-corruption-bug", [LogKind.LIST_CORRUPTION]),
        ("kasan-use-after-free", [LogKind.KASAN]),
        ("lockdep-circular", [LogKind.LOCKDEP]),
        ("hung-task-and-rcu-stall", [LogKind.HUNG_TASK, LogKind.RCU_STALL, LogKind.SOFT_LOCKUP]),
        ("swap-and-rss-errors", [LogKind.BAD_SWAP, LogKind.BAD_SWAP, LogKind.BAD_RSS, LogKind.BAD_PAGE]),
        ("reboot-without-a-word", [LogKind.REBOOT]),
    ],
)
def test_scan_of_a_log_finds_what_happened(name: str, kinds: list[LogKind]) -> None:
    assert [finding.kind for finding in scan(name).findings] == kinds


def test_scan_when_text_only_speaks_of_bugs_then_clean() -> None:
    assert scan("clean").is_clean


@pytest.mark.parametrize(
    "line",
    [
        "DEBUG: x",
        "zswap: BUG: x",
        "see WARNING: x",
        "traps: a[1] general protection fault ip:0",
        "BUGGY: x",
        "Oopsie: x",
        "foo: INFO: task x:1 blocked for more than 60 seconds.",
        "null_blk: Write-error on swap-device (252:0:2048)",
        "see mm/x.c:1: bad pmd 0(0)",
        "mm/x.c:1: bad idea",
        "traps: PANIC button",
        "lockdep is turned off.",
    ],
)
def test_scan_when_a_message_does_not_begin_with_it_then_clean(line: str) -> None:
    assert scan_kernel_log(f"{BANNER}[    1.000000] {line}\n").is_clean


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("BUG: KFENCE: use-after-free read in zswap_load+0x1/0x2", LogKind.KFENCE),
        ("UBSAN: array-index-out-of-bounds in mm/zswap.c:10:3", LogKind.UBSAN),
        ("WARNING: possible recursive locking detected", LogKind.LOCKDEP),
        ("WARNING: inconsistent lock state", LogKind.LOCKDEP),
        ("WARNING: suspicious RCU usage", LogKind.LOCKDEP),
        ("[ BUG: Invalid wait context ]", LogKind.LOCKDEP),
        ("rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:", LogKind.RCU_STALL),
        ("watchdog: CPU1: Watchdog detected hard LOCKUP on cpu 1", LogKind.HARD_LOCKUP),
        ("INFO: task a b:7 blocked in I/O wait for more than 120 seconds.", LogKind.HUNG_TASK),
        ("list_add corruption. prev is NULL.", LogKind.LIST_CORRUPTION),
        ("Oops: general protection fault, probably for non-canonical address 0xdead: 0000 [#1] SMP", LogKind.OOPS),
        ("BUG: unable to handle page fault for address: ffffc90000200000", LogKind.BUG),
        ("BUG: sleeping function called from invalid context at mm/zswap.c:7", LogKind.BUG),
        ("BUG zswap_entry (Not tainted): Redzone overwritten", LogKind.BUG),
        ("kernel BUG at mm/zswap.c:100!", LogKind.BUG),
        ("kmemleak: 3 new suspected memory leaks (see /sys/kernel/debug/kmemleak)", LogKind.KMEMLEAK),
        ("Unused swap offset entry 00000042", LogKind.BAD_SWAP),
        ("Write-error on swap-device (252:0:2048)", LogKind.SWAP_ERROR),
        ("Read-error on swap-device (252:0:2048)", LogKind.SWAP_ERROR),
        ("Read-error on swap-device", LogKind.SWAP_ERROR),
        ("Write error -28 on dio swapfile (4096)", LogKind.SWAP_ERROR),
        ("mm/pgtable-generic.c:54: bad pmd 00000000f3a6b2c1(8000000012345067)", LogKind.BAD_TABLE),
        ("mm/memory.c:199: bad pud (____ptrval____)(0000000000000067)", LogKind.BAD_TABLE),
        ("mm/pgtable-generic.c:29: bad pgd 0000000012345003.", LogKind.BAD_TABLE),
        ("slab error in verify_redzone_free(): cache `kmalloc-64': double free detected", LogKind.BUG),
        ("BUG <unknown> (Not tainted): No slab cache for object 0x00000000f3a6b2c1", LogKind.BUG),
        ("traps: PANIC: double fault, error_code: 0x0", LogKind.OOPS),
        ("PANIC: double fault, error_code: 0x0", LogKind.OOPS),
        ("PANIC: early exception 0x0e IP 10:ffffffff81e0a3c1 error 0 cr2 0x10", LogKind.PANIC),
        ("BUG: MAX_LOCKDEP_CHAINS too low!", LogKind.LOCKDEP_LIMIT),
        ("BUG: MAX_LOCKDEP_CHAIN_HLOCKS too low!", LogKind.LOCKDEP_LIMIT),
        ("BUG: MAX_LOCKDEP_ENTRIES too low!", LogKind.LOCKDEP_LIMIT),
        ("BUG: MAX_LOCKDEP_KEYS too low!", LogKind.LOCKDEP_LIMIT),
        ("BUG: MAX_STACK_TRACE_ENTRIES too low!", LogKind.LOCKDEP_LIMIT),
        ("BUG: MAX_LOCK_DEPTH too low!", LogKind.LOCKDEP_LIMIT),
        ("INFO: lockdep is turned off.", LogKind.LOCKDEP_OFF),
        ("BUG: looking up invalid subclass: 8", LogKind.BUG),
    ],
)
def test_scan_of_a_single_line_then_its_kind(line: str, kind: LogKind) -> None:
    for stamp in ("[    1.000000] ", "[    1.000000][   T71] ", "[   12.000000][    C1] "):
        assert [finding.kind for finding in scan_kernel_log(BANNER + stamp + line).findings] == [kind]


@pytest.mark.parametrize(
    "line",
    [
        # A trial of an unpatched kernel, debug flavour: the timer's interrupt came into an optimised kprobe's buffer.
        "WARNING: kernel stack regs at 000000008310d018 in mempress:102 has bad 'bp' value 000000009db44322",
        "WARNING: kernel stack frame pointer at 000000008310d018 in mempress:102 has bad value 000000009db44322",
    ],
)
def test_scan_when_the_unwinder_lost_its_way_then_clean(line: str) -> None:
    dump = "unwind stack type:1 next_sp:0000000000000000 mask:0x6 graph_idx:0"
    log = f"{BANNER}[   47.372471] {line}\n[   47.372506] {dump}\n"
    assert scan_kernel_log(log).is_clean


@pytest.mark.parametrize("line", ["BUG: MAX_LOCKDEP_CHAINS too low!", "INFO: lockdep is turned off."])
def test_trial_when_lockdep_switched_itself_off_then_passes_and_a_skip_says_what_was_not_checked(line: str) -> None:
    scan = scan_kernel_log(f"{BANNER}[    1.000000] {line}\n")
    result = with_kernel_log(trial(spec(BASE), {"zswpwb": 1}), scan)
    (check,) = [check for check in result.checks if check.name.startswith("kernel log")]
    assert (result.status, check.status) == (Status.PASS, Status.SKIP)
    assert check.name.startswith("kernel log: lockdep ")
    assert "switched itself off" in check.message
    assert line in check.message


def test_early_exception_that_has_no_time_stamp_is_found_and_known_by_where_it_was() -> None:
    # early_printk() writes the first line past printk; show_regs() prints the others.
    log = f"""{BANNER}[    0.010000] Memory: 980000K/1048576K available
PANIC: early exception 0x0e IP 10:ffffffff81e0a3c1 error 0 cr2 0x10
[    0.020000] CPU: 0 UID: 0 PID: 0 Comm: swapper Not tainted 7.2.12 #1
[    0.020001] RIP: 0010:zswap_setup+0x21/0x90
[    0.020002] Call Trace:
[    0.020003]  <TASK>
[    0.020004]  start_kernel+0x3c1/0x5d0
[    0.020005]  </TASK>
"""
    (finding,) = scan_kernel_log(log).crashes
    assert finding.kind.ends_machine
    assert finding.fingerprint == "panic|zswap_setup|start_kernel"


def test_swap_errors_of_one_device_are_one_finding_that_fails_the_trial() -> None:
    lines = [f"[    1.{at:06}] Write-error on swap-device (252:0:{8 * at})\n" for at in range(3)]
    result = with_kernel_log(trial(spec(BASE), {"zswpwb": 1}), scan_kernel_log(BANNER + "".join(lines)))
    (check,) = [check for check in result.checks if check.name == "kernel log: swap error"]
    assert (result.status, check.status) == (Status.FAIL, Status.FAIL)
    assert "(3 times)" in check.message


@pytest.mark.parametrize("text", ["", "\n\r\n", "SeaBIOS\nBooting from ROM..", "[    1.000000] no banner\n"])
def test_scan_when_there_is_no_kernel_log_then_a_problem_and_not_clean(text: str) -> None:
    result = scan_kernel_log(text)
    assert result.problem
    assert not result.is_clean


def test_fingerprint_when_only_offsets_clones_and_formats_differ_then_equal() -> None:
    new, old = scan("warning-zswap-swapoff"), scan("warning-zswap-swapoff-6.12-format-caller-id")
    assert new.findings[0].fingerprint == old.findings[0].fingerprint
    assert new.findings[0].fingerprint.startswith("WARNING|zswap_swapoff|__do_sys_swapoff|__x64_sys_swapoff")


def test_fingerprint_of_kasan_begins_below_the_reporting_frames() -> None:
    assert scan("kasan-use-after-free").findings[0].fingerprint.startswith("KASAN|zswap_decompress|zswap_load")


def test_block_of_a_warning_goes_from_cut_here_to_end_trace() -> None:
    lines = scan("warning-zswap-swapoff").findings[0].lines
    assert "cut here" in lines[0]
    assert "end trace" in lines[-1]


def test_block_of_a_warning_with_a_message_holds_the_message() -> None:
    assert any("not on the same node" in line for line in scan("real-7.2-warning-topology").findings[0].lines)


def test_panic_that_an_oops_led_to_belongs_to_the_oops() -> None:
    assert "Fatal exception" in scan("null-dereference-then-panic").findings[0].lines[-1]


def test_warning_after_an_oom_kill_is_no_crash() -> None:
    result = scan("warning-after-oom-kill")
    assert result.findings[1].after_oom
    assert not result.crashes


def test_oom_kill_is_titled_by_who_was_killed() -> None:
    assert scan("real-7.2-memcg-oom").findings[0].title.startswith("Memory cgroup out of memory: Killed process 36")


def test_same_finding_twice_is_counted_and_shown_once() -> None:
    text = (LOGS / "warning-zswap-swapoff.txt").read_text()
    again = text.partition("Run /init as init process\n")[2]
    findings = scan_kernel_log(text + again).findings
    assert [finding.count for finding in findings] == [2]


def test_trial_that_passed_when_the_kernel_complained_then_fails() -> None:
    result = with_kernel_log(trial(spec(BASE), {"zswpwb": 1}), scan("warning-zswap-swapoff"))
    assert result.status is Status.FAIL
    assert result.kernel_log
    assert result.checks[-1].fingerprint.startswith("WARNING|zswap_swapoff")


def test_trial_that_we_lost_when_the_kernel_panicked_then_fails() -> None:
    lost = trial(spec(BASE), status=Status.ERROR, message="QEMU ended")
    assert with_kernel_log(lost, scan("real-7.2-panic-init-killed")).status is Status.FAIL


def test_trial_that_we_lost_when_the_kernel_only_warned_then_still_our_error() -> None:
    lost = trial(spec(BASE), status=Status.ERROR, message="QEMU ended")
    assert with_kernel_log(lost, scan("real-7.2-warning-topology")).status is Status.ERROR


def test_trial_that_passed_when_the_scanner_could_not_work_then_error() -> None:
    assert with_kernel_log(trial(spec(BASE), {"zswpwb": 1}), scan_kernel_log("")).status is Status.ERROR


def test_trial_that_passed_when_the_guest_ran_out_of_memory_then_passes() -> None:
    assert with_kernel_log(trial(spec(BASE), {"zswpwb": 1}), scan("real-7.2-memcg-oom")).status is Status.PASS


@given(st.text())
def test_scan_of_any_text_never_fails(text: str) -> None:
    scan_kernel_log(text)
    scan_kernel_log(BANNER + "[    1.000000] " + text)


def test_scan_when_the_console_dropped_messages_then_a_problem_and_what_was_seen_stands() -> None:
    result = scan_kernel_log(f"{BANNER}** 12 printk messages dropped **\n[    1.000000] WARNING: x\n")
    assert "12 messages of the kernel are missing" in result.problem
    assert with_kernel_log(trial(spec(BASE), {"zswpwb": 1}), result).status is Status.FAIL


def test_scan_when_the_last_mark_is_not_there_then_the_log_was_cut() -> None:
    said = f"{BANNER}[    1.000000] orchestrator: sealed-end\n"
    assert scan_kernel_log(said, last_mark="sealed-end").is_clean
    assert "was cut" in scan_kernel_log(BANNER, last_mark="sealed-end").problem


def test_told_where_then_frames_of_what_is_blamed_have_their_lines_and_the_fingerprint_stays() -> None:
    result = with_kernel_log(trial(spec(BASE), {"zswpwb": 1}), scan("warning-zswap-swapoff"))
    told = told_where(result, lambda lines: [f"{line} (here)" for line in lines])
    assert all(line.endswith(" (here)") for line in (*told.checks[-1].detail, *told.kernel_log))
    assert told.checks[-1].fingerprint == result.checks[-1].fingerprint
