"""Deadlines and cancellation."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from orchestrator.errors import Cancelled, TimedOut
from orchestrator.host.deadline import Cancellation, Deadline


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_deadline_when_time_goes_by_then_remaining_falls_to_zero_and_no_lower() -> None:
    clock = Clock()
    deadline = Deadline(5, what="x", clock=clock)
    clock.now = 103
    assert (deadline.remaining, deadline.passed) == (2, False)
    clock.now = 200
    assert (deadline.remaining, deadline.passed) == (0, True)


def test_check_when_passed_then_says_what_and_how_long() -> None:
    clock = Clock()
    deadline = Deadline(2.5, what="the guest", clock=clock)
    deadline.check()
    clock.now += 3
    with pytest.raises(TimedOut, match=r"the guest: nothing after 2.5 s"):
        deadline.check()


def test_check_when_cancelled_and_passed_then_cancelled_wins() -> None:
    deadline = Deadline(0, what="x")
    deadline.cancellation.cancel()
    with pytest.raises(Cancelled):
        deadline.check()


def test_pause_when_cancelled_meanwhile_then_ends_early() -> None:
    deadline = Deadline(1000, what="x")
    threading.Timer(0.1, deadline.cancellation.cancel).start()
    with pytest.raises(Cancelled):
        deadline.pause(900)


def test_wait_when_nobody_cancels_then_returns_false() -> None:
    assert Cancellation().wait(0.01) is False


def test_wait_when_signal_handler_cancels_then_ends() -> None:
    cancellation = Cancellation()
    before = signal.signal(signal.SIGUSR1, lambda _number, _frame: cancellation.cancel())
    try:
        threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGUSR1)).start()
        assert cancellation.wait(60) is True
    finally:
        signal.signal(signal.SIGUSR1, before)
