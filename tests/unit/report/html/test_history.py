"""The index of a results folder."""

from __future__ import annotations

import pytest

from orchestrator.model.past import PastMetric, PastRun
from orchestrator.report.html import history
from orchestrator.report.html.history import render_index
from tests.hostile import CORPUS, MARK, NAMES
from tests.pages import Elements


def metric(name: str, base: float | None, patched: float | None, change: str = "same") -> PastMetric:
    return PastMetric(
        scenario="memcg-limit",
        topology="two-node",
        metric=name,
        unit="pages",
        base=base,
        patched=patched,
        change=change,
    )


def run(number: int, *metrics: PastMetric, outcome: str = "CHANGED", title: str = "a patch") -> PastRun:
    return PastRun(
        run_id=f"20261123-0000{number:02}-x",
        title=title,
        outcome=outcome,
        sentence="a sentence",
        started=f"2026-11-23T00:00:{number:02}+00:00",
        seconds=61.0,
        page=number % 2 == 0,
        metrics=metrics,
    )


def test_render_index_then_runs_in_the_order_given_each_with_a_link_to_its_page_or_folder() -> None:
    elements = Elements(render_index([run(2, title="the later"), run(1, title="the earlier")]))
    links = [attributes["href"] for attributes in elements.tagged("a")]
    assert links == ["./20261123-000002-x/report.html", "./20261123-000001-x/"]
    assert elements.text.index("the later") < elements.text.index("the earlier")


def test_render_index_when_a_metric_is_in_two_runs_then_its_history_and_what_moved_first() -> None:
    elements = Elements(
        render_index(
            [run(n, metric("calm", 1, 1), metric("moved", 5, n, "changed"), metric("gone", None, None)) for n in (3, 2)]
        )
    )
    labels = [str(attributes["aria-label"]) for attributes in elements.tagged("svg")]
    assert labels[0] == "memcg-limit two-node moved over 2 runs, oldest left"
    assert any(" calm " in label for label in labels)


def test_render_index_when_a_metric_is_in_one_run_only_then_it_has_no_history() -> None:
    assert "Metrics over runs" not in render_index([run(1, metric("one", 1, 2)), run(2)])


def test_render_index_when_a_damaged_record_holds_absurd_numbers_then_they_are_not_drawn() -> None:
    assert "<svg" not in render_index([run(n, metric("calls", 1e308, -1e308)) for n in (1, 2)])


def test_render_index_of_no_runs_then_it_says_so() -> None:
    assert "There is no run here yet." in render_index([])


def test_render_index_of_very_many_runs_then_it_stays_small_and_says_what_it_leaves_out() -> None:
    page = render_index([run(1, title="t" * 5000)] * 10_000)
    assert len(page.encode()) <= history.LARGEST
    assert "older ones" in page


@pytest.mark.parametrize("text", [*CORPUS, *NAMES])
def test_render_index_with_a_hostile_text_everywhere_then_it_is_text(text: str) -> None:
    hostile = PastMetric(scenario=text, topology=text, metric=text, unit=text, base=1.0, patched=2.0, change=text)
    runs = [
        PastRun(
            run_id=text,
            title=text,
            outcome=outcome,
            sentence=text,
            problem=text,
            started=text,
            base=text,
            metrics=(hostile,),
        )
        for outcome in (text, "PASS")
    ]
    elements = Elements(render_index(runs))
    assert len(elements.tagged("script")) == 1
    assert not elements.tagged("img")
    for tag, attributes in elements.found:
        assert not any(name.startswith("on") for name in attributes)
        assert str(attributes.get("href") or "#").startswith(("#", "./", "data:,"))
        assert tag not in {"b", "evil"}
    assert MARK in elements.text or MARK not in text
