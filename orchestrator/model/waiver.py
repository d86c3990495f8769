"""Waivers: failures that are known, explained, and gate nothing until a day. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiver:
    """One known failure. ``name`` is a glob over checks' names and fingerprints; of the kernel's log, fingerprints only.

    ``scenario``, ``topology`` and ``flavour`` are globs too. ``expires`` is the last day on which it holds, as in ``2027-06-01`` (the
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
    flavour: str = "*"

    def is_about(self, flavour: str) -> bool:
        """Whether it is about kernels of this flavour; a run of another one has no use for it, and need not hear of it."""
        return fnmatchcase(flavour, self.flavour)

    def has_expired(self, today: str) -> bool:
        """Whether ``today`` is after its last day."""
        return today > self.expires
