"""The page of a run and the index, in a real Chromium: nothing is loaded, nothing juts out, all can be read and used."""

from __future__ import annotations

import dataclasses
import functools
import shutil
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from orchestrator.model.kernel import KernelRole
from orchestrator.pages import write_index
from orchestrator.report.html.history import render_index
from orchestrator.report.html.page import render_page
from orchestrator.report.material import Material
from orchestrator.store.past_runs import past_runs
from tests.contract.chromium import Browser, chromium
from tests.hostile import CORPUS, HTML, MARK, hostile_record
from tests.pages import RUNS, page_of, recorded
from tests.unit.record_builder import A2_BASE, A2_V5, record, spec, trial

WIDTHS = (390, 1400)
PAGES = ("whole", "regression", "our-error", "half-finished")
WAITING = 900
CONTRAST = (Path(__file__).parent / "contrast.js").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("profile")) as held:
        yield held


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """All pages as files, by name; "index" is a results folder's, with the pages of its runs beside it."""
    folder = tmp_path_factory.mktemp("pages")
    files = {}
    for name in PAGES:
        files[name] = folder / f"{name}.html"
        files[name].write_text(page_of(name), encoding="utf-8")
    results = folder / "results"
    for number, name in enumerate(("pass", "changed", "changed", "regression", "half-finished")):
        run = results / f"20261123-12000{number}-{name}"
        shutil.copytree(RUNS / name, run)
        (run / "report.html").write_text(page_of(name), encoding="utf-8")
    files["index"] = write_index(results)
    return files


def overflow(browser: Browser) -> int:
    return int(browser.ask("return document.documentElement.scrollWidth - document.documentElement.clientWidth"))


def column(browser: Browser, table: str, number: int) -> list[str]:
    rows = browser.ask(
        f"return Array.from(document.querySelectorAll('{table} tbody tr'), row => row.cells[{number}].innerText)"
    )
    return [str(text) for text in rows]


def click_head(browser: Browser, table: str, number: int) -> str:
    """Click on a column's head; return what it says of the order then."""
    head = f"document.querySelector('{table}').tHead.rows[0].cells[{number}]"
    browser.ask(f"{head}.querySelector('button').click()")
    return str(browser.ask(f"return {head}.getAttribute('aria-sort')"))


@pytest.mark.parametrize("name", [*PAGES, "index"])
def test_page_then_no_message_in_the_console_and_no_request_but_for_itself(
    browser: Browser, pages: dict[str, Path], name: str
) -> None:
    browser.show(pages[name], width=1400, opened=True)
    assert browser.ask("return document.documentElement.classList.contains('js')"), "the page's own script did not run"
    assert browser.logs() == []
    asked = [url for url in browser.requests() if url != "data:,"]
    assert asked == [pages[name].as_uri()]


def test_page_from_a_server_then_that_is_asked_for_nothing_else(browser: Browser, pages: dict[str, Path]) -> None:
    asked: list[str] = []

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the parent's name
            asked.append(self.path)

    folder = pages["whole"].parent
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        browser.driver.get(f"http://127.0.0.1:{server.server_address[1]}/whole.html")
        browser.driver.get("about:blank")
        server.shutdown()
        thread.join(timeout=30)
    assert asked == ["/whole.html"]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", [*PAGES, "index"])
def test_page_then_nothing_juts_out_to_the_side(
    browser: Browser, pages: dict[str, Path], name: str, width: int
) -> None:
    browser.show(pages[name], width=width, opened=True)
    assert overflow(browser) <= 0


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("name", [*PAGES, "index"])
def test_page_then_all_text_has_contrast(browser: Browser, pages: dict[str, Path], name: str, dark: bool) -> None:  # noqa: FBT001
    browser.show(pages[name], width=1400, dark=dark, opened=True)
    background = str(browser.ask("return getComputedStyle(document.body).backgroundColor"))
    assert (background != "rgb(255, 255, 255)") is dark
    found = browser.ask(CONTRAST)
    assert found["seen"] > 40
    assert found["poor"] == []


def test_page_then_links_lead_to_their_place_and_unfold_it(browser: Browser, pages: dict[str, Path]) -> None:
    browser.show(pages["whole"], width=1400)
    links = browser.ask(
        "return Array.from(document.querySelectorAll('a[href^=\"#\"]'), link => link.getAttribute('href'))"
    )
    assert len(links) > 10
    place = "m-memcg-limit-two-node"
    assert f"#{place}" in links
    assert not browser.ask(f"return document.getElementById('{place}').open")
    browser.ask(f"document.querySelector('a[href=\"#{place}\"]').click()")
    browser.driver.set_script_timeout(30)
    browser.driver.execute_async_script("setTimeout(arguments[0], 100)")
    assert browser.ask(f"return document.getElementById('{place}').open")
    assert 0 <= browser.ask(f"return document.getElementById('{place}').getBoundingClientRect().top") < WAITING


def test_table_of_metrics_sorts_by_number_both_ways_and_by_word(browser: Browser, pages: dict[str, Path]) -> None:
    browser.show(pages["whole"], width=1400, opened=True)
    table = "#m-memcg-limit-two-node table"
    before = column(browser, table, 0)
    assert click_head(browser, table, 1) == "ascending"
    values = [float(text.split()[0]) for text in column(browser, table, 1)]
    assert values == sorted(values)
    assert values != sorted(values, reverse=True)
    assert click_head(browser, table, 1) == "descending"
    assert [float(text.split()[0]) for text in column(browser, table, 1)] == sorted(values, reverse=True)
    assert click_head(browser, table, 0) == "ascending"
    names = column(browser, table, 0)
    assert names != before
    assert sorted(names) == sorted(before)
    assert names.index(next(name for name in names if name.startswith("walked@node0"))) + 1 == names.index(
        next(name for name in names if name.startswith("walked@node1"))
    )


def test_index_then_search_leaves_what_has_all_words_and_rows_sort(browser: Browser, pages: dict[str, Path]) -> None:
    browser.show(pages["index"], width=1400)
    assert len(column(browser, "#runs", 0)) == 5
    browser.ask(
        "const input = document.querySelector('input[type=search]'); input.value = 'REGRESSION invalidate';"
        " input.dispatchEvent(new Event('input'))"
    )
    shown = browser.ask("return Array.from(document.querySelectorAll('#runs tbody tr')).filter(r => !r.hidden).length")
    assert shown == 1
    assert str(browser.ask("return document.getElementById('found').textContent")).startswith("1 of ")
    assert click_head(browser, "#runs", 1) == "ascending"
    words = [text.split()[-1] for text in column(browser, "#runs", 1)]
    assert words.index("CHANGED") < words.index("PASS") < words.index("REGRESSION")


def test_index_then_a_run_s_link_opens_its_page(browser: Browser, pages: dict[str, Path]) -> None:
    browser.show(pages["index"], width=390)
    browser.ask("document.querySelector('#runs a[href*=regression]').click()")
    browser.driver.execute_async_script("setTimeout(arguments[0], 300)")
    assert browser.driver.current_url.endswith("-regression/report.html")
    assert browser.driver.title.startswith("REGRESSION: ")


def test_page_without_javascript_then_all_is_there(browser: Browser, pages: dict[str, Path]) -> None:
    browser.command("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.show(pages["regression"], width=390)
        tree = browser.command("Accessibility.getFullAXTree", {})
    finally:
        browser.command("Emulation.setScriptExecutionDisabled", {"value": False})
    said = " ".join(str(node.get("name", {}).get("value", "")) for node in tree["nodes"])
    for words in ("REGRESSION", "WARNING: mm/zswap.c", "How to reproduce", "invalidated by seed"):
        assert words in said
    # What only a script can do is not offered.
    assert "Find trials" not in said


def test_page_printed_then_all_is_unfolded(browser: Browser, pages: dict[str, Path]) -> None:
    browser.show(pages["whole"], width=1400)
    assert browser.ask("return document.querySelectorAll('details:not([open])').length") > 0
    printed = browser.command("Page.printToPDF", {"printBackground": True})
    assert len(printed["data"]) > 20_000
    assert browser.ask("return document.querySelectorAll('details:not([open])').length") == 0
    browser.show(pages["whole"], width=720, opened=True)
    browser.command("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        assert overflow(browser) <= 0
        assert browser.ask("return getComputedStyle(document.querySelector('nav')).display") == "none"
    finally:
        browser.command("Emulation.setEmulatedMedia", {"media": ""})


def test_pages_of_hostile_text_then_it_runs_nowhere_and_does_not_jut_out(browser: Browser, tmp_path: Path) -> None:
    for number, text in enumerate([*CORPUS, " ".join(HTML)]):
        page = tmp_path / f"{number}.html"
        hostile = hostile_record(record([trial(spec(role), values) for role, values in VALUES]), text)
        page.write_text(render_page(Material(record=hostile)), encoding="utf-8")
        for width in WIDTHS:
            browser.show(page, width=width, opened=True)
            assert browser.driver.title.startswith(f"{hostile.verdict.outcome}: ")
            assert browser.ask(f"return document.getElementById('{MARK}')") is None
            assert browser.ask("return document.querySelectorAll('script').length") == 1
            assert browser.logs() == []
            assert [url for url in browser.requests() if url != "data:,"] == [page.as_uri()]
            assert overflow(browser) <= 0, text[:60]


VALUES = ((KernelRole.BASE, A2_BASE), (KernelRole.PATCHED, A2_V5))


def test_index_of_hostile_runs_then_it_runs_nowhere_and_does_not_jut_out(browser: Browser, tmp_path: Path) -> None:
    page = tmp_path / "index.html"
    known = past_runs(RUNS)
    runs = [
        dataclasses.replace(known[number % len(known)], title=text, sentence=text, base=text)
        for number, text in enumerate(CORPUS)
    ]
    page.write_text(render_index(runs), encoding="utf-8")
    for width in WIDTHS:
        browser.show(page, width=width, opened=True)
        assert browser.ask("return document.title") == "Runs"
        assert browser.logs() == []
        assert [url for url in browser.requests() if url != "data:,"] == [page.as_uri()]
        assert overflow(browser) <= 0


def test_page_of_a_recorded_run_then_its_words_are_those_of_the_record(
    browser: Browser, pages: dict[str, Path]
) -> None:
    browser.show(pages["regression"], width=1400)
    shown = browser.ask("return Array.from(document.querySelectorAll('ol.sentences li'), item => item.textContent)")
    assert tuple(shown) == recorded("regression").record.verdict.sentences
