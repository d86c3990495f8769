"""Verdicts: what the judge says of a run, and of each metric."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from orchestrator.model.claim import ClaimResult


class Outcome(StrEnum):
    """The verdict on a run."""

    PASS = "PASS"  # noqa: S105 - an outcome, not a password
    REGRESSION = "REGRESSION"
    IMPROVEMENT = "IMPROVEMENT"
    CHANGED = "CHANGED"
    INCONCLUSIVE = "INCONCLUSIVE"
    ERROR = "ERROR"

    @property
    def exit_status(self) -> int:
        """The command's exit status: 0 no regression, 1 regression, 3 could not decide."""
        match self:
            case Outcome.REGRESSION:
                return 1
            case Outcome.INCONCLUSIVE | Outcome.ERROR:
                return 3
            case _:
                return 0


class Change(StrEnum):
    """What became of one metric from base to patched."""

    REGRESSED = "regressed"
    IMPROVED = "improved"
    CHANGED = "changed"
    SAME = "same"
    UNCLEAR = "unclear"
    REMOVED = "removed"
    ADDED = "added"


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricChange:
    """One metric of one scenario on one topology, base against patched, seed by seed.

    ``base`` and ``patched`` are aligned with ``seeds``; ``None`` where the kernel does not have the counter.
    ``spread`` is the largest less the smallest of base's values over the seeds.

    ``effect`` is what the patch does to the metric at base's median, in the metric's unit, ``low`` to ``high`` its 95 %
    interval, ``smallest`` the smallest effect of interest there. None: one seed, or no pair of values. ``p`` is the
    probability of such figures if the effect were no larger than the smallest of interest, ``corrected`` the same for
    the number of metrics in the run. ``suspect`` says that a metric with a direction may well have worsened, and is not
    proven to have. ``note`` says which values could not be compared, and why.
    """

    scenario: str
    topology: str
    metric: str
    unit: str
    direction: str
    seeds: tuple[int, ...]
    base: tuple[float | None, ...]
    patched: tuple[float | None, ...]
    spread: float
    change: Change
    effect: float | None = None
    low: float | None = None
    high: float | None = None
    smallest: float = 0.0
    p: float | None = None
    corrected: float | None = None
    suspect: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something exact that went wrong: a kernel log line, a wrong page, a build that failed.

    ``kernel`` says on which kernel it was seen; ``trial`` is the trial's id, "" where there was none.
    """

    kind: str
    title: str
    detail: tuple[str, ...]
    kernel: str
    trial: str
    blamed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The judge's word on a run: the outcome, the sentences that explain it, and what it rests on."""

    outcome: Outcome
    sentences: tuple[str, ...]
    changes: tuple[MetricChange, ...]
    findings: tuple[Finding, ...] = ()
    not_covered: tuple[str, ...] = ()
    claims: tuple[ClaimResult, ...] = ()
