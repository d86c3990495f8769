"""Trials that did not reach what their scenario is about, and whose doing that is.

On its own such a trial is an ERROR: the workload is ours. In sealed trials with the same seed base and patched differ in
the kernel alone; where base reached it and patched did not, the patch is why, and that is a failure of the patched
kernel.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

from orchestrator.model.kernel import KernelRole
from orchestrator.model.trial import Check, Status, TrialResult

MUST = "must "
"""How the names of the checks begin that the trial stage makes of a scenario's ``must`` lines."""


def with_reach(trials: Sequence[TrialResult]) -> tuple[TrialResult, ...]:
    """Return the trials, patched ones that alone did not reach their scenario's point turned from ERROR into FAIL."""
    reached = {
        dataclasses.replace(trial.spec, kernel=KernelRole.PATCHED)
        for trial in trials
        if trial.spec.kernel is KernelRole.BASE and trial.status is Status.PASS
    }
    return tuple(_blamed(trial) if trial.spec in reached and _only_unreached(trial) else trial for trial in trials)


def with_reach_beside(kernels: Iterable[Sequence[TrialResult]], base: Sequence[TrialResult]) -> tuple[TrialResult, ...]:
    """Return the trials of kernels that stand where patched does, judged against ``base`` as :func:`with_reach` has it."""
    of_base = [trial for trial in base if trial.spec.kernel is KernelRole.BASE]
    return tuple(trial for trials in kernels for trial in with_reach([*of_base, *trials])[len(of_base) :])


def missed_by_chance(trials: Sequence[TrialResult]) -> tuple[str, ...]:
    """Return a line for each race that a scenario is about and a trial did not run into."""
    return tuple(
        f"{trial.spec.id}: {check.message}"
        for trial in trials
        for check in trial.checks
        if check.name.startswith(MUST) and check.status is Status.SKIP
    )


def _only_unreached(trial: TrialResult) -> bool:
    errors = [check for check in trial.checks if check.status is Status.ERROR]
    return (
        trial.spec.sealed
        and trial.status is Status.ERROR
        and bool(errors)
        and all(check.name.startswith(MUST) for check in errors)
    )


def _blamed(trial: TrialResult) -> TrialResult:
    def turned(check: Check) -> Check:
        if check.status is not Status.ERROR:
            return check
        message = f"{check.message}, where base reaches it with the same seed"
        return dataclasses.replace(check, status=Status.FAIL, message=message)

    checks = tuple(turned(check) for check in trial.checks)
    message = "; ".join(check.message for check in checks if check.status is Status.FAIL)
    return dataclasses.replace(trial, status=Status.FAIL, message=message, checks=checks)
