"""matplotlib figure → SVG text that stands in an HTML page: no style attributes, no identifiers of its own, no colours.

A page's policy forbids style attributes, and its colours follow the reader's scheme: so what matplotlib writes is read
again, each colour becomes a class (``f-base`` fills with base's colour), and the rest presentation attributes. The same
figure gives the same text: nothing in it is of the day or of the process.
"""

from __future__ import annotations

import contextlib
import io
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from typing import Any

import matplotlib as mpl
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

BASE, PATCHED, INK, MUTED, GRID, BAND = "#000001", "#000002", "#000003", "#000004", "#000005", "#000006"
"""Colours by what they mean; none is ever seen, the page's style sheet has the real ones."""

_CLASSES = {BASE: "base", PATCHED: "patched", INK: "ink", MUTED: "muted", GRID: "grid", BAND: "band"}
_SVG = "{http://www.w3.org/2000/svg}"
_XLINK = "{http://www.w3.org/1999/xlink}href"
_NUMBER = re.compile(r"-?\d+\.\d{3,}")
_FONT_SIZE = re.compile(r"[\d.]+px")
_REFERENCE = re.compile(r"url\(#([^)]+)\)")
_KEPT = frozenset(
    {"stroke-width", "stroke-dasharray", "stroke-dashoffset", "stroke-linecap", "stroke-linejoin", "stroke-opacity"}
    | {"fill-opacity", "opacity", "fill", "stroke", "text-anchor", "font-size"}
)
SETTINGS: Any = {
    "svg.hashsalt": "orchestrator",
    "svg.fonttype": "none",
    "font.size": 11.0,
    "axes.facecolor": "none",
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.unicode_minus": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "text.color": INK,
    "text.parse_math": False,
    "xtick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.color": MUTED,
    "ytick.labelcolor": INK,
    "lines.linewidth": 1.4,
}
DOTS = 72.0
"""Points an inch: a point of matplotlib is then a pixel of the page."""


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of ``width`` × ``height`` pixels; use it within :func:`settings`."""
    figure = Figure(figsize=(width / DOTS, height / DOTS), dpi=DOTS)
    figure.patch.set_visible(False)
    FigureCanvasSVG(figure)
    return figure


@contextlib.contextmanager
def settings() -> Iterator[None]:
    """Hold our settings, and none of a matplotlibrc, while figures are made and rendered."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(SETTINGS)
        yield


def svg_of(figure: Figure, *, name: str, says: str) -> str:
    """Return a figure as an ``<svg>`` element; ``name`` keeps its identifiers apart, ``says`` is read out."""
    out = io.BytesIO()
    figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    root = ET.fromstring(out.getvalue())  # noqa: S314 - what matplotlib wrote a moment ago
    _without(root, {f"{_SVG}metadata", f"{_SVG}style"})
    for element in root.iter():
        _restyle(element)
    _rename(root, name)
    width, height = (root.get(side, "").removesuffix("pt") for side in ("width", "height"))
    root.attrib.update({"width": width, "height": height, "role": "img", "aria-label": says})
    root.attrib.pop("version", None)
    ET.register_namespace("", _SVG.strip("{}"))
    ET.register_namespace("xlink", "http://www.w3.org/1999/xlink")
    return ET.tostring(root, encoding="unicode")


def _without(root: ET.Element, tags: set[str]) -> None:
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in tags:
                parent.remove(child)


def _restyle(element: ET.Element) -> None:
    """Turn an element's style into classes and presentation attributes; shorten its numbers."""
    classes = []
    style = element.attrib.pop("style", "")
    pairs = [declaration.partition(":")[::2] for declaration in style.split(";") if ":" in declaration]
    for name, value in [(key.strip(), text.strip()) for key, text in pairs]:
        role = _CLASSES.get(value.lower())
        if role is not None and name in {"fill", "stroke"}:
            classes.append(f"{name[0]}-{role}")
        elif name in _KEPT:
            element.set(name, value)
        elif name == "font" and (size := _FONT_SIZE.search(value)):
            # "10px 'DejaVu Sans', sans-serif", as older versions write it: the page's own font stands in for it.
            element.set("font-size", size[0])
    if element.get("transform", "").startswith("rotate(-0 "):
        del element.attrib["transform"]
    for name in ("fill", "stroke"):
        role = _CLASSES.get(element.get(name, "").lower())
        if role is not None:
            del element.attrib[name]
            classes.append(f"{name[0]}-{role}")
    if classes:
        element.set("class", " ".join(classes))
    for name in ("d", "x", "y", "transform", "width", "height"):
        if name in element.attrib:
            element.set(
                name, _NUMBER.sub(lambda match: f"{float(match[0]):.1f}", element.attrib[name]).replace("\n", "")
            )


def _rename(root: ET.Element, name: str) -> None:
    """Keep the identifiers that something refers to, with ``name`` before them; drop the others."""
    used: dict[str, str] = {}
    for element in root.iter():
        for value in (element.get(_XLINK, ""), element.get("clip-path", "")):
            match = _REFERENCE.fullmatch(value)
            found = match[1] if match else value.removeprefix("#")
            if found:
                used.setdefault(found, f"{name}-{len(used)}")
    for element in root.iter():
        identifier = element.attrib.pop("id", "")
        if identifier in used:
            element.set("id", used[identifier])
        if link := element.attrib.pop(_XLINK, ""):
            element.set("href", f"#{used[link.removeprefix('#')]}")
        if match := _REFERENCE.fullmatch(element.get("clip-path", "")):
            element.set("clip-path", f"url(#{used[match[1]]})")


def plain_number(value: float, _position: object = None) -> str:
    """Return an axis label: 1200, 1.5M, 0.25."""
    size = abs(value)
    for limit, divisor, word in ((1e10, 1e9, "G"), (1e7, 1e6, "M"), (1e4, 1e3, "k")):
        if size >= limit:
            return f"{value / divisor:.10g}{word}".replace("-", "−")
    return f"{value:.6g}".replace("-", "−")


def few_ticks(most: int = 4) -> tuple[MaxNLocator, FuncFormatter]:
    """Return a locator of at most ``most`` round numbers and the formatter for them."""
    return MaxNLocator(nbins=most, steps=[1, 2, 2.5, 5, 10]), FuncFormatter(plain_number)
