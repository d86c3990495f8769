"""TRIALS → FINDINGS: what went wrong exactly, on which kernel, and whether the patch is to blame for it.

A finding on patched is looked for on base (same scenario and topology, any seed) before it is blamed on the patch:
seen there too, it is base's. Where base has nothing to show for that scenario and topology, nobody is blamed.
A check of a test's that fails on base now and then is the patch's where it fails with the patch clearly more often; what
the kernel's log says is not weighed like that: base shows it, or it does not. A perturbed base, which differs from base
without meaning anything, is evidence like base itself.

:func:`wanted_before_blame` names the trials without which nobody should be blamed yet.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from math import comb

from orchestrator.errors import PatchFault
from orchestrator.judge.fingerprint import same_complaint
from orchestrator.judge.log_patterns import OF_THE_TOOL
from orchestrator.model.kernel import KernelRole
from orchestrator.model.trial import Check, Status, TrialResult, TrialSpec
from orchestrator.model.verdict import Finding

KERNEL_LOG = "kernel log: "
"""How the names of the checks begin that :mod:`orchestrator.judge.kernel_log` makes."""

INVARIANT = "invariant "
"""How the names of the checks begin that :mod:`orchestrator.judge.invariants` makes; their messages name them again."""

CELLS_AGAIN = 3
"""In how many places patched has to show a failure again: a patch that fails in three of them has been seen to fail."""

HANG = "hang"
"""How the check is named of a guest that did not come to its end, twice (orchestrator/trials.py)."""

NEW = "not seen on base"
"""Said of what is no failure of the kernel's by itself, such as an out of memory kill, where base does not show it."""

CONFIRMATIONS = 3
"""How many trials of base are to have come to an end, without the failure, before the patch is blamed for it."""

CONFIRMATIONS_OF_SOME = 9
"""The same for a failure that only some trials of patched in its cell show: what comes now and then may do so on base.

They are asked for :data:`CONFIRMATIONS` at a time: one that shows it is enough."""

CHANCE = 0.01
"""How improbable a test's more frequent failing must be, if the patch did nothing to it, before the patch is blamed."""

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
    of_the_log: bool = False

    @property
    def cell(self) -> tuple[str, str]:
        return self.trial.spec.scenario, self.trial.spec.topology


def find_all(
    trials: Sequence[TrialResult], faults: Sequence[PatchFault], perturbed: Sequence[TrialResult] = ()
) -> tuple[Finding, ...]:
    """Return the findings of a run: those blamed on the patch first, each failure once a scenario, topology and kernel.

    ``perturbed`` are trials of kernels that differ from base without meaning anything, whatever their role.
    """
    on_base, on_patched = _by_kernel(trials)
    evidence = _evidence(trials, on_base, perturbed)
    findings = [finding_on_fault(fault) for fault in faults]
    findings += [_on_patched(failure, on_patched, evidence) for failure in _once(on_patched)]
    findings += [_on_base(failure, on_patched) for failure in _once(on_base) if not failure.blameless]
    return tuple(sorted(findings, key=lambda finding: not finding.blamed))


def wanted_before_blame(
    trials: Sequence[TrialResult], perturbed: Sequence[TrialResult] = (), *, in_a_hurry: bool = False
) -> tuple[TrialSpec, ...]:
    """Return the trials that are still to be run before what failed on patched is blamed on the patch.

    For each failure that neither base nor one of ``perturbed`` has shown: base with the same seed, unless it came to an end
    with it, and with further seeds until :data:`CONFIRMATIONS` of its trials have come to an end there, or
    :data:`CONFIRMATIONS_OF_SOME` where patched itself does not always show it (not ``in_a_hurry``). And as many of patched,
    which has to show it again, in :data:`CELLS_AGAIN` cells; but not a hang: that was seen twice, and takes its time.
    """
    on_base, on_patched = _by_kernel(trials)
    evidence = _evidence(trials, on_base, perturbed)
    open_ones = [failure for failure in on_patched if not failure.blameless and not evidence.of(failure)]
    ended_with = {failure.cell: _seeds_of(trials, KernelRole.PATCHED, failure.cell) for failure in open_ones}
    shown = [cell for cell, seeds in ended_with.items() if len(seeds) >= CONFIRMATIONS]
    again = list(dict.fromkeys([*shown, *(failure.cell for failure in open_ones if failure.kind != HANG)]))[
        :CELLS_AGAIN
    ]
    wanted: dict[TrialSpec, None] = {}
    for failure in open_ones:
        always = ended_with[failure.cell] <= {other.trial.spec.seed for other in _seen(failure, on_patched)}
        asked = [spec.seed for spec in wanted if spec.kernel is KernelRole.BASE and _place(spec) == failure.cell]
        seeds = _seeds_on_base(failure, trials, asked, in_a_hurry=always or in_a_hurry)
        specs = [dataclasses.replace(failure.trial.spec, kernel=KernelRole.BASE, seed=seed) for seed in seeds]
        if failure.kind != HANG and failure.cell in again:
            there = {*_seeds_of(trials, KernelRole.BASE, failure.cell), *asked, *seeds} - ended_with[failure.cell]
            left = max(0, CONFIRMATIONS - len(ended_with[failure.cell]))
            specs += [dataclasses.replace(failure.trial.spec, seed=seed) for seed in sorted(there)[:left]]
        wanted |= dict.fromkeys(specs)
    return tuple(wanted)


def _seeds_on_base(
    failure: _Failure, trials: Sequence[TrialResult], asked: Sequence[int], *, in_a_hurry: bool
) -> list[int]:
    """Return the seeds that base is to be run with for a failure, beside those that are ``asked`` for already."""
    ended = _seeds_of(trials, KernelRole.BASE, failure.cell)
    step = (len(ended) // CONFIRMATIONS + 1) * CONFIRMATIONS
    enough = CONFIRMATIONS if in_a_hurry else min(step, CONFIRMATIONS_OF_SOME)
    there = {*ended, *asked}
    tried = {trial.spec.seed for trial in trials if _cell(trial) == failure.cell}
    seeds = [] if failure.trial.spec.seed in there else [failure.trial.spec.seed]
    new = (seed for seed in range(1, enough + len(tried) + 1) if seed not in {*there, *seeds})
    while len(there) + len(seeds) < enough:
        seeds.append(next(new))
    return seeds


def _seeds_of(trials: Sequence[TrialResult], kernel: KernelRole, cell: tuple[str, str]) -> set[int]:
    return {trial.spec.seed for trial in _ended(trials, kernel, cell)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Blame:
    """A failure that the patch is blamed for: ``mark`` is what it is known again by, ``shown_by`` the trials that show it.

    ``kind`` and ``trial`` (an id) are those of the finding on it.
    """

    cell: tuple[str, str]
    mark: str
    title: str
    shown_by: tuple[TrialSpec, ...]
    kind: str
    trial: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Evidence:
    """What base did, and kernels that differ from it without meaning anything: their trials, and what failed in them."""

    trials: Sequence[TrialResult]
    on_base: Sequence[_Failure]
    perturbed: Sequence[TrialResult] = ()
    on_perturbed: Sequence[_Failure] = ()

    def of(self, failure: _Failure) -> list[_Failure]:
        """Return where the failure was seen without the patch."""
        return _seen(failure, [*self.on_base, *self.on_perturbed])

    def runs(self, cell: tuple[str, str]) -> int:
        """Return how many trials without the patch came to an end in a cell."""
        beside = [trial for trial in self.perturbed if _cell(trial) == cell and trial.status in _CAME_TO_AN_END]
        return len(_ended(self.trials, KernelRole.BASE, cell)) + len(beside)


def _evidence(
    trials: Sequence[TrialResult], on_base: Sequence[_Failure], perturbed: Sequence[TrialResult] = ()
) -> _Evidence:
    beside = [failure for trial in perturbed for failure in _failures_of(trial)]
    return _Evidence(trials=trials, on_base=on_base, perturbed=perturbed, on_perturbed=beside)


def _by_kernel(trials: Sequence[TrialResult]) -> tuple[list[_Failure], list[_Failure]]:
    """Return base's failures and patched's."""
    failures = [failure for trial in trials for failure in _failures_of(trial)]
    return (
        [failure for failure in failures if failure.trial.spec.kernel is KernelRole.BASE],
        [failure for failure in failures if failure.trial.spec.kernel is KernelRole.PATCHED],
    )


def blames(trials: Sequence[TrialResult]) -> tuple[Blame, ...]:
    """Return what :func:`find_all` blames on the patch by ``trials`` alone, with all the trials that show it."""
    on_base, on_patched = _by_kernel(trials)
    evidence = _evidence(trials, on_base)
    return tuple(
        _blame(failure, on_patched)
        for failure in _once(on_patched)
        if _on_patched(failure, on_patched, evidence).blamed
    )


def blames_of(findings: Sequence[Finding], trials: Sequence[TrialResult]) -> tuple[Blame, ...]:
    """Return what a run's ``findings`` blame on the patch, with all of its ``trials`` that show it."""
    blamed = {(finding.kind, finding.trial) for finding in findings if finding.blamed}
    _, on_patched = _by_kernel(trials)
    found = (_blame(failure, on_patched) for failure in _once(on_patched))
    return tuple(each for each in found if (each.kind, each.trial) in blamed)


def _blame(failure: _Failure, on_patched: Sequence[_Failure]) -> Blame:
    return Blame(
        cell=failure.cell,
        mark=failure.mark,
        title=_titled(failure),
        shown_by=tuple(dict.fromkeys(other.trial.spec for other in _seen(failure, on_patched))),
        kind=failure.kind,
        trial=failure.trial.spec.id,
    )


def _titled(failure: _Failure) -> str:
    """Return a failure's title behind its kind, which invariants have in their title as their number."""
    return failure.title if failure.kind.startswith(INVARIANT) else f"{failure.kind}: {failure.title}"


def showing(trials: Sequence[TrialResult], cell: tuple[str, str], mark: str) -> tuple[TrialSpec, ...]:
    """Return the patched trials in ``cell`` that show a failure like ``mark``, where base with the same seed does not."""
    like = [
        failure
        for trial in trials
        for failure in _failures_of(trial)
        if failure.cell == cell and same_complaint(failure.mark, mark) and not failure.blameless
    ]
    on_base = {failure.trial.spec.seed for failure in like if failure.trial.spec.kernel is KernelRole.BASE}
    shown = dict.fromkeys(failure.trial.spec for failure in like if failure.trial.spec.kernel is KernelRole.PATCHED)
    return tuple(spec for spec in shown if spec.seed not in on_base)


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
        of_the_log=check.name.startswith(KERNEL_LOG),
    )


def _once(failures: Sequence[_Failure]) -> list[_Failure]:
    """Keep the first of each failure in each cell: the same in other seeds is no other finding."""
    first: dict[tuple[tuple[str, str], str, bool], _Failure] = {}
    for failure in failures:
        first.setdefault((failure.cell, failure.mark, failure.blameless), failure)
    return list(first.values())


def _on_patched(failure: _Failure, on_patched: Sequence[_Failure], evidence: _Evidence) -> Finding:
    there = evidence.of(failure)
    if failure.blameless:
        # What a detector says of itself is no change of the kernel's.
        return _finding(failure, blamed=False, remark="" if there or failure.kind in OF_THE_TOOL else NEW)
    who = "base" if _seen(failure, evidence.on_base) or not there else "base, compiled in another way,"
    if there and failure.of_the_log:
        return _finding(failure, blamed=False, remark=f"{who} shows the same: not the patch's")
    runs = evidence.runs(failure.cell)
    with_patch = len(_ended(evidence.trials, KernelRole.PATCHED, failure.cell))
    failed, failed_with = len(_trials_of(there)), len(_trials_of(_seen(failure, on_patched)))
    rates = f"{failed} of {runs} trials fail so on base, {failed_with} of {with_patch} with the patch"
    if there:
        if chance_of(failed_with, with_patch, failed, runs) < CHANCE:
            return _finding(failure, blamed=True, remark=rates)
        return _finding(failure, blamed=False, remark=f"{who} shows the same: not the patch's; {rates}")
    if not _ended(evidence.trials, KernelRole.BASE, failure.cell):
        return _finding(failure, blamed=False, remark="base did not run here: nobody can be blamed")
    return _finding(failure, blamed=True, remark=rates if failed_with < with_patch else "")


def _on_base(failure: _Failure, on_patched: Sequence[_Failure]) -> Finding:
    remark = (
        "base's own, with the patch as well" if _seen(failure, on_patched) else "base's own, not seen with the patch"
    )
    return _finding(failure, blamed=False, remark=remark)


def chance_of(failed: int, runs: int, failed_on_base: int, runs_on_base: int) -> float:
    """Return how probable at least so many failures with the patch are, if it changes nothing (Fisher's exact test, one-sided).

    1.0 where the counts are of no trials.
    """
    failures, all_runs = failed + failed_on_base, runs + runs_on_base
    if not 0 <= failed <= runs or not 0 <= failed_on_base <= runs_on_base or not all_runs:
        return 1.0
    ways = comb(all_runs, failures)
    return sum(comb(runs, n) * comb(runs_on_base, failures - n) for n in range(failed, min(runs, failures) + 1)) / ways


def _seen(failure: _Failure, among: Sequence[_Failure]) -> list[_Failure]:
    """Return those of the same scenario and topology that are the same failure, as far as is known."""
    return [other for other in among if other.cell == failure.cell and same_complaint(other.mark, failure.mark)]


def _trials_of(failures: Sequence[_Failure]) -> set[int]:
    """Return the trials by identity: a perturbed base's have the same specifications as others."""
    return {id(failure.trial) for failure in failures}


def _ended(trials: Sequence[TrialResult], kernel: KernelRole, cell: tuple[str, str]) -> list[TrialResult]:
    return [
        trial
        for trial in trials
        if trial.spec.kernel is kernel and _cell(trial) == cell and trial.status in _CAME_TO_AN_END
    ]


def _cell(trial: TrialResult) -> tuple[str, str]:
    return _place(trial.spec)


def _place(spec: TrialSpec) -> tuple[str, str]:
    return spec.scenario, spec.topology


def _finding(failure: _Failure, *, blamed: bool, remark: str = "") -> Finding:
    return Finding(
        kind=failure.kind,
        title=f"{failure.title} ({remark})" if remark else failure.title,
        detail=failure.detail,
        kernel=str(failure.trial.spec.kernel),
        trial=failure.trial.spec.id,
        blamed=blamed,
    )
