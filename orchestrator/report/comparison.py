"""TWO RUNS' COMPARISON → PLAIN TEXT: outcomes, what differs, findings, and metrics from the first's patched to the second's."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.model.comparison import ComparedCell, ComparedFinding, ComparedMetric, RunComparison, RunSide
from orchestrator.model.verdict import Change
from orchestrator.report.summary import (
    INTERESTING,
    finding_line,
    format_difference,
    format_percent,
    format_span,
    row_of,
)
from orchestrator.report.text import aligned, printable_line

HEAD = ("metric", "node", "first", "second", "difference", "", "", "by each run's own patch")
_LEFT = frozenset({0, 6, 7})
NOT_COMPARED = ("metric", "by each run's own patch")


def render_comparison(comparison: RunComparison, *, everything: bool = False) -> str:
    """Return the whole comparison as text; ``everything`` lists also the metrics that are the same."""
    parts = [
        _side("first", comparison.first),
        _side("second", comparison.second),
        _section("Not the same in both", [f"{each.part}: {each.recorded}, {each.now}" for each in comparison.differs]),
        _section("Findings", [_finding(each) for each in comparison.findings]),
        *(_cell(cell, comparison.metrics, everything=everything) for cell in comparison.cells),
        _section("Only the first run has", comparison.only_first),
        _section("Only the second run has", comparison.only_second),
    ]
    return "\n\n".join("\n".join(printable_line(line) for line in part) for part in parts if part) + "\n"


def _section(title: str, lines: Sequence[str]) -> list[str]:
    return [title, *(f"  {line}" for line in lines)] if lines else []


def _side(name: str, side: RunSide) -> list[str]:
    trials = ", ".join(f"{count} {status}" for status, count in side.trials.items()) or "no trials"
    return [
        f"{name}: {side.run_id}: {side.outcome}",
        f"  {side.title} (v{side.version}) on {side.base}; {side.flavour}; {trials}",
        *(f"  {sentence}" for sentence in side.sentences),
    ]


def _finding(each: ComparedFinding) -> str:
    where = "in both" if each.first and each.second else "only in the first" if each.first else "only in the second"
    finding = each.second or each.first
    assert finding is not None  # noqa: S101 - a finding of neither run is none
    return f"{where}: {finding_line(finding)}"


def _cell(cell: ComparedCell, metrics: Sequence[ComparedMetric], *, everything: bool) -> list[str]:
    mine = [each for each in metrics if (each.scenario, each.topology) == (cell.scenario, cell.topology)]
    place = f"{cell.scenario} on {cell.topology}"
    if cell.reason:
        differing = [(each.metric, _own(each)) for each in mine if _own_differs(each)]
        lines = aligned([NOT_COMPARED, *differing], frozenset({0, 1})) if differing else []
        return [f"{place}: figures are not compared: {cell.reason}", *lines]
    seeds = f"{len(cell.seeds)} seed{'' if len(cell.seeds) == 1 else 's'}"
    shown = [each for each in mine if everything or _is_interesting(each)]
    quiet = sum(each.change is not None and each.change.change is Change.SAME for each in mine if each not in shown)
    lines = [f"{place}: patched of the first, patched of the second ({seeds})"]
    lines += [f"  {cell.note}"] if cell.note else []
    lines += aligned([HEAD, *(_row(each) for each in shown)], _LEFT) if shown else []
    return [*lines, f"  {quiet} metric{'' if quiet == 1 else 's'} the same"] if quiet else lines


def _is_interesting(each: ComparedMetric) -> bool:
    return _own_differs(each) or (each.change is not None and each.change.change in INTERESTING)


def _own_differs(each: ComparedMetric) -> bool:
    return (each.first or Change.SAME) != (each.second or Change.SAME)


def _row(each: ComparedMetric) -> tuple[str, ...]:
    if each.change is None:
        return (each.metric, "", "", "", "", "", "not compared", _own(each))
    row = row_of(each.change)
    words = {Change.SAME: "", Change.REGRESSED: "worse", Change.IMPROVED: "better"}
    return (
        f"{row.metric} [{row.unit}]" if row.unit else row.metric,
        "" if row.node is None else str(row.node),
        format_span(row.base),
        format_span(row.patched),
        format_difference(row),
        format_percent(row),
        words.get(row.change, str(row.change)),
        _own(each),
    )


def _own(each: ComparedMetric) -> str:
    """Return what each run's own patch did to the metric, once where they agree."""
    if each.first == each.second:
        return each.first
    return f"{each.first or 'not compared'}, then {each.second or 'not compared'}"
