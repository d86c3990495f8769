"""The files that a run leaves for people: its page and the index of all runs."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from orchestrator.errors import InfraError
from orchestrator.pages import write_index, write_pages
from tests.pages import RUNS, Elements


def test_write_pages_then_the_run_s_page_and_an_index_that_links_to_it(tmp_path: Path) -> None:
    folder = tmp_path / "20261123-120000-changed"
    shutil.copytree(RUNS / "changed", folder)
    write_pages(folder)
    assert "CHANGED" in (folder / "report.html").read_text(encoding="utf-8")
    index = Elements((tmp_path / "index.html").read_text(encoding="utf-8"))
    links = [str(attributes["href"]) for attributes in index.tagged("a")]
    assert links == ["./20261123-120000-changed/report.html"]
    assert (tmp_path / links[0]).is_file()


def test_write_index_when_the_folder_cannot_be_written_then_an_error_in_words(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("no folder", encoding="utf-8")
    with pytest.raises(InfraError):
        write_index(tmp_path / "results")
