"""``orchestrator compare``: two runs set against each other."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from orchestrator.cli.failures import explained
from orchestrator.cli.options import DEFAULT_RESULTS, AllOption, ResultsOption
from orchestrator.judge.runs import compare_runs
from orchestrator.report.comparison import render_comparison
from orchestrator.run_view import material_of
from orchestrator.store.codec import encode, to_text

FirstArgument = Annotated[
    str, typer.Argument(metavar="RUN_A", help="A run's id in the results folder, its folder, or a run.json.")
]
SecondArgument = Annotated[str, typer.Argument(metavar="RUN_B", help="The run to set against it.")]
JsonComparisonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


def compare(
    run_a: FirstArgument,
    run_b: SecondArgument,
    *,
    results: ResultsOption = DEFAULT_RESULTS,
    json: JsonComparisonOption = False,
    everything: AllOption = False,
) -> None:
    """Set two runs against each other: v5 and v6 of a series, or one series on two bases."""
    with explained(sys.stderr):
        first, second = (material_of(name, results).record for name in (run_a, run_b))
        found = compare_runs(first, second)
        typer.echo(
            to_text(encode(found, "comparison")) if json else render_comparison(found, everything=everything).rstrip()
        )
