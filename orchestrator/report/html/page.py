"""RUN → one HTML file that stands alone: no network, at most :data:`LARGEST` bytes, readable without JavaScript.

Everything that a stranger wrote goes through :mod:`orchestrator.report.html.rendering`: control characters made visible, cut to
a length, escaped. The numbers of plots, rows and lines have limits; where the page still comes out too large it is made
again with smaller ones, and says at each place what was left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.model.coverage import LineState
from orchestrator.model.run import RunRecord
from orchestrator.model.verdict import Finding, MetricChange, Outcome
from orchestrator.report.code import code_lines
from orchestrator.report.html.anchors import cell_anchor, finding_anchor, trial_anchor
from orchestrator.report.html.drawing import drawing_of
from orchestrator.report.html.folder import applied_diffs, configurations
from orchestrator.report.html.matrix import matrix_of
from orchestrator.report.html.patch import patches_view
from orchestrator.report.html.provenance import provenance
from orchestrator.report.html.rendering import rendered
from orchestrator.report.html.strip import strip_plot
from orchestrator.report.html.tables import check_rows, failed_checks, missing_trials
from orchestrator.report.html.timeline import timelines
from orchestrator.report.material import Material
from orchestrator.report.reproduce import reproduce_command
from orchestrator.report.summary import (
    INTERESTING,
    Row,
    finding_line,
    format_difference,
    format_percent,
    format_span,
    format_value,
    metric_rows,
    repeat_line,
    trial_counts,
)
from orchestrator.report.sweep import sweep_tables

LARGEST = 2_000_000
"""Bytes of a page, at most: it has to pass as an attachment of a mail."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much of everything the page shows; ``text`` is the length at which any one text is cut."""

    strips: int = 24
    timelines: int = 8
    rows: int = 2500
    findings: int = 40
    detail: int = 120
    diff: int = 4000
    trials: int = 600
    lines: int = 400
    text: int = 2000


LADDER = (
    Limits(),
    Limits(strips=16, timelines=4, rows=1000, findings=20, detail=60, diff=1500, trials=600, lines=100, text=600),
    Limits(strips=6, timelines=1, rows=150, findings=8, detail=20, diff=200, trials=100, lines=30, text=160),
)

MEANS: Mapping[Outcome, str] = {
    Outcome.PASS: "Nothing moved by as much as matters.",
    Outcome.IMPROVEMENT: "Something got better, and nothing worse.",
    Outcome.CHANGED: "Something moved that is by itself neither good nor bad.",
    Outcome.REGRESSION: "Something got worse with the patch.",
    Outcome.INCONCLUSIVE: "The figures do not decide.",
    Outcome.ERROR: "The test could not be carried out. That is not the patch's doing.",
}
OUTCOME_MARKS: Mapping[Outcome, str] = {
    Outcome.PASS: "=",
    Outcome.IMPROVEMENT: "✓",
    Outcome.CHANGED: "≠",
    Outcome.REGRESSION: "✗",
    Outcome.INCONCLUSIVE: "?",
    Outcome.ERROR: "!",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Strip:
    """A metric worth looking at: the judge's word, the row with its figures, and the plot."""

    change: MetricChange
    row: Row
    svg: str

    @property
    def where(self) -> str:
        """Scenario and topology."""
        return f"{self.change.scenario} on {self.change.topology}"


def render_page(material: Material) -> str:
    """Return the page, in UTF-8 at most :data:`LARGEST` bytes."""
    page = ""
    for limits in LADDER:
        page = rendered("page.html.j2", _content(material, limits), text=limits.text)
        if len(page.encode()) <= LARGEST:
            return page
    # Thousands of names, each of full length: what is left is still valid to the eye, and says where the rest is.
    return rendered("short.html.j2", {"record": material.record, "means": MEANS}, text=LADDER[-1].text)


def _content(material: Material, limits: Limits) -> dict[str, object]:
    record = material.record
    rows = metric_rows(record)
    folder = material.folder
    return {
        "record": record,
        "limits": limits,
        "outcome_mark": OUTCOME_MARKS[record.verdict.outcome],
        "means": "This run is not finished." if material.unfinished else MEANS[record.verdict.outcome],
        "counts": trial_counts(record),
        "repeat": repeat_line(record),
        "findings": [_finding(number, finding) for number, finding in enumerate(record.verdict.findings)],
        "matrix": matrix_of(record, limits.findings),
        "strips": _strips(record, rows, limits.strips),
        "moved": sum(change.change in INTERESTING for change in record.verdict.changes),
        "groups": _groups(record, rows, limits.rows),
        "sweeps": sweep_tables(record),
        "timelines": timelines(material, limits.timelines),
        "has_folder": folder is not None,
        "drawings": [drawing_of(topology) for topology in record.topologies],
        "patches": patches_view(record, applied_diffs(folder), limits.diff),
        "states": _states(record),
        "invariants": check_rows(record, invariants=True),
        "checks": check_rows(record, invariants=False),
        "code": code_lines(record),
        "facts": provenance(record, configurations(folder)),
        "command": reproduce_command(record),
        "trials": [(trial, failed_checks(trial)) for trial in record.trials[: limits.trials]],
        "shown_trials": {trial.spec.id for trial in record.trials[: limits.trials]},
        "missing": missing_trials(record),
        "span": format_span,
        "difference": format_difference,
        "percent": format_percent,
        "value": format_value,
        "cell_anchor": cell_anchor,
        "trial_anchor": trial_anchor,
    }


def _finding(number: int, finding: Finding) -> tuple[str, str, Finding]:
    return finding_anchor(number), finding_line(finding), finding


def _strips(record: RunRecord, rows: tuple[Row, ...], most: int) -> list[Strip]:
    """Return the metrics worth looking at, in the judge's order, at most ``most``."""
    worth = [pair for pair in zip(record.verdict.changes, rows, strict=True) if pair[0].change in INTERESTING]
    return [
        Strip(change=change, row=row, svg=strip_plot(change, f"s{number}"))
        for number, (change, row) in enumerate(worth[:most])
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricGroup:
    """All metrics of a scenario on a topology, for the sortable table; ``left_out`` more are in run.json."""

    scenario: str
    topology: str
    rows: tuple[tuple[MetricChange, Row], ...]
    left_out: int

    @property
    def moved(self) -> int:
        """How many of them moved."""
        return sum(change.change in INTERESTING for change, _ in self.rows)


def _groups(record: RunRecord, rows: tuple[Row, ...], most: int) -> list[MetricGroup]:
    found: dict[tuple[str, str], list[tuple[MetricChange, Row]]] = {}
    for change, row in zip(record.verdict.changes, rows, strict=True):
        found.setdefault((change.scenario, change.topology), []).append((change, row))
    groups = []
    for (scenario, topology), pairs in found.items():
        shown = pairs[:most]
        most -= len(shown)
        groups.append(
            MetricGroup(scenario=scenario, topology=topology, rows=tuple(shown), left_out=len(pairs) - len(shown))
        )
    return groups


def _states(record: RunRecord) -> list[tuple[str, int]]:
    coverage = record.coverage
    return [(str(state), len(coverage.of_state(state))) for state in LineState] if coverage else []
