"""PREFIXES OF A SERIES → THE PATCH: which trials to look at, what they say of a prefix, and which one to ask next.

``patched@k`` has the first k patches of the series; ``patched@0`` is base. One symptom is followed: a build that fails,
an exact failure, or a metric that regressed, in the cell (scenario and topology) where showing it takes the least guest
time. Nothing is run here: whoever asks hands in what a prefix's trials gave.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from orchestrator.judge.compare import NullBuild, compare
from orchestrator.judge.findings import Blame, blames, blames_of, showing
from orchestrator.judge.pairs import Cell
from orchestrator.judge.reach import with_reach
from orchestrator.model.bisection import Seen
from orchestrator.model.kernel import KernelRole
from orchestrator.model.run import RunRecord
from orchestrator.model.scenario import Scenario
from orchestrator.model.tree import Confidence
from orchestrator.model.trial import Status, TrialResult, TrialSpec
from orchestrator.model.verdict import Change, MetricChange

MOST_WITNESSES = 3
"""Where only some seeds show a failure, so many of them are asked: another prefix has another timing."""

HALF = 0.5
"""A metric that is not proven either way has moved if it has moved by this part of what the whole series does to it."""

_RAN = frozenset({Status.PASS, Status.FAIL, Status.DONE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Symptom:
    """What is looked for. ``cell`` is None where there is no patched kernel to run: ``mark`` is the stage that failed.

    ``mark`` (of a failure) or ``metric`` is what it is known again by; the other is "". ``trials`` are the patched trials
    to be run, the cheapest first. ``always`` says that all trials of the cell showed the failure, ``effect`` what the
    whole series did to the metric. ``guest_s`` is what its trials take.
    """

    what: str
    cell: Cell | None = None
    mark: str = ""
    metric: str = ""
    trials: tuple[TrialSpec, ...] = ()
    always: bool = True
    effect: float = 0.0
    guest_s: float = 0.0

    @property
    def is_exact(self) -> bool:
        """Whether it is there or not, and nothing in between."""
        return not self.metric


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a prefix's trials say. ``sure`` is False where a metric was neither shown to be worse nor to be the same."""

    seen: Seen
    text: str
    sure: bool = True
    shown_by: tuple[TrialSpec, ...] = ()


def symptoms_of(record: RunRecord) -> tuple[Symptom, ...]:
    """Return what a run is a regression for, what is best to follow first; () for a run without a regression.

    Exact failures come before metrics, what every trial of its cell shows before what only some show, and then what
    takes the least guest time. Beside a kernel that is not there (it does not build) there is nothing else.
    """
    failed = [finding for finding in record.verdict.findings if finding.blamed and not finding.trial]
    if failed:
        return (Symptom(what=f"{failed[0].kind}: {failed[0].title}", mark=failed[0].kind),)
    patched = [trial for trial in record.trials if trial.spec.kernel is KernelRole.PATCHED]
    found = [_of_failure(blame, patched) for blame in blames_of(record.verdict.findings, record.trials)]
    regressed = [change for change in record.verdict.changes if change.change is Change.REGRESSED]
    found += [_of_metric(change, patched) for change in regressed]
    return tuple(sorted((each for each in found if each.trials), key=_rank))


def _rank(symptom: Symptom) -> tuple[bool, bool, float]:
    return not symptom.is_exact, not symptom.always, symptom.guest_s


def _of_failure(blame: Blame, patched: Sequence[TrialResult]) -> Symptom:
    ended = [trial for trial in _in_cell(patched, blame.cell) if trial.status in _RAN]
    shown = [trial for trial in ended if trial.spec in blame.shown_by]
    always = len(shown) == len(ended)
    witnesses = shown[: 1 if always else MOST_WITNESSES]
    return Symptom(
        what=f"{blame.title} ({_place(blame.cell)})",
        cell=blame.cell,
        mark=blame.mark,
        trials=tuple(trial.spec for trial in witnesses),
        always=always,
        guest_s=sum(trial.guest_s for trial in witnesses),
    )


def _of_metric(change: MetricChange, patched: Sequence[TrialResult]) -> Symptom:
    cell = (change.scenario, change.topology)
    trials = [trial for trial in _in_cell(patched, cell) if trial.spec.seed in change.seeds and trial.status in _RAN]
    return Symptom(
        what=f"{change.metric} got worse ({_place(cell)})",
        cell=cell,
        metric=change.metric,
        trials=tuple(trial.spec for trial in trials),
        effect=change.effect or 0.0,
        guest_s=sum(trial.guest_s for trial in trials),
    )


def _in_cell(trials: Sequence[TrialResult], cell: Cell) -> list[TrialResult]:
    mine = [trial for trial in trials if (trial.spec.scenario, trial.spec.topology) == cell]
    return sorted(mine, key=lambda trial: (trial.guest_s, trial.spec.seed))


def _place(cell: Cell) -> str:
    return f"{cell[0]} on {cell[1]}"


def look_at(
    symptom: Symptom,
    trials: Sequence[TrialResult],
    scenarios: Sequence[Scenario],
    null_builds: Sequence[NullBuild] = (),
    *,
    repeatable: bool = True,
) -> Look:
    """Return whether ``trials`` show the symptom: the same trials on base and on a prefix, which is their ``patched``.

    A metric is compared as in the run that it is a symptom of: with that run's ``null_builds``, and ``repeatable`` as there.
    """
    trials = with_reach(trials)
    lost = [trial for trial in trials if trial.status not in _RAN]
    if symptom.is_exact:
        return _look_at_failure(symptom, trials, lost)
    if lost:
        return _cannot_tell(lost[0])
    return _look_at_metric(symptom, trials, compare(scenarios, trials, null_builds, repeatable=repeatable))


def _look_at_failure(symptom: Symptom, trials: Sequence[TrialResult], lost: Sequence[TrialResult]) -> Look:
    assert symptom.cell is not None  # noqa: S101 - what has no trials is not looked at here
    if shown := showing(trials, symptom.cell, symptom.mark):
        return Look(seen=Seen.BAD, text="it is there", shown_by=shown)
    if lost:
        return _cannot_tell(lost[0])
    if others := blames(trials):
        return Look(seen=Seen.GOOD, text=f"it is not there, but another failure is: {others[0].title}")
    return Look(seen=Seen.GOOD, text="it is not there")


def _cannot_tell(trial: TrialResult) -> Look:
    reason = trial.message or "no reason given"
    return Look(seen=Seen.UNTESTABLE, text=f"{trial.spec.id}: {trial.status}, {reason}")


def _look_at_metric(symptom: Symptom, trials: Sequence[TrialResult], changes: Sequence[MetricChange]) -> Look:
    mine = [change for change in changes if change.metric == symptom.metric]
    change = next((each for each in mine if (each.scenario, each.topology) == symptom.cell), None)
    if change is None or change.change in {Change.REMOVED, Change.ADDED}:
        return Look(seen=Seen.UNTESTABLE, text=f"there are no figures of {symptom.metric} to compare")
    shown_by = tuple(trial.spec for trial in trials if trial.spec.kernel is KernelRole.PATCHED)
    if change.change is Change.REGRESSED:
        return Look(seen=Seen.BAD, text=f"{symptom.metric} got worse", shown_by=shown_by)
    if change.change in {Change.SAME, Change.IMPROVED}:
        return Look(seen=Seen.GOOD, text=f"{symptom.metric}: {change.change}")
    if change.effect is None or not symptom.effect:
        return Look(seen=Seen.UNTESTABLE, text=f"{symptom.metric}: {change.change}")
    part = change.effect / symptom.effect
    seen = Seen.BAD if part >= HALF else Seen.GOOD
    text = f"{symptom.metric} moved by {part:.0%} of what the whole series does to it"
    return Look(seen=seen, text=text, sure=False, shown_by=shown_by if seen is Seen.BAD else ())


def search(patches: int, ask: Callable[[int], Seen]) -> tuple[int, ...]:
    """Return the numbers of the patches that may have brought what ``patched@patches`` shows and ``patched@0`` does not.

    ``ask`` is called for prefixes between them, for none twice. One number is left unless prefixes beside it could not be
    tested: the next nearest to the middle is asked then. Of two that are as near the longer one is asked first.
    """
    good, bad = 0, patches
    untestable: set[int] = set()
    while inner := [k for k in range(good + 1, bad) if k not in untestable]:
        middle = min(inner, key=lambda k: (abs(2 * k - good - bad), -k))
        match ask(middle):
            case Seen.GOOD:
                good = middle
            case Seen.BAD:
                bad = middle
            case Seen.UNTESTABLE:
                untestable.add(middle)
    return tuple(range(good + 1, bad + 1))


def most_asked(patches: int) -> int:
    """Return how many prefixes are asked at most where all can be tested."""
    return math.ceil(math.log2(patches)) if patches > 1 else 0


def confidence_in(
    symptom: Symptom, candidates: Sequence[int], looks: Mapping[int, Look], *, repeats: bool
) -> tuple[Confidence, str]:
    """Return how sure the answer ``candidates`` is, and what that rests on.

    ``looks`` are those at each prefix that was asked, base (0) and the whole series among them; ``repeats`` says that it
    was seen that sealed trials give the same digest again on this host.
    """
    good, bad = candidates[0] - 1, candidates[-1]
    both = f"{prefix_name(bad)} shows it and {prefix_name(good)} does not"
    if symptom.cell is None:
        return Confidence.CERTAIN, f"of {prefix_name(bad)} there is no kernel, and of {prefix_name(good)} there is one"
    if not all(spec.sealed for spec in symptom.trials):
        return Confidence.LOW, f"{both}, but these are live trials: they repeat only roughly"
    if not symptom.is_exact:
        if looks[good].sure and looks[bad].sure:
            return Confidence.HIGH, f"by the judge's comparison over {len(symptom.trials)} seeds {both}"
        return Confidence.MEDIUM, f"{both}; neither is proven, the nearer side was taken"
    if not symptom.always:
        return Confidence.MEDIUM, f"{both}, but not every seed of the run shows it: its timing may hide it as well"
    if not repeats:
        return Confidence.HIGH, f"{both}; that trials repeat on this host was not seen"
    return Confidence.CERTAIN, f"the failure is exact, and sealed trials repeat here bit for bit: {both}"


def prefix_name(patches: int) -> str:
    """Return the name of a prefix: ``base`` or ``patched@3``."""
    return f"{KernelRole.PATCHED}@{patches}" if patches else str(KernelRole.BASE)
