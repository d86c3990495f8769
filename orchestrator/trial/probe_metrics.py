"""What the probes of ``guest_scripts/src/probes/*.spec`` say, by the kernel's functions. Pure.

A probe that could not be placed, or missed a call, gives None, "no data": never 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from orchestrator.model.samples import Probes, ProbeTotals
from orchestrator.trial.records import ENTER

Readings = dict[str, float]
"""Values by what a metric's name ends with: "" for the whole machine, ``@nodeN`` for a node."""

NS = "ns."
"""The prefix of the latency probes: ``ns.FUNCTION``."""

SHRINK_MEMCG, WALK_ENTRY, WALK_RETURN = "shrink_memcg", "walk_entry", "walk_return"
SLAB_START, SLAB_END = "shrink_slab_start", "shrink_slab_end"
"""Probes of ``zswap.spec``."""

EAGAIN, ENOENT = 11, 2
"""The guest's error numbers: those of all architectures that we boot (include/uapi/asm-generic/errno-base.h)."""

LOG2 = "ns_log2"
"""A latency's histogram: bucket k has the calls that took more than 2**(k-1) and at most 2**k ns."""


def calls(probes: Probes, function: str) -> int | None:
    """Return how often ``function`` was entered while the probes were there; None when that is not known."""
    total = _whole(probes, ENTER + function)
    return None if total is None else total.calls


def latency(probes: Probes, function: str, what: str) -> float | None:
    """Return how long calls of ``function`` took, in ns; None when that is not known or there was no call.

    ``mean`` and ``max`` are exact. ``p99`` is the upper end of the log2 bucket that it lies in, so at most twice too
    large. ``p50`` is interpolated in its bucket, geometrically: as if the logarithms were spread evenly. None is above
    the maximum. Calls that ran on when the probes were read are not in it.
    """
    total = None if probes.lost else _whole(probes, NS + function)
    if total is None or not total.calls:
        return None
    maximum = float(total.maxima.get("ns", 0))
    match what:
        case "mean":
            return total.sums.get("ns", 0) / total.calls
        case "max":
            return maximum
        case "p50" | "p99":
            bucket, share = _quantile(total.histograms.get(LOG2, {}), int(what[1:]))
            return min(maximum, 2.0 ** (bucket - 1 + share if what == "p50" else bucket))
    raise ValueError(f"unknown quantity of a latency: '{what}'")


def reading(name: str, probes: Probes) -> Readings | None:
    """Return what a metric with the source ``probe:NAME`` reads; None when a probe it needs gives no data."""
    needed, read = READERS[name]
    if probes.lost or any(probes.placed.get(probe) != "ok" for probe in needed):
        return None
    return read(probes)


def _whole(probes: Probes, name: str) -> ProbeTotals | None:
    """Return the one line of a probe that has no groups; None when it was not placed or missed calls."""
    if probes.placed.get(name) != "ok":
        return None
    total = next((total for total in probes.totals if total.probe == name), None)
    return None if total is None or total.missed else total


def _quantile(histogram: Mapping[str, int], percent: int) -> tuple[int, float]:
    """Return the bucket that the quantile lies in, and how far into the bucket's calls (0 to 1) it lies."""
    wanted = math.ceil(sum(histogram.values()) * percent / 100)
    seen = 0
    for bucket in sorted(int(key) for key in histogram):
        count = histogram[str(bucket)]
        if count and seen + count >= wanted:
            return bucket, (wanted - seen) / count
        seen += count
    return 0, 1.0


def _shrink_memcg_calls(probes: Probes) -> Readings:
    return {"": float(sum(total.calls for total in probes.totals if total.probe == SHRINK_MEMCG))}


def _returned(wanted: Callable[[int], bool]) -> Callable[[Probes], Readings]:
    """Return what reads how many calls of shrink_memcg() returned a ``wanted`` value.

    By value and not by meaning: 0 is success in 7.2 and 7.3, and "nothing written" to a patch that returns how much was.
    """

    def read(probes: Probes) -> Readings:
        values = [
            (int(value), count)
            for total in probes.totals
            if total.probe == SHRINK_MEMCG
            for value, count in total.histograms.get("ret", {}).items()
        ]
        return {"": float(sum(count for value, count in values if wanted(value)))}

    return read


def _walked(probes: Probes) -> Readings:
    """Pages looked at: what was asked for at entry, less what was left at return."""
    return _less(_per_node(probes, WALK_ENTRY, "ask"), _per_node(probes, WALK_RETURN, "left"))


def _written(probes: Probes) -> Readings:
    return _per_node(probes, WALK_RETURN, "written")


def _slab_asked(probes: Probes) -> Readings:
    return _per_node(probes, SLAB_START, "asked")


def _slab_scanned(probes: Probes) -> Readings:
    """Objects scanned: what was to be scanned at the start, less what of it was left at the end."""
    return _less(_per_node(probes, SLAB_START, "asked"), _per_node(probes, SLAB_END, "left"))


def _slab_freed(probes: Probes) -> Readings:
    return _per_node(probes, SLAB_END, "freed")


def _less(whole: Readings, rest: Readings) -> Readings:
    return {node: whole[node] - rest.get(node, 0.0) for node in whole}


def _per_node(probes: Probes, probe: str, field: str) -> Readings:
    out: Readings = {}
    for total in probes.totals:
        if total.probe == probe and "nid" in total.group:
            node = f"@node{total.group['nid']}"
            out[node] = out.get(node, 0.0) + total.sums.get(field, 0)
    return out


READERS: Mapping[str, tuple[tuple[str, ...], Callable[[Probes], Readings]]] = {
    "shrink_memcg.calls": ((SHRINK_MEMCG,), _shrink_memcg_calls),
    "shrink_memcg.zero": ((SHRINK_MEMCG,), _returned(lambda value: value == 0)),
    "shrink_memcg.positive": ((SHRINK_MEMCG,), _returned(lambda value: value > 0)),
    "shrink_memcg.again": ((SHRINK_MEMCG,), _returned(lambda value: value == -EAGAIN)),
    "shrink_memcg.empty": ((SHRINK_MEMCG,), _returned(lambda value: value == -ENOENT)),
    "list_lru_walk_one.walked": ((WALK_ENTRY, WALK_RETURN), _walked),
    "list_lru_walk_one.written": ((WALK_RETURN,), _written),
    "shrink_slab.asked": ((SLAB_START,), _slab_asked),
    "shrink_slab.scanned": ((SLAB_START, SLAB_END), _slab_scanned),
    "shrink_slab.freed": ((SLAB_END,), _slab_freed),
}
"""What a metric with the source ``probe:NAME`` needs and how it is read; per-node ones give ``@nodeN`` suffixes."""
