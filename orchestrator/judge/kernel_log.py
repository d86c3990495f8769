"""KERNEL LOG → FINDINGS: reads a console log and says what the kernel complained of.

Pure: text in, values out. A scanner that could not work (no log, not a kernel's log, a log with holes) says so and is
never taken for a clean log.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from orchestrator.judge.fingerprint import fingerprint
from orchestrator.judge.log_blocks import TRACELESS_LINES, Block, cut_blocks
from orchestrator.judge.log_lines import Message, read_messages
from orchestrator.judge.log_patterns import OF_THE_TOOL, OOM_KILLED, LogKind
from orchestrator.model.trial import Check, Status, TrialResult

CHECK_NAME = "kernel log"
LOCKDEP_IS_OFF = "lockdep had switched itself off: from there on locks were not checked"
FINDINGS = 50
"""How many different complaints of one log are shown; a kernel may write without end."""


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
    """What a scan gave.

    ``problem`` says why the scanner could not work, or not on all of the log, "" when it did; what it found stands all
    the same. ``left_out`` is how many different complaints more there were than :data:`FINDINGS`.
    """

    findings: tuple[LogFinding, ...] = ()
    problem: str = ""
    left_out: int = 0

    @property
    def is_clean(self) -> bool:
        """Whether the scanner worked and the kernel had nothing to complain of."""
        return not self.problem and not self.crashes

    @property
    def crashes(self) -> tuple[LogFinding, ...]:
        """What a kernel may be blamed for."""
        return tuple(finding for finding in self.findings if finding.kind.is_crash and not finding.after_oom)


def scan_kernel_log(text: str, *, last_mark: str = "") -> KernelLogScan:
    """Return what the kernel complained of in a console log.

    ``last_mark`` is a word of the guest's init that the machine is known to have heard ("ready"): a log without it was
    cut. Time and memory are linear in the length of ``text``.
    """
    log = read_messages(text)
    problem = log.problem
    if last_mark and not problem and last_mark not in log.marks:
        problem = f"the console log was cut: the guest said '{last_mark}', and the log does not have it"
    found = [(block.start, _as_finding(block)) for block in cut_blocks(log.messages)]
    found += [(at, _reboot(log.messages, at)) for at in log.reboots]
    found.sort(key=lambda pair: pair[0])
    findings = _without_repeats(_marked_after_oom([finding for _, finding in found]))
    return KernelLogScan(findings=findings[:FINDINGS], problem=problem, left_out=max(0, len(findings) - FINDINGS))


def with_kernel_log(result: TrialResult, scan: KernelLogScan) -> TrialResult:
    """Return ``result`` with a check for every complaint of the kernel, and its status changed where they say so.

    A splat fails a trial whatever the test said. A trial that was lost (ERROR) is FAIL when the kernel's end explains
    the loss. A scanner that could not work makes it ERROR, unless what it did see fails the trial. A detector that has
    switched itself off fails nothing, and is a SKIP: nobody shall take for checked what was not.
    """
    checks = [_as_check(finding) for finding in scan.findings]
    if scan.left_out:
        message = f"{scan.left_out} more kinds of complaint are not shown; the console log has them"
        checks.append(Check(name=CHECK_NAME, status=Status.SKIP, message=message))
    if scan.problem:
        checks.append(Check(name=CHECK_NAME, status=Status.ERROR, message=scan.problem))
    elif not checks:
        checks.append(Check(name=CHECK_NAME, status=Status.PASS))
    blocks = tuple(line for finding in scan.findings for line in finding.lines)
    result = dataclasses.replace(result, checks=(*result.checks, *checks), kernel_log=blocks)
    crashes, came_through = scan.crashes, result.status in {Status.PASS, Status.DONE}
    explains = result.status is Status.ERROR and any(crash.kind.ends_machine for crash in crashes)
    if (came_through and crashes) or explains:
        return dataclasses.replace(result, status=Status.FAIL, message=f"kernel log: {crashes[0].title}")
    if came_through and scan.problem:
        return dataclasses.replace(result, status=Status.ERROR, message=scan.problem)
    return result


def lines_on_detectors(trials: Iterable[TrialResult]) -> tuple[str, ...]:
    """Return a line on each trial in which lockdep had switched itself off, for what was not covered."""
    names = {f"{CHECK_NAME}: {kind}" for kind in OF_THE_TOOL}
    return tuple(
        f"{trial.spec.id}: {LOCKDEP_IS_OFF}" for trial in trials if any(check.name in names for check in trial.checks)
    )


def told_where(result: TrialResult, decode: Callable[[Sequence[str]], Sequence[str]]) -> TrialResult:
    """Return ``result`` with file and line behind the frames of what its kernel is blamed for.

    ``decode`` is handed the lines of a complaint and returns as many. Fingerprints stay what they are.
    """

    def told(check: Check) -> Check:
        failed = check.status is Status.FAIL and check.name.startswith(f"{CHECK_NAME}: ")
        return dataclasses.replace(check, detail=tuple(decode(check.detail))) if failed else check

    checks = tuple(told(check) for check in result.checks)
    decoded = {
        old: new
        for before, after in zip(result.checks, checks, strict=True)
        for old, new in zip(before.detail, after.detail, strict=False)
    }
    lines = tuple(decoded.get(line, line) for line in result.kernel_log)
    return dataclasses.replace(result, checks=checks, kernel_log=lines)


def _as_check(finding: LogFinding) -> Check:
    blameless = finding.after_oom or not finding.kind.is_crash
    note = " (after an out of memory kill: not blamed)" if finding.after_oom else ""
    note = f" ({LOCKDEP_IS_OFF})" if finding.kind in OF_THE_TOOL else note
    often = f" ({finding.count} times)" if finding.count > 1 else ""
    return Check(
        name=f"{CHECK_NAME}: {finding.kind}",
        status=Status.SKIP if blameless else Status.FAIL,
        message=finding.title + often + note,
        fingerprint=finding.fingerprint,
        detail=finding.lines,
    )


def _as_finding(block: Block) -> LogFinding:
    whole = block.traced or block.kind in {LogKind.OOM_KILL, LogKind.KMEMLEAK}
    lines = block.lines if whole else block.lines[:TRACELESS_LINES]
    title = next((line for line in lines if OOM_KILLED.match(line)), block.title)
    mark = fingerprint(block.kind, title, lines, tangled=block.tangled)
    return LogFinding(kind=block.kind, title=title, lines=tuple(lines), fingerprint=mark)


def _reboot(messages: Sequence[Message], index: int) -> LogFinding:
    before = tuple(message.text for message in messages[max(0, index - TRACELESS_LINES) : index + 1])
    return LogFinding(
        kind=LogKind.REBOOT, title="the guest booted again", lines=before, fingerprint=str(LogKind.REBOOT)
    )


def _marked_after_oom(findings: Sequence[LogFinding]) -> list[LogFinding]:
    marked, killed = [], False
    for finding in findings:
        killed = killed or finding.kind is LogKind.OOM_KILL
        marked.append(dataclasses.replace(finding, after_oom=killed) if finding.kind.is_crash else finding)
    return marked


def _without_repeats(findings: Sequence[LogFinding]) -> tuple[LogFinding, ...]:
    """Keep the first of each fingerprint, with how often it came; what came before an OOM kill stays blamed."""
    first: dict[str, LogFinding] = {}
    counts: dict[str, int] = {}
    for finding in findings:
        first.setdefault(finding.fingerprint, finding)
        counts[finding.fingerprint] = counts.get(finding.fingerprint, 0) + 1
    return tuple(dataclasses.replace(finding, count=counts[mark]) for mark, finding in first.items())
