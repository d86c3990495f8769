"""Progress: what the events add up to, and what is written of it."""

from __future__ import annotations

import contextlib
import io

import pytest
from rich.console import Console

from orchestrator.cli.progress import LiveView, PlainLines, shown_progress
from orchestrator.cli.tally import Tally
from orchestrator.host.steps import Phase, StepEvent, Steps
from tests.unit.cli.test_table import Terminal


def event(phase: Phase, name: str, *, at: float, seconds: float = 0.0, text: str = "", **details: str) -> StepEvent:
    return StepEvent(phase=phase, name=name, details=tuple(details.items()), seconds=seconds, at=at, text=text)


def with_trials(total: int, *, done: str = "0") -> Tally:
    tally = Tally()
    tally.take(event(Phase.STARTED, "trials", at=0, total=str(total), done=done))
    return tally


def run_trial(tally: Tally, name: str, *, start: float, end: float) -> None:
    tally.take(event(Phase.STARTED, "trial", at=start, id=name))
    tally.take(event(Phase.FINISHED, "trial", at=end, seconds=end - start, id=name))


def test_left_when_no_trial_is_done_then_unknown() -> None:
    assert with_trials(4).left(10) is None


def test_left_when_one_of_four_is_done_then_three_more_of_its_length() -> None:
    tally = with_trials(4)
    run_trial(tally, "a", start=0, end=20)
    assert tally.left(20) == 60


def test_left_when_two_run_beside_each_other_then_half_as_long() -> None:
    tally = with_trials(5)
    tally.take(event(Phase.STARTED, "trial", at=0, id="b"))
    run_trial(tally, "a", start=0, end=20)
    assert tally.left(20) == (4 * 20 - 20) / 2


def test_trials_from_the_cache_count_as_done_and_not_for_the_estimate() -> None:
    tally = with_trials(4, done="1")
    tally.take(event(Phase.NOTE, "trial", at=1, text="PASS, from the cache", id="a"))
    assert (tally.trials_done, tally.cached, tally.left(1)) == (2, 1, None)


def test_left_when_all_are_done_then_nothing() -> None:
    tally = with_trials(1)
    run_trial(tally, "a", start=0, end=20)
    assert tally.left(20) is None


def test_plain_lines_one_a_finished_step() -> None:
    stream = io.StringIO()
    lines = PlainLines(stream)
    lines(event(Phase.STARTED, "build", at=0, kernel="patched"))
    lines(event(Phase.NOTE, "build", at=1, text="CC mm/zswap.o", kernel="patched"))
    lines(event(Phase.FINISHED, "build", at=14.2, seconds=14.2, kernel="patched"))
    lines(event(Phase.STARTED, "trials", at=15, total="2", done="0"))
    lines(event(Phase.STARTED, "trial", at=15, id="memcg-limit-two-node-base-s1"))
    lines(
        event(Phase.FAILED, "trial", at=35, seconds=20, text="QEMU\x1b ended\nmore", id="memcg-limit-two-node-base-s1")
    )
    assert stream.getvalue() == (
        "building the kernel: patched ...\n"
        "building the kernel: patched: 14 s, CC mm/zswap.o\n"
        "trial memcg-limit-two-node-base-s1: FAILED after 20 s, QEMU\\x1b ended (1 of 2)\n"
    )


def test_plain_lines_when_the_stream_is_closed_then_nothing_is_raised() -> None:
    stream = io.StringIO()
    stream.close()
    PlainLines(stream)(event(Phase.FINISHED, "judge", at=1))


def test_live_view_shows_running_steps_the_trials_and_the_times() -> None:
    stream = Terminal()
    console = Console(file=stream, width=80, color_system=None, force_terminal=True)
    view = LiveView(console, clock=lambda: 20.0)
    view.listen(event(Phase.STARTED, "trials", at=0, total="4", done="0"))
    view.listen(event(Phase.STARTED, "trial", at=0, id="a"))
    view.listen(event(Phase.FINISHED, "trial", at=10, seconds=10, id="a"))
    view.listen(event(Phase.STARTED, "trial", at=15, id="b"))
    console.print(view)
    text = stream.getvalue()
    assert "trial b" in text
    assert "5.0 s" in text
    assert "trials 1 of 4" in text
    assert "20 s, about 25 s left" in text
    assert "trial a" not in text


@pytest.mark.parametrize(("note", "mark"), [("FAIL: kernel log", "!"), ("ERROR: lost", "!")])
def test_live_view_keeps_a_line_of_a_trial_that_did_not_pass(note: str, mark: str) -> None:
    stream = Terminal()
    view = LiveView(Console(file=stream, width=80, color_system=None), clock=lambda: 0.0)
    view.listen(event(Phase.STARTED, "trial", at=0, id="a"))
    view.listen(event(Phase.NOTE, "trial", at=1, text=note, id="a"))
    view.listen(event(Phase.FINISHED, "trial", at=1, seconds=1, id="a"))
    assert stream.getvalue().startswith(f"{mark} trial a  1.0 s  {note}")


def test_progress_when_the_stream_is_no_terminal_then_plain_lines() -> None:
    stream = io.StringIO()
    with shown_progress(stream, environment={"TERM": "xterm"}) as listener, Steps(listener).step("judge"):
        pass
    assert stream.getvalue() == "judging: 0.0 s\n"


def test_progress_on_a_terminal_leaves_it_in_order_when_the_run_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    # rich looks at the process's own environment.
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    with (
        contextlib.suppress(RuntimeError),
        shown_progress(stream, environment={"TERM": "xterm"}) as listener,
        Steps(listener).step("build"),
    ):
        raise RuntimeError("no compiler")
    written = stream.getvalue()
    assert "✗" in written
    assert "no compiler" in written
    assert written.index("\x1b[?25l") < written.index("\x1b[?25h"), "the cursor is there again"


def test_plain_lines_when_a_note_stands_outside_of_a_step_then_it_is_said() -> None:
    stream = io.StringIO()
    lines = PlainLines(stream)
    lines(event(Phase.NOTE, "build", at=0, text="from the cache", kernel="base"))
    lines(event(Phase.STARTED, "trials", at=1, total="2", done="0"))
    lines(event(Phase.NOTE, "trial", at=1, text="PASS, from the cache", id="memcg-limit-two-node-base-s1"))
    assert stream.getvalue() == (
        "building the kernel: base: from the cache\ntrial memcg-limit-two-node-base-s1: PASS, from the cache (1 of 2)\n"
    )
