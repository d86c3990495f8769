"""Replays: a trial of a run, repeated on this host, and its digest beside the recorded one."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.model.trial import TrialResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Differs:
    """A part of the key that is another one now; "" where one of the two does not say."""

    part: str
    recorded: str
    now: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """What came of it. ``kernel`` is ``base``, ``patched`` or ``patched@k``; ``result`` is the trial as it went now.

    ``recorded`` is the digest of the run's record, "" where it has none for this kernel: then there is nothing to compare.
    ``differs`` are the parts of the key that are not what they were, ``first_difference`` the place where the guest's
    records part first, and ``note`` what else is to be known of the comparison.
    """

    kernel: str
    result: TrialResult
    recorded: str
    differs: tuple[Differs, ...] = ()
    first_difference: str = ""
    note: str = ""

    @property
    def is_same(self) -> bool | None:
        """Whether the two digests are equal; None where one is not there."""
        return self.result.digest == self.recorded if self.recorded and self.result.digest else None
