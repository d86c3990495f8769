"""Where a metric is read: the grammar of a metric's ``source``, as a value. Pure; the standard library only.

=============================  ======================================================================================
``vmstat:KEY``                 a line of /proc/vmstat
``debugfs:FILE``               a number in /sys/kernel/debug/zswap/
``memcg:KEY``                  a line of memory.stat of the scenario's first memory cgroup
``memcg:NAME/KEY``             the same of another one; KEY may be a file of its own that holds one number (memory.current)
``memcg:GLOB/KEY:min|max|sum`` over all of the scenario's memory cgroups that match
``node:KEY``                   a line of each node's vmstat (the metric says ``per_node``)
``zone:KEY``                   a line of /proc/zoneinfo, summed over each node's zones (the metric says ``per_node``)
``file:/PATH``                 a file that holds one number
``thp:SIZE/FILE``              hugepages-SIZE/stats/FILE, in events
``calls:FUNCTION``             how often a function of the kernel was entered (a count probe)
``latency:FUNCTION:WHAT``      how long its calls took, in ns: p50, p99, mean or max
``probe:NAME``                 a reading of :mod:`orchestrator.trial.probe_metrics`
``mempress:OP[.REGION]:FIELD`` a field of the workload's own record, summed over the steps of that kind; ``ms``: the time
``derived:SOURCE-SOURCE``      the difference of two
=============================  ======================================================================================
"""

from __future__ import annotations

import re
from dataclasses import dataclass

AGGREGATES = ("min", "max", "sum")
QUANTITIES = ("p50", "p99", "mean", "max")

_WORD = r"[A-Za-z0-9_.]+"
_FORMS = {
    "vmstat": re.compile(rf"(?P<key>{_WORD})"),
    "debugfs": re.compile(rf"(?P<key>{_WORD})"),
    "memcg": re.compile(rf"(?:(?P<where>[\w.*?/]+)/)?(?P<key>{_WORD})(?::(?P<what>{'|'.join(AGGREGATES)}))?"),
    "node": re.compile(rf"(?P<key>{_WORD})"),
    "zone": re.compile(rf"(?P<key>{_WORD})"),
    "file": re.compile(r"(?P<key>/[^\s:-]+)"),
    "thp": re.compile(rf"(?P<where>\d+kB)/(?P<key>{_WORD})"),
    "calls": re.compile(rf"(?P<key>{_WORD})"),
    "latency": re.compile(rf"(?P<key>{_WORD}):(?P<what>{'|'.join(QUANTITIES)})"),
    "probe": re.compile(r"(?P<key>[\w.]+)"),
    "mempress": re.compile(rf"(?P<key>[a-z_]+)(?:\.(?P<where>{_WORD}))?:(?P<what>[a-z_]+)"),
}

PROBE_READINGS = (
    "shrink_memcg.calls",
    "shrink_memcg.zero",
    "shrink_memcg.positive",
    "shrink_memcg.again",
    "shrink_memcg.empty",
    "list_lru_walk_one.walked",
    "list_lru_walk_one.written",
    "shrink_slab.asked",
    "shrink_slab.scanned",
    "shrink_slab.freed",
)
"""What ``probe:NAME`` may name; :mod:`orchestrator.trial.probe_metrics` reads them."""

PER_NODE = frozenset({"node", "zone"})
"""Kinds that are read for each node, and for nothing else."""

WHOLE_TRIAL = frozenset({"latency", "probe", "mempress"})
"""Kinds that are read once, of the whole trial, and not at each sample."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One place. ``where`` is the memory cgroup, the size or the region; ``what`` the aggregate, quantity or field."""

    kind: str
    key: str
    where: str = ""
    what: str = ""


def sources_of(text: str) -> tuple[Source, ...]:
    """Return the sources that ``text`` is made of: two for a difference, else one.

    Raises :class:`ValueError` that says what is wrong with it.
    """
    kind, _, rest = text.partition(":")
    if kind != "derived":
        return (parse_source(text),)
    left, dash, right = rest.partition("-")
    if not dash:
        raise ValueError(f"'{text}' is not the difference of two sources (derived:SOURCE-SOURCE)")
    return parse_source(left), parse_source(right)


def parse_source(text: str) -> Source:
    """Return the one source that ``text`` names; :class:`ValueError` saying what is wrong with it."""
    kind, _, rest = text.partition(":")
    if kind not in _FORMS:
        raise ValueError(f"'{text}': there is no source '{kind}' (known: {', '.join([*_FORMS, 'derived'])})")
    match = _FORMS[kind].fullmatch(rest)
    if match is None:
        raise ValueError(f"'{text}' is not written as a source of the kind '{kind}' is")
    if kind == "probe" and rest not in PROBE_READINGS:
        raise ValueError(f"'{text}': nothing reads that (known: {', '.join(PROBE_READINGS)})")
    found = match.groupdict()
    what = found.get("what") or ""
    where = found.get("where") or ""
    if kind == "memcg" and bool(set("*?") & set(where)) != bool(what):
        raise ValueError(f"'{text}': a pattern of memory cgroups needs one of {', '.join(AGGREGATES)}, and a name none")
    return Source(kind=kind, key=found["key"], where=where, what=what)
