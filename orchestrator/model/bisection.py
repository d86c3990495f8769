"""Bisections: which patch of a series brought what a run is a regression for."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from orchestrator.model.tree import Confidence


class Seen(StrEnum):
    """What a prefix of the series (``patched@k``) showed: what is looked for, or not; or it could not be asked."""

    BAD = "bad"
    GOOD = "good"
    UNTESTABLE = "not testable"


@dataclass(frozen=True, slots=True, kw_only=True)
class BisectionStep:
    """One prefix that was asked: ``patches`` is how many patches it has (0: base), ``text`` why it was judged so.

    ``trials`` are the ids of the trials that were looked at. ``built`` says that its kernel was made for this, and not
    there already; ``seconds`` is the host's time for both.
    """

    patches: int
    seen: Seen
    text: str
    trials: tuple[str, ...] = ()
    built: bool = False
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bisection:
    """The answer: the patch with the number ``patch`` is the first with which ``what`` is seen.

    Where prefixes could not be asked, or nothing was found, ``patch`` is None and ``candidates`` are the numbers of all the
    patches that it may be (() where what the run saw was not seen again, or base shows it too). Numbers are those of the
    mail: its first patch is 1. ``subject`` and ``message_id`` (no angle brackets) are the patch's. ``reason`` says what
    ``confidence`` rests on, and where there is no answer why not. ``trial`` is the id of the smallest trial that shows it
    and ``replay`` the command that runs it again; "" where there is none, as for a kernel that does not build.
    """

    what: str
    patch: int | None
    candidates: tuple[int, ...]
    subject: str
    message_id: str | None
    steps: tuple[BisectionStep, ...]
    confidence: Confidence
    reason: str
    trial: str = ""
    replay: str = ""
    seconds: float = 0.0

    @property
    def builds(self) -> int:
        """How many kernels were made for it."""
        return sum(step.built for step in self.steps)
