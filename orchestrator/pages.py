"""A RUN'S FOLDER → its page; THE RESULTS FOLDER → its index. For people; nothing reads them back.

matplotlib is imported when a page is made: a command that makes none should not wait for it.
"""

from __future__ import annotations

from pathlib import Path

from orchestrator.host.workspace import publish_text
from orchestrator.run_view import material_of
from orchestrator.store.past_runs import PAGE, past_runs

INDEX = "index.html"


def write_pages(folder: Path) -> None:
    """Write ``report.html`` into a run's folder, whose record is there, and the results folder's ``index.html`` anew.

    Raises :class:`InfraError` where a file cannot be written.
    """
    from orchestrator.report.html.page import render_page

    place = folder.resolve()
    publish_text(place / PAGE, render_page(material_of(str(place), place.parent)))
    write_index(place.parent)


def write_index(results: Path) -> Path:
    """Write the index of ``results`` anew and return where it is; of two runs that end together the later one is whole."""
    from orchestrator.report.html.history import render_index

    index = results / INDEX
    publish_text(index, render_index(past_runs(results)))
    return index
