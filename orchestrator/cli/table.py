"""RUN RECORD → TERMINAL: base, patched and difference of every metric that is of interest, and what to make of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from orchestrator.model.kernel import KernelRole
from orchestrator.model.run import RunRecord
from orchestrator.model.verdict import Change, Finding, Outcome
from orchestrator.report.bisection import bisection_lines
from orchestrator.report.code import code_lines
from orchestrator.report.coverage import coverage_lines
from orchestrator.report.summary import (
    Group,
    Row,
    applied_lines,
    claim_lines,
    finding_line,
    gaps,
    groups,
    result_lines,
)
from orchestrator.report.sweep import SweepTable, sweep_tables
from orchestrator.report.text import HEAD, cells, group_title, printable_line, quiet_line

GAPS = 8
COVERAGE = 8
FINDING_LINES = 12

_LEFT = frozenset({0, 6})
_METRIC, _DIFFERENCE = 0, 4
_CHANGE_STYLES = {
    Change.REGRESSED: "bold red",
    Change.CHANGED: "yellow",
    Change.IMPROVED: "green",
    Change.UNCLEAR: "magenta",
    Change.REMOVED: "cyan",
    Change.ADDED: "cyan",
    Change.SAME: "dim",
}
OUTCOME_STYLES = {
    Outcome.PASS: "bold white on green",
    Outcome.IMPROVEMENT: "bold white on green",
    Outcome.CHANGED: "bold black on yellow",
    Outcome.REGRESSION: "bold white on red",
    Outcome.INCONCLUSIVE: "bold white on magenta",
    Outcome.ERROR: "bold white on magenta",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layout:
    """How much of each row is shown: ``short`` is spans without their median, ``gap`` the blanks between columns."""

    short: bool
    units: bool
    gap: int

    def texts(self, row: Row) -> list[Text]:
        """Return a row's cells."""
        found = [Text(printable_line(text)) for text in cells(row, short=self.short)]
        found[_METRIC] = Text(printable_line(row.metric))
        if self.units and row.unit:
            found[_METRIC].append(f" {printable_line(row.unit)}", style="dim")
        return found

    def head(self) -> list[str]:
        """Return the columns' titles."""
        return ["diff" if self.short and title == HEAD[_DIFFERENCE] else title for title in HEAD]

    def widths(self, found: Sequence[Group]) -> list[int]:
        """Return the width of each column over all groups, so that figures stand below each other."""
        rows = [[len(title) for title in self.head()]]
        rows += [[text.cell_len for text in self.texts(row)] for group in found for row in group.rows]
        return [max(row[column] for row in rows) for column in range(len(HEAD))]

    def total(self, found: Sequence[Group]) -> int:
        """Return how wide the table is."""
        return sum(self.widths(found)) + self.gap * (len(HEAD) - 1) + _INDENT


_INDENT = 2
_LAYOUTS = (
    _Layout(short=False, units=True, gap=2),
    _Layout(short=True, units=True, gap=2),
    _Layout(short=True, units=True, gap=1),
    _Layout(short=True, units=False, gap=1),
)
"""From roomy to narrow: the first that fits the terminal is used."""


def print_run(record: RunRecord, console: Console, *, results: Path | None = None, everything: bool = False) -> None:
    """Print a run: the tables, the verdict, how the patches were applied, what was not covered, where the results lie.

    ``everything`` lists the metrics that are the same as well. ``results`` is the run directory.
    """
    found = groups(record, everything=everything)
    layout = next((each for each in _LAYOUTS if each.total(found) <= console.width), _LAYOUTS[-1])
    widths = layout.widths(found)
    for group in found:
        _print_group(group, console, layout=layout, widths=widths)
    for sweep in sweep_tables(record):
        _print_sweep(sweep, console)
    _print_verdict(record, console)
    _print_findings(record.verdict.findings, console)
    _print_section("Which patch", bisection_lines(record), console)
    _print_section("Claims", claim_lines(record), console)
    _print_section(f"Applied to {record.trees.base.describe}", applied_lines(record), console)
    _print_section("Object code", code_lines(record), console)
    _print_section("Coverage of the patch", coverage_lines(record, COVERAGE), console)
    _print_section("Not covered", gaps(record, GAPS), console)
    ends = [*result_lines(record), *([f"{results}/"] if results else [])]
    _print_section("Results", ends, console)


def _print_group(group: Group, console: Console, *, layout: _Layout, widths: Sequence[int]) -> None:
    console.print(Text(printable_line(group_title(group)), style="bold"))
    if group.rows:
        table = Table(box=None, header_style="dim", padding=(0, layout.gap, 0, 0), pad_edge=False)
        for column, (head, width) in enumerate(zip(layout.head(), widths, strict=True)):
            justify: Literal["left", "right"] = "left" if column in _LEFT else "right"
            table.add_column(head, justify=justify, min_width=width, no_wrap=True)
        for row in group.rows:
            table.add_row(*_styled(layout.texts(row), row.change), style="dim" if row.change is Change.SAME else "")
        console.print(Padding(table, (0, 0, 0, _INDENT)))
    if quiet := quiet_line(group):
        console.print(Text(f"{' ' * _INDENT}{quiet}", style="dim"))
    console.print()


def _print_sweep(sweep: SweepTable, console: Console) -> None:
    console.print(Text(printable_line(sweep.title), style="bold"))
    table = Table(box=None, header_style="dim", padding=(0, 2, 0, 0), pad_edge=False)
    for title in sweep.head:
        table.add_column(printable_line(title), justify="right")
    for row in sweep.rows:
        table.add_row(*(Text(printable_line(text)) for text in row))
    console.print(Padding(table, (0, 0, 0, _INDENT)))
    console.print()


def _styled(texts: list[Text], change: Change) -> list[Text]:
    # The values stay plain: colour says what became of a metric.
    for text in texts[_DIFFERENCE:]:
        text.stylize(_CHANGE_STYLES[change])
    return texts


def _print_verdict(record: RunRecord, console: Console) -> None:
    outcome = record.verdict.outcome
    badge = Text(f" {outcome} ", style=OUTCOME_STYLES[outcome])
    console.print(badge.append(f"  {printable_line(record.series.title)}", style="not bold default on default"))
    for sentence in record.verdict.sentences:
        console.print(Padding(Text(printable_line(sentence)), (0, 0, 0, 2)))
    console.print()


def _print_findings(findings: Sequence[Finding], console: Console) -> None:
    for finding in findings:
        # A broken base ends the run: what it said last is what the user needs.
        ends_run = finding.kernel == KernelRole.BASE and not finding.trial
        style = "bold red" if finding.blamed else "bold magenta" if ends_run else "dim"
        console.print(Padding(Text(printable_line(finding_line(finding)), style=style), (0, 0, 0, 2)))
        if finding.blamed or ends_run:
            shown = finding.detail[:FINDING_LINES]
            for line in shown:
                console.print(Text(f"    {printable_line(line)}", style="dim"), no_wrap=True, overflow="ellipsis")
            if len(finding.detail) > len(shown):
                console.print(Text(f"    … {len(finding.detail) - len(shown)} more lines in the record", style="dim"))
    if findings:
        console.print()


def _print_section(title: str, lines: Iterable[str], console: Console) -> None:
    body = list(lines)
    if not body:
        return
    console.print(Text(printable_line(title), style="bold"))
    for line in body:
        plain = line.lstrip(" ")
        indent = 2 + len(line) - len(plain)
        # Paths stay in one piece, so that they can be picked up with the mouse.
        console.print(Padding(Text(printable_line(plain), overflow="fold"), (0, 0, 0, indent)))
    console.print()
