"""PAST RUNS → the index of a results folder: all runs, newest first, and how metrics went from run to run."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator

from orchestrator.model.past import PastMetric, PastRun
from orchestrator.model.verdict import Change, Outcome
from orchestrator.report.html.anchors import anchor
from orchestrator.report.html.rendering import rendered
from orchestrator.report.html.strip import LARGEST as LARGEST_DRAWN
from orchestrator.report.html.svg import BASE, PATCHED, few_ticks, new_figure, settings, svg_of
from orchestrator.report.summary import format_seconds, format_value
from orchestrator.report.text import printable_line

WIDTH, HEIGHT = 344.0, 130.0
RUNS = 3000
PLOTS = 12
HISTORIES = 60
POINTS = 40
"""So many of the newest runs are in a metric's history."""
LARGEST = 2_000_000
TEXT = 300

MARKS = {"PASS": "=", "IMPROVEMENT": "✓", "CHANGED": "≠", "REGRESSION": "✗", "INCONCLUSIVE": "?", "ERROR": "!", "": "○"}
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d)", re.ASCII)
_MOVED = frozenset({Change.REGRESSED, Change.CHANGED, Change.IMPROVED})


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """A run as the index lists it: ``link`` leads to its page (or its folder), relative to the results folder."""

    run: PastRun
    link: str
    mark: str
    when: str
    took: str

    @property
    def style(self) -> str:
        """The outcome as a class of the style sheet; none for a word that is no outcome."""
        return f"v-{self.run.outcome}" if self.run.outcome in set(Outcome) else "o-not-run"


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """One metric of one scenario on one topology over runs, the newest first; ``svg`` is "" where there is no plot."""

    scenario: str
    topology: str
    metric: str
    unit: str
    points: tuple[tuple[RunRow, PastMetric], ...]
    svg: str

    @property
    def place(self) -> str:
        """Its identifier on the page."""
        return anchor("h", self.scenario, self.topology, self.metric)


def render_index(runs: Sequence[PastRun]) -> str:
    """Return the index of these runs, which are the newest first."""
    page = ""
    for most, histories, text in ((RUNS, HISTORIES, TEXT), (1000, 12, 120), (150, 0, 60)):
        page = _page(runs, most, histories, text)
        if len(page.encode()) <= LARGEST:
            break
    return page


def _page(runs: Sequence[PastRun], most: int, histories: int, text: int) -> str:
    rows = [_row(run) for run in runs[:most]]
    found = _histories(rows, histories)
    return rendered(
        "index.html.j2",
        {"rows": rows, "left_out": max(0, len(runs) - most), "histories": found, "value": format_value},
        text=text,
    )


def _row(run: PastRun) -> RunRow:
    # A name may begin with what a browser takes for a scheme.
    folder = "./" + quote(_name_bytes(run.run_id), safe="")
    return RunRow(
        run=run,
        link=f"{folder}/report.html" if run.page else f"{folder}/",
        mark=MARKS.get(run.outcome, "?"),
        when=f"{moment[1]} {moment[2]}" if (moment := _MOMENT.match(run.started)) else "",
        took=format_seconds(run.seconds) if run.seconds is not None and run.seconds >= 0 else "",
    )


def _name_bytes(name: str) -> bytes:
    """Return a folder's name as the system has it; it need not be text."""
    try:
        return name.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return name.encode("utf-8", "replace")


def _histories(rows: Sequence[RunRow], most: int) -> list[History]:
    """Return the metrics that two runs or more have; those that moved in the most runs first."""
    found: dict[tuple[str, str, str], list[tuple[RunRow, PastMetric]]] = {}
    for row in rows:
        for metric in row.run.metrics:
            found.setdefault((metric.scenario, metric.topology, metric.metric), []).append((row, metric))
    long = [(key, points) for key, points in found.items() if len(points) > 1 and _drawable(points)]
    long.sort(key=lambda item: (-sum(metric.change in _MOVED for _, metric in item[1]), -len(item[1]), item[0]))
    return [
        History(
            scenario=key[0],
            topology=key[1],
            metric=key[2],
            unit=points[0][1].unit,
            points=tuple(points[:POINTS]),
            svg=_plot(key, points[:POINTS], f"h{number}") if number < PLOTS else "",
        )
        for number, (key, points) in enumerate(long[:most])
    ]


def _drawable(points: Sequence[tuple[RunRow, PastMetric]]) -> bool:
    values = [value for _, metric in points for value in (metric.base, metric.patched) if value is not None]
    return bool(values) and all(abs(value) <= LARGEST_DRAWN for value in values)


def _plot(key: tuple[str, str, str], points: Sequence[tuple[RunRow, PastMetric]], name: str) -> str:
    oldest_first = list(reversed(points))
    with settings():
        figure = new_figure(WIDTH, HEIGHT)
        axes = figure.add_axes((0.15, 0.19, 0.82, 0.76))
        _values(axes, [metric.base for _, metric in oldest_first], is_base=True)
        _values(axes, [metric.patched for _, metric in oldest_first], is_base=False)
        locator, formatter = few_ticks(4)
        axes.yaxis.set_major_locator(locator)
        axes.yaxis.set_major_formatter(formatter)
        axes.grid(visible=True, axis="y")
        axes.set_axisbelow(True)
        last = len(points) - 1
        axes.set_xlim(-0.5, last + 0.5)
        axes.xaxis.set_major_locator(FixedLocator([0, last]))
        axes.set_xticklabels([oldest_first[0][0].when[:10], oldest_first[-1][0].when[:10]])
        first, final = axes.get_xticklabels()
        first.set_horizontalalignment("left")
        final.set_horizontalalignment("right")
        low, high = axes.dataLim.y0, axes.dataLim.y1
        room = (high - low) * 0.15 or 1.0
        axes.set_ylim(low - room, high + room)
        says = f"{printable_line(' '.join(key)[:200])} over {len(points)} runs, oldest left"
        return svg_of(figure, name=name, says=says)


def _values(axes: Axes, values: Sequence[float | None], *, is_base: bool) -> None:
    there = [(at, value) for at, value in enumerate(values) if value is not None]
    colour = BASE if is_base else PATCHED
    axes.plot(
        [at for at, _ in there],
        [value for _, value in there],
        color=colour,
        linewidth=1,
        # Of patched no line: its runs are of one patch and another.
        linestyle="-" if is_base else "none",
        marker="o" if is_base else "D",
        markersize=6.5 if is_base else 4,
        markerfacecolor="none" if is_base else colour,
        markeredgecolor=colour,
        clip_on=False,
    )
