"""SERIES → TERMINAL: what was read, and what the user should know of it.

All text comes from a stranger's mail: it is shown as one printable line each, whatever is in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from orchestrator.intake.headers import address_of, name_of
from orchestrator.intake.reader import spans
from orchestrator.intake.summary import Summary
from orchestrator.intake.trust import describe
from orchestrator.model.diff import read_diff
from orchestrator.model.series import Patch, Series, Signature, Trailer, Trust
from orchestrator.report.text import printable_line

PEOPLE = 6
_INDENT = 2
_TRUST_STYLES = {Trust.GOOD: "green", Trust.BAD: "bold red", Trust.NONE: "dim", Trust.UNCHECKED: "dim"}


def print_list(listed: Sequence[Summary], notes: Sequence[str], console: Console) -> None:
    """Print one line a series, and how to go on."""
    table = Table(box=None, header_style="dim", padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("", justify="right", no_wrap=True)
    table.add_column("sent", no_wrap=True, min_width=10)
    table.add_column("v", justify="right", no_wrap=True)
    table.add_column("parts", justify="right", no_wrap=True, min_width=5)
    table.add_column("title", ratio=3, overflow="ellipsis", no_wrap=True)
    table.add_column("sender", ratio=1, overflow="ellipsis", no_wrap=True)
    for line in listed:
        whole = line.parts >= line.total
        table.add_row(
            str(line.number),
            (line.sent or "")[:10],
            str(line.version),
            Text(str(line.total) if whole else f"{line.parts}/{line.total}", style="" if whole else "yellow"),
            Text(printable_line(line.title)),
            Text(printable_line(name_of(line.sender)), style="dim"),
        )
    console.print(table)
    console.print()
    _print_notes(notes, console)
    console.print(Text(f"{len(listed)} series: --pick NUMBER shows one", style="dim"))


def print_series(series: Series, console: Console, *, partial: bool = False) -> None:
    """Print a series: head, parts, notes."""
    version = f"v{series.version}  " if series.version > 1 else ""
    console.print(Text(version, style="bold").append(printable_line(series.title)))
    facts = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column(overflow="fold")
    for name, text in _facts(series, partial=partial):
        facts.add_row(name, text if isinstance(text, Text) else Text(printable_line(text)))
    console.print(Padding(facts, (0, 0, 0, _INDENT), expand=False))
    console.print()
    for patch in series.patches:
        _print_patch(patch, series, console)
    console.print()
    _print_notes(series.notes, console)


def _facts(series: Series, *, partial: bool) -> Iterable[tuple[str, str | Text]]:
    """Yield what is known of the series as a whole, with a word for each."""
    yield "from", ", ".join(word for word in (series.sender, _date(series.sent)) if word)
    yield "parts", _parts(series, partial=partial)
    if len(series.versions) > 1:
        yield "versions", ", ".join(f"v{version}" for version in series.versions)
    yield from _list_of("tags", series.tags)
    yield from _list_of("lists", series.lists)
    yield from _list_of("to", series.to)
    yield from _list_of("cc", series.cc)
    if series.change_id:
        yield "change-id", series.change_id
    for earlier in series.earlier:
        yield "earlier", f"v{earlier.version}: {earlier.link}" if earlier.version else earlier.link
    hints = [f"base-commit {series.base_commit[:12]}"] if series.base_commit else []
    blobs = len({blob for patch in series.patches for blob in patch.blobs})
    hints += [f"{blobs} blob id{'s' if blobs != 1 else ''} of index lines"] if blobs else []
    yield "base hints", "; ".join(hints) or Text("none but date and lists", style="dim")
    for prerequisite in series.prerequisites:
        yield "needs", f"{prerequisite.kind}: {prerequisite.value}"
    for trailer in series.trailers:
        yield "answered", _trailer(trailer)
    if (alike := _same_signatures(series)) is not None:
        said = ("none" if each.trust is Trust.NONE else describe(each) for each in alike)
        text = Text(", ".join(printable_line(each) for each in said))
        text.stylize(_TRUST_STYLES[alike[0].trust])
        yield "signatures", text
    yield "read from", f"{series.form} {series.source}"


def _list_of(name: str, values: Sequence[str]) -> Iterable[tuple[str, str]]:
    if values:
        more = f" and {len(values) - PEOPLE} more" if len(values) > PEOPLE else ""
        yield name, ", ".join(values[:PEOPLE]) + more


def _parts(series: Series, *, partial: bool) -> Text:
    there = len(series.patches)
    if not series.missing:
        return Text(f"{there}" if there == series.total else f"{there} of {series.total}")
    missing = spans(series.missing)
    if series.alone:
        why = "the input is this one message, so it is what will be tested"
    else:
        why = "--partial goes on without" if not partial else "--partial: goes on without"
    return Text(f"{there} of {series.total}", style="yellow").append(
        f"; {missing} {'is' if len(series.missing) == 1 else 'are'} missing ({why})", style="not bold default"
    )


def _print_patch(patch: Patch, series: Series, console: Console) -> None:
    head = Text(f"{' ' * _INDENT}{patch.index}/{patch.total}".rjust(_INDENT + 2 * len(str(patch.total)) + 1))
    head.append(f"  {printable_line(patch.subject) or '(no subject)'}", style="bold")
    console.print(head, no_wrap=True, overflow="ellipsis")
    indent = len(head.plain) - len(head.plain.lstrip()) + 2 * len(str(patch.total)) + 3
    for line in _patch_lines(patch, series):
        console.print(Padding(line, (0, 0, 0, indent), expand=False))


def _patch_lines(patch: Patch, series: Series) -> Iterable[Text]:
    """Yield what there is to say of one patch."""
    line = Text(_changes(patch), style="default")
    if patch.author and name_of(patch.author) != name_of(series.sender):
        line.append(f"  by {printable_line(patch.author)}")
    if patch.from_version is not None:
        line.append(f"  from v{patch.from_version}", style="yellow")
    if patch.lossy:
        line.append("  lossy: white space was lost", style="yellow")
    yield line
    if patch.message_id:
        yield Text(f"<{printable_line(patch.message_id)}>", style="dim")
    for special in patch.specials:
        yield Text(printable_line(special), style="magenta")
    for trailer in patch.trailers:
        yield Text(printable_line(_trailer(trailer)), style="cyan")
    for signature in () if _same_signatures(series) is not None else patch.signatures:
        yield Text(printable_line(describe(signature)), style=_TRUST_STYLES[signature.trust])


def _same_signatures(series: Series) -> tuple[Signature, ...] | None:
    """Return what became of the signatures where that is the same for all patches; None where there is nothing to say."""
    found = {patch.signatures for patch in series.patches}
    return next(iter(found)) or None if len(found) == 1 else None


def _trailer(trailer: Trailer) -> str:
    """Return a trailer; who sent it where that is somebody else than it says."""
    stated, sent = address_of(trailer.value), address_of(trailer.sender)
    return f"{trailer.name}: {trailer.value}" + (f" (sent by {trailer.sender})" if stated != sent else "")


def _changes(patch: Patch) -> str:
    """Return what the patch changes: files and lines; of a lossy one what its mail says."""
    if patch.lossy:
        return patch.stated.describe() if patch.stated else "changes are not known before it is recovered"
    files = read_diff(patch.diff)
    tallies = [hunk.tally(len(hunk.lines)) for file in files for hunk in file.hunks]
    names = ", ".join(printable_line(file.path) for file in files[:3])
    more = f" and {len(files) - 3} more" if len(files) > 3 else ""
    return f"{names}{more}  +{sum(tally[0] for tally in tallies)} -{sum(tally[1] for tally in tallies)}"


def _print_notes(notes: Sequence[str], console: Console) -> None:
    for note in notes:
        console.print(Padding(Text(f"note: {printable_line(note)}", style="yellow"), (0, 0, 0, _INDENT), expand=False))
    if notes:
        console.print()


def _date(sent: str | None) -> str:
    return datetime.fromisoformat(sent).strftime("%Y-%m-%d %H:%M UTC") if sent else ""
