"""``orchestrator report RUN``: any run, also one of another machine, in any format; nothing is tested or decided anew."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.failures import explained
from orchestrator.cli.history import run_names
from orchestrator.cli.options import DEFAULT_RESULTS, ResultsOption, plain_table
from orchestrator.cli.options import console_on as console
from orchestrator.errors import InfraError, UserError
from orchestrator.host.workspace import publish_bytes
from orchestrator.report.check_states import patch_checks
from orchestrator.report.formats import FORMATS, Format
from orchestrator.report.material import Material
from orchestrator.report.patchwork import send_checks
from orchestrator.report.text import printable, printable_line
from orchestrator.run_view import LATEST, material_of
from orchestrator.store.run_json import render_run
from orchestrator.store.schema import render_run_schema

ALL = "all"
STDOUT = "-"
SUMMARY = "GITHUB_STEP_SUMMARY"
TOKEN = "PATCHWORK_TOKEN"  # noqa: S105 - the variable's name
_NAME = re.compile(r"\w[\w.+=-]{0,199}", re.ASCII)
SUMMARY_LIMIT = 1 << 20
"""Bytes. GitHub refuses a step's whole summary above 1 MiB."""


def _json(material: Material) -> bytes:
    return render_run(material.record).encode()


KNOWN: Mapping[str, Format] = {
    **FORMATS,
    "json": Format(name="json", what_for="the record itself, by docs/run.schema.json", suffix=".json", render=_json),
}


def format_names(incomplete: str) -> list[str]:
    """Return the formats for the shell's completion."""
    return [name for name in (*sorted(KNOWN), ALL) if name.startswith(incomplete)]


RunArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="RUN",
        help=f"A run's id in the results folder, its folder, a run.json of another machine, or {LATEST!r}.",
        autocompletion=run_names,
    ),
]
FormatOption = Annotated[
    list[str] | None,
    typer.Option(
        "--format", "-f", metavar="NAME", help=f"{', '.join(sorted(KNOWN))}, or all; again for more.",
        autocompletion=format_names,
    ),
]  # fmt: skip
OutputOption = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", metavar="FILE", help="Where to; a folder for several formats. - is standard output."
    ),
]
SummaryOption = Annotated[
    bool, typer.Option("--step-summary", help=f"Add the Markdown to the file that ${SUMMARY} names.")
]
PatchworkOption = Annotated[
    str | None,
    typer.Option(
        "--patchwork", metavar="URL", help=f"Add checks to the patches on this server; its token from ${TOKEN}."
    ),
]
LinkOption = Annotated[str, typer.Option("--link", metavar="URL", help="Where people read more; goes with the checks.")]
SchemaOption = Annotated[bool, typer.Option("--schema", help="Print the JSON schema of run.json and end.")]


def report(
    run: RunArgument = None,
    *,
    formats: FormatOption = None,
    output: OutputOption = None,
    step_summary: SummaryOption = False,
    patchwork: PatchworkOption = None,
    link: LinkOption = "",
    schema: SchemaOption = False,
    results: ResultsOption = DEFAULT_RESULTS,
) -> None:
    """Render RUN in a format, or several; without --format, say which there are."""
    with explained(sys.stderr):
        if schema:
            typer.echo(render_run_schema(), nl=False)
            return
        wanted = _wanted(formats)
        if not (wanted or step_summary or patchwork):
            _list_formats()
            return
        if run is None:
            raise UserError("which run?", hint=f"orchestrator report {LATEST} --format text; orchestrator history")
        material = material_of(run, results)
        if material.unfinished:
            typer.echo(f"note: {printable_line(material.unfinished)}", err=True)
        if wanted:
            _render(material, wanted, output, everything=ALL in (formats or ()))
        if step_summary:
            _add_summary(material, os.environ.get(SUMMARY, ""))
        if patchwork:
            _send_checks(material, patchwork, os.environ.get(TOKEN, ""), link)


def _wanted(names: Sequence[str] | None) -> list[Format]:
    names = names or ()
    if ALL in names:
        return list(KNOWN.values())
    for name in names:
        if name not in KNOWN:
            raise UserError(f"there is no format {name!r}", hint=f"one of {', '.join(sorted(KNOWN))}, or {ALL}")
    return [KNOWN[name] for name in dict.fromkeys(names)]


def _list_formats() -> None:
    table = plain_table("format", "files end in", "what for")
    for each in KNOWN.values():
        table.add_row(each.name, each.suffix, each.what_for)
    console(sys.stdout).print(table)


def _render(material: Material, wanted: Sequence[Format], output: Path | None, *, everything: bool) -> None:
    if len(wanted) == 1:
        _write_one(wanted[0], wanted[0].render(material), output)
        return
    if output is None or str(output) == STDOUT or output.is_file():
        raise UserError("several formats need a folder to be written to", hint="--output FOLDER")
    name = material.record.run_id
    if not _NAME.fullmatch(name):
        raise UserError(f"{name!r} is no name for a file: this record was not written by us")
    for each in wanted:
        target = output / f"{name}{each.suffix}"
        try:
            publish_bytes(target, each.render(material))
        except UserError as error:
            if not everything:
                raise
            typer.echo(f"note: no {each.name}: {printable(error.message)}", err=True)
            continue
        typer.echo(printable_line(str(target)))


def _write_one(chosen: Format, data: bytes, output: Path | None) -> None:
    if output is not None and str(output) != STDOUT:
        publish_bytes(output / f"run{chosen.suffix}" if output.is_dir() else output, data)
        return
    if chosen.binary and sys.stdout.isatty():
        raise UserError(f"{chosen.name} is nothing for a terminal", hint="--output FILE")
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def _add_summary(material: Material, place: str) -> None:
    if not place:
        raise UserError(
            f"${SUMMARY} is not set: this is no step of a GitHub workflow", hint="--format markdown --output FILE"
        )
    data = KNOWN["markdown"].render(material) + b"\n"
    path = Path(place)
    try:
        with path.open("ab") as handle:
            if handle.tell() + len(data) > SUMMARY_LIMIT:
                raise UserError(
                    f"{path} would become larger than {SUMMARY_LIMIT >> 20} MiB, which GitHub refuses whole"
                )
            handle.write(data)
    except OSError as error:
        raise InfraError(f"cannot write {path}: {error.strerror}") from error


def _send_checks(material: Material, url: str, token: str, link: str) -> None:
    if not token:
        raise UserError(
            f"{TOKEN} is not set", hint=f"make a token in your profile on {url}, and put it into the environment"
        )
    checks = patch_checks(material)
    if not checks:
        raise UserError(
            "no patch of this run has a message id, by which patchwork would know it",
            hint="test the mail itself (an mbox, or by b4), not a plain diff",
        )
    for sent in send_checks(url, token, checks, target_url=link):
        typer.echo(f"{sent.check.state}: {printable_line(sent.check.subject)}: {sent.said}")
