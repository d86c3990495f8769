"""FINDINGS → WHAT A MAIL SAYS OF THEM: what, on which trials with the patch and without, and the complaint itself. Pure."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.model.kernel import KernelRole
from orchestrator.model.run import RunRecord
from orchestrator.model.trial import Status, TrialResult, TrialSpec
from orchestrator.model.verdict import Finding
from orchestrator.report.mail.splat import shortened
from orchestrator.report.mail.words import counted, folded, plain, strangers

SHOWN = 3
"""Findings that are told in full; a patch that breaks one thing often breaks ten scenarios."""

TITLES = 4
"""Findings of which only the title is told."""

CHECK_LINES = 3
COMPILER_LINES = 20
TRIAL_FAILED = "trial failed"

_LOG = "kernel log: "
_OFFSET = re.compile(r"\+0x[0-9a-f]+/0x[0-9a-f]+")
_ENDED = frozenset({Status.PASS, Status.FAIL, Status.DONE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A finding as a mail tells it: ``what`` it is, ``seen`` in how many boots, ``lines`` of the complaint.

    ``together`` says that it was seen where the one before it was.
    """

    what: tuple[str, ...]
    where: str
    seen: str
    lines: tuple[str, ...]
    together: bool = False


def told_findings(record: RunRecord) -> tuple[tuple[Told, ...], tuple[str, ...]]:
    """Return the findings that the patch is blamed for, each once, and the titles of those that are not told in full."""
    blamed = [finding for finding in record.verdict.findings if finding.blamed]
    first: dict[tuple[str, str], list[Finding]] = {}
    for finding in blamed:
        first.setdefault((finding.kind, _OFFSET.sub("", finding.title)), []).append(finding)
    told: list[Told] = []
    for same in list(first.values())[:SHOWN]:
        found = _told(record, same)
        together = bool(told) and (told[-1].where, told[-1].seen) == (found.where, found.seen)
        told.append(dataclasses.replace(found, together=together))
    rest = [_headline(same[0]) for same in list(first.values())[SHOWN:]]
    lines = [line for title in rest[:TITLES] for line in title]
    return tuple(told), (*lines, *([f"... {len(rest) - TITLES} more"] if len(rest) > TITLES else []))


def spec_of(record: RunRecord, trial_id: str) -> TrialSpec | None:
    """Return the trial with that id; None where there was none, as for a build."""
    return next((trial.spec for trial in record.trials if trial.spec.id == trial_id), None)


def is_of_the_log(record: RunRecord, finding: Finding) -> bool:
    """Whether the kernel's log says it, and not a check of ours or a test's."""
    trial = next((trial for trial in record.trials if trial.spec.id == finding.trial), None)
    return trial is not None and any(check.name == f"{_LOG}{finding.kind}" for check in trial.checks)


def _headline(finding: Finding) -> tuple[str, ...]:
    """Return a finding's title, with what kind it is where that is not said."""
    said = finding.kind.lower() in finding.title.lower() or finding.kind.startswith("invariant") or not finding.trial
    kind = "" if said else f"{finding.kind}: "
    return folded(plain(f"{kind}{finding.title}"))


def _told(record: RunRecord, same: Sequence[Finding]) -> Told:
    finding = same[0]
    spec = spec_of(record, finding.trial)
    others = [other for each in same[1:] if (other := spec_of(record, each.trial)) is not None]
    where = f"{spec.scenario} on {spec.topology}" if spec else ""
    if others:
        where += f"; also {', '.join(f'{other.scenario} on {other.topology}' for other in others[:3])}"
        where += f" and {len(others) - 3} more" if len(others) > 3 else ""
    of_the_log = is_of_the_log(record, finding) or (spec is not None and finding.kind == TRIAL_FAILED)
    title, lines = _headline(finding), shortened(finding.detail) if of_the_log else _details(finding)
    if of_the_log and lines and lines[0].startswith(strangers(finding.title.partition(" (")[0])):
        # The same, with the place in the source where that is known; a fold of it goes with it.
        end = next((at for at, line in enumerate(lines) if at and not line.startswith("    ")), len(lines))
        title, lines = lines[:end], lines[end:]
    return Told(what=title, where=where, seen=_seen(record, finding, spec), lines=lines)


def _details(finding: Finding) -> tuple[str, ...]:
    """Return the end of what a compiler or a guest said, the beginning of what a check found beside its title."""
    if not finding.trial:
        return tuple(piece for line in finding.detail[-COMPILER_LINES:] for piece in folded(line))
    new = [line for line in finding.detail if line and line not in finding.title]
    more = (f"... {len(new) - CHECK_LINES} more",) if len(new) > CHECK_LINES else ()
    return (*(piece for line in new[:CHECK_LINES] for piece in folded(line)), *more)


def _seen(record: RunRecord, finding: Finding, spec: TrialSpec | None) -> str:
    """Return in how many boots it was seen with the patch, and of how many of base it was not."""
    if spec is None:
        return ""
    cell = [
        trial for trial in record.trials if (trial.spec.scenario, trial.spec.topology) == (spec.scenario, spec.topology)
    ]
    marks = {_mark(trial, finding) for trial in cell if trial.spec == spec} - {""}
    with_patch = [trial for trial in cell if trial.spec.kernel is KernelRole.PATCHED]
    base = [trial for trial in cell if trial.spec.kernel is KernelRole.BASE and trial.status in _ENDED]
    shown = [trial for trial in with_patch if _shows(trial, finding, marks)]
    on_base = [trial for trial in base if _shows(trial, finding, marks)]
    return (
        f"in {len(shown) or 1} of {counted(len(with_patch) or 1, 'boot')} with the patch, "
        f"in {len(on_base)} of {len(base)} without"
    )


def _mark(trial: TrialResult, finding: Finding) -> str:
    for check in trial.checks:
        if check.name.removeprefix(_LOG) == finding.kind and finding.title.startswith(check.message or check.name):
            return check.fingerprint or check.name
    return ""


def _shows(trial: TrialResult, finding: Finding, marks: set[str]) -> bool:
    if not marks:
        return trial.status is Status.FAIL
    return any(
        check.status is Status.FAIL
        and check.name.removeprefix(_LOG) == finding.kind
        and (check.fingerprint or check.name) in marks
        for check in trial.checks
    )
