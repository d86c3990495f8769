"""RUN RECORD → SWEEP TABLES: one row for each setting of the swept knobs, base against patched. Pure.

A variant of a scenario is named ``NAME+KNOB=VALUE+...`` (``config/scenarios.py``); the variants of one scenario on one
topology make a table. Its columns are the metrics that moved in any of them, the farthest first, at most :data:`COLUMNS`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.model.run import RunRecord
from orchestrator.report.summary import INTERESTING, Row, format_span, metric_rows

COLUMNS = 3
SEPARATOR = "+"


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepTable:
    """The settings of one scenario on one topology: a row is a setting's values and cells."""

    scenario: str
    topology: str
    knobs: tuple[str, ...]
    metrics: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    @property
    def head(self) -> tuple[str, ...]:
        """The columns' titles."""
        return (*self.knobs, *self.metrics)

    @property
    def title(self) -> str:
        """What the table is of."""
        return f"{self.scenario} on {self.topology}, by {' and '.join(self.knobs)} (base → patched)"


def sweep_tables(record: RunRecord) -> tuple[SweepTable, ...]:
    """Return a table for each swept scenario and topology; () where nothing was swept."""
    rows = metric_rows(record)
    swept = [name for name in record.plan.profile.scenarios if SEPARATOR in name]
    stems = dict.fromkeys(name.partition(SEPARATOR)[0] for name in swept)
    tables = []
    for stem in stems:
        names = [name for name in swept if name.partition(SEPARATOR)[0] == stem]
        for topology in record.plan.profile.topologies:
            mine = {name: [row for row in rows if (row.scenario, row.topology) == (name, topology)] for name in names}
            if any(mine.values()):
                tables.append(_table(stem, topology, mine))
    return tuple(tables)


def _table(stem: str, topology: str, variants: dict[str, list[Row]]) -> SweepTable:
    columns = _columns([row for rows in variants.values() for row in rows])
    knobs = [setting.partition("=")[0] for setting in next(iter(variants)).split(SEPARATOR)[1:]]
    rows = []
    for name, found in variants.items():
        by_metric = {_name(row): row for row in found}
        settings = [setting.partition("=")[2] for setting in name.split(SEPARATOR)[1:]]
        rows.append((*settings, *(_cell(by_metric.get(column)) for column in columns)))
    return SweepTable(scenario=stem, topology=topology, knobs=tuple(knobs), metrics=tuple(columns), rows=tuple(rows))


def _columns(rows: Sequence[Row]) -> list[str]:
    """Return the metrics to show: what moved in any setting, the farthest first; where nothing did, the first ones."""
    farthest: dict[str, float] = {}
    for row in rows:
        moved = abs(row.percent or 0.0) if row.change in INTERESTING else -1.0
        farthest[_name(row)] = max(moved, farthest.get(_name(row), -1.0))
    ranked = sorted(farthest, key=lambda name: -farthest[name])
    return ranked[:COLUMNS]


def _name(row: Row) -> str:
    return row.metric if row.node is None else f"{row.metric}@node{row.node}"


def _cell(row: Row | None) -> str:
    """Return "base → patched", one number where they are the same."""
    if row is None:
        return "absent"
    base, patched = format_span(row.base, short=True), format_span(row.patched, short=True)
    return base if base == patched else f"{base} → {patched}"
