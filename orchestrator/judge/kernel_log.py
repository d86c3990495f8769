"""KERNEL LOG → FINDINGS: reads a console log and says what the kernel complained of.

Pure: text in, values out. A scanner that could not work (no log, not a kernel's log) says so and is never taken for a
clean log. What a guest's programs write to the same console bears no time stamp and is not the kernel's word.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from orchestrator.judge.log_patterns import (
    CONSEQUENCE,
    ONE_LINE,
    OOM_KILLED,
    PATTERNS,
    REPORTING_FRAMES,
    LogKind,
)
from orchestrator.model.trial import Check, Status, TrialResult

CHECK_NAME = "kernel log"
BLOCK_LINES = 150
"""Where a block that never ends is cut."""
TRACELESS_LINES = 12
"""What is kept of a block without a call trace; more would be ordinary messages."""
FRAMES = 5

# "[    1.234567] ", with CONFIG_PRINTK_CALLER "[    1.234567][    T1] ". Searched for anywhere in the line: a program
# that wrote no line feed leaves its text in front of the kernel's.
_STAMP = re.compile(r"\[ *\d+\.\d{6}\](?:\[ *[TC]\d+\])? ?")
_BANNER = re.compile(r"Linux version \d")
_CUT_HERE = "------------[ cut here ]------------"
_END = re.compile(r"---\[ end (?:trace|Kernel panic)")
_RULE = re.compile(r"={20,}$")
_FRAME = re.compile(r"\s+(?:<\w+> )?(?P<name>[\w.]+)\+0x[0-9a-f]+/0x[0-9a-f]+(?: \[\w+\])?\s*$")
_RIP = re.compile(r"RIP: 0010:(?P<name>[\w.]+)\+0x")
_CLONE = re.compile(r"\.(?:isra|constprop|part|cold|lto_priv|llvm)(?:\.\d+)?")
_NUMBER = re.compile(r"\b(?:0x)?[0-9a-f]*\d[0-9a-f]*(?=\b|kB)")
_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFinding:
    """One complaint of the kernel: its first line, the block of lines, and a ``fingerprint`` to know it again by.

    ``count`` is how often it was seen; ``after_oom`` says that the guest had run out of memory before, and then nothing
    is blamed on the kernel.
    """

    kind: LogKind
    title: str
    lines: tuple[str, ...]
    fingerprint: str
    after_oom: bool = False
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelLogScan:
    """What a scan gave. ``problem`` says why the scanner could not work, "" when it did."""

    findings: tuple[LogFinding, ...] = ()
    problem: str = ""

    @property
    def is_clean(self) -> bool:
        """Whether the scanner worked and the kernel had nothing to complain of."""
        return not self.problem and not self.crashes

    @property
    def crashes(self) -> tuple[LogFinding, ...]:
        """What a kernel may be blamed for."""
        return tuple(finding for finding in self.findings if finding.kind.is_crash and not finding.after_oom)


def scan_kernel_log(text: str) -> KernelLogScan:
    """Return what the kernel complained of in a console log."""
    lines = [_ANSI.sub("", line.rstrip("\r")) for line in text.split("\n")]
    if not any(line.strip() for line in lines):
        return KernelLogScan(problem="the console log is empty")
    messages = _kernel_messages(lines)
    banners = [index for index, message in enumerate(messages) if _BANNER.match(message)]
    if not banners:
        return KernelLogScan(problem="the console log has no kernel banner: the kernel never spoke, or the log was cut")
    # A block is complete only when the whole log was read: a panic may still be added to it.
    findings = [_as_finding(block) for block in list(_blocks(messages[banners[0] :]))]
    findings += [_reboot(messages, again) for again in banners[1:]]
    return KernelLogScan(findings=_without_repeats(_marked_after_oom(findings)))


def with_kernel_log(result: TrialResult, scan: KernelLogScan) -> TrialResult:
    """Return ``result`` with a check for every complaint of the kernel, and its status changed where they say so.

    A splat fails a trial whatever the test said. A trial that was lost (ERROR) is FAIL when the kernel's end explains
    the loss. A scanner that could not work makes it ERROR.
    """
    if scan.problem:
        check = Check(name=CHECK_NAME, status=Status.ERROR, message=scan.problem)
        status = Status.ERROR if result.status in {Status.PASS, Status.DONE} else result.status
        message = result.message if status is result.status else scan.problem
        return dataclasses.replace(result, checks=(*result.checks, check), status=status, message=message)
    checks = tuple(_as_check(finding) for finding in scan.findings) or (Check(name=CHECK_NAME, status=Status.PASS),)
    crashes = scan.crashes
    blocks = tuple(line for finding in scan.findings for line in finding.lines)
    result = dataclasses.replace(result, checks=(*result.checks, *checks), kernel_log=blocks)
    fails = result.status in {Status.PASS, Status.DONE} and crashes
    explains = result.status is Status.ERROR and any(crash.kind.ends_machine for crash in crashes)
    if fails or explains:
        return dataclasses.replace(result, status=Status.FAIL, message=f"kernel log: {crashes[0].title}")
    return result


def _as_check(finding: LogFinding) -> Check:
    blameless = finding.after_oom or not finding.kind.is_crash
    note = " (after an out of memory kill: not blamed)" if finding.after_oom else ""
    return Check(
        name=f"{CHECK_NAME}: {finding.kind}",
        status=Status.SKIP if blameless else Status.FAIL,
        message=finding.title + note,
        fingerprint=finding.fingerprint,
        detail=finding.lines,
    )


def _kernel_messages(lines: Sequence[str]) -> list[str]:
    """Return the kernel's messages without their time stamps; all lines where the kernel prints none."""
    stamped = [(match, line) for line in lines if (match := _STAMP.search(line))]
    if any(_BANNER.match(line) for line in lines):
        return list(lines)
    return [line[match.end() :] for match, line in stamped]


@dataclass(slots=True)
class _Block:
    """The lines of one complaint, while they are gathered."""

    kind: LogKind
    title: str
    lines: list[str]
    traced: bool = False
    rules: int = 0

    def takes(self, kind: LogKind | None, message: str) -> bool:
        """Whether a message that would open a block of ``kind`` still belongs to this one."""
        if self.kind is LogKind.OOM_KILL:
            return kind in {None, LogKind.OOM_KILL}
        if kind is None:
            return not (message == _CUT_HERE and self.traced)
        if kind is LogKind.PANIC:
            return bool(CONSEQUENCE.match(message))
        # "BUG: unable to handle ..." and "list_del corruption" are followed by their Oops or WARNING, then the trace.
        return not self.traced and kind in {LogKind.OOPS, LogKind.WARNING, LogKind.BUG}

    def add(self, message: str) -> bool:
        """Add a line; return whether the block is complete."""
        self.lines.append(message)
        self.traced = self.traced or message.startswith(("Call Trace:", " <TASK>", "Call trace:"))
        self.rules += bool(_RULE.match(message))
        if self.kind is LogKind.OOM_KILL:
            return bool(OOM_KILLED.match(message)) or len(self.lines) >= 2 * BLOCK_LINES
        return self._is_over(message) or len(self.lines) >= BLOCK_LINES

    def _is_over(self, message: str) -> bool:
        if self.kind in ONE_LINE or _END.match(message):
            return True
        if self.kind in {LogKind.KASAN, LogKind.KFENCE, LogKind.KCSAN}:
            return self.rules > 0
        # An Oops goes on after its first trace, up to the "end trace" line.
        return self.traced and message.strip() == "</TASK>" and not self._has_end_line()

    def _has_end_line(self) -> bool:
        return any(line == _CUT_HERE or line.startswith("Oops: ") for line in self.lines)


def _blocks(messages: Sequence[str]) -> Iterator[_Block]:
    """Cut the messages that belong to complaints out of a log, in order."""
    block: _Block | None = None
    lead: list[str] = []
    last: _Block | None = None
    for message in messages:
        kind = _kind_of(message)
        if block is None and last is not None and kind is LogKind.PANIC and CONSEQUENCE.match(message):
            last.lines.append(message)
            continue
        if block is not None and not block.takes(kind, message):
            yield block
            block, lead = None, []
        if block is None and kind is None:
            lead = _lead(lead, message)
            continue
        if block is None and kind is not None:
            block = last = _Block(kind=kind, title=message.strip(), lines=lead)
            lead = []
        if block is not None and block.add(message):
            yield block
            block = None
    if block is not None:
        yield block


def _lead(lead: list[str], message: str) -> list[str]:
    """Return the lines from a "cut here" on: a WARN's own message stands between that and its header."""
    if message == _CUT_HERE:
        return [message]
    return [*lead, message] if lead and len(lead) < TRACELESS_LINES else []


def _kind_of(message: str) -> LogKind | None:
    return next((pattern.kind for pattern in PATTERNS if pattern.regex.match(message)), None)


def _as_finding(block: _Block) -> LogFinding:
    lines = block.lines if block.traced or block.kind is LogKind.OOM_KILL else block.lines[:TRACELESS_LINES]
    title = next((line for line in lines if OOM_KILLED.match(line)), block.title)
    return LogFinding(
        kind=block.kind, title=title, lines=tuple(lines), fingerprint=_fingerprint(block.kind, title, lines)
    )


def _fingerprint(kind: LogKind, title: str, lines: Sequence[str]) -> str:
    """Return the kind and the first frames of the first trace; the title without numbers where there are none.

    Offsets, and the suffixes that compilers give to clones of functions, differ between builds of the same code.
    """
    frames = [] if kind is LogKind.OOM_KILL else _frames(lines)
    return f"{kind}|{'|'.join(frames)}" if frames else f"{kind}|{_NUMBER.sub('N', title)}"


def _frames(lines: Sequence[str]) -> list[str]:
    names: list[str] = []
    in_trace = False
    for line in lines:
        if (rip := _RIP.match(line)) and not names:
            names.append(_plain(rip["name"]))
        in_trace = in_trace or line.lower().startswith("call trace:")
        if in_trace and (frame := _FRAME.match(line)):
            name = _plain(frame["name"])
            if names or not REPORTING_FRAMES.match(name):
                names.append(name)
        if len(names) == FRAMES or (in_trace and line.strip() == "</TASK>"):
            break
    return names


def _plain(name: str) -> str:
    return _CLONE.sub("", name)


def _reboot(messages: Sequence[str], index: int) -> LogFinding:
    title = "the guest booted again"
    before = tuple(messages[max(0, index - TRACELESS_LINES) : index + 1])
    return LogFinding(kind=LogKind.REBOOT, title=title, lines=before, fingerprint=str(LogKind.REBOOT))


def _marked_after_oom(findings: Sequence[LogFinding]) -> list[LogFinding]:
    marked, killed = [], False
    for finding in findings:
        killed = killed or finding.kind is LogKind.OOM_KILL
        marked.append(dataclasses.replace(finding, after_oom=killed) if finding.kind.is_crash else finding)
    return marked


def _without_repeats(findings: Sequence[LogFinding]) -> tuple[LogFinding, ...]:
    """Keep the first of each fingerprint, with how often it came; what came before an OOM kill stays blamed."""
    kept: dict[str, LogFinding] = {}
    for finding in findings:
        known = kept.get(finding.fingerprint)
        kept[finding.fingerprint] = finding if known is None else dataclasses.replace(known, count=known.count + 1)
    return tuple(kept.values())
