"""RUN RECORD → LINES on what of the kernel's code the series changes: functions and data, object by object."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.model.run import RunRecord

MOST_OBJECTS = 8
MOST_NAMES = 12


def code_lines(record: RunRecord) -> tuple[str, ...]:
    """Return what the comparison of base's and patched's object code gave; nothing where there was none."""
    found = record.objects
    if found is None:
        return ()
    if found.same:
        run = record.plan.run_anyway and bool(record.trials)
        return (f"the same as base's: {found.reason}{'; run all the same (--run-anyway)' if run else ''}",)
    named = by_object((*found.changed_functions, *found.changed_data))
    lines = [f"{name}: {_some(names)}" for name, names in named.items() if name]
    without = [name for name in found.changed_objects if name not in named]
    if without:
        lines.append(f"without a name: {_some(without)}")
    if len(lines) > MOST_OBJECTS:
        lines = [*lines[:MOST_OBJECTS], f"and {len(lines) - MOST_OBJECTS} more (run.json, objects)"]
    # What is of no object: configuration, linker scripts, the order of objects. The reason may be one of these.
    outside = [name for name in named.get("", ()) if name != found.reason]
    return (found.reason, *lines, *outside)


def by_object(named: Sequence[str]) -> dict[str, list[str]]:
    """Return names by their object: ``zswap_store (mm/zswap.o)`` is ``zswap_store`` of ``mm/zswap.o``; "" for none."""
    found: dict[str, list[str]] = {}
    for item in named:
        name, _, rest = item.rpartition(" (")
        where = rest.removesuffix(")") if name and rest.endswith(".o)") else ""
        found.setdefault(where, []).append(name if where else item)
    return found


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return ", ".join(names[:MOST_NAMES]) + more
