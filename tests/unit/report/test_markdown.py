"""Markdown, read by a real parser of GitHub's dialect."""

from __future__ import annotations

import dataclasses
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from orchestrator.report.markdown import DETAIL_LINES, LIMIT, escaped, fenced, render_markdown
from tests.hostile import CORPUS, hostile_record
from tests.recorded import NAMES, recorded

GITHUB = MarkdownIt("gfm-like")
ALLOWED = {"details", "/details", "summary", "/summary"}


def html_written(text: str) -> list[str]:
    """Return the names of the tags that the Markdown brings as HTML of its own."""
    tokens = GITHUB.parse(text)
    tokens += [child for token in tokens for child in token.children or ()]
    blocks = "".join(token.content for token in tokens if token.type in {"html_block", "html_inline"})
    return re.findall(r"<(/?[a-zA-Z!?][a-zA-Z]*)", blocks)


@pytest.mark.parametrize("name", NAMES)
def test_summary_has_the_verdict_first_and_no_more_html_than_its_folds(name: str) -> None:
    record = recorded(name).record
    text = render_markdown(record)
    assert text.startswith(f"## {record.verdict.outcome}: ")
    assert set(html_written(text)) <= ALLOWED


def test_metrics_are_a_table_and_the_splat_a_block_of_code() -> None:
    html = GITHUB.render(render_markdown(recorded("changed").record))
    assert html.count("<table>") == 1
    assert re.search(r"<td>written_back \[pages\]</td>\n<td style=\"text-align:right\">1</td>", html)
    splat = GITHUB.render(render_markdown(recorded("regression").record))
    assert re.search(r"<code[^>]*>[^<]*WARNING: mm/zswap.c:1680 at zswap_swapoff", splat)


@pytest.mark.parametrize("text", CORPUS, ids=range(len(CORPUS)))
def test_hostile_text_brings_no_html_link_picture_or_mention(text: str) -> None:
    rendered = render_markdown(hostile_record(recorded("changed").record, text))
    assert set(html_written(rendered)) <= ALLOWED
    html = GITHUB.render(rendered)
    assert "<a " not in html
    assert "<img" not in html
    assert html.count("<table>") == 1
    outside = re.sub(r"<(?:code|pre)[^>]*>.*?</(?:code|pre)>", "", html, flags=re.DOTALL)
    assert not re.search(r"(?<![&\w])@\w", re.sub(r"<[^>]*>", "", rendered.replace("&#64;", "").split("```")[0]))
    assert "<h1>" not in outside


@given(st.text(max_size=80))
@settings(max_examples=300, deadline=None)
def test_escaped_text_is_shown_as_it_is(text: str) -> None:
    tokens = GITHUB.parse(f"before {escaped(text)} after")
    (inline,) = [token for token in tokens if token.type == "inline"]
    assert {child.type for child in inline.children or ()} <= {"text", "text_special"}


@given(st.lists(st.text(max_size=30), max_size=6))
@settings(max_examples=200, deadline=None)
def test_fence_is_never_closed_from_within(lines: list[str]) -> None:
    tokens = GITHUB.parse("\n".join(fenced(lines)))
    assert [token.type for token in tokens] == ["fence"]


def test_long_reports_are_cut_below_githubs_limit_and_say_so() -> None:
    record = hostile_record(recorded("regression").record, "x" * 40_000)
    long = dataclasses.replace(record.verdict.findings[0], detail=("y" * 40_000,) * 3)
    text = render_markdown(
        dataclasses.replace(record, verdict=dataclasses.replace(record.verdict, findings=(long,) * 20))
    )
    assert len(text.encode()) <= LIMIT
    assert "more sections" in text


def test_long_splat_is_cut_and_says_how_much_is_left_out() -> None:
    record = recorded("regression").record
    long = dataclasses.replace(record.verdict.findings[0], detail=("line",) * (DETAIL_LINES + 7))
    record = dataclasses.replace(record, verdict=dataclasses.replace(record.verdict, findings=(long,)))
    assert "7 more lines in run.json" in render_markdown(record)
