"""The page of a run: what stands on it, what a stranger's words cannot do to it, and how large it may be."""

from __future__ import annotations

import dataclasses
import re

import pytest

from orchestrator.model.verdict import Change, Finding
from orchestrator.report.html import page as page_module
from orchestrator.report.html.page import LADDER, LARGEST, Limits, render_page
from orchestrator.report.html.rendering import content_policy
from orchestrator.report.material import Material
from tests.hostile import CORPUS, MARK, hostile_record
from tests.pages import RECORDED, RUNS, Elements, page_of, recorded, whole
from tests.unit.record_builder import record

SECTIONS = (
    "matrix", "metrics", "time", "topologies", "patch", "invariants", "uncovered", "code", "trials", "provenance",
    "reproduce",
)  # fmt: skip
TAGS = frozenset(
    ["html", "head", "meta", "link", "title", "style", "body", "header", "p", "h1", "h2", "h3", "div", "strong", "span", "ol", "ul", "li", "nav", "a", "main", "section", "article", "details", "summary", "pre", "table", "thead", "tbody", "tr", "th", "td", "small", "figure", "figcaption", "svg", "g", "path", "use", "defs", "clippath", "rect", "text", "dl", "dt", "dd", "input", "code", "footer", "script"]
)  # fmt: skip


@pytest.mark.parametrize("name", RECORDED)
def test_render_page_of_a_recorded_run_then_verdict_sentences_and_all_sections(name: str) -> None:
    material = recorded(name)
    elements = Elements(page_of(name))
    assert material.record.verdict.outcome in elements.text
    for sentence in material.record.verdict.sentences:
        assert sentence in elements.text
    places = {attributes.get("id") for _, attributes in elements.found}
    assert places >= set(SECTIONS)


def test_render_page_twice_then_the_same_text() -> None:
    assert render_page(recorded("regression")) == page_of("regression")


@pytest.mark.parametrize("name", ["regression", "changed"])
def test_render_page_then_links_lead_somewhere_on_it_and_identifiers_are_unique(name: str) -> None:
    elements = Elements(page_of(name))
    places = [str(attributes["id"]) for _, attributes in elements.found if "id" in attributes]
    assert len(places) == len(set(places))
    links = [str(attributes["href"]) for attributes in elements.tagged("a")]
    assert links
    assert all(link.startswith("#") and link[1:] in places for link in links)


def test_render_page_then_nothing_is_loaded_and_the_policy_holds_our_sums_only() -> None:
    page = page_of("whole")
    elements = Elements(page)
    assert {attributes.get("href") for attributes in elements.tagged("link")} == {"data:,"}
    assert not any("src" in attributes or "style" in attributes for _, attributes in elements.found)
    policy = next(str(meta["content"]) for meta in elements.tagged("meta") if "http-equiv" in meta)
    assert policy == content_policy()
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy


def test_render_page_when_a_metric_moved_then_its_plot_effect_and_interval() -> None:
    material = recorded("changed")
    change = next(each for each in material.record.verdict.changes if each.change is Change.CHANGED)
    elements = Elements(page_of("changed"))
    labels = [str(attributes.get("aria-label")) for attributes in elements.tagged("svg")]
    assert any(label.startswith(f"{change.metric} by seed: base 4096, 4096, 4096; patched 0, 0, 0") for label in labels)
    assert "effect −4096 (−4100" in elements.text


def test_render_page_when_the_folder_has_samples_then_pool_and_nodes_over_time() -> None:
    elements = Elements(page_of("changed"))
    labels = " ".join(str(attributes.get("aria-label")) for attributes in elements.tagged("svg"))
    for title in ("pool size, MiB", "stored pages", "written back pages", "share of the pool's pages on each node"):
        assert f"{title}" in labels


def test_render_page_of_a_lone_record_then_it_says_that_samples_are_not_there() -> None:
    material = Material(record=recorded("changed").record)
    assert "a lone run.json, which does not have them" in Elements(render_page(material)).text


def test_render_page_when_nobody_measured_coverage_then_it_says_so() -> None:
    page = page_of("changed")
    assert "Coverage: not measured in this run" in page
    assert not re.search(r'<li class="d-add (ran|missed|absent)', page)


def test_render_page_with_coverage_then_lines_bear_what_became_of_them() -> None:
    material = whole()
    coverage = material.record.coverage
    assert coverage is not None
    page = page_of("whole")
    assert coverage.sentence in page
    for state, style in (("executed", "ran"), ("not executed", "missed"), ("not compiled", "absent")):
        expected = sum(line.state == state for line in coverage.lines)
        assert page.count(f'<li class="d-add {style}">') == expected > 0


def test_render_page_with_all_there_is_then_claims_bisection_and_repeat_proof() -> None:
    text = Elements(page_of("whole")).text
    for words in ("✓ confirmed", "✗ refuted", "? unclear", "○ untested", "is number 2", "bit for bit the same record"):
        assert words in text


def test_render_page_when_a_finding_has_a_stack_then_it_is_shown_and_its_rest_counted() -> None:
    lines = tuple(f" zswap_store+0x{number:x}/0x900 (mm/zswap.c:{number})" for number in range(500))
    finding = Finding(kind="BUG", title="BUG: it", detail=lines, kernel="patched", trial="", blamed=True)
    base = record()
    judged = dataclasses.replace(base, verdict=dataclasses.replace(base.verdict, findings=(finding,)))
    text = Elements(render_page(Material(record=judged))).text
    assert lines[0] in text
    assert lines[-1] not in text
    assert f"and {500 - Limits().detail} more lines" in text


@pytest.mark.parametrize("text", CORPUS, ids=range(len(CORPUS)))
def test_render_page_with_a_hostile_text_everywhere_then_it_is_text(text: str) -> None:
    hostile = hostile_record(record(), text)
    # Plots are tested on their own.
    hostile = dataclasses.replace(hostile, verdict=dataclasses.replace(hostile.verdict, changes=()))
    elements = Elements(render_page(Material(record=hostile)))
    assert {tag for tag, _ in elements.found} <= TAGS
    assert len(elements.tagged("script")) == 1
    for _, attributes in elements.found:
        assert not any(name.startswith("on") for name in attributes)
        assert str(attributes.get("href") or "#").startswith(("#", "data:,"))
        assert MARK not in str(attributes.get("id"))
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", elements.text)
    assert MARK in elements.text


def test_render_page_when_everything_is_long_then_smaller_limits_are_taken() -> None:
    base = record()
    detail = tuple(f"{number} {'x' * 2000}" for number in range(300))
    findings = tuple(
        Finding(kind="BUG", title=f"BUG {number}", detail=detail, kernel="patched", trial="", blamed=True)
        for number in range(60)
    )
    judged = dataclasses.replace(base, verdict=dataclasses.replace(base.verdict, findings=findings))
    page = render_page(Material(record=judged))
    assert len(page.encode()) <= LARGEST
    assert f"And {60 - LADDER[-1].findings} more findings" in page or "And 40 more findings" in page
    assert "[…]" in page


def test_render_page_when_nothing_fits_then_the_verdict_still_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_module, "LARGEST", 20_000)
    page = render_page(recorded("regression"))
    assert "REGRESSION" in page
    assert "more names and lines than fit a page" in page
    assert len(page.encode()) <= 20_000


def test_render_page_of_a_run_in_progress_then_it_is_called_that() -> None:
    assert "This run is not finished." in page_of("half-finished")


def test_recorded_runs_are_all_rendered() -> None:
    assert {folder.name for folder in RUNS.iterdir() if folder.is_dir()} == set(RECORDED)
