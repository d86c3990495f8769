"""What the kernel prints when something is wrong: the table that :mod:`orchestrator.judge.kernel_log` scans with.

Taken from the printing code of Linux 7.2 (``kernel/panic.c``, ``arch/x86/mm/fault.c``, ``mm/kasan/report.c``, ...) and
from older formats where they differ. Every pattern is matched at the beginning of a message, after its time stamp.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum


class LogKind(StrEnum):
    """What kind of trouble a kernel log shows."""

    KASAN = "KASAN"
    KFENCE = "KFENCE"
    KCSAN = "KCSAN"
    KMSAN = "KMSAN"
    UBSAN = "UBSAN"
    LOCKDEP = "lockdep"
    RCU_STALL = "RCU stall"
    SOFT_LOCKUP = "soft lockup"
    HARD_LOCKUP = "hard lockup"
    HUNG_TASK = "hung task"
    BAD_PAGE = "bad page state"
    BAD_RSS = "bad rss counter"
    BAD_SWAP = "bad swap entry"
    BAD_TABLE = "bad page table"
    SWAP_ERROR = "swap error"
    LIST_CORRUPTION = "list corruption"
    KMEMLEAK = "kmemleak"
    PANIC = "panic"
    OOPS = "Oops"
    BUG = "BUG"
    WARNING = "WARNING"
    REBOOT = "unexpected reboot"
    OOM_KILL = "out of memory kill"
    LOCKDEP_LIMIT = "lockdep limit"
    LOCKDEP_OFF = "lockdep off"

    @property
    def ends_machine(self) -> bool:
        """Whether it explains that a machine stopped answering."""
        return self in FATAL

    @property
    def is_crash(self) -> bool:
        """Whether it is the kernel's own failure; an out of memory kill may be what the workload asked for.

        What says that a detector does not look any more is nobody's failure either.
        """
        return self is not LogKind.OOM_KILL and self not in OF_THE_TOOL


FATAL = frozenset(
    {
        LogKind.PANIC, LogKind.OOPS, LogKind.BUG, LogKind.REBOOT, LogKind.LIST_CORRUPTION,
        LogKind.SOFT_LOCKUP, LogKind.HARD_LOCKUP, LogKind.HUNG_TASK, LogKind.RCU_STALL,
    }
)  # fmt: skip

OF_THE_TOOL = frozenset({LogKind.LOCKDEP_LIMIT, LogKind.LOCKDEP_OFF})
"""Kinds by which lockdep says that it has switched itself off (kernel/locking/lockdep.c): what follows it has not checked."""

ONE_LINE = frozenset(
    {
        LogKind.BAD_RSS, LogKind.BAD_SWAP, LogKind.BAD_TABLE, LogKind.SWAP_ERROR, LogKind.REBOOT, LogKind.LOCKDEP_OFF,
    }
)  # fmt: skip
"""Kinds that come without a call trace."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPattern:
    """A message that opens a finding; ``regex`` is matched at the beginning of the message."""

    kind: LogKind
    regex: re.Pattern[str]


def _pattern(kind: LogKind, regex: str) -> LogPattern:
    return LogPattern(kind=kind, regex=re.compile(regex))


_LOCKDEP = (
    r"WARNING: (?:possible (?:circular locking|recursive locking|irq lock inversion)|inconsistent lock state"
    r"|suspicious RCU usage|bad unlock balance|bad contention|held lock freed|lock held when returning"
    r"|Nested lock was not taken|chain_key collision|\S+-safe -> \S+-unsafe lock order|.* still has locks held)"
)

PATTERNS: tuple[LogPattern, ...] = (
    # The particular before the general: the first that matches names the kind.
    _pattern(LogKind.KASAN, r"BUG: KASAN: "),
    _pattern(LogKind.KFENCE, r"BUG: KFENCE: "),
    _pattern(LogKind.KCSAN, r"BUG: KCSAN: "),
    _pattern(LogKind.KMSAN, r"BUG: KMSAN: "),
    _pattern(LogKind.UBSAN, r"UBSAN: "),
    _pattern(LogKind.LOCKDEP, _LOCKDEP),
    _pattern(LogKind.LOCKDEP, r"\[ BUG: .* \]"),
    _pattern(LogKind.LOCKDEP, r"INFO: trying to register non-static key\."),
    # print_lockdep_off(): a table was too small. KERN_DEBUG, which a console shows from loglevel=8 on; debug_show_held_locks()
    # and debug_show_all_locks() (KERN_WARNING) say the same in each later report. A build mistake of ours, never a kernel's.
    _pattern(LogKind.LOCKDEP_LIMIT, r"BUG: MAX_(?:LOCKDEP_\w+|LOCK_DEPTH|STACK_TRACE_ENTRIES) too low!"),
    _pattern(LogKind.LOCKDEP_OFF, r"INFO: lockdep is turned off\."),
    _pattern(LogKind.RCU_STALL, r"(?:rcu: )?INFO: rcu\w* (?:self-)?detected (?:expedited )?stalls?\b"),
    _pattern(LogKind.SOFT_LOCKUP, r"(?:watchdog: )?BUG: soft lockup\b"),
    _pattern(LogKind.SOFT_LOCKUP, r"BUG: workqueue lockup\b"),
    _pattern(LogKind.SOFT_LOCKUP, r"(?:smp: )?csd: (?:Detected|Re-detected|Continued) non-responsive CSD lock\b"),
    _pattern(LogKind.HARD_LOCKUP, r"(?:NMI )?(?:watchdog: )?(?:CPU\d+: )?Watchdog detected hard LOCKUP"),
    _pattern(LogKind.HUNG_TASK, r"INFO: task .+:\d+ blocked (?:in I/O wait )?for more than \d+ seconds"),
    _pattern(LogKind.BAD_PAGE, r"BUG: Bad page (?:state|map|cache)\b"),
    _pattern(LogKind.BAD_RSS, r"BUG: (?:Bad rss-counter state|non-zero pgtables_bytes)"),
    # mm/swapfile.c names its function first: "_swap_info_get: Bad swap offset entry 3ffffffffffff".
    _pattern(LogKind.BAD_SWAP, r"(?:\w+: )?(?:[Bb]ad|Unused) swap (?:file|offset) entry"),
    # p?d_ERROR() and pte_ERROR() (arch/x86/include/asm/pgtable_64.h, by mm/pgtable-generic.c): "mm/pgtable-generic.c:54: bad pmd
    # 00000000f3a6b2c1(8000000012345067)".
    _pattern(LogKind.BAD_TABLE, r"[\w./-]{1,200}\.[ch]:\d{1,6}: bad p(?:te|md|ud|4d|gd) "),
    # mm/page_io.c, of a device: "Write-error on swap-device (252:0:2048)"; of a swap file (sio_write_complete()) the last.
    _pattern(LogKind.SWAP_ERROR, r"(?:Read|Write)-error on swap-device\b"),
    _pattern(LogKind.SWAP_ERROR, r"Write error -?\d+ on dio swapfile\b"),
    _pattern(LogKind.LIST_CORRUPTION, r"list_(?:add|del) (?:corruption|double add)"),
    # The leaks themselves, with kmemleak's "verbose" on, then their number.
    _pattern(LogKind.KMEMLEAK, r"kmemleak: unreferenced object\b"),
    _pattern(LogKind.KMEMLEAK, r"kmemleak: \d+ new suspected memory leaks"),
    _pattern(LogKind.PANIC, r"Kernel panic - not syncing\b"),
    # early_fixup_exception() (arch/x86/mm/extable.c), which halts; exc_double_fault() (arch/x86/kernel/traps.c) and fred_bad_type()
    # (arch/x86/entry/entry_fred.c) go on to die(), whose "Oops: double fault" is of the same complaint.
    _pattern(LogKind.PANIC, r"PANIC: early exception "),
    _pattern(LogKind.OOPS, r"(?:traps: )?PANIC: (?:double fault|invalid or fatal FRED event)\b"),
    _pattern(LogKind.BUG, r"BUG: (?:unable to handle|kernel NULL pointer)"),
    _pattern(LogKind.BUG, r"kernel BUG at "),
    _pattern(LogKind.OOPS, r"Oops: "),
    _pattern(LogKind.OOPS, r"(?:general protection fault|double fault|invalid opcode|stack segment)(?:,|:| )"),
    _pattern(LogKind.OOPS, r"[Uu]nable to handle (?:kernel|paging|page)"),
    _pattern(LogKind.BUG, r"BUG: "),
    # mm/slub.c: "BUG kmalloc-64 (Not tainted): Redzone overwritten".
    _pattern(LogKind.BUG, r"BUG \S+ \((?:Not tainted|Tainted|G|P)"),
    # mm/slab.c up to 6.7, __slab_error(): "slab error in verify_redzone_free(): cache `kmalloc-64': double free detected".
    _pattern(LogKind.BUG, r"slab error in \w+\(\): "),
    # But not what unwind_next_frame() (arch/x86/kernel/unwind_frame.c) says of a stack that it cannot follow. It cannot where an
    # interrupt came into an optimised kprobe's buffer, which keeps no frame pointer: our own probes, then.
    _pattern(LogKind.WARNING, r"WARNING: (?!kernel stack (?:regs|frame pointer) at )"),
    _pattern(LogKind.OOM_KILL, r".+ invoked oom-killer: "),
    _pattern(LogKind.OOM_KILL, r"oom-kill:"),
    _pattern(LogKind.OOM_KILL, r"(?:Memory cgroup out|Out) of memory(?: \([^)]*\))?: Killed process"),
)

ANY_PATTERN = re.compile("|".join(f"(?:{pattern.regex.pattern})" for pattern in PATTERNS))
"""Matches where one of the patterns does: almost all messages open nothing, and are asked only this."""

OOM_KILLED = re.compile(r"(?:Memory cgroup out|Out) of memory(?: \([^)]*\))?: Killed process")

CONSEQUENCE = re.compile(
    r"Kernel panic - not syncing: (?:Fatal |.*panic_on_|.*: panic on|softlockup: hung|hung_task: blocked|RCU Stall)"
)
"""A panic that another finding led to: it belongs to that one."""

REPORTING_FRAMES = re.compile(
    r"(?:dump_stack|show_stack|print_|kasan_|__kasan|__asan_|check_region|kfence_|ubsan_|__ubsan_|vpanic$|panic$|__warn"
    r"|report_bug|handle_bug|exc_|asm_exc_|die$|__die|oops_|bad_page$|check_noncircular|check_prev|validate_chain"
    r"|__lock_acquire|lock_acquire|mark_lock|mark_usage|lockdep_|__schedule_bug|__might_|watchdog|nmi_|rcu_|sched_show_task"
    r"|__list_(?:add|del|del_entry)_valid|fixup_exception|slab_err|__slab_err|object_err)"
)
"""Frames of the reporting machinery, which say nothing of where the trouble was; skipped at the top of a trace only."""

ALLOCATING_FRAMES = re.compile(
    r"(?:kmemleak_|__?kmalloc|kmalloc|kmem_cache_alloc|slab_|__kvmalloc|kvmalloc|__vmalloc|vmalloc|pcpu_)"
)
"""Frames of the allocators at the top of a leak's trace: who asked them is what matters."""

WAITING_FRAMES = re.compile(
    r"(?:__schedule$|schedule|io_schedule|context_switch|__switch_to|wait_for_|__wait_|do_wait_|msleep|__down)"
)
"""Frames at the top of a hung task's trace that only say that it waits."""
