"""SIGTERM and its like, sent to a real process: the first asks, the second ends."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[3]
LONG_S = 60.0

PROGRAM = """
import sys
from orchestrator.cli.interrupts import cancelled_by_signals

with cancelled_by_signals() as cancellation:
    print("ready", flush=True)
    print("cancelled" if cancellation.wait(60) else "nothing came", flush=True)
    if sys.argv[1] == "lingers":
        sys.stdin.read()
print("left", flush=True)
if sys.argv[1] == "goes-on":
    sys.stdin.read()
"""


def started(how: str) -> Iterator[subprocess.Popen[str]]:
    argv = [sys.executable, "-c", PROGRAM, how]
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, cwd=REPOSITORY, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as child:
        try:
            assert said(child) == "ready"
            yield child
        finally:
            child.kill()


@pytest.fixture
def ending() -> Iterator[subprocess.Popen[str]]:
    """A program that ends when it is asked to."""
    yield from started("ends")


@pytest.fixture
def lingering() -> Iterator[subprocess.Popen[str]]:
    """A program that does not come to its end by itself."""
    yield from started("lingers")


@pytest.fixture
def going_on() -> Iterator[subprocess.Popen[str]]:
    """A program that goes on after the block."""
    yield from started("goes-on")


def said(child: subprocess.Popen[str]) -> str:
    assert child.stdout is not None
    return child.stdout.readline().strip()


SIGNALS = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP]


@pytest.mark.parametrize("number", SIGNALS)
def test_signal_when_it_comes_first_then_the_run_is_cancelled_and_ends_in_order(
    ending: subprocess.Popen[str], number: signal.Signals
) -> None:
    ending.send_signal(number)
    assert (said(ending), said(ending), ending.wait(LONG_S)) == ("cancelled", "left", 0)


def test_signal_when_it_comes_first_then_the_user_is_told(ending: subprocess.Popen[str]) -> None:
    ending.send_signal(signal.SIGTERM)
    _, words = ending.communicate(timeout=LONG_S)
    assert "orchestrator: stopping" in words


@pytest.mark.parametrize("number", SIGNALS)
def test_signal_when_it_comes_twice_then_we_are_ended_by_it(
    lingering: subprocess.Popen[str], number: signal.Signals
) -> None:
    lingering.send_signal(number)
    assert said(lingering) == "cancelled"
    lingering.send_signal(number)
    assert lingering.wait(LONG_S) == -number


def test_signal_when_another_one_comes_second_then_we_are_ended_by_that(lingering: subprocess.Popen[str]) -> None:
    lingering.send_signal(signal.SIGTERM)
    assert said(lingering) == "cancelled"
    lingering.send_signal(signal.SIGINT)
    assert lingering.wait(LONG_S) == -signal.SIGINT


def test_signal_when_the_block_was_left_then_does_what_it_did_before(going_on: subprocess.Popen[str]) -> None:
    going_on.send_signal(signal.SIGTERM)
    assert (said(going_on), said(going_on)) == ("cancelled", "left")
    going_on.send_signal(signal.SIGTERM)
    assert going_on.wait(LONG_S) == -signal.SIGTERM
