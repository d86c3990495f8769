"""``orchestrator bisect``: which patch of a series brought the regression."""

from __future__ import annotations

import dataclasses
import sys
from typing import Annotated

import typer

from orchestrator.again import check_known, reopened, run_named
from orchestrator.bisect import bisect_run, can_bisect
from orchestrator.cli.failures import explained
from orchestrator.cli.interrupts import cancelled_by_signals
from orchestrator.cli.options import DEFAULT_RESULTS, JsonOption, ResultsOption
from orchestrator.cli.progress import shown_progress
from orchestrator.errors import UserError
from orchestrator.host.steps import Steps
from orchestrator.host.workspace import publish_text
from orchestrator.judge.bisection import symptoms_of
from orchestrator.model.run import RunRecord
from orchestrator.model.verdict import Outcome
from orchestrator.report.bisection import bisection_lines
from orchestrator.report.junit import render_junit
from orchestrator.report.text import printable_line
from orchestrator.store.run_json import render_run

RunArgument = Annotated[
    str, typer.Argument(metavar="RUN", help="A run's id in the results folder, its folder, or 'latest'.")
]


def bisect(run: RunArgument, *, results: ResultsOption = DEFAULT_RESULTS, json: JsonOption = False) -> None:
    """Find the patch of RUN's series that brought its regression, by the trials that show it; adds it to the record."""
    steps = Steps()
    with explained(sys.stderr), cancelled_by_signals() as cancellation:
        folder, record = run_named(run, results)
        check_bisectable(record)
        with shown_progress(sys.stderr) as listener, folder.held():
            steps.subscribe(listener)
            steps.subscribe(folder.append_event)
            laboratory = reopened(folder, record, steps=steps, cancellation=cancellation)
            check_known(laboratory, (spec for symptom in symptoms_of(record) for spec in symptom.trials))
            found = bisect_run(laboratory, record)
            record = dataclasses.replace(record, bisection=found)
            folder.write_run(record)
            publish_text(folder.junit, render_junit(record))
        typer.echo(
            render_run(record) if json else "\n".join(printable_line(line) for line in bisection_lines(record)),
            nl=not json,
        )
    raise typer.Exit(0 if found.patch is not None else 3)


def check_bisectable(record: RunRecord) -> None:
    """Raise :class:`UserError` that says why where there is nothing to find."""
    if record.verdict.outcome is not Outcome.REGRESSION:
        raise UserError(
            f"the run {record.run_id} is no REGRESSION but {record.verdict.outcome}: there is nothing to find",
            hint="orchestrator compare sets two runs against each other",
        )
    applied = record.trees.applied
    if len(applied) < 2:
        subject = f": {applied[0].subject}" if applied else ""
        raise UserError(f"the series of the run {record.run_id} has one patch, so it is that one{subject}")
    if not can_bisect(record):
        raise UserError(
            f"the record of {record.run_id} has no trial that shows its regression: nothing can be asked again",
            hint="orchestrator test makes a whole run",
        )
