"""TRIALS AND WAIVERS → TRIALS: known failures are shown with their reason and gate nothing, until their waiver expires.

Pure: the day is handed in. An expired waiver excuses nothing any more, and is a fault of ours (somebody has to look
again), never the patch's: the run is an ERROR until it is renewed or removed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from orchestrator.judge.findings import KERNEL_LOG
from orchestrator.model.trial import Check, Status, TrialResult, TrialSpec
from orchestrator.model.verdict import Finding
from orchestrator.model.waiver import Waiver

EXPIRED = "expired waiver"
"""The kind of the findings on expired waivers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waived:
    """What waivers made of a run's trials.

    ``expired`` are findings that blame nobody and make the run an ERROR; ``unused`` the waivers that hold and met no
    failure.
    """

    trials: tuple[TrialResult, ...]
    expired: tuple[Finding, ...]
    unused: tuple[Waiver, ...]


def apply_waivers(trials: Sequence[TrialResult], waivers: Sequence[Waiver], today: str) -> Waived:
    """Return the trials with waived failures turned to SKIP, and what has become of the waivers.

    ``today`` is a day as in ``2026-11-23``.
    """
    holding = [waiver for waiver in waivers if not waiver.has_expired(today)]
    used: set[Waiver] = set()
    waived = tuple(_waived(trial, holding, used) for trial in trials)
    gone = [waiver for waiver in waivers if waiver.has_expired(today)]
    return Waived(
        trials=waived,
        expired=tuple(_finding(waiver, trials) for waiver in gone),
        unused=tuple(waiver for waiver in holding if waiver not in used),
    )


def _waived(trial: TrialResult, waivers: Sequence[Waiver], used: set[Waiver]) -> TrialResult:
    checks = []
    for check in trial.checks:
        waiver = next((waiver for waiver in waivers if covers(waiver, trial.spec, check)), None)
        checks.append(check if waiver is None else _turned(check, waiver))
        used |= {waiver} if waiver is not None else set()
    if tuple(checks) == trial.checks:
        return trial
    status, message = trial.status, trial.message
    failing = [check for check in checks if check.status is Status.FAIL]
    if trial.status is Status.FAIL:
        # An ERROR that the failure stood before is still one.
        left = failing or [check for check in checks if check.status is Status.ERROR]
        status = left[0].status if left else Status.PASS
        message = "; ".join(check.message or check.name for check in left)
    return dataclasses.replace(trial, checks=tuple(checks), status=status, message=message)


def covers(waiver: Waiver, spec: TrialSpec, check: Check) -> bool:
    """Whether a waiver is about this failure of this trial. ERRORs are ours to mend, and cannot be waived."""
    if check.status is not Status.FAIL:
        return False
    if not (fnmatchcase(spec.scenario, waiver.scenario) and fnmatchcase(spec.topology, waiver.topology)):
        return False
    # All complaints of a kind bear the same name; only the fingerprint says which one is meant.
    names = [check.fingerprint] if check.name.startswith(KERNEL_LOG) else [check.name, check.fingerprint]
    # A fingerprint may have brackets in it, which mean something else in a glob.
    return any(name and (name == waiver.name or fnmatchcase(name, waiver.name)) for name in names)


def _turned(check: Check, waiver: Waiver) -> Check:
    link = f", {waiver.link}" if waiver.link else ""
    was = check.message or check.name
    message = f"waived until {waiver.expires}: {waiver.reason.rstrip('.')}{link} (was: {was})"
    # Skipped kernel-log checks are findings that blame nobody; a waived one is not even that.
    name = f"waived {check.name}" if check.name.startswith(KERNEL_LOG) else check.name
    return dataclasses.replace(check, name=name, status=Status.SKIP, message=message)


def _finding(waiver: Waiver, trials: Sequence[TrialResult]) -> Finding:
    met = [trial.spec.id for trial in trials if any(covers(waiver, trial.spec, check) for check in trial.checks)]
    detail = [f"its reason was: {waiver.reason}"]
    detail += [f"see {waiver.link}"] if waiver.link else []
    detail += [f"what it was about failed in {', '.join(met)}" if met else "what it was about did not fail in this run"]
    title = (
        f"the waiver of '{waiver.name}' in {waiver.source} expired on {waiver.expires}: look whether that still fails, "
        "then renew the waiver or remove it"
    )
    return Finding(kind=EXPIRED, title=title, detail=tuple(detail), kernel="", trial="", blamed=False)
