"""Narration: stages do their work inside ``with steps.step("build", kernel="base")``; reporters subscribe.

Nothing below ``cli/`` prints. A step's events go to every listener in order; a listener must not raise.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum


class Phase(StrEnum):
    """What an event says of its step."""

    STARTED = "started"
    FINISHED = "finished"
    FAILED = "failed"
    NOTE = "note"

    @property
    def ends_step(self) -> bool:
        """Whether nothing more comes of the step."""
        return self in {Phase.FINISHED, Phase.FAILED}


@dataclass(frozen=True, slots=True, kw_only=True)
class StepEvent:
    """One event: which step (``name`` and ``details``), what happened, and for how long it ran so far (``seconds``)."""

    phase: Phase
    name: str
    details: tuple[tuple[str, str], ...]
    seconds: float
    at: float
    text: str = ""


Listener = Callable[[StepEvent], None]


class Steps:
    """The narrator handed to every stage. Safe to use from several threads."""

    def __init__(self, *listeners: Listener, clock: Callable[[], float] = time.monotonic) -> None:
        self._listeners = list(listeners)
        self._clock = clock
        self._lock = threading.Lock()

    def subscribe(self, listener: Listener) -> None:
        """Add a listener for all events from now on."""
        with self._lock:
            self._listeners.append(listener)

    @contextlib.contextmanager
    def step(self, name: str, **details: object) -> Iterator[Callable[[str], None]]:
        """Narrate a block as the step ``name``; yields a function that adds a note to it."""
        facts = tuple((key, str(value)) for key, value in details.items())
        start = self._clock()
        self._tell(Phase.STARTED, name, facts, start)
        try:
            yield lambda text: self._tell(Phase.NOTE, name, facts, start, text)
        except BaseException as error:
            self._tell(Phase.FAILED, name, facts, start, str(error) or type(error).__name__)
            raise
        self._tell(Phase.FINISHED, name, facts, start)

    def note(self, name: str, text: str, **details: object) -> None:
        """Say something outside of a step."""
        facts = tuple((key, str(value)) for key, value in details.items())
        self._tell(Phase.NOTE, name, facts, self._clock(), text)

    def _tell(
        self, phase: Phase, name: str, details: tuple[tuple[str, str], ...], start: float, text: str = ""
    ) -> None:
        event = StepEvent(
            phase=phase, name=name, details=details, seconds=self._clock() - start, at=time.time(), text=text
        )
        with self._lock:
            for listener in self._listeners:
                listener(event)
