"""Runs a day, as a bucket that fills steadily: a clock that jumps neither gives runs away nor holds them back. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass

DAY_S = 24 * 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """``left`` runs may be started at the steady time ``at``."""

    left: float
    at: float

    @classmethod
    def read(cls, text: str, *, full: int, now: float) -> Bucket:
        """Return the bucket that ``text`` keeps, filled up to now; a full one where there is none."""
        if not text:
            return cls(left=float(full), at=now)
        kept = json.loads(text)
        grown = float(kept["left"]) + max(0.0, now - float(kept["at"])) * full / DAY_S
        return cls(left=min(grown, float(full)), at=now)

    @property
    def may_start(self) -> bool:
        """Whether there is a run left."""
        return self.left >= 1.0

    def wait_s(self, full: int) -> float:
        """Return the seconds until there is one."""
        return max(0.0, (1.0 - self.left) * DAY_S / full)

    def less(self) -> Bucket:
        """Return the bucket with one run taken."""
        return Bucket(left=self.left - 1.0, at=self.at)

    def text(self) -> str:
        """Return it as it is kept."""
        return json.dumps({"left": self.left, "at": self.at})
