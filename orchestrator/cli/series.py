"""``orchestrator series``: what an input holds, without building anything."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from orchestrator.cli.failures import explained
from orchestrator.cli.interrupts import cancelled_by_signals
from orchestrator.cli.options import console_on
from orchestrator.cli.series_input import (
    GitOption,
    InputsArgument,
    KeysOption,
    OfflineOption,
    PartialOption,
    PickOption,
    RequireSignatureOption,
    VersionOption,
    series_wanted,
)
from orchestrator.cli.series_table import print_list, print_series
from orchestrator.intake.reader import series_of, survey
from orchestrator.intake.summary import summaries
from orchestrator.store.codec import encode, to_text

LinuxOption = Annotated[
    str | None,
    typer.Option("--linux", metavar="TREE", help="Show also the base in this tree, and how every patch is applied."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
ListOption = Annotated[bool, typer.Option("--list", help="List the series that are there, though it is only one.")]


def show_series(
    inputs: InputsArgument = None,
    *,
    git: GitOption = None,
    linux: LinuxOption = None,
    version: VersionOption = None,
    partial: PartialOption = False,
    pick: PickOption = None,
    require_signature: RequireSignatureOption = False,
    keys: KeysOption = None,
    offline: OfflineOption = False,
    only_list: ListOption = False,
    json: JsonOption = False,
) -> None:
    """Show the series in INPUT: parts, authors, lists, versions, hints of the base, signatures. Nothing is built.

    An input that holds several series is listed; --pick shows one of them.
    """
    wanted = series_wanted(
        inputs,
        linux=linux,
        git=git,
        version=version,
        partial=partial,
        pick=pick,
        require_signature=require_signature,
        keys=keys,
        look=not offline,
    )
    with explained(sys.stderr), cancelled_by_signals() as cancellation:
        found = survey(wanted, cancellation=cancellation)
        if only_list or (len(found.topics) > 1 and pick is None and found.found.message_id is None):
            listed = summaries(found)
            if json:
                typer.echo(to_text(encode({"list": listed})))
            else:
                print_list(listed, found.notes, console_on(sys.stdout))
            return
        series = series_of(found, wanted)
        if json:
            typer.echo(to_text(encode({"series": series})))
        else:
            print_series(series, console_on(sys.stdout), partial=partial)
