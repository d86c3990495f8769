"""Claims: what the author or the maintainer says that a patch does to a metric, and what became of that."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ClaimStatus(StrEnum):
    """What a run says of a claim: ``UNCLEAR`` where the figures do not decide, ``UNTESTED`` where there are none."""

    CONFIRMED = "confirmed"
    REFUTED = "refuted"
    UNCLEAR = "unclear"
    UNTESTED = "untested"


class Sense(StrEnum):
    """Which way a metric is said to go by a factor."""

    FALLS = "falls"
    RISES = "rises"


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One claim. ``metric`` (may end with ``@nodeN``) is divided by ``per`` where that is given.

    Either the metric ``sense`` by at least ``factor``, or its value with the patch is ``at_least`` and ``at_most`` so much
    in every seed. ``topology`` may be a pattern; the claim then has to hold on each that fits.
    """

    says: str
    scenario: str
    metric: str
    topology: str = "*"
    per: str = ""
    sense: Sense | None = None
    factor: float = 1.0
    at_least: float | None = None
    at_most: float | None = None
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimResult:
    """What became of a claim: ``figures`` is a line for each scenario and topology that it was looked at on."""

    claim: Claim
    status: ClaimStatus
    figures: tuple[str, ...]
