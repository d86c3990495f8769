"""The terminal's table: nothing is cut, at any width that people use."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console

from orchestrator.cli.options import console_on, is_live
from orchestrator.cli.table import print_run
from orchestrator.model.run import RunRecord
from orchestrator.model.trial import Status
from tests.unit.record_builder import BASE, PATCHED, a2_trials, record, spec, trial, with_metrics


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown(one: RunRecord, width: int, *, everything: bool = False) -> str:
    stream = io.StringIO()
    console = Console(file=stream, width=width, highlight=False, markup=False, emoji=False)
    print_run(one, console, results=Path("results") / one.run_id, everything=everything)
    return stream.getvalue()


def noisy() -> RunRecord:
    return record([with_metrics(each, zswpwb=each.metrics["zswpwb"] + 13 * each.spec.seed) for each in a2_trials()])


@pytest.mark.parametrize("width", [80, 100, 140])
def test_table_keeps_within_the_terminal_and_shows_every_figure(width: int) -> None:
    text = shown(noisy(), width)
    assert all(cell_len(line.rstrip()) <= width for line in text.splitlines())
    line = next(line for line in text.splitlines() if "written_back" in line and "4096" in line)
    assert line.split() == ["written_back", "pages", "1", "4096", "0", "−4096", "−100%", "changed"]


@pytest.mark.parametrize("width", [80, 140])
def test_figures_stand_below_each_other_over_all_groups(width: int) -> None:
    text = shown(record(), width, everything=True).splitlines()
    ends = {line.index("stored_pages") and line.index("6146") + 4 for line in text if "stored_pages" in line}
    assert len(ends) == 1


def test_table_says_verdict_rung_fuzz_and_where_the_results_lie() -> None:
    text = shown(record(), 140)
    for part in ("CHANGED", "recovered, fuzz 1", "8 trials: 8 passed", f"results/{record().run_id}/", "all 8 the same"):
        assert part in text


def test_table_when_trials_are_missing_then_they_are_named() -> None:
    lost = trial(spec(PATCHED), status=Status.ERROR, message="QEMU ended [bold]\x1b[31m")
    text = shown(record([lost], planned=[lost.spec, spec(BASE)]), 100)
    assert "Not covered" in text
    assert f"{lost.spec.id}: ERROR, QEMU ended [bold]\\x1b[31m" in text
    assert f"{spec(BASE).id}: MISS, not run" in text


def test_console_when_no_color_is_set_then_no_colour_on_a_terminal() -> None:
    for environment, coloured in (({"TERM": "xterm"}, True), ({"TERM": "xterm", "NO_COLOR": "1"}, False)):
        stream = Terminal()
        console = Console(
            file=stream, force_terminal=True, color_system="standard", no_color=console_on(stream, environment).no_color
        )
        print_run(record(), console)
        assert ("\x1b[33m" in stream.getvalue()) is coloured


def test_is_live_only_on_a_terminal_that_can() -> None:
    assert is_live(Terminal(), {"TERM": "xterm"})
    assert not is_live(Terminal(), {"TERM": "dumb"})
    assert not is_live(Terminal(), {})
    assert not is_live(io.StringIO(), {"TERM": "xterm"})
