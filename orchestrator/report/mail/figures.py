"""METRIC CHANGES → THE TABLE OF A MAIL: base, patched, change, interval and seeds of the few metrics that matter. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from orchestrator.model.run import RunRecord
from orchestrator.model.verdict import Change, MetricChange
from orchestrator.report.mail.words import WIDTH, counted, plain, strangers
from orchestrator.report.summary import INTERESTING, Row, format_difference, format_percent, metric_rows

ROWS = 10
"""Rows of all tables together; the rest is counted."""

GLOSSARY = 5
_HEAD = ("", "base", "patched", "change", "95% interval", "")
_WORDS = {
    Change.REGRESSED: "worse",
    Change.IMPROVED: "better",
    Change.UNCLEAR: "unclear",
    Change.REMOVED: "gone",
    Change.ADDED: "new",
    Change.SAME: "same",
    Change.CHANGED: "",
}
_FIRST = (Change.REGRESSED, Change.CHANGED, Change.REMOVED, Change.ADDED, Change.IMPROVED, Change.UNCLEAR)


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """The rows of one scenario on one topology, as lines of text, and what its metrics are."""

    title: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The tables of a mail. ``rest`` says what of the comparison they do not show; ``glossary`` what the metrics mean."""

    tables: tuple[Table, ...] = ()
    rest: str = ""
    glossary: tuple[str, ...] = ()


def figures(record: RunRecord) -> Figures:
    """Return the tables of what moved: what worsened first, then in the judge's order; no tables where nothing did."""
    chosen = _chosen(record.verdict.changes)
    if not chosen:
        return Figures()
    rows = {_key(change): row for change, row in zip(record.verdict.changes, metric_rows(record), strict=True)}
    cells = dict.fromkeys((change.scenario, change.topology) for change in chosen)
    tables = tuple(
        _table([change for change in chosen if (change.scenario, change.topology) == cell], rows) for cell in cells
    )
    return Figures(tables=tables, rest=_rest(record, chosen), glossary=_glossary(record, chosen))


def _chosen(changes: Sequence[MetricChange]) -> list[MetricChange]:
    """Return the changes that a mail shows; of a per-node metric all nodes, for a node's loss is its neighbour's gain."""
    ranked = sorted(
        (
            change
            for change in changes
            if change.change in INTERESTING and (change.change is not Change.UNCLEAR or change.suspect)
        ),
        key=lambda change: _FIRST.index(change.change) if change.change is Change.REGRESSED else len(_FIRST),
    )
    chosen: dict[tuple[str, str, str], MetricChange] = {}
    for change in ranked:
        if len(chosen) >= ROWS:
            break
        for sibling in sorted((each for each in changes if _stem(each) == _stem(change)), key=lambda each: each.metric):
            chosen.setdefault(_key(sibling), sibling)
    return list(chosen.values())


def _key(change: MetricChange) -> tuple[str, str, str]:
    return change.scenario, change.topology, change.metric


def _stem(change: MetricChange) -> tuple[str, str, str]:
    return change.scenario, change.topology, change.metric.partition("@node")[0]


def _table(changes: Sequence[MetricChange], rows: dict[tuple[str, str, str], Row]) -> Table:
    first = changes[0]
    seeds = {len(change.seeds) for change in changes}
    several = len(seeds) > 1
    units = Counter(_unit(change) for change in changes)
    common = units.most_common(1)[0][0]
    cells = [_cells(change, rows[_key(change)], common=common, with_seeds=several) for change in changes]
    over = "" if several else f", {counted(seeds.pop(), 'seed')}"
    unit = f" ({common}{' unless said' if len(units) > 1 else ''})" if common else ""
    return Table(title=f"{first.scenario} on {first.topology}{over}{unit}", lines=tuple(_aligned([_HEAD, *cells])))


def _unit(change: MetricChange) -> str:
    return "" if change.metric.endswith(change.unit) or change.unit in {"count", "1"} else change.unit


def _cells(change: MetricChange, row: Row, *, common: str, with_seeds: bool) -> tuple[str, ...]:
    unit = _unit(change)
    name = f"{change.metric} [{unit}]" if unit and unit != common else change.metric
    if with_seeds:
        name += f" ({counted(len(change.seeds), 'seed')})"
    return (
        name,
        _span(change.base),
        _span(change.patched),
        plain(format_percent(row) or format_difference(row)),
        _interval(change, row),
        _WORDS[change.change],
    )


def _span(values: Iterable[float | None]) -> str:
    there = [value for value in values if value is not None]
    if not there:
        return "absent"
    low, high = min(there), max(there)
    return number(low) if low == high else f"{number(low)}..{number(high)}"


def number(value: float) -> str:
    """Return a figure as it is read: counts in full, others with four digits."""
    return str(round(value)) if float(value).is_integer() or abs(value) >= 1000 else f"{value:.4g}"


def _interval(change: MetricChange, row: Row) -> str:
    """Return the interval of the effect, in per cent of base where it is one that says something."""
    if change.low is None or change.high is None:
        return "-"
    scale, mark = 1.0, ""
    if row.base is not None and row.base.middle and format_percent(row).endswith("%"):
        scale, mark = 100 / abs(row.base.middle), "%"
    return f"{_signed(change.low * scale, mark)} .. {_signed(change.high * scale, mark)}"


def _signed(value: float, mark: str) -> str:
    rounded = float(f"{value:.3g}")
    return f"{'+' if rounded > 0 else ''}{number(rounded)}{mark}"


def _aligned(table: Sequence[Sequence[str]]) -> list[str]:
    """Return the table's lines; where one would be too wide, the names stand on lines of their own."""
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    one_line = sum(widths) + 2 * len(widths) <= WIDTH
    lines = []
    for row in table:
        rest = "  ".join(text.rjust(width) for text, width in zip(row[1:5], widths[1:5], strict=True))
        if one_line:
            lines.append(f"  {row[0].ljust(widths[0])}  {rest}  {row[5]}".rstrip())
        else:
            lines += [f"  {row[0]}"] if row[0] else []
            lines.append(f"      {rest}  {row[5]}".rstrip())
    return lines


def _rest(record: RunRecord, chosen: Sequence[MetricChange]) -> str:
    shown = {_key(change) for change in chosen}
    counts = Counter(change.change for change in record.verdict.changes if _key(change) not in shown)
    if not counts:
        return ""
    if set(counts) == {Change.SAME}:
        shows = "comparison shows" if counts.total() == 1 else "comparisons show"
        return f"The {counts.total()} other {shows} no move that matters."
    words = {**{kind: str(kind) for kind in Change}, Change.SAME: "the same"}
    parts = ", ".join(f"{counts[kind]} {words[kind]}" for kind in Change if counts[kind])
    return f"Of the {counted(counts.total(), 'other comparison')}: {parts}."


def _glossary(record: RunRecord, chosen: Sequence[MetricChange]) -> tuple[str, ...]:
    """Return what the metrics are that moved: their names are ours or the kernel's, and not all are known to all."""
    meanings = {
        (scenario.name, metric.name): metric.what_for for scenario in record.scenarios for metric in scenario.metrics
    }
    found: dict[str, str] = {}
    for change in chosen:
        stem = change.metric.partition("@node")[0]
        meaning = meanings.get((change.scenario, stem), "")
        if meaning and change.change is not Change.SAME:
            found.setdefault(stem, plain(strangers(meaning)))
    return tuple(f"{name}: {meaning}" for name, meaning in list(found.items())[:GLOSSARY])
