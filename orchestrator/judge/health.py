"""Base's health, seen before anything is blamed on the patch: whether its kernel comes through one trial at all."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.errors import Evidence, InfraError
from orchestrator.model.kernel import KernelRole
from orchestrator.model.trial import Check, Status, TrialResult, TrialSpec

MACHINE = "machine"
"""The check of a trial whose machine ended, or stopped answering, before its record was there."""


def first_look(left: Sequence[TrialSpec]) -> TrialSpec | None:
    """Return the trial of base that is run before all others: the first one planned; None when base's are all done.

    It is one of the plan's own, so looking costs nothing, and its result is cached as any trial's.
    """
    return next((spec for spec in left if spec.kernel is KernelRole.BASE), None)


def base_trouble(trial: TrialResult, *, base: str) -> InfraError | None:
    """Return the error that says that base is broken, None where its first trial came to an end.

    A trial that ended, whatever its checks say, is the judge's business: what base shows is not blamed on the patch.
    ``base`` says which kernel it is.
    """
    lost = next((check for check in trial.checks if check.name == MACHINE), None)
    if lost is None or trial.status not in {Status.ERROR, Status.FAIL}:
        return None
    return InfraError(
        f"base is broken: {base} does not come through its first trial ({trial.spec.id}): {_why(trial, lost)}",
        hint="choose another base with --base; nothing was tried with the patch, and nothing is blamed on it",
        evidence=Evidence(last_lines=trial.kernel_log or trial.console_tail),
    )


def _why(trial: TrialResult, lost: Check) -> str:
    """Return what the kernel's log says of its end, or how the machine was lost."""
    return trial.message if trial.status is Status.FAIL else lost.message.partition("\n")[0]
