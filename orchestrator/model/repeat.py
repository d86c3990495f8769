"""The proof that a run's sealed trials repeat: one trial of base, run twice."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeat:
    """``trial`` (its id) was run twice: ``digests`` are both records', ``difference`` says what differs, "" where nothing does."""

    trial: str
    digests: tuple[str, ...]
    difference: str = ""

    @property
    def holds(self) -> bool:
        """Whether the two are equal."""
        return len(self.digests) > 1 and len(set(self.digests)) == 1
