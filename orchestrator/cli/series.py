"""``orchestrator series``: what an input holds, on which base it goes and how; nothing is built."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from orchestrator.cli.failures import explained
from orchestrator.cli.interrupts import cancelled_by_signals
from orchestrator.cli.options import console_on
from orchestrator.cli.progress import shown_progress
from orchestrator.cli.series_input import (
    FetchOption,
    GitOption,
    InputsArgument,
    KeysOption,
    OfflineOption,
    PartialOption,
    PickOption,
    RequireSignatureOption,
    StrictOption,
    VersionOption,
    series_wanted,
)
from orchestrator.cli.series_table import print_list, print_series
from orchestrator.cli.trees_table import print_trees
from orchestrator.host.deadline import Cancellation
from orchestrator.host.steps import Steps
from orchestrator.intake.reader import Survey, Wanted, series_of, survey
from orchestrator.intake.summary import summaries
from orchestrator.series_view import TreeRequest, try_series
from orchestrator.store.codec import encode, to_text

LinuxOption = Annotated[
    str | None,
    typer.Option("--linux", metavar="TREE", help="Show also the base in this tree, and how every patch is applied."),
]
BaseOption = Annotated[str | None, typer.Option("--base", metavar="REV", help="The commit to put the series on.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
ListOption = Annotated[bool, typer.Option("--list", help="List the series that are there, though it is only one.")]


def show_series(
    inputs: InputsArgument = None,
    *,
    git: GitOption = None,
    linux: LinuxOption = None,
    base: BaseOption = None,
    fetch: FetchOption = False,
    strict: StrictOption = False,
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

    An input that holds several series is listed; --pick shows one of them. With --linux also the base that would be
    taken, why, and how every patch is applied.
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
    request = None if linux is None else TreeRequest(linux=linux, base_rev=base, may_fetch=fetch, strict=strict)
    with explained(sys.stderr), cancelled_by_signals() as cancellation:
        found = survey(wanted, cancellation=cancellation)
        if only_list or (len(found.topics) > 1 and pick is None and found.found.message_id is None):
            _show_list(found, as_json=json)
        else:
            _show_one(found, wanted, request, cancellation, as_json=json)


def _show_list(found: Survey, *, as_json: bool) -> None:
    listed = summaries(found)
    if as_json:
        typer.echo(to_text(encode({"list": listed})))
    else:
        print_list(listed, found.notes, console_on(sys.stdout))


def _show_one(
    found: Survey, wanted: Wanted, request: TreeRequest | None, cancellation: Cancellation, *, as_json: bool
) -> None:
    """Show one series, before its base is looked for: that may fail, and what was read is worth seeing then."""
    series = series_of(found, wanted)
    if not as_json:
        print_series(series, console_on(sys.stdout), partial=wanted.partial)
    trees = None
    if request is not None:
        steps = Steps()
        with shown_progress(sys.stderr) as listener:
            steps.subscribe(listener)
            trees = try_series(found, series, wanted, request, steps=steps, cancellation=cancellation)
    if as_json:
        parts = {"base": trees.base, "applied": trees.applied, "source": trees.source} if trees else {}
        typer.echo(to_text(encode({"series": series, **parts})))
    elif trees is not None:
        print_trees(trees, console_on(sys.stdout))
