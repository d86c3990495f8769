"""Ctrl-C and SIGTERM: the run is cancelled, machines go, what is finished stays. A second signal does not wait."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from types import FrameType

from orchestrator.host.deadline import Cancellation

INTERRUPTED = 130
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def cancelled_by_signals() -> Iterator[Cancellation]:
    """Hold a cancellation that the first signal sets; the second one ends us as if we had no handler.

    What we started then still goes with us: its parent-death signal sees to that.
    """
    cancellation = Cancellation()

    def handle(number: int, _frame: FrameType | None) -> None:
        if cancellation.requested:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        cancellation.cancel()
        # Not through sys.stderr: the main thread may be in the middle of writing to it.
        os.write(2, b"\norchestrator: stopping; machines are being ended (again to stop at once)\n")

    before = {number: signal.signal(number, handle) for number in SIGNALS}
    try:
        yield cancellation
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
