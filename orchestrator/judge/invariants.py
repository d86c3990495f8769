"""MEASURED → CHECKS: what must hold of zswap's counters whenever nothing moves, whatever the workload was.

Pure. An invariant is a function of its own in ``invariants_pages`` or ``invariants_memcg`` with a name that scenarios,
waivers and reports use (:data:`orchestrator.model.invariant.INVARIANTS`); docs/invariants.md explains each. A counter
that a kernel does not have ends the comparison that needs it, and an invariant nothing of which could be compared is
SKIP, with the counter's name. One that is broken on base too is reported as base's (:mod:`orchestrator.judge.findings`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from orchestrator.judge import invariants_memcg as memcg
from orchestrator.judge import invariants_pages as pages
from orchestrator.judge.invariants_readings import Look
from orchestrator.model.samples import Measured
from orchestrator.model.trial import Check, Status

CHECK = "invariant "
"""How the names of these checks begin."""

DETAIL = 40
"""How many lines of a broken invariant are kept."""


@dataclass(frozen=True, slots=True)
class Invariant:
    """One invariant: what it says in a few words (part of the check's name, so it stays), and how it is looked at."""

    says: str
    look: Callable[[Measured], Look]


TABLE: Mapping[str, Invariant] = {
    "I1": Invariant("entries are accounted for", pages.entries_are_accounted_for),
    "I2": Invariant("stores end somewhere", pages.stores_end_somewhere),
    "I3": Invariant("writeback reaches swap", pages.writeback_reaches_swap),
    "I4": Invariant("written back is counted per memcg", memcg.written_back_is_counted),
    "I5": Invariant("the pool is what it seems", memcg.pool_is_what_it_seems),
    "I6": Invariant("stored pages are charged", memcg.stored_pages_are_charged),
    "I7": Invariant("no swap device, no entries", pages.no_device_no_entries),
    "I8": Invariant("counters only rise", memcg.counters_only_rise),
    "I9": Invariant("incompressible pages are a part", memcg.incompressible_is_a_part),
    "I10": Invariant("memory.zswap.max is kept", memcg.limit_is_kept),
    "I11": Invariant("writeback=0 and max=0 are obeyed", memcg.switches_are_obeyed),
    "I12": Invariant("removed cgroups leave", memcg.the_dead_leave),
    "I13": Invariant("a full pool refuses", pages.full_pool_refuses),
    "I14": Invariant("drained holds nothing", pages.drained_holds_nothing),
    "I15": Invariant("entries have swap slots", pages.entries_have_slots),
}


def check_invariants(measured: Measured, excepted: Mapping[str, str]) -> tuple[Check, ...]:
    """Return a check for each invariant, in the table's order: PASS, FAIL, or SKIP with the reason.

    ``excepted`` are the scenario's exceptions: the reason by the invariant's id.
    """
    return tuple(_check(name, measured, excepted.get(name)) for name in TABLE)


def _check(name: str, measured: Measured, excepted: str | None) -> Check:
    title = f"{CHECK}{name} {TABLE[name].says}"
    if excepted is not None:
        return Check(name=title, status=Status.SKIP, message=f"does not apply to this scenario: {excepted}")
    if not measured.samples:
        return Check(name=title, status=Status.SKIP, message="there is no sample")
    look = TABLE[name].look(measured)
    if look.broken:
        more = f"; and {len(look.broken) - 1} more" if len(look.broken) > 1 else ""
        message = f"{name} ({TABLE[name].says}) is broken: {look.broken[0]}{more}"
        detail = (*look.broken, *dict.fromkeys(look.raw))[:DETAIL]
        return Check(name=title, status=Status.FAIL, message=message, fingerprint=f"{CHECK}{name}", detail=detail)
    missing = ", ".join(_brief(list(look.absent)))
    if look.compared:
        note = f"; not looked at, for want of: {missing}" if missing else ""
        return Check(name=title, status=Status.PASS, message=f"held in {look.compared} comparisons{note}")
    return Check(name=title, status=Status.SKIP, message=f"not there: {missing}" if missing else look.nothing)


def _brief(names: list[str]) -> list[str]:
    return [*names[:4], f"{len(names) - 4} more"] if len(names) > 5 else names
