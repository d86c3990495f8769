"""What becomes of a verdict: a reply is prepared, and delivered or left as a draft. The sending itself is not ours.

Both steps may be asked for again after a crash: the same reply has the same Message-ID, and the ledger of the sending side
knows what went out.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol


class Fate(StrEnum):
    """What became of a reply. REFUSED has surely not arrived, and may be tried again some times; LATER any time."""

    SENT = "sent"
    DRAFT = "draft"
    LATER = "later"
    REFUSED = "refused"
    STUCK = "stuck"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdictful:
    """A series that has its verdict: the run's folder, and whether somebody asked for the test."""

    series: int
    run: Path
    requested: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A reply. ``silence`` is why there is to be none, "" where there is one."""

    silence: str
    says: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """What became of a reply, in a sentence. ``after_s`` is when to try LATER again."""

    fate: Fate
    says: str
    after_s: float = 3600.0


class Outbox(Protocol):
    """The sending side."""

    def prepare(self, judged: Verdictful) -> Prepared:
        """Make the reply. Raises :class:`InfraError` when that cannot be done now."""

    def deliver(self, judged: Verdictful) -> Delivered:
        """Hand the reply on. Never twice."""


class NoOutbox:
    """Nothing is said to anybody."""

    def prepare(self, judged: Verdictful) -> Prepared:  # noqa: ARG002 - the contract's
        """Say that there is no reply."""
        return Prepared(silence="mode = 'none': no replies are made", says="")

    def deliver(self, judged: Verdictful) -> Delivered:  # noqa: ARG002
        """Do nothing."""
        return Delivered(fate=Fate.STUCK, says="no replies are made")
