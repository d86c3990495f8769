"""A KERNEL'S COMPLAINT → THE LINES OF IT THAT A MAIL SHOWS: decoded, without what nobody reads there. Pure.

Kept are what happened, where (RIP), each call trace's first frames, and for a bad access who allocated and freed the
object. Left out are time stamps, registers, code bytes, the list of modules, frames that the unwinder doubts and those
of what reports (KASAN, printk, the entry code).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from orchestrator.report.mail.words import folded

FRAMES = 12
"""Frames of a call trace that are shown: a fault in mm is at the top, the system call at the bottom says little."""

SIDE_FRAMES = 4
LINES = 40

_TIME = re.compile(r"^(?:<\d+>)?\[\s*\d+\.\d+\](?:\[\s*[TC]\d+\])? ?")
_NOISE = re.compile(
    r"^\s*(?:Modules linked in|Code:|R[A-D1S][XPIS0-9]|RSP:|RBP:|R\d\d:|FS:|CS:|CR\d|DR\d|Hardware name:|PKRU"
    r"|Kernel Offset|---\[ end|-+\[ cut here|irq event|hardirqs last|softirqs last|[=-]{20,}$|Oops: .*SMP|EFLAGS"
    r"|Disabling lock debugging|ffff[0-9a-f]{12}: |>ffff|Memory state around|\s+\^$|RIP: 0033:|PGD |page: ?refcount"
    r"|flags: 0x|page_type: |raw: |page dumped because|page_owner |The buggy address belongs to the physical page)"
)
_FRAME = re.compile(
    r"^(?P<rip>\s*RIP: 0010:|\s+)(?P<doubt>\? )?(?P<name>[A-Za-z_][\w.]*)\+0x[0-9a-f]+/0x[0-9a-f]+(?: \[\w+\])?"
    r"(?: \((?P<where>[^()]{1,300}.*)\))?\s*$"
)
_REPORTERS = re.compile(
    r"^(?:dump_stack\w*|print_\w+|kasan_\w+|__kasan_\w+|check_region_inline|kasan_check_range|__asan_\w+"
    r"|report_bug|handle_bug|exc_\w+|asm_exc_\w+|__warn\w*|kmemleak_\w+|stack_trace_save|save_stack\w*"
    r"|show_stack|__die\w*|die\w*|page_fault_oops|poison_\w+|x64_sys_call|do_syscall_64|entry_SYSCALL\w+)(?:\.(?:constprop|isra|part|cold)[.\d]*)*$"
)
_TRACE = re.compile(r"^\s*(?:Call Trace:|Allocated by|Freed by|backtrace|Last potentially)")
_MAIN = re.compile(r"^\s*Call Trace:")


def shortened(lines: Sequence[str]) -> tuple[str, ...]:
    """Return the telling lines of a complaint, at most :data:`LINES`, none wider than a mail unless a path is."""
    told = list(_told(lines))
    if len(told) > LINES:
        told = [*told[:LINES], f"[{len(told) - LINES} more lines]"]
    return tuple(line for text in told for line in folded(text))


def _told(lines: Sequence[str]) -> Iterator[str]:
    room, left_out = FRAMES, 0
    for raw in lines:
        line = _TIME.sub("", raw).rstrip()
        if not line or _NOISE.match(line) or line.strip() in {"<TASK>", "</TASK>", "<IRQ>", "</IRQ>"}:
            continue
        frame = _FRAME.match(line)
        if frame is not None and not frame["rip"].strip():
            if frame["doubt"] or _REPORTERS.match(frame["name"]):
                continue
            room -= 1
            if room < 0:
                left_out += 1
                continue
            yield _frame(frame)
            continue
        if left_out:
            yield f" ... {left_out} more"
            left_out = 0
        if _TRACE.match(line):
            room = FRAMES if _MAIN.match(line) else SIDE_FRAMES
        yield _frame(frame) if frame is not None else line
    if left_out:
        yield f" ... {left_out} more"


def _frame(frame: re.Match[str]) -> str:
    """Return a frame as decode_stacktrace.sh writes it: ``zswap_load (mm/zswap.c:1650)``; with its offset if undecoded."""
    begin = "RIP: " if frame["rip"].strip() else " "
    if frame["where"]:
        return f"{begin}{frame['name']} ({frame['where']})"
    return f"{begin}{frame.group(0)[len(frame['rip']) :].strip()}"
