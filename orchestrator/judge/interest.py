"""How far a metric has to move before anybody cares: its own word, else its unit's."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.judge.statistics import Scale, scale_for
from orchestrator.model.scenario import Metric


@dataclass(frozen=True, slots=True, kw_only=True)
class Interest:
    """The smallest effect of interest: a share of the value, and a number in the metric's unit, whichever is more."""

    percent: float
    absolute: float


PAGES = 32
"""SWAP_CLUSTER_MAX (include/linux/swap.h): what reclaim does at once. Less than one more of that is no news."""

BY_UNIT = {
    "pages": Interest(percent=5, absolute=PAGES),
    "folios": Interest(percent=5, absolute=4),
    "bytes": Interest(percent=5, absolute=4096 * PAGES),
    "calls": Interest(percent=5, absolute=32),
    "objects": Interest(percent=5, absolute=32),
    # What happens once or never: each one counts.
    "kills": Interest(percent=5, absolute=0.5),
    "pools": Interest(percent=5, absolute=0.5),
    # Sealed time is an instruction count; a patch that adds a few instructions to a call of 1 us is no news.
    "ns": Interest(percent=10, absolute=500),
    "ms": Interest(percent=5, absolute=1),
    "s": Interest(percent=5, absolute=0.1),
}

OTHERWISE = Interest(percent=5, absolute=1)
"""For a unit that is not in the table."""


def interest_in(metric: Metric) -> Interest:
    """Return the smallest effect of interest of ``metric``."""
    usual = BY_UNIT.get(metric.unit, OTHERWISE)
    return Interest(
        percent=usual.percent if metric.smallest_percent is None else metric.smallest_percent,
        absolute=usual.absolute if metric.smallest is None else metric.smallest,
    )


def scale_of(metric: Metric) -> Scale:
    """Return the scale on which ``metric`` is compared."""
    interest = interest_in(metric)
    return scale_for(relative=interest.percent / 100, absolute=interest.absolute)
