"""Trials: one boot of one kernel on one topology with one scenario and one seed, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from orchestrator.model.kernel import KernelRole


class Status(StrEnum):
    """KCIDB's test statuses. SKIP is never PASS; ERROR is ours, never the patch's; MISS was planned and not run."""

    PASS = "PASS"  # noqa: S105 - a status, not a password
    FAIL = "FAIL"
    SKIP = "SKIP"
    ERROR = "ERROR"
    MISS = "MISS"
    DONE = "DONE"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialSpec:
    """What one trial is, before it is run."""

    kernel: KernelRole
    topology: str
    scenario: str
    seed: int
    sealed: bool = True

    @property
    def id(self) -> str:
        """Readable, unique in a run, fit for a file name."""
        kind = "" if self.sealed else "-live"
        return f"{self.scenario}-{self.topology}-{self.kernel}-s{self.seed}{kind}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that a trial had to show: ``status`` is PASS, FAIL, ERROR or SKIP; ``message`` says what was seen.

    Two failures with the same ``fingerprint`` are the same failure ("" where the name says it all); ``detail`` is what
    was seen in full: the lines of a splat, the wrong page.
    """

    name: str
    status: Status
    message: str = ""
    fingerprint: str = ""
    detail: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialResult:
    """What one trial gave.

    ``digest`` is the SHA-256 over everything that the guest recorded before its seal was broken, "" where there is
    none; two sealed trials of the same key have the same digest. ``metrics`` holds only what was there: a counter
    that the kernel does not have is not in it. ``guest_s`` is sealed time (or guest time of a live trial), ``wall_s``
    the host's. ``calls`` says how often each function of the kernel that could be probed was entered, from set-up to end.
    ``cached`` says that the record was made by an earlier run. ``parts`` are what the key was made of, each by a name for
    people ("QEMU", "compiler"), as a short text or the beginning of a hash: what differs where two digests do.
    """

    spec: TrialSpec
    key: str
    status: Status
    message: str
    digest: str
    metrics: Mapping[str, float]
    checks: tuple[Check, ...]
    wall_s: float
    guest_s: float
    environment: Mapping[str, str] = field(default_factory=dict)
    console_tail: tuple[str, ...] = ()
    kernel_log: tuple[str, ...] = ()
    cached: bool = False
    calls: Mapping[str, int] = field(default_factory=dict)
    parts: Mapping[str, str] = field(default_factory=dict)
