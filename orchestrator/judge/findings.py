"""TRIALS → FINDINGS: what went wrong exactly, on which kernel, and whether the patch is to blame for it.

A finding on patched is looked for on base (same scenario and topology, any seed) before it is blamed on the patch:
seen there too, it is base's. Where base has nothing to show for that scenario and topology, nobody is blamed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.errors import PatchFault
from orchestrator.model.kernel import KernelRole
from orchestrator.model.trial import Check, Status, TrialResult
from orchestrator.model.verdict import Finding

KERNEL_LOG = "kernel log: "
"""How the names of the checks begin that :mod:`orchestrator.judge.kernel_log` makes."""

NEW = "not seen on base"
"""Said of what is no failure of the kernel's by itself, such as an out of memory kill, where base does not show it."""

_CAME_TO_AN_END = frozenset({Status.PASS, Status.FAIL, Status.DONE})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Failure:
    """One failed check of one trial; two with the same ``mark`` are the same failure."""

    trial: TrialResult
    kind: str
    mark: str
    title: str
    detail: tuple[str, ...]
    blameless: bool = False

    @property
    def cell(self) -> tuple[str, str]:
        return self.trial.spec.scenario, self.trial.spec.topology


def find_all(trials: Sequence[TrialResult], faults: Sequence[PatchFault]) -> tuple[Finding, ...]:
    """Return the findings of a run: those blamed on the patch first, each failure once a scenario, topology and kernel."""
    failures = [failure for trial in trials for failure in _failures_of(trial)]
    on_base = [failure for failure in failures if failure.trial.spec.kernel is KernelRole.BASE]
    on_patched = [failure for failure in failures if failure.trial.spec.kernel is KernelRole.PATCHED]
    known = {(failure.cell, failure.mark) for failure in on_base}
    base_ran = {
        (trial.spec.scenario, trial.spec.topology)
        for trial in trials
        if trial.spec.kernel is KernelRole.BASE and trial.status in _CAME_TO_AN_END
    }
    shown = {(failure.cell, failure.mark) for failure in on_patched}
    findings = [finding_on_fault(fault) for fault in faults]
    findings += [_on_patched(failure, known=known, base_ran=base_ran) for failure in _once(on_patched)]
    findings += [_on_base(failure, shown=shown) for failure in _once(on_base) if not failure.blameless]
    return tuple(sorted(findings, key=lambda finding: not finding.blamed))


def is_new_but_blameless(finding: Finding) -> bool:
    """Whether it is no failure of the kernel's, but something that base does not show."""
    return not finding.blamed and finding.title.endswith(f"({NEW})")


def finding_on_fault(fault: PatchFault) -> Finding:
    """Return a patched kernel that does not build or boot as a finding; ``kind`` is the stage's word."""
    detail = tuple(line for line in fault.evidence.describe().splitlines() if line)
    patched = str(KernelRole.PATCHED)
    return Finding(kind=fault.stage, title=fault.message, detail=detail, kernel=patched, trial="", blamed=True)


def _failures_of(trial: TrialResult) -> list[_Failure]:
    """Return what failed in a trial. Also of one that we lost: what the kernel said before is said."""
    failures = [
        _failure(trial, check)
        for check in trial.checks
        if check.status is Status.FAIL or (check.status is Status.SKIP and check.name.startswith(KERNEL_LOG))
    ]
    if trial.status is Status.FAIL and not any(not failure.blameless for failure in failures):
        title = trial.message or "the trial failed and says no more"
        # Figures and addresses differ from seed to seed, so that the text is no mark to compare by.
        failures.append(_Failure(trial=trial, kind="trial failed", mark="", title=title, detail=trial.kernel_log))
    return failures


def _failure(trial: TrialResult, check: Check) -> _Failure:
    return _Failure(
        trial=trial,
        kind=check.name.removeprefix(KERNEL_LOG),
        mark=check.fingerprint or check.name,
        title=check.message or check.name,
        detail=check.detail,
        blameless=check.status is Status.SKIP,
    )


def _once(failures: Sequence[_Failure]) -> list[_Failure]:
    """Keep the first of each failure in each cell: the same in other seeds is no other finding."""
    first: dict[tuple[tuple[str, str], str, bool], _Failure] = {}
    for failure in failures:
        first.setdefault((failure.cell, failure.mark, failure.blameless), failure)
    return list(first.values())


def _on_patched(
    failure: _Failure, *, known: set[tuple[tuple[str, str], str]], base_ran: set[tuple[str, str]]
) -> Finding:
    if failure.blameless:
        return _finding(failure, blamed=False, remark="" if (failure.cell, failure.mark) in known else NEW)
    if (failure.cell, failure.mark) in known:
        return _finding(failure, blamed=False, remark="base shows the same: not the patch's")
    if failure.cell not in base_ran:
        return _finding(failure, blamed=False, remark="base did not run here: nobody can be blamed")
    return _finding(failure, blamed=True)


def _on_base(failure: _Failure, *, shown: set[tuple[tuple[str, str], str]]) -> Finding:
    both = (failure.cell, failure.mark) in shown
    remark = "base's own, with the patch as well" if both else "base's own, not seen with the patch"
    return _finding(failure, blamed=False, remark=remark)


def _finding(failure: _Failure, *, blamed: bool, remark: str = "") -> Finding:
    return Finding(
        kind=failure.kind,
        title=f"{failure.title} ({remark})" if remark else failure.title,
        detail=failure.detail,
        kernel=str(failure.trial.spec.kernel),
        trial=failure.trial.spec.id,
        blamed=blamed,
    )
