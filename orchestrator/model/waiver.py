"""Waivers: failures that are known, explained, and gate nothing until a day. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiver:
    """One known failure. ``name`` is a glob over checks' names and fingerprints; of the kernel's log, fingerprints only.

    ``scenario`` and ``topology`` are globs too. ``expires`` is the last day on which it holds, as in ``2027-06-01`` (the
    judge knows no clock and no calendar; such days compare as text). ``reason`` says why the
    failure may be passed over, ``link`` where to read more, ``source`` in which file it stands.
    """

    name: str
    reason: str
    expires: str
    source: str
    link: str = ""
    scenario: str = "*"
    topology: str = "*"

    def has_expired(self, today: str) -> bool:
        """Whether ``today`` is after its last day."""
        return today > self.expires
