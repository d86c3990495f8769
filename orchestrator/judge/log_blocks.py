"""MESSAGES → BLOCKS: the lines of each complaint, also where two CPUs complain at the same time.

Where the kernel says who speaks (CONFIG_PRINTK_CALLER), each speaker's lines are read by themselves. Where it does not,
what the lines say is gone by: a complaint's first line and the head of its stack dump name the CPU or the task, a frame
belongs to the dump that has begun and not ended. Two dumps that are written at the same time cannot be told apart then;
both blocks are marked ``tangled``, and nothing is read out of their frames.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from orchestrator.judge.log_lines import Message
from orchestrator.judge.log_patterns import (
    ANY_PATTERN,
    CONSEQUENCE,
    OF_THE_TOOL,
    ONE_LINE,
    OOM_KILLED,
    PATTERNS,
    LogKind,
)

BLOCK_LINES = 400
"""Where a block that never ends is cut; KASAN's reports have up to 200 lines."""
TRACELESS_LINES = 12
"""What is kept of a block without a call trace; more would be ordinary messages."""
HEAD_LINES = 60
"""Where a block is cut whose call trace does not come."""
OPEN_BLOCKS = 8
"""How many complaints are followed at a time."""

_CUT_HERE = "------------[ cut here ]------------"
_END = re.compile(r"---\[ end (?:trace|Kernel panic)")
_RULE = re.compile(r"={20,}+$")
_DUMP_HEAD = re.compile(r"CPU: (?P<cpu>\d++) (?:UID: \d++ )?PID: (?P<pid>\d++) ")
_TRACE = ("Call Trace:", " <TASK>", "Call trace:")
_OF_A_DUMP = re.compile(
    r"(?:CPU: \d|Call Trace:|Call trace:| </?(?:TASK|IRQ|NMI|SOFTIRQ|EOI)>|\s++(?:\? )?[\w.]++\+0x[0-9a-f]++/0x|RIP: |Code: "
    r"|R[A-Z0-9]{2}: |[CFDE]S:|CR2: |Modules linked in|Hardware name: |Workqueue: |Tainted: )"
)
_WHO = re.compile(
    r".*?(?:CPU#(?P<cpu>\d++): [^/]*+/(?P<pid>\d++)$|by task [^/]*+/(?P<by>\d++)$"
    r"|CPU#(?P<stuck>\d++) stuck for \d++s! \[.*:(?P<stuck_pid>\d++)\]$)"
)
_CONTINUES = {
    # "BUG: unable to handle ..." and "list_del corruption" are followed by their Oops or WARNING, then the trace.
    LogKind.LIST_CORRUPTION: frozenset({LogKind.BUG, LogKind.WARNING, LogKind.OOPS}),
    LogKind.BUG: frozenset({LogKind.OOPS, LogKind.WARNING}),
    LogKind.OOPS: frozenset({LogKind.OOPS}),
    # __lock_acquire() shows all locks where one task holds too many, when lockdep is off already.
    LogKind.LOCKDEP_LIMIT: frozenset({LogKind.LOCKDEP_OFF}),
}
_OF_SLUB = re.compile(r"BUG \S")
"""mm/slub.c, slab_bug(): "BUG kmalloc-64 (Not tainted): ..."; what is known of the object follows, then a WARNING."""
_RULED = frozenset({LogKind.KASAN, LogKind.KFENCE, LogKind.KCSAN})
"""Kinds whose reports stand between two rules."""
_LONG_HEADS = frozenset({LogKind.LOCKDEP, LogKind.LOCKDEP_LIMIT, LogKind.OOM_KILL, LogKind.RCU_STALL})
"""Kinds that have much to say before their call trace."""


@dataclass(slots=True)
class Block:
    """The lines of one complaint. ``start`` is the index of its first line among the messages."""

    kind: LogKind
    title: str
    start: int
    lines: list[str]
    cpu: str = ""
    pid: str = ""
    dumping: bool = False
    traced: bool = False
    trace_over: bool = False
    tangled: bool = False

    def is_followed_by(self, kind: LogKind) -> bool:
        """Whether a message that would open a block of ``kind`` is this complaint's next line."""
        if kind is LogKind.WARNING and self.kind is LogKind.BUG and not _OF_SLUB.match(self.title):
            return False
        if self.kind is LogKind.OOM_KILL:
            return kind is LogKind.OOM_KILL
        return not self.traced and kind in _CONTINUES.get(self.kind, frozenset())

    def is_of(self, cpu: str, pid: str) -> bool:
        """Whether a stack dump of that CPU and task can be this block's."""
        return not self.dumping and self.cpu in {"", cpu} and self.pid in {"", pid}

    def add(self, text: str) -> bool:
        """Add a line; return whether the block is complete."""
        self.lines.append(text)
        self.traced = self.traced or text.startswith(_TRACE)
        self.dumping = self.dumping or self.traced
        self.trace_over = self.trace_over or (self.traced and text.strip() == "</TASK>")
        if len(self.lines) >= (BLOCK_LINES if self.traced or self.kind in _LONG_HEADS else HEAD_LINES):
            return True
        if self.kind is LogKind.OOM_KILL:
            return bool(OOM_KILLED.match(text))
        if self.kind in ONE_LINE or _END.match(text):
            return True
        if self.kind in _RULED:
            return bool(_RULE.match(text))
        # An Oops and a WARNING go on after their first trace, up to the "end trace" line.
        return self.trace_over and not self._has_end_line()

    def _has_end_line(self) -> bool:
        # A WARN's "cut here" may have gone to another CPU's complaint.
        has_one = self.kind in {LogKind.WARNING, LogKind.UBSAN, LogKind.OOPS}
        return has_one or any(line == _CUT_HERE or line.startswith("Oops: ") for line in self.lines[:40])


def cut_blocks(messages: Sequence[Message]) -> list[Block]:
    """Return the complaints in the order of their first lines."""
    cutters: dict[str, _Cutter] = {}
    for index, message in enumerate(messages):
        cutters.setdefault(message.caller, _Cutter()).feed(index, message.text)
    blocks = [block for cutter in cutters.values() for block in cutter.finish()]
    return sorted(blocks, key=lambda block: block.start)


def kind_of(text: str) -> LogKind | None:
    """Return which kind of complaint a message opens; None when it opens none."""
    if not ANY_PATTERN.match(text):
        return None
    return next((pattern.kind for pattern in PATTERNS if pattern.regex.match(text)), None)


@dataclass(slots=True)
class _Cutter:
    """Cuts the messages of one speaker, or of all where the kernel does not say who speaks. The last of ``_open`` speaks."""

    _open: list[Block] = field(default_factory=list)
    _done: list[Block] = field(default_factory=list)
    _lead: list[str] = field(default_factory=list)
    _last: Block | None = None

    def feed(self, index: int, text: str) -> None:
        self._end_leak(text)
        kind = kind_of(text)
        if kind is None:
            self._plain(text)
        elif kind is LogKind.PANIC and self._last is not None and CONSEQUENCE.match(text):
            self._last.lines.append(text)
        elif self._open and self._open[-1].is_followed_by(kind):
            self._add(self._open[-1], text)
        elif kind is LogKind.KMEMLEAK and self._last is not None and _sums_up(text, self._last):
            self._last.lines.append(text)
        else:
            self._begin(index, kind, text)

    def finish(self) -> list[Block]:
        """Return all blocks; what has not ended yet ends here."""
        done, self._open = [*self._done, *self._open], []
        return done

    def _begin(self, index: int, kind: LogKind, text: str) -> None:
        # Those that are open stay so: their stack dumps may still be to come.
        block = Block(kind=kind, title=text.strip(), start=index - len(self._lead), lines=self._lead)
        self._lead = []
        if who := _WHO.match(text):
            block.cpu = who["cpu"] or who["stuck"] or ""
            block.pid = who["pid"] or who["by"] or who["stuck_pid"] or ""
        self._open.append(block)
        # A panic is nothing that a detector's end has led to.
        self._last = self._last if kind in OF_THE_TOOL else block
        if len(self._open) > OPEN_BLOCKS:
            self._done.append(self._open.pop(0))
        self._add(block, text)

    def _plain(self, text: str) -> None:
        if text == _CUT_HERE and not (self._open and self._open[-1].is_followed_by(LogKind.WARNING)):
            self._lead = [text]
            return
        of_a_dump = bool(_OF_A_DUMP.match(text))
        if self._lead and not of_a_dump:
            # A WARN's own message stands between "cut here" and its header.
            self._lead = [*self._lead, text] if len(self._lead) < TRACELESS_LINES else []
            return
        block = self._speaker(text, of_a_dump=of_a_dump)
        if block is not None:
            self._add(block, text)

    def _speaker(self, text: str, *, of_a_dump: bool) -> Block | None:
        """Return whose line this is."""
        if not self._open:
            return None
        if head := _DUMP_HEAD.match(text):
            fitting = [block for block in self._open if block.is_of(head["cpu"], head["pid"])]
            named = [block for block in fitting if block.pid == head["pid"]]
            block = (named or fitting or self._open)[-1]
            block.cpu, block.pid, block.dumping = head["cpu"], head["pid"], True
            self._open.remove(block)
            self._open.append(block)
            return block
        if _END.match(text):
            over = [block for block in self._open if block.trace_over]
            traced = [block for block in self._open[::-1] if block.traced or block.kind is LogKind.PANIC]
            # Where it fits nobody it is the end of a block that was taken to be complete before.
            return next(iter([*over, *traced]), None)
        if not of_a_dump:
            return self._open[-1]
        dumping = [block for block in self._open if block.dumping and not block.trace_over]
        if len(dumping) > 1:
            for block in dumping:
                block.tangled = True
        return dumping[-1] if dumping else self._open[-1]

    def _add(self, block: Block, text: str) -> None:
        if block.add(text):
            self._open.remove(block)
            self._done.append(block)

    def _end_leak(self, text: str) -> None:
        """End a leak's report, which has no last line: it is over with the first that is not kmemleak's."""
        for block in [block for block in self._open if block.kind is LogKind.KMEMLEAK]:
            if not text.startswith("kmemleak:   "):
                self._open.remove(block)
                self._done.append(block)


def _sums_up(text: str, last: Block) -> bool:
    """Whether kmemleak's count follows the leaks that it counts."""
    return "new suspected memory leaks" in text and last.kind is LogKind.KMEMLEAK
