"""FINDINGS AND CHANGES → VERDICT. Pure; what is proven stands, whatever else went wrong.

The order is REGRESSION > ERROR > INCONCLUSIVE > CHANGED > IMPROVEMENT > PASS, and PASS needs data: trials, or two
kernels with the same code.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from orchestrator.errors import PatchFault
from orchestrator.judge.compare import NullBuild, compare
from orchestrator.judge.findings import find_all, is_new_but_blameless
from orchestrator.judge.kernel_log import lines_on_detectors
from orchestrator.judge.live import lines_on_busy_host
from orchestrator.judge.order import Share, Stem, relative_size, shares_of, stem_of
from orchestrator.judge.pairs import is_usable, pairs_by_cell
from orchestrator.judge.reach import with_reach_beside
from orchestrator.judge.wording import count_of, sentence_on_change, sentence_on_finding, sentence_on_undecided
from orchestrator.model.coverage import PatchCoverage
from orchestrator.model.kernel import KernelRole
from orchestrator.model.scenario import Scenario
from orchestrator.model.trial import Status, TrialResult, TrialSpec
from orchestrator.model.verdict import Change, Finding, MetricChange, Outcome, Verdict

SENTENCES = 3
WORTH_A_SENTENCE = 0.1
"""How far a metric must have moved to be worth a sentence where others moved more. The table shows all."""

_MOVED = frozenset({Change.CHANGED, Change.REMOVED, Change.ADDED})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """All that the verdict rests on."""

    planned: tuple[TrialSpec, ...]
    trials: dict[TrialSpec, TrialResult]
    changes: tuple[MetricChange, ...]
    findings: tuple[Finding, ...]
    pairs: int
    gaps: tuple[Finding, ...] = ()
    same_code: str = ""
    coverage: PatchCoverage | None = None
    repeatable: bool = True

    @property
    def is_same_code(self) -> bool:
        """Whether no trial was run because none could show a difference."""
        return bool(self.same_code) and not self.trials

    def with_status(self, *statuses: Status) -> list[TrialResult]:
        """Return the planned trials that ended so."""
        return [trial for spec in self.planned if (trial := self.trials.get(spec)) and trial.status in statuses]

    @property
    def not_run(self) -> list[TrialSpec]:
        """The planned trials that gave nothing, without a fault of ours: interrupted, left out.

        Where base lacks what a scenario is about there is nothing to run, and nothing missing: it is listed as not
        covered. Where patched alone lacks it something is missing.
        """
        gave = {Status.PASS, Status.FAIL, Status.DONE, Status.ERROR}
        return [
            spec
            for spec in self.planned
            if (spec not in self.trials or self.trials[spec].status not in gave) and not self._is_lacking(spec)
        ]

    def _is_lacking(self, spec: TrialSpec) -> bool:
        both = [self.trials.get(dataclasses.replace(spec, kernel=kernel)) for kernel in KernelRole]
        return all(trial is not None and trial.status is Status.SKIP for trial in both)

    def changed(self, *kinds: Change) -> list[MetricChange]:
        """Return the metrics that became so, what a person should see first first."""
        return [change for change in self.changes if change.change in kinds]

    @property
    def blamed(self) -> list[Finding]:
        """What the patch is to blame for."""
        return [finding for finding in self.findings if finding.blamed]

    @property
    def undecided(self) -> list[MetricChange]:
        """Metrics that may well have worsened: neither to be blamed on the patch nor to be passed over."""
        return [change for change in self.changed(Change.UNCLEAR) if change.suspect]

    @property
    def shows_nothing(self) -> bool:
        """Whether there are two samples a metric (trials did not repeat) and no metric could be decided by them."""
        ranked = not self.repeatable or any(not spec.sealed for spec in self.planned)
        return (
            ranked and bool(self.changes) and not self.changed(*(kind for kind in Change if kind is not Change.UNCLEAR))
        )

    def told(self, changes: Sequence[MetricChange]) -> list[str]:
        """Return a sentence on each metric, one of its nodes speaking for all: a node's loss is its neighbour's gain."""
        first: dict[Stem, MetricChange] = {}
        for change in changes:
            first.setdefault(stem_of(change), change)
        return [sentence_on_change(change, self.shares.get(stem, ())) for stem, change in first.items()]

    @property
    def shares(self) -> Mapping[Stem, tuple[Share, ...]]:
        """Each node's part of the per-node metrics."""
        return shares_of(self.changes)


def decide(
    *,
    scenarios: Sequence[Scenario],
    planned: Sequence[TrialSpec],
    trials: Sequence[TrialResult],
    faults: Sequence[PatchFault] = (),
    gaps: Sequence[Finding] = (),
    same_code: str = "",
    null_builds: Sequence[NullBuild] = (),
    repeatable: bool = True,
    coverage: PatchCoverage | None = None,
) -> Verdict:
    """Return the verdict on a run.

    ``planned`` is every trial that the run set out to do; a trial without a record counts as not run. ``faults`` are
    the stages that the patched kernel did not get through, ``gaps`` what is ours to put right before the run's word
    counts (expired waivers, a broken base): they blame nobody, and nothing less than a regression stands beside them.
    ``same_code`` says how it is known that base and patched are the same to the machine, "" where they are not; then
    trials that were not run are not missing. Records of trials that were not planned are not judged. ``null_builds`` are
    perturbed builds of base, which show how far a kernel wanders that means nothing. ``repeatable`` says whether sealed
    trials were shown to repeat on this host. ``coverage`` is which of the patch's lines ran: a patch of which none did
    has not passed.
    """
    wanted = set(planned)
    records = {trial.spec: trial for trial in trials if trial.spec in wanted}
    judged = tuple(records.values())
    beside = with_reach_beside([build.trials for build in null_builds], judged)
    case = _Case(
        planned=tuple(dict.fromkeys(planned)),
        trials=records,
        changes=compare(scenarios, judged, null_builds, repeatable=repeatable),
        findings=(*find_all(judged, faults, beside), *gaps),
        pairs=sum(len(pairs) for pairs in pairs_by_cell(judged).values()),
        gaps=tuple(gaps),
        same_code=same_code,
        coverage=coverage,
        repeatable=repeatable,
    )
    outcome = _outcome(case)
    return Verdict(
        outcome=outcome,
        sentences=(*_sentences(outcome, case), *_on_coverage(case)),
        changes=case.changes,
        findings=case.findings,
        not_covered=(
            *_not_covered(case),
            *_without_metrics(scenarios, case),
            *_without_values(case),
            *(() if coverage is None else coverage.not_covered),
            *lines_on_busy_host(judged),
            *lines_on_detectors(judged),
        ),
    )


def _outcome(case: _Case) -> Outcome:
    if case.blamed or case.changed(Change.REGRESSED):
        return Outcome.REGRESSION
    if case.with_status(Status.ERROR) or case.gaps:
        return Outcome.ERROR
    if case.is_same_code:
        return Outcome.PASS
    if case.not_run or not case.pairs or case.undecided or case.shows_nothing or _halved(case):
        return Outcome.INCONCLUSIVE
    if case.changed(*_MOVED) or any(is_new_but_blameless(finding) for finding in case.findings):
        return Outcome.CHANGED
    if case.changed(Change.IMPROVED):
        return Outcome.IMPROVEMENT
    return Outcome.INCONCLUSIVE if case.coverage is not None and case.coverage.is_idle else Outcome.PASS


def _halved(case: _Case) -> list[TrialResult]:
    """Trials that came to an end and left no metrics: their pair was not compared."""
    return [trial for trial in case.with_status(Status.PASS, Status.FAIL, Status.DONE) if not is_usable(trial)]


def _sentences(outcome: Outcome, case: _Case) -> list[str]:
    match outcome:
        case Outcome.REGRESSION:
            first = [sentence_on_finding(finding) for finding in case.blamed]
            first += case.told(case.changed(Change.REGRESSED))
            said = first + _on_gaps(case) + _on_changes(case)
        case Outcome.ERROR | Outcome.INCONCLUSIVE:
            undecided = [sentence_on_undecided(case.undecided)] if case.undecided else []
            said = _on_gaps(case) + undecided + _on_changes(case)
        case Outcome.CHANGED | Outcome.IMPROVEMENT:
            said = _on_changes(case) + _on_improvements(case)
        case Outcome.PASS:
            return _on_same_code(case) if case.is_same_code else [_on_nothing(case)]
    return said[: SENTENCES - 1] + _in_numbers(case) if case.changes else said[:SENTENCES]


def _in_numbers(case: _Case) -> list[str]:
    """Say how many metrics became what, so that three sentences hide nothing."""
    counts = Counter(change.change for change in case.changes)
    parts = [f"{counts[kind]} {kind}" for kind in Change if counts[kind]]
    return [f"Of {count_of(len(case.changes), 'metric')} compared: {', '.join(parts)}."]


def _on_changes(case: _Case) -> list[str]:
    new = [f"With the patch only: {finding.title}." for finding in case.findings if is_new_but_blameless(finding)]
    return new + _telling(case, case.changed(*_MOVED))


def _on_improvements(case: _Case) -> list[str]:
    return _telling(case, case.changed(Change.IMPROVED))


def _telling(case: _Case, changes: Sequence[MetricChange]) -> list[str]:
    """Say the first change however small, and others only where they are not."""
    worth = [change for at, change in enumerate(changes) if at == 0 or relative_size(change) >= WORTH_A_SENTENCE]
    return case.told(worth)


def _on_gaps(case: _Case) -> list[str]:
    """Say what is missing and whose fault that is."""
    sentences = [f"{gap.title[:1].upper()}{gap.title[1:].rstrip('.')}." for gap in case.gaps]
    if errors := case.with_status(Status.ERROR):
        reason, _ = Counter(trial.message or "no reason given" for trial in errors).most_common(1)[0]
        lost = f"{len(errors)} of {count_of(len(case.planned), 'trial')}"
        sentences.append(f"{lost} failed by our fault, not the patch's: {reason.rstrip('.')}.")
    if case.not_run:
        sentences.append(f"{len(case.not_run)} of {count_of(len(case.planned), 'planned trial')} did not run.")
    if halved := _halved(case):
        sentences.append(f"{count_of(len(halved), 'trial')} ended without metrics and could not be compared.")
    if case.pairs and case.shows_nothing:
        sentences.append(
            "No metric could be decided: trials that do not repeat need more seeds (--seeds 6, or --budget)."
        )
    if not case.pairs and not case.blamed:
        sentences.append("There is no pair of trials of base and patched to compare.")
    return sentences


def _on_coverage(case: _Case) -> list[str]:
    """Say how much of the patch ran; nothing where that was not measured, which is listed as not covered."""
    coverage = case.coverage
    if coverage is None or coverage.reason or not coverage.lines:
        return []
    if coverage.is_idle:
        lines = count_of(len(coverage.lines), "changed line")
        return [f"None of {lines} ran in any of this run's scenarios: nothing is known of what they do."]
    return [f"{coverage.sentence}."]


def _on_same_code(case: _Case) -> list[str]:
    return [
        f"No change in object code: {case.same_code.rstrip('.')}.",
        f"None of {count_of(len(case.planned), 'planned trial')} was run: base and patched could not differ in it.",
    ]


def _on_nothing(case: _Case) -> str:
    cells = {(change.scenario, change.topology) for change in case.changes}
    counts = Counter(change.change for change in case.changes)
    over = f"over {count_of(len(cells), 'pair')} of scenario and topology, {count_of(case.pairs, 'pair')} of trials"
    unclear = f", {counts[Change.UNCLEAR]} unclear" if counts[Change.UNCLEAR] else ""
    return (
        f"No metric is shown to have moved by as much as matters: {count_of(len(case.changes), 'comparison')} {over}; "
        f"{counts[Change.SAME]} the same{unclear}."
    )


def _not_covered(case: _Case) -> list[str]:
    """Name every planned trial that gave nothing to compare, with the reason."""
    lines = []
    why = ": no change in object code" if case.is_same_code else ""
    for spec in case.planned:
        trial = case.trials.get(spec)
        if trial is None:
            lines.append(f"{spec.id}: {Status.MISS}, not run{why}")
        elif trial.status not in {Status.PASS, Status.FAIL, Status.DONE}:
            lines.append(f"{spec.id}: {trial.status}, {trial.message or 'no reason given'}")
        elif not is_usable(trial):
            lines.append(f"{spec.id}: {trial.status}, but it left no metrics")
    return lines


def _without_metrics(scenarios: Sequence[Scenario], case: _Case) -> list[str]:
    """Name the metrics that a scenario promises and neither kernel has: absent is not zero, and not the same either."""
    there: dict[tuple[str, str], set[str]] = {}
    for change in case.changes:
        there.setdefault((change.scenario, change.topology), set()).add(change.metric.partition("@")[0])
    return [
        f"{scenario.name} on {topology}: neither kernel has {metric.name}"
        for scenario in scenarios
        for (name, topology), names in there.items()
        if name == scenario.name
        for metric in scenario.metrics
        if metric.name not in names
    ]


def _without_values(case: _Case) -> list[str]:
    """Name the values that a kernel gave and that could not be compared: no numbers, wrapped, gone backwards."""
    return [
        f"{change.scenario} on {change.topology}: {change.metric} was not compared everywhere ({change.note})"
        for change in case.changes
        if change.note
    ]
