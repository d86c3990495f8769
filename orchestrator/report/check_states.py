"""RUN → WHAT REVIEW TOOLS CALL A CHECK: patchwork's states (one for each patch of the series) and ``b4 review``'s JSON. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.model.run import RunRecord
from orchestrator.model.series import Patch
from orchestrator.model.verdict import Outcome
from orchestrator.report.bisection import bisection_lines
from orchestrator.report.material import Material
from orchestrator.report.summary import finding_line, gaps, trial_counts
from orchestrator.report.text import printable_line

TOOL = "mm-patch-orchestrator"
CONTEXT = "mm-patch-orchestrator"
"""A check's name in patchwork: a slug; a later check of this name stands for the earlier ones."""

DESCRIPTION_LENGTH = 240
SUMMARY_LENGTH = 160

PENDING, SUCCESS, WARNING, FAIL = "pending", "success", "warning", "fail"

_STATES: Mapping[Outcome, str] = {
    Outcome.PASS: SUCCESS,
    Outcome.IMPROVEMENT: SUCCESS,
    Outcome.CHANGED: WARNING,
    Outcome.REGRESSION: FAIL,
    # Ours: never the patch's failure.
    Outcome.INCONCLUSIVE: WARNING,
    Outcome.ERROR: WARNING,
}
_B4 = {SUCCESS: "pass", WARNING: "warn", PENDING: "warn", FAIL: "fail"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchCheck:
    """What is to be said of one patch: ``message_id`` is without angle brackets, ``description`` one printable line."""

    message_id: str
    subject: str
    state: str
    description: str


def patch_checks(material: Material) -> tuple[PatchCheck, ...]:
    """Return a check for each patch of the series that has a message id.

    A regression is the named patch's where a bisection found it, and then only a warning for the others; else it is the
    whole series'.
    """
    series = material.record.series
    return tuple(
        PatchCheck(
            message_id=patch.message_id,
            subject=printable_line(patch.subject),
            state=_state(material, patch),
            description=_short(_description(material, patch), DESCRIPTION_LENGTH),
        )
        for patch in series.patches
        if patch.message_id
    )


def b4_result(material: Material, *, patch: Patch | None = None, url: str = "") -> dict[str, Any]:
    """Return an object as ``b4 review`` reads it from a check: of one patch, or of the series."""
    record = material.record
    state = _state(material, patch)
    details = [
        *record.verdict.sentences,
        *(finding_line(finding) for finding in record.verdict.findings),
        *bisection_lines(record)[:1],
        *([record.coverage.sentence] if record.coverage else []),
        trial_counts(record),
        *(f"not covered: {line}" for line in gaps(record, 10)),
        f"run {record.run_id}",
    ]
    result = {
        "tool": TOOL,
        "status": _B4[state],
        "summary": _short(_description(material, patch), SUMMARY_LENGTH),
        "details": "\n".join(printable_line(line) for line in details),
    }
    return {**result, "url": url} if url else result


def _state(material: Material, patch: Patch | None) -> str:
    if material.unfinished:
        return PENDING
    if _named(material.record, patch) is False:
        return WARNING
    return _STATES[material.record.verdict.outcome]


def _named(record: RunRecord, patch: Patch | None) -> bool | None:
    """Whether the bisection named this patch; None where it named none, or there is no regression."""
    found = record.bisection
    if patch is None or found is None or found.patch is None or record.verdict.outcome is not Outcome.REGRESSION:
        return None
    return found.patch == patch.index


def _description(material: Material, patch: Patch | None) -> str:
    record = material.record
    if material.unfinished:
        return material.unfinished
    if _named(record, patch) is False and record.bisection is not None:
        return f"regression, by a bisection that of patch {record.bisection.patch}: {record.bisection.subject}"
    first = record.verdict.sentences[0] if record.verdict.sentences else ""
    words = {
        Outcome.ERROR: "not tested, by a fault of the test system: ",
        Outcome.INCONCLUSIVE: "not decided: ",
    }.get(record.verdict.outcome, f"{record.verdict.outcome}: ")
    return words + first


def _short(text: str, length: int) -> str:
    line = printable_line(text)
    return line if len(line) <= length else f"{line[: length - 1]}…"
