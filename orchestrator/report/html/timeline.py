"""SAMPLES → what zswap did over guest time, base against patched: pool, stored pages, writeback, each node's share."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from matplotlib.axes import Axes

from orchestrator.model.kernel import KernelRole
from orchestrator.model.run import RunRecord
from orchestrator.model.samples import Sample
from orchestrator.model.trial import TrialSpec
from orchestrator.report.html.svg import BASE, INK, PATCHED, few_ticks, new_figure, settings, svg_of
from orchestrator.report.material import TICKS, Material
from orchestrator.report.summary import INTERESTING

WIDTH, HEIGHT = 344.0, 180.0
SEEDS = 3
"""So many seeds of a cell are drawn; sealed trials with different seeds differ little over time."""
NODES = 16
POINTS = 150
"""A line has at most so many points, which is two a pixel or fewer."""

DEBUGFS = "/sys/kernel/debug/zswap/"
_NODE = re.compile(r"/sys/devices/system/node/node(\d{1,4})/vmstat")
_MIB = 1 << 20

Points = list[tuple[float, float]]
Lines = dict[TrialSpec, Points]


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One plot: its title, what is drawn, and why there is nothing (then ``svg`` is "")."""

    title: str
    svg: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """The panels of one scenario on one topology; ``missing`` names what neither kernel recorded."""

    scenario: str
    topology: str
    seeds: tuple[int, ...]
    panels: tuple[Panel, ...]
    missing: tuple[str, ...]


def timeline_trials(record: RunRecord, cells: int) -> tuple[TrialSpec, ...]:
    """Return the trials whose samples are worth drawing: of ``cells`` pairs of scenario and topology, what moved first."""
    moved = {(change.scenario, change.topology) for change in record.verdict.changes if change.change in INTERESTING}
    done = [trial.spec for trial in record.trials]
    pairs = list(dict.fromkeys((spec.scenario, spec.topology) for spec in done))
    pairs.sort(key=lambda pair: pair not in moved)
    chosen = []
    for scenario, topology in pairs[:cells]:
        mine = [spec for spec in done if (spec.scenario, spec.topology) == (scenario, topology)]
        seeds = list(dict.fromkeys(spec.seed for spec in mine))[:SEEDS]
        chosen += [spec for spec in mine if spec.seed in seeds]
    return tuple(chosen)


def timelines(material: Material, cells: int) -> tuple[Timeline, ...]:
    """Return what can be drawn of the run's samples, at most ``cells`` timelines."""
    pairs: dict[tuple[str, str], list[TrialSpec]] = {}
    for spec in timeline_trials(material.record, cells):
        pairs.setdefault((spec.scenario, spec.topology), []).append(spec)
    drawn = []
    for number, specs in enumerate(pairs.values()):
        series = {spec: samples for spec in specs if len(samples := material.read(spec.id, TICKS)) > 1}
        if series:
            drawn.append(_timeline(series, f"t{number}"))
    return tuple(drawn)


def _timeline(series: Mapping[TrialSpec, Sequence[Sample]], name: str) -> Timeline:
    panels, missing = [], []
    for number, (title, read) in enumerate(_WHOLE.items()):
        lines = {spec: _points(samples, read) for spec, samples in series.items()}
        if any(lines.values()):
            panels.append(Panel(title=title, svg=_drawn(title, f"{name}p{number}", partial(_lines, lines=lines))))
        else:
            missing.append(title)
    first = {spec.kernel: spec for spec in reversed(list(series))}
    shares = {spec: _shares(series[spec]) for spec in first.values()}
    title = "share of the pool's pages on each node, %"
    if any(len(nodes) > 1 for nodes in shares.values()):
        panels.append(Panel(title=title, svg=_drawn(title, f"{name}n", partial(_node_lines, shares=shares))))
    spec = next(iter(series))
    seeds = tuple(dict.fromkeys(each.seed for each in series))
    return Timeline(
        scenario=spec.scenario, topology=spec.topology, seeds=seeds, panels=tuple(panels), missing=tuple(missing)
    )


def _counter(name: str, divisor: float = 1.0) -> Callable[[Sample], float | None]:
    def read(sample: Sample) -> float | None:
        found = sample.number(DEBUGFS + name)
        return None if found is None else found / divisor

    return read


_WHOLE: Mapping[str, Callable[[Sample], float | None]] = {
    "pool size, MiB": _counter("pool_total_size", _MIB),
    "stored pages": _counter("stored_pages"),
    "written back pages, in all": _counter("written_back_pages"),
}


def _points(samples: Sequence[Sample], read: Callable[[Sample], float | None]) -> Points:
    """Return (seconds since the first sample, value), thinned out evenly; the last one always stays."""
    start = samples[0].at_s if samples else 0.0
    found = [(sample.at_s - start, value) for sample in samples if (value := read(sample)) is not None]
    return _thinned(found)


def _thinned(points: Points) -> Points:
    stride = max(1, -(-len(points) // POINTS))
    return points[::stride] if (len(points) - 1) % stride == 0 else [*points[::stride], points[-1]]


def _shares(samples: Sequence[Sample]) -> dict[int, Points]:
    """Return, by node, the share in percent of the pages that zsmalloc has; nothing at moments when it has none."""
    start = samples[0].at_s
    shares: dict[int, Points] = {}
    for sample in samples:
        pages = {
            int(match[1]): sample.keyed(path).get("nr_zspages", 0)
            for path in sample.files
            if (match := _NODE.fullmatch(path))
        }
        total = sum(pages.values())
        for node in sorted(pages)[:NODES] if total else ():
            shares.setdefault(node, []).append((sample.at_s - start, 100 * pages[node] / total))
    return {node: _thinned(points) for node, points in sorted(shares.items())}


def _drawn(title: str, name: str, draw: Callable[[Axes], None]) -> str:
    with settings():
        figure = new_figure(WIDTH, HEIGHT)
        axes = figure.add_axes((0.135, 0.245, 0.82, 0.70))
        draw(axes)
        locator, formatter = few_ticks(5)
        axes.yaxis.set_major_locator(locator)
        axes.yaxis.set_major_formatter(formatter)
        locator, formatter = few_ticks(6)
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(formatter)
        axes.grid(visible=True, axis="y")
        axes.set_axisbelow(True)
        axes.set_xlabel("guest time since the first sample, s", labelpad=2)
        axes.set_xlim(left=0)
        # A counter that stayed 0 is drawn on a scale of whole numbers.
        axes.set_ylim(bottom=0, top=None if axes.dataLim.y1 > 0 else 1)
        return svg_of(figure, name=name, says=f"{title} over guest time: base solid, patched dashed")


def _line(axes: Axes, points: Points, kernel: KernelRole) -> None:
    is_base = kernel is KernelRole.BASE
    axes.plot(
        [at for at, _ in points],
        [value for _, value in points],
        color=BASE if is_base else PATCHED,
        # Where the two agree base, broad and pale, shows around patched's dashes.
        linewidth=4 if is_base else 1.5,
        alpha=0.55 if is_base else 1,
        linestyle="-" if is_base else (0, (3.5, 2.5)),
        zorder=2 if is_base else 3,
    )


def _lines(axes: Axes, lines: Lines) -> None:
    for spec, points in lines.items():
        _line(axes, points, spec.kernel)


def _node_lines(axes: Axes, shares: Mapping[TrialSpec, Mapping[int, Points]]) -> None:
    labelled: list[float] = []
    for spec, nodes in shares.items():
        for node, points in nodes.items():
            _line(axes, points, spec.kernel)
            at, value = points[-1]
            if all(abs(value - other) > 11 for other in labelled):
                labelled.append(value)
                axes.text(at, min(value + 2, 92), f"node {node}", ha="right", va="bottom", color=INK, fontsize=10)
    axes.set_ylim(0, 104)
