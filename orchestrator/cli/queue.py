"""``orchestrator queue``: what the watcher has in hand, and what a person may do about it."""

from __future__ import annotations

import contextlib
import dataclasses
import json as json_format
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from orchestrator.cli.failures import explained
from orchestrator.cli.options import console_on
from orchestrator.cli.watch import ConfigOption
from orchestrator.config.watch import read_watch_settings
from orchestrator.errors import UserError
from orchestrator.report.text import printable_line
from orchestrator.watch.queue import Queue
from orchestrator.watch.state import Entry, State
from orchestrator.watch.wishes import drop, retry

queue = typer.Typer(help="List, show, retry and drop what the watcher has in hand.", no_args_is_help=True)

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
NumberArgument = Annotated[int, typer.Argument(metavar="NUMBER", help="The series' number in the list.")]
NumbersArgument = Annotated[list[int], typer.Argument(metavar="NUMBER...", help="Numbers of series in the list.")]
StateOption = Annotated[
    list[str] | None, typer.Option("--state", metavar="STATE", help="Only series in this state (again for more).")
]


@queue.command("list")
def list_queue(
    *,
    config: ConfigOption = Path("watch.toml"),
    state: StateOption = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Also those that were not for us, or the same as another.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """List the series, oldest first: where each is, and what it waits for."""
    with explained(sys.stderr), _opened(config) as found:
        states = [_state(word) for word in state or ()]
        hidden = set() if everything or states else {State.FILTERED, State.SAME}
        entries = [entry for entry in found.entries(states) if entry.state not in hidden]
        if json:
            typer.echo(
                json_format.dumps(
                    {"series": [_as_json(entry) for entry in entries], "sources": found.sources()}, indent=2
                )
            )
            return
        console = console_on(sys.stdout)
        wide = max((len(entry.state) for entry in entries), default=0)
        for entry in entries:
            _say(
                console,
                f"{entry.id:>4}  {entry.state:<{wide}}  v{entry.version} {entry.title} ({entry.address})",
                said_of(entry),
            )
        if not entries:
            console.print("nothing is in the queue")
        for source in found.sources():
            if source["fault"]:
                _say(console, f"source {source['name']} cannot be read: {source['fault']}")


@queue.command("show")
def show_series(number: NumberArgument, *, config: ConfigOption = Path("watch.toml"), json: JsonOption = False) -> None:
    """Show all of one series: its messages, its run, and what became of it when."""
    with explained(sys.stderr), _opened(config) as found:
        entry = _known(found, number)
        messages, history = found.messages(number), found.history(number)
        if json:
            parts = [dataclasses.asdict(message) for message in messages]
            typer.echo(json_format.dumps({**_as_json(entry), "messages": parts, "history": history}, indent=2))
            return
        console = console_on(sys.stdout)
        lines = [f"{entry.id}  {entry.title} (v{entry.version}, {entry.total} parts) from {entry.address}"]
        lines += [f"   state     {entry.state}{': ' + said if (said := said_of(entry)) else ''}"]
        lines += [f"   asked by  {entry.asked_by}"] if entry.asked_by else []
        lines += [f"   run       {entry.run}{' (artefacts removed)' if entry.pruned else ''}"] if entry.run else []
        lines += [
            f"   part {message.index if message.index is not None else '-'}    <{message.id}>" for message in messages
        ]
        lines += [f"   {line['at']}  {line['state']}{': ' + line['text'] if line['text'] else ''}" for line in history]
        for line in lines:
            _say(console, line)


@queue.command("retry")
def retry_series(numbers: NumbersArgument, *, config: ConfigOption = Path("watch.toml")) -> None:
    """Have series tested again that were parked, refused, dropped, replaced or not for us."""
    with explained(sys.stderr), _opened(config) as found:
        for number in numbers:
            typer.echo(printable_line(f"{number}: {retry(found, _known(found, number))}"))


@queue.command("drop")
def drop_series(numbers: NumbersArgument, *, config: ConfigOption = Path("watch.toml")) -> None:
    """Take series out of the queue: what runs is stopped, no reply is prepared. The record stays."""
    with explained(sys.stderr), _opened(config) as found:
        for number in numbers:
            typer.echo(printable_line(f"{number}: {drop(found, _known(found, number))}"))


@queue.command("requests")
def list_requests(*, config: ConfigOption = Path("watch.toml"), json: JsonOption = False) -> None:
    """List who asked for a test by mail, and what became of it."""
    with explained(sys.stderr), _opened(config) as found:
        asked = found.requests()
        if json:
            typer.echo(json_format.dumps(asked, indent=2))
            return
        console = console_on(sys.stdout)
        for each in asked:
            series = f"series {each['series']}" if each["series"] else ""
            words = (each["made_at"], each["sender"], each["profile"], each["state"], series)
            _say(console, "  ".join(word for word in words if word), each["reason"])
        if not asked:
            console.print("nobody has asked for a test")


def _say(console: Console, line: str, more: str = "") -> None:
    """Print a line as it is, however long, and below it what is to be said of it."""
    console.print(printable_line(line), soft_wrap=True)
    if more:
        console.print(f"      {printable_line(more)}", soft_wrap=True)


def said_of(entry: Entry) -> str:
    """Return what an entry waits for, or why it is where it is."""
    if entry.waits_for:
        return f"waits for {entry.waits_for}" + (f" ({entry.reason})" if entry.reason else "")
    if entry.state is State.PLANNED:
        return f"waits for its turn{': ' + entry.reason if entry.reason else ''}"
    return entry.reason


@contextlib.contextmanager
def _opened(config: Path) -> Iterator[Queue]:
    settings = read_watch_settings(config)
    found = Queue(settings.queue, create=False)
    try:
        yield found
    finally:
        found.close()


def _known(found: Queue, number: int) -> Entry:
    entry = found.entry(number)
    if entry is None:
        raise UserError(f"there is no series {number} in the queue", hint="orchestrator queue list --all")
    return entry


def _state(word: str) -> State:
    try:
        return State(word)
    except ValueError:
        raise UserError(f"there is no state {word!r}", hint=f"one of: {', '.join(State)}") from None


def _as_json(entry: Entry) -> dict[str, Any]:
    return {**dataclasses.asdict(entry), "says": said_of(entry)}
