"""Base's health, seen before anything is said of the patch: a base that does not build or boot is no background."""

from __future__ import annotations

from orchestrator.errors import BrokenBase
from orchestrator.model.kernel import KernelRole
from orchestrator.model.verdict import Finding


def finding_on_base(error: BrokenBase) -> Finding:
    """Return a broken base as a finding: base's own and ours to put right, never the patch's.

    Handed to the judge as a gap, it makes the run's verdict ERROR.
    """
    lines = error.evidence.describe().splitlines()
    if error.hint:
        lines.append(f"Try: {error.hint}")
    return Finding(
        kind=error.stage,
        title=f"base is broken, so nothing is said of the patch: {error.message}",
        detail=tuple(line for line in lines if line),
        kernel=str(KernelRole.BASE),
        trial="",
        blamed=False,
    )
