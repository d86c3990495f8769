"""Shows on stderr what a run is doing: drawn live on a terminal, plain lines elsewhere.

Subscribes to :mod:`orchestrator.host.steps`; a listener must not raise, so everything that is drawn goes through here.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import IO

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from orchestrator.cli.options import console_on, is_live
from orchestrator.cli.tally import TRIAL, Finished, Tally, label_of
from orchestrator.host.steps import Listener, Phase, StepEvent
from orchestrator.report.summary import format_seconds
from orchestrator.report.text import printable_line

Clock = Callable[[], float]
FRAMES_A_SECOND = 4
_BAR_WIDTH = 10


@contextlib.contextmanager
def shown_progress(
    stream: IO[str], *, environment: Mapping[str, str] = os.environ, clock: Clock = time.time
) -> Iterator[Listener]:
    """Hold a listener that shows progress on ``stream``; what was drawn live is gone when the block is left."""
    if not is_live(stream, environment):
        yield PlainLines(stream)
        return
    console = console_on(stream, environment)
    view = LiveView(console, clock=clock)
    with Live(view, console=console, refresh_per_second=FRAMES_A_SECOND, transient=True):
        yield view.listen


SLOW = ("fetch", "import", "build")
"""Steps that may take minutes: plain lines say also when they begin."""


class PlainLines:
    """A listener that writes a line for each finished step, each note outside of one, and the start of slow steps."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._tally = Tally()

    def __call__(self, event: StepEvent) -> None:
        """Write a line if there is something to say. A closed stream is no reason to stop a run."""
        inside = self._tally.is_running(event)
        finished = self._tally.take(event)
        if finished is not None:
            self._write(plain_line(finished, self._tally))
        elif event.phase is Phase.STARTED and event.name in SLOW:
            self._write(f"{printable_line(label_of(event))} ...")
        elif event.phase is Phase.NOTE and not inside:
            count = f" ({self._tally.trials_done} of {self._tally.trials})" if event.name == TRIAL else ""
            self._write(f"{printable_line(label_of(event))}: {one_line(event.text)}{count}")

    def _write(self, line: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(line + "\n")
            self._stream.flush()


def plain_line(finished: Finished, tally: Tally) -> str:
    """Return a finished step as one line: "trial memcg-limit-two-node-base-s1: 19 s, PASS (3 of 24)"."""
    text = f", {one_line(finished.text)}" if finished.text else ""
    failed = " FAILED after" if finished.failed else ""
    count = f" ({tally.trials_done} of {tally.trials})" if finished.name == TRIAL else ""
    return f"{printable_line(finished.label)}:{failed} {format_seconds(finished.seconds)}{text}{count}"


def one_line(text: str) -> str:
    """Return the first line of ``text``, fit for a terminal."""
    lines = text.strip().splitlines()
    return printable_line(lines[0]) if lines else ""


class LiveView:
    """What is drawn over and over: the running steps and a bar of the trials. Finished stages stay above it."""

    def __init__(self, console: Console, *, clock: Clock) -> None:
        self._console = console
        self._clock = clock
        self._tally = Tally()
        # Steps tell from the threads of the trials, rich draws from one of its own.
        self._lock = threading.Lock()
        self._spinner = Spinner("dots", style="cyan")

    def listen(self, event: StepEvent) -> None:
        """Take an event in; print the end of a stage, and of a trial only where it failed."""
        with self._lock:
            finished = self._tally.take(event)
        if finished is not None and (finished.name != TRIAL or finished.failed or _is_bad(finished)):
            with contextlib.suppress(OSError, ValueError):
                self._console.print(_finished_line(finished), no_wrap=True, overflow="ellipsis")

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw the view as it is now."""
        now = self._clock()
        with self._lock:
            steps = [(step.label, now - step.since, step.note) for step in self._tally.running.values()]
            bar = self._bar(now)
        grid = Table.grid(padding=(0, 1))
        grid.add_column(width=1)
        grid.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        grid.add_column(justify="right", no_wrap=True)
        grid.expand = True
        room = max(1, options.size.height - 3)
        for label, seconds, note in steps[:room]:
            said = Text(printable_line(label)).append(f"  {one_line(note)}" if note else "", style="dim")
            grid.add_row(self._spinner, said, Text(format_seconds(seconds), style="cyan"))
        yield grid
        yield bar

    def _bar(self, now: float) -> Table | Text:
        tally = self._tally
        times = format_seconds(tally.elapsed(now))
        left = tally.left(now)
        if left is not None:
            times += f", about {format_seconds(left)} left"
        if not tally.trials:
            return Text(f"  {times}", style="dim")
        row = Table.grid(padding=(0, 1))
        for _ in range(3):
            row.add_column(no_wrap=True, overflow="ellipsis")
        bar = ProgressBar(total=tally.trials, completed=tally.trials_done, width=_BAR_WIDTH)
        cached = f", {tally.cached} cached" if tally.cached else ""
        row.add_row(Text(f"  trials {tally.trials_done} of {tally.trials}{cached}"), bar, Text(times, style="dim"))
        return row


def _finished_line(finished: Finished) -> Text:
    # A trial that was carried out and failed its checks is no failed step, and no success to tick off either.
    mark, style = ("✗", "red") if finished.failed else ("!", "yellow") if _is_bad(finished) else ("✓", "green")
    line = Text(f"{mark} ", style=style)
    line.append(printable_line(finished.label), style="default")
    line.append(f"  {format_seconds(finished.seconds)}", style="cyan")
    if finished.text:
        line.append(f"  {one_line(finished.text)}", style="dim" if style == "green" else style)
    return line


def _is_bad(finished: Finished) -> bool:
    return finished.name == TRIAL and finished.text.startswith(("FAIL", "ERROR"))
