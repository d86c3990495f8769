"""The formats that ``orchestrator report --format NAME`` renders. A new one is a function and an entry of FORMATS.

A renderer takes a :class:`Material` and returns the file's bytes; it raises ``UserError`` where it needs a package that is not
installed. What it needs is imported when it is asked for: most formats are never rendered in a run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from orchestrator.report.material import Material


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A format: what it is for, how its files' names end, and what renders it. ``binary`` is nothing for a terminal."""

    name: str
    what_for: str
    suffix: str
    render: Callable[[Material], bytes]
    binary: bool = False


def _junit(material: Material) -> bytes:
    from orchestrator.report.junit import render_junit

    return render_junit(material.record).encode()


def _text(material: Material) -> bytes:
    from orchestrator.report.text import render_text

    return render_text(material.record).encode("utf-8", "replace")


def _ktap(material: Material) -> bytes:
    from orchestrator.report.ktap import render_ktap

    return render_ktap(material.record).encode()


def _kcidb(material: Material) -> bytes:
    from orchestrator.report.kcidb import render_kcidb

    return render_kcidb(material.record, unfinished=bool(material.unfinished)).encode()


def _markdown(material: Material) -> bytes:
    from orchestrator.report.markdown import render_markdown

    return render_markdown(material.record).encode()


def _metrics(material: Material) -> bytes:
    from orchestrator.report.samples_table import metrics_csv

    return metrics_csv(material.record).encode()


def _csv(material: Material) -> bytes:
    from orchestrator.report.samples_table import samples_csv

    return samples_csv(material)


def _parquet(material: Material) -> bytes:
    from orchestrator.report.samples_table import samples_parquet

    return samples_parquet(material)


def _html(material: Material) -> bytes:
    from orchestrator.report.html.page import render_page

    return render_page(material).encode()


_ALL = (
    Format(name="junit", what_for="CI systems: Jenkins, GitLab and their like", suffix=".xml", render=_junit),
    Format(name="text", what_for="people, without colours", suffix=".txt", render=_text),
    Format(name="html", what_for="people: one page with figures, plots and the patch", suffix=".html", render=_html),
    Format(name="ktap", what_for="the kernel's own tools", suffix=".ktap", render=_ktap),
    Format(name="kcidb", what_for="Kernel CI's database, JSON by its schema 5.3", suffix=".kcidb.json", render=_kcidb),
    Format(name="markdown", what_for="GitHub: summaries, issues, comments", suffix=".md", render=_markdown),
    Format(name="metrics", what_for="analysts: each trial's metrics, as CSV", suffix=".metrics.csv", render=_metrics),
    Format(name="csv", what_for="analysts: every sample of every trial, as CSV", suffix=".samples.csv", render=_csv),
    Format(name="parquet", what_for="the same as Parquet", suffix=".samples.parquet", render=_parquet, binary=True),
)

FORMATS: Mapping[str, Format] = {each.name: each for each in sorted(_ALL, key=lambda each: each.name)}
