"""What the commands have in common: where they write to, and how that looks on which stream."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Annotated

import typer
from rich.console import Console
from rich.table import Table

from orchestrator.config.topologies import choose_topologies
from orchestrator.model.topology import Topology
from orchestrator.report.text import printable

DEFAULT_RESULTS = Path("results")
PIPE_WIDTH = 140

ResultsOption = Annotated[
    Path, typer.Option("--results", metavar="DIR", help="Where runs are recorded; made if it is missing.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print run.json instead of the table.")]
TopologiesOption = Annotated[
    Path | None,
    typer.Option("--topologies", metavar="FILE", help="Topologies of your own, in TOML like the catalog's."),
]
AllOption = Annotated[bool, typer.Option("--all", help="List also the metrics that are the same.")]


def is_live(stream: IO[str], environment: Mapping[str, str] = os.environ) -> bool:
    """Whether ``stream`` is a terminal on which lines can be drawn over."""
    return stream.isatty() and environment.get("TERM", "dumb") not in {"dumb", "unknown", ""}


def console_on(stream: IO[str], environment: Mapping[str, str] = os.environ) -> Console:
    """Return a rich console on ``stream``: colours on terminals only, and none where NO_COLOR is set to anything.

    Nothing is taken for markup or guessed to be a link: what we print comes from mails, kernels and guests.
    """
    return Console(
        file=stream,
        highlight=False,
        markup=False,
        emoji=False,
        soft_wrap=False,
        # A file or a pipe has no width; the roomy layout is the one to keep.
        width=None if stream.isatty() or environment.get("COLUMNS") else PIPE_WIDTH,
        no_color=True if environment.get("NO_COLOR") else None,
    )


def plain_table(*heads: str, folded: int = 1, show_header: bool = True) -> Table:
    """Return a table without lines; the last ``folded`` columns are folded, the others stay whole."""
    table = Table(box=None, header_style="dim", padding=(0, 2, 0, 0), pad_edge=False, show_header=show_header)
    for number, head in enumerate(heads):
        table.add_column(head, no_wrap=number < len(heads) - folded, overflow="fold")
    return table


def chosen_topologies(extra: Path | None) -> Mapping[str, Topology]:
    """Return the catalog's topologies and the user's own; say on stderr which of these stand for the catalog's."""
    choice = choose_topologies(extra)
    for note in choice.notes():
        typer.echo(f"note: {printable(note)}", err=True)
    return choice.topologies
