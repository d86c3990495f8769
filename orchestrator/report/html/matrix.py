"""RUN RECORD → the table of scenario × topology: one word a cell, and the figures it rests on."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

from orchestrator.model.run import RunRecord
from orchestrator.model.trial import Status, TrialResult, TrialSpec
from orchestrator.model.verdict import Change, MetricChange
from orchestrator.report.html.anchors import cell_anchor, finding_anchor

MARKS = {
    "regressed": "✗",
    "error": "!",
    "unclear": "?",
    "changed": "≠",
    "improved": "✓",
    "same": "=",
    "not run": "○",
    "not asked": "–",
    "same code": "=",
}
"""A mark for each word, so that nothing is told by colour alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One scenario on one topology: its word (a key of :data:`MARKS`), figures, and where more stands on the page."""

    word: str
    figures: tuple[str, ...] = ()
    anchor: str = ""

    @property
    def mark(self) -> str:
        """The word's mark."""
        return MARKS[self.word]

    @property
    def style(self) -> str:
        """The word as a class of the style sheet."""
        return "o-" + self.word.replace(" ", "-")


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """The table: a row a scenario, a column a topology."""

    topologies: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]


def matrix_of(record: RunRecord, shown: int = 0) -> Matrix:
    """Return the table in the plan's order; the first ``shown`` findings stand on the page, and cells may lead there."""
    profile = record.plan.profile
    specs = record.plan.trials
    scenarios = list(dict.fromkeys([*profile.scenarios, *(spec.scenario for spec in specs)]))
    topologies = list(dict.fromkeys([*profile.topologies, *(spec.topology for spec in specs)]))
    planned: dict[tuple[str, str], list[TrialSpec]] = {}
    for spec in specs:
        planned.setdefault((spec.scenario, spec.topology), []).append(spec)
    done = {trial.spec: trial for trial in record.trials}
    changes: dict[tuple[str, str], list[MetricChange]] = {}
    for change in record.verdict.changes:
        changes.setdefault((change.scenario, change.topology), []).append(change)
    blamed: dict[str, list[int]] = {}
    for number, finding in enumerate(record.verdict.findings):
        if finding.blamed:
            blamed.setdefault(finding.trial, []).append(number)
    same_code = record.objects is not None and record.objects.same
    rows = []
    for scenario in scenarios:
        cells = []
        for topology in topologies:
            pair = (scenario, topology)
            mine = planned.get(pair, [])
            found = sorted(number for spec in mine for number in blamed.get(spec.id, ()))
            there = [done[spec] for spec in mine if spec in done]
            if not there:
                cells.append(Cell(word="not asked" if not mine else "same code" if same_code else "not run"))
            else:
                cell = _cell(pair, planned=len(mine), done=there, changes=changes.get(pair, []), findings=len(found))
                leads = bool(found) and found[0] < shown
                cells.append(replace(cell, anchor=finding_anchor(found[0])) if leads else cell)
        rows.append((scenario, tuple(cells)))
    return Matrix(topologies=tuple(topologies), rows=tuple(rows))


def _cell(
    pair: tuple[str, str], *, planned: int, done: list[TrialResult], changes: list[MetricChange], findings: int
) -> Cell:
    count = Counter(change.change for change in changes)
    bad = [trial for trial in done if trial.status not in {Status.PASS, Status.DONE}]
    suspects = sum(change.suspect for change in changes)
    figures = []
    if findings:
        figures.append(f"{findings} finding{'' if findings == 1 else 's'}")
    figures += [f"{count[change]} {change}" for change in Change if count[change]]
    good = len(done) - len(bad)
    figures.append(f"{good} of {planned} trials well" if good < planned else f"{good} trials")
    return Cell(
        word=_word(count, findings=findings, bad=bad, missing=planned - len(done), suspects=suspects),
        figures=tuple(figures),
        anchor=cell_anchor(*pair) if changes else "",
    )


def _word(count: Counter[Change], *, findings: int, bad: list[TrialResult], missing: int, suspects: int) -> str:
    if findings or count[Change.REGRESSED]:
        return "regressed"
    if bad:
        return "error"
    if missing:
        return "not run"
    if suspects:
        return "unclear"
    if count[Change.CHANGED] or count[Change.REMOVED] or count[Change.ADDED]:
        return "changed"
    if count[Change.IMPROVED]:
        return "improved"
    return "unclear" if count[Change.UNCLEAR] else "same"
