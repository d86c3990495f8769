"""The order in which changes are shown: what a person should see first. Judges nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from orchestrator.judge.pairs import typical
from orchestrator.model.verdict import Change, MetricChange

MEANINGFUL_SHARE = 0.1
"""A node's share of a per-node metric that moved by this much is shown before other changes."""

_ORDER = (
    Change.REGRESSED,
    Change.CHANGED,
    Change.REMOVED,
    Change.ADDED,
    Change.IMPROVED,
    Change.UNCLEAR,
    Change.SAME,
)

Stem = tuple[str, str, str]
"""What the nodes of one per-node metric have in common: scenario, topology and the name before ``@``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A node's part of a per-node metric, from 0 to 1, on base and on patched."""

    node: str
    base: float
    patched: float

    @property
    def shift(self) -> float:
        """By how much the part moved, in either sense."""
        return abs(self.patched - self.base)


def stem_of(change: MetricChange) -> Stem:
    """Return what ``change`` has in common with the other nodes of its metric."""
    return change.scenario, change.topology, change.metric.partition("@")[0]


def shares_of(changes: Iterable[MetricChange]) -> Mapping[Stem, tuple[Share, ...]]:
    """Return each node's part of each per-node metric, in the nodes' order; what is absent has no part.

    Of a metric that is nothing on all nodes of a kernel there are no parts to speak of.
    """
    families: dict[Stem, list[MetricChange]] = {}
    for change in changes:
        if "@" in change.metric:
            families.setdefault(stem_of(change), []).append(change)
    found = {}
    for stem, family in families.items():
        base = sum(typical(change.base) or 0.0 for change in family)
        patched = sum(typical(change.patched) or 0.0 for change in family)
        if base > 0 and patched > 0:
            shares = [
                Share(
                    node=change.metric.partition("@")[2],
                    base=(typical(change.base) or 0.0) / base,
                    patched=(typical(change.patched) or 0.0) / patched,
                )
                for change in family
            ]
            found[stem] = tuple(sorted(shares, key=lambda share: (len(share.node), share.node)))
    return found


def is_starved(change: MetricChange, shares: Mapping[Stem, tuple[Share, ...]]) -> bool:
    """Whether a node that had a meaningful part gets nothing any more."""
    return typical(change.patched) == 0 and _shift(change, shares) >= MEANINGFUL_SHARE


def in_order(changes: Sequence[MetricChange]) -> tuple[MetricChange, ...]:
    """Return the changes, the strongest class first; in it a starved node first, then other shifts between nodes."""
    shares = shares_of(changes)

    def rank(change: MetricChange) -> tuple[int, int, float, float]:
        if change.change is Change.SAME:
            return _ORDER.index(change.change), 0, 0.0, 0.0
        shift = _shift(change, shares)
        # A node that gets nothing any more tells most; its neighbour, which gets all, says the same once again.
        among_nodes = 0 if is_starved(change, shares) else 1 if shift >= MEANINGFUL_SHARE else 2
        return _ORDER.index(change.change), among_nodes, -relative_size(change), -shift if among_nodes < 2 else 0.0

    return tuple(sorted(changes, key=rank))


def relative_size(change: MetricChange) -> float:
    """Return how far a metric moved, from 0 (not at all) to 1 (to or from zero)."""
    old, new = typical(change.base), typical(change.patched)
    if old is None or new is None:
        return 1.0
    largest = max(abs(old), abs(new))
    return abs(new - old) / largest if largest else 0.0


def _shift(change: MetricChange, shares: Mapping[Stem, tuple[Share, ...]]) -> float:
    node = change.metric.partition("@")[2]
    return max((share.shift for share in shares.get(stem_of(change), ()) if share.node == node), default=0.0)
