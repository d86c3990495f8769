"""What a source is. A source only reads; what was taken is kept by the queue, in the transaction that keeps the mail."""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from orchestrator.host.deadline import Cancellation
from orchestrator.model.watch import SourceSettings
from orchestrator.watch.queue import Queue

HEAD = 1 << 16
"""Bytes of a mail that is too large which are handed on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A mail as it came. ``data`` is whole, or the beginning of one of ``size`` bytes that is too large.

    ``key`` is to be kept as taken, where it is not ""; ``cursor`` is how far the source is read with this mail, where it
    is not None.
    """

    data: bytes
    size: int
    key: str = ""
    cursor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """How far a source was read without a mail that is to be looked at."""

    cursor: str


class Source(abc.ABC):
    """One source. ``read`` may be called again at any time; an error that it raises is the source's, not the mails'."""

    def __init__(self, settings: SourceSettings) -> None:
        self.settings = settings
        self.name = settings.name
        self.notes: list[str] = []
        """What a person should know of the last look; whoever logs it empties the list."""

    @abc.abstractmethod
    def read(self, queue: Queue, *, largest: int, cancellation: Cancellation) -> Iterator[Arrival | Passed]:
        """Yield what is new since the cursor that ``queue`` keeps, oldest first.

        No mail of more than ``largest`` bytes is held in memory. Raises :class:`InfraError` when the source cannot be read.
        """

    def listen(self, wake: Callable[[], None]) -> None:  # noqa: B027 - most have nothing to do
        """Begin to call ``wake`` when something new is there; in a thread of its own."""

    def close(self) -> None:  # noqa: B027 - most have nothing to do
        """Let go of what is open."""
