"""METRIC CHANGE → strip plot: each seed's value on base and patched, and beside it the effect with its interval."""

from __future__ import annotations

from matplotlib.axes import Axes

from orchestrator.model.verdict import MetricChange
from orchestrator.report.html.svg import BAND, BASE, GRID, INK, MUTED, PATCHED, few_ticks, new_figure, settings, svg_of
from orchestrator.report.text import printable_line

WIDTH, HEIGHT = 344.0, 92.0
_STEP = 0.16
"""How far apart seeds with the same value are drawn."""


LARGEST = 1e30
"""No counter is nearly as large; a record from elsewhere may say anything."""


def strip_plot(change: MetricChange, name: str) -> str:
    """Return the plot as SVG text, "" for numbers that cannot be drawn. Base's seeds are rings, patched's are filled: colour is not all that tells them apart."""
    numbers = (*change.base, *change.patched, change.effect, change.low, change.high, change.smallest)
    if any(abs(number) > LARGEST for number in numbers if number is not None):
        return ""
    with settings():
        figure = new_figure(WIDTH, HEIGHT)
        has_effect = change.effect is not None and change.low is not None and change.high is not None
        values = figure.add_axes((0.16, 0.26, 0.46 if has_effect else 0.79, 0.7))
        _values(values, change)
        if has_effect:
            _effect(figure.add_axes((0.68, 0.26, 0.29, 0.7)), change)
        return svg_of(figure, name=name, says=_says(change))


def _values(axes: Axes, change: MetricChange) -> None:
    numbers = [value for value in (*change.base, *change.patched) if value is not None]
    # A mark is about a twentieth of the row's width.
    near = (max(numbers, default=0.0) - min(numbers, default=0.0)) / 20
    for row, (values, colour) in enumerate(((change.patched, PATCHED), (change.base, BASE))):
        there = [value for value in values if value is not None]
        ring = colour == BASE
        axes.plot(
            there,
            [row + offset for offset in _offsets(there, near)],
            linestyle="none",
            marker="o" if ring else "D",
            markersize=6 if ring else 5,
            markerfacecolor="none" if ring else colour,
            markeredgecolor=colour,
            markeredgewidth=1.6 if ring else 0.8,
            clip_on=False,
        )
        if not there:
            axes.text(0.5, row, "absent", transform=axes.get_yaxis_transform(), ha="center", va="center", color=INK)
    axes.set_ylim(-0.6, 1.6)
    axes.set_yticks([0, 1], ["patched", "base"])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    _round_ticks(axes, numbers)


def _offsets(values: list[float], near: float) -> list[float]:
    """Return how far from its row's middle each value is drawn: those that stand together are moved apart."""
    out = []
    for index, value in enumerate(values):
        before = sum(abs(other - value) <= near for other in values[:index])
        # 0, +1, -1, +2, -2 steps, and no farther than the row is high.
        steps = (before + 1) // 2 * (1 if before % 2 else -1)
        out.append(max(-0.42, min(0.42, steps * _STEP)))
    return out


def _round_ticks(axes: Axes, values: list[float]) -> None:
    low, high = min(values, default=0.0), max(values, default=1.0)
    room = (high - low) * 0.08 or max(abs(high) * 0.1, 1.0)
    axes.set_xlim(low - room, high + room)
    locator, formatter = few_ticks(3)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(formatter)
    axes.grid(visible=True, axis="x")
    axes.set_axisbelow(True)


def _effect(axes: Axes, change: MetricChange) -> None:
    low, middle, high = float(change.low or 0), float(change.effect or 0), float(change.high or 0)
    smallest = abs(change.smallest)
    axes.axvspan(-smallest, smallest, facecolor=BAND, edgecolor="none")
    axes.axvline(0, color=MUTED, linewidth=0.8)
    axes.plot([low, high], [0.5, 0.5], color=INK, linewidth=2, marker="|", markersize=7, markeredgewidth=1.4)
    axes.plot([middle], [0.5], marker="o", color=INK, markersize=4)
    axes.set_ylim(-0.6, 1.6)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    reach = max(abs(low), abs(high), smallest) or 1.0
    left, right = min(low, -smallest, -reach * 0.15), max(high, smallest, reach * 0.15)
    room = (right - left) * 0.08
    axes.set_xlim(left - room, right + room)
    locator, formatter = few_ticks(2)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(formatter)
    axes.grid(visible=True, axis="x", color=GRID)
    axes.set_axisbelow(True)


def _says(change: MetricChange) -> str:
    def told(values: tuple[float | None, ...]) -> str:
        return ", ".join("absent" if value is None else f"{value:g}" for value in values)

    return f"{printable_line(change.metric[:200])} by seed: base {told(change.base)}; patched {told(change.patched)}"
