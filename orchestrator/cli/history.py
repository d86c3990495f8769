"""``orchestrator history`` and ``orchestrator show RUN``: the runs of a results folder, and one of them."""

from __future__ import annotations

import dataclasses
import json as json_format
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from orchestrator.cli.failures import explained
from orchestrator.cli.options import DEFAULT_RESULTS, AllOption, JsonOption, ResultsOption, console_on
from orchestrator.cli.table import OUTCOME_STYLES, print_run
from orchestrator.cli.when import format_when
from orchestrator.errors import UserError
from orchestrator.model.verdict import Outcome
from orchestrator.report.summary import format_seconds
from orchestrator.report.text import printable_line
from orchestrator.run_view import LATEST, material_of
from orchestrator.store.index import FINISHED, UNFINISHED, RunIndex, RunSummary
from orchestrator.store.run_directory import PLAN, RUN, RunDirectory
from orchestrator.store.run_json import render_run

SHOWN = 20
TITLE_LENGTH = 60
TITLE_LEAST = 16
HEADS = ("verdict", "when", "took", "trials", "what", "run")
TITLE = HEADS.index("what")
GAP = 2
"""Blanks between columns."""

COMPLETIONS = 50
WIDE = 120
"""Columns from which on everything is shown."""


def run_names(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the runs for the shell's completion, newest first."""
    results = Path(ctx.params.get("results") or DEFAULT_RESULTS)
    try:
        found = {path.parent.name for name in (RUN, PLAN) for path in results.glob(f"*/{name}")}
    except OSError:
        return []
    return [name for name in (LATEST, *sorted(found, reverse=True)) if name.startswith(incomplete)][:COMPLETIONS]


HistoryJson = Annotated[bool, typer.Option("--json", help="Print JSON: a list, an object for each run.")]
LimitOption = Annotated[int, typer.Option("--limit", "-n", min=0, metavar="N", help="The newest N runs; 0 for all.")]
SearchOption = Annotated[
    str, typer.Option("--search", metavar="TEXT", help="Only runs with TEXT in id, title or verdict.")
]
VerdictOption = Annotated[
    str, typer.Option("--verdict", metavar="VERDICT", help="Only runs with this verdict; or unfinished, or unreadable.")
]
RebuildOption = Annotated[bool, typer.Option("--rebuild", help="Make the index of the runs anew from their records.")]
RunArgument = Annotated[
    str,
    typer.Argument(metavar="RUN", help=f"A run's id, its folder, a run.json, or {LATEST!r}.", autocompletion=run_names),
]


def history(
    *,
    limit: LimitOption = SHOWN,
    search: SearchOption = "",
    verdict: VerdictOption = "",
    rebuild: RebuildOption = False,
    results: ResultsOption = DEFAULT_RESULTS,
    json: HistoryJson = False,
) -> None:
    """List the runs, newest first: verdict, when, how long, how many trials, what was tested."""
    with explained(sys.stderr), RunIndex(results, rebuild=rebuild) as index:
        found = index.runs(search=search, outcome=_known(verdict), limit=limit or -1)
        if json:
            typer.echo(json_format.dumps([dataclasses.asdict(run) for run in found], indent=2))
            return
        console = console_on(sys.stdout)
        if not found:
            typer.echo(f"no runs{' of this kind' if search or verdict else ''} in {printable_line(str(results))}")
            return
        console.print(_table(found, results, datetime.now().astimezone(), width=console.width))
        if limit and len(found) == limit < index.count() and not (search or verdict):
            typer.echo(f"the newest {limit} of {index.count()} runs; --limit 0 shows all")


def show(
    run: RunArgument = LATEST,
    *,
    results: ResultsOption = DEFAULT_RESULTS,
    json: JsonOption = False,
    everything: AllOption = False,
) -> None:
    """Show a run as ``orchestrator test`` did; of one that is not finished, what is done so far."""
    with explained(sys.stderr):
        material = material_of(run, results)
        if json:
            typer.echo(render_run(material.record), nl=False)
            return
        print_run(material.record, console_on(sys.stdout), results=material.folder, everything=everything)


def _known(verdict: str) -> str:
    names = {str(outcome).lower(): str(outcome) for outcome in Outcome} | {
        "unfinished": "unfinished",
        "unreadable": "unreadable",
    }
    if verdict and verdict.lower() not in names:
        raise UserError(f"there is no verdict {verdict!r}", hint=f"one of {', '.join(names)}")
    return names.get(verdict.lower(), "")


def _table(found: Sequence[RunSummary], results: Path, now: datetime, *, width: int) -> Table:
    """Return the runs as a table; without durations, trials and titles where there is no room (a run's id tells its title).

    Ids are what a person copies: they come whole before a title comes at all.
    """
    wide = width >= WIDE
    rows = [[_verdict(run, results), *(Text(printable_line(text)) for text in _cells(run, now))] for run in found]
    room = min(TITLE_LENGTH, width - sum(_widest(rows, column) for column in (0, 1, 2, 3, 5)))
    shown = [0, 1, *((2, 3) if wide else ()), *((4,) if wide and room >= TITLE_LEAST else ()), 5]
    table = Table(box=None, header_style="dim", padding=(0, GAP, 0, 0), pad_edge=False)
    for column in shown:
        limits = {"overflow": "ellipsis", "max_width": room} if column == TITLE else {"overflow": "fold"}
        justify = "right" if HEADS[column] == "took" else "left"
        table.add_column(HEADS[column], no_wrap=HEADS[column] != "run", justify=justify, **limits)  # type: ignore[arg-type]
    for row in rows:
        table.add_row(*(row[column] for column in shown))
    return table


def _widest(rows: Sequence[Sequence[Text]], column: int) -> int:
    return max(len(HEADS[column]), *(row[column].cell_len for row in rows)) + GAP


def _verdict(run: RunSummary, results: Path) -> Text:
    word = run.outcome if run.state == FINISHED else run.state
    if run.state == UNFINISHED and RunDirectory(results / run.run_id).in_progress:
        word = "in progress"
    style = OUTCOME_STYLES[Outcome(word)] if word in set(Outcome) else "dim"
    return Text(printable_line(word), style=style)


def _cells(run: RunSummary, now: datetime) -> tuple[str, ...]:
    trials = str(run.done) if run.done == run.planned else f"{run.done} of {run.planned}"
    took = "" if run.seconds is None else format_seconds(max(run.seconds, 0.0))
    when = format_when(run.started, now) if run.started else ""
    return when, took, trials, run.title or run.sentence, run.run_id
