"""RUN RECORD → PLAIN TEXT: the report for a file, a pipe or a mail; no colours, no control characters."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence

from orchestrator.model.run import RunRecord
from orchestrator.model.verdict import Change
from orchestrator.report.bisection import bisection_lines
from orchestrator.report.code import code_lines
from orchestrator.report.coverage import coverage_lines
from orchestrator.report.summary import (
    Group,
    Row,
    applied_lines,
    claim_lines,
    finding_line,
    format_difference,
    format_percent,
    format_span,
    gaps,
    groups,
    result_lines,
)
from orchestrator.report.sweep import SweepTable, sweep_tables

HEAD = ("metric", "node", "base", "patched", "difference", "", "")
_LEFT = frozenset({0, 6})
_GAPS = 12


def render_text(record: RunRecord, *, everything: bool = False) -> str:
    """Return the whole report as text; ``everything`` lists also the metrics that are the same."""
    parts = [
        [str(record.verdict.outcome), *record.verdict.sentences],
        _section("Findings", [finding_line(finding) for finding in record.verdict.findings]),
        _section("Which patch", bisection_lines(record)),
        _section("Claims", claim_lines(record)),
        *(_group_lines(group) for group in groups(record, everything=everything)),
        *(_sweep_lines(table) for table in sweep_tables(record)),
        _section("Applied to " + record.trees.base.describe, applied_lines(record)),
        _section("Object code", code_lines(record)),
        _section("Coverage of the patch", coverage_lines(record)),
        _section("Added for what the patch changes", record.plan.aimed or ()),
        _section("Not covered", gaps(record, _GAPS)),
        result_lines(record),
    ]
    return "\n\n".join("\n".join(printable_line(line) for line in part) for part in parts if part) + "\n"


def printable(text: str) -> str:
    """Return ``text`` with control and format characters made visible: subjects and logs are a stranger's words.

    Tabs and line feeds stay; see :func:`printable_line` for what must be one line.
    """
    if text.isprintable():
        return text
    return "".join(
        char if char in "\t\n" or unicodedata.category(char) not in {"Cc", "Cf", "Cs"} else f"\\x{ord(char):02x}"
        for char in text
    )


def printable_line(text: str) -> str:
    """Return ``text`` as one printable line: nobody adds lines of his own to a report."""
    return printable(" ".join(text.splitlines()))


def cells(row: Row, *, short: bool = False) -> tuple[str, ...]:
    """Return a row's texts in the order of :data:`HEAD`; ``short`` for where there is little room."""
    return (
        f"{row.metric} [{row.unit}]" if row.unit else row.metric,
        "" if row.node is None else str(row.node),
        format_span(row.base, short=short),
        format_span(row.patched, short=short),
        format_difference(row),
        format_percent(row),
        "" if row.change is Change.SAME else str(row.change),
    )


def quiet_line(group: Group) -> str:
    """Return what is said of the rows that are not shown; "" when all are."""
    if not group.quiet:
        return ""
    return (
        f"{group.quiet} other{'' if group.quiet == 1 else 's'} the same"
        if group.rows
        else f"all {group.quiet} the same"
    )


def group_title(group: Group) -> str:
    """Return a group's title: where, and over how many seeds."""
    seeds = max((row.seeds for row in group.rows), default=0)
    over = f" ({seeds} seed{'' if seeds == 1 else 's'})" if seeds else ""
    return f"{group.scenario} on {group.topology}{over}"


def _section(title: str, lines: Iterable[str]) -> list[str]:
    body = [f"  {line}" for line in lines]
    return [title, *body] if body else []


def _group_lines(group: Group) -> list[str]:
    lines = [group_title(group)]
    if group.rows:
        lines += aligned([HEAD, *(cells(row) for row in group.rows)])
    if quiet := quiet_line(group):
        lines.append(f"  {quiet}")
    return lines


def _sweep_lines(table: SweepTable) -> list[str]:
    return [table.title, *aligned([table.head, *table.rows])]


def aligned(table: Sequence[Sequence[str]], left: frozenset[int] = _LEFT) -> list[str]:
    """Return rows as lines with their columns below each other; ``left`` are the columns of words, not of numbers."""
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    return [
        "  "
        + "  ".join(
            text.ljust(width) if column in left else text.rjust(width)
            for column, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in table
    ]
