"""TREES → TERMINAL: which base was chosen and why, and how each patch was put on it."""

from __future__ import annotations

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from orchestrator.model.tree import AppliedPatch, Base, Confidence, Rung, StepOutcome, Trees
from orchestrator.report.text import printable_line
from orchestrator.tree.apply import in_words

_INDENT = 2
_CONFIDENCE_STYLES = {
    Confidence.CERTAIN: "green",
    Confidence.HIGH: "green",
    Confidence.MEDIUM: "yellow",
    Confidence.LOW: "yellow",
}
_RUNG_STYLES = {Rung.AM: "green", Rung.AM_3WAY: "green", Rung.PRESENT: "cyan"}


def print_trees(trees: Trees, console: Console) -> None:
    """Print base, with all ways that were tried to find it, and what became of every patch."""
    _print_base(trees.base, console)
    console.print(Text("Applied", style="bold"))
    for done in trees.applied:
        _print_applied(done, console)
    console.print()


def _print_base(base: Base, console: Console) -> None:
    head = Text("Base  ", style="bold").append(printable_line(base.describe), style="not bold default")
    head.append(f"  confidence {base.confidence}", style=_CONFIDENCE_STYLES[base.confidence])
    console.print(head)
    _print_indented(Text(printable_line(base.reason)), console)
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for step in base.steps:
        taken = step.outcome is StepOutcome.TAKEN
        says = printable_line(f"{step.outcome}: {step.text}")
        table.add_row(str(step.way), Text(says, style="default" if taken else "dim"))
    console.print(Padding(table, (0, 0, 0, _INDENT), expand=False))
    for item in base.prerequisites:
        _print_indented(Text(printable_line(item.text)), console)
    console.print()


def _print_applied(done: AppliedPatch, console: Console) -> None:
    line = Text(f"{done.index}  ").append(printable_line(in_words(done)), style=_RUNG_STYLES.get(done.rung, "yellow"))
    _print_indented(line, console)
    for attempt in done.tries:
        if not attempt.held:
            _print_indented(Text(printable_line(f"{attempt.rung}: {attempt.said}"), style="dim"), console, deeper=3)
    for hunk in done.hunks:
        if hunk.score < 1:
            where = f"{hunk.path} hunk {hunk.hunk} at line {hunk.line}: {hunk.quality}, score {hunk.score:.2f}"
            _print_indented(Text(printable_line(where), style="dim"), console, deeper=3)


def _print_indented(text: Text, console: Console, *, deeper: int = 0) -> None:
    console.print(Padding(text, (0, 0, 0, _INDENT + deeper), expand=False))
