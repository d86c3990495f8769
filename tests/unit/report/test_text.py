"""The rows of values, the words for them, and the plain-text report."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest

from orchestrator.model.claim import Claim, ClaimResult, ClaimStatus
from orchestrator.model.trial import Status
from orchestrator.report.junit import render_junit
from orchestrator.report.summary import (
    Span,
    applied_lines,
    format_difference,
    format_percent,
    format_seconds,
    format_value,
    gaps,
    groups,
    metric_rows,
    trial_counts,
)
from orchestrator.report.text import printable, printable_line, render_text
from orchestrator.store.run_json import parse_run, render_run
from tests.unit.record_builder import A2_BASE, A2_V5, BASE, PATCHED, a2_trials, record, spec, trial, with_metrics

RUNS = Path(__file__).parents[2] / "data" / "runs"


def test_row_of_the_starved_node() -> None:
    row = metric_rows(record())[0]
    assert (row.metric, row.node, row.unit) == ("written_back", 1, "pages")
    assert row.base == Span(low=4096, middle=4096, high=4096)
    assert (row.difference, row.percent) == (-4096, -100)


def test_row_when_seeds_differ_then_median_and_range() -> None:
    trials = [with_metrics(each, zswpwb=each.metrics["zswpwb"] + each.spec.seed) for each in a2_trials((1, 2, 3))]
    row = next(row for row in metric_rows(record(trials)) if row.metric == "zswpwb" and row.topology == "two-node")
    assert row.base is not None
    assert row.base.describe() == "8964 (8963–8965)"
    assert format_difference(row) == "+248"


def test_row_when_one_kernel_does_not_have_it_then_absent_and_no_difference() -> None:
    gone = {name: value for name, value in A2_V5.items() if name != "zswpout"}
    trials = [trial(spec(BASE), A2_BASE), trial(spec(PATCHED), gone)]
    row = next(row for row in metric_rows(record(trials)) if row.metric == "zswpout")
    assert row.patched is None
    assert format_difference(row) == ""
    assert "absent" in render_text(record(trials))


def test_groups_when_one_node_is_of_interest_then_all_its_nodes_in_order() -> None:
    (group,) = [group for group in groups(record()) if group.topology == "two-node"]
    assert [(row.metric, row.node) for row in group.rows][:2] == [("written_back", 0), ("written_back", 1)]
    assert group.quiet == 5


def test_groups_when_nothing_moved_then_the_group_is_still_there() -> None:
    (group,) = [group for group in groups(record()) if group.topology == "one-node"]
    assert group.rows == ()
    assert group.quiet == 8


def test_groups_when_everything_is_asked_for_then_nothing_is_quiet() -> None:
    assert all(group.quiet == 0 for group in groups(record(), everything=True))


@pytest.mark.parametrize(
    ("base", "patched", "text"),
    [(100, 150, "+50%"), (1000, 1001, "+0.1%"), (100000, 100001, "<0.1%"), (0, 5, ""), (10, 5000, "×500"), (9, 9, "")],
)
def test_percent(base: float, patched: float, text: str) -> None:
    trials = [trial(spec(BASE), {"zswpwb": base}), trial(spec(PATCHED), {"zswpwb": patched})]
    assert format_percent(metric_rows(record(trials))[0]) == text


@pytest.mark.parametrize(
    ("value", "text"), [(8388608.0, "8388608"), (0.0, "0"), (1.23456, "1.235"), (13067.5, "13068"), (-2.0, "-2")]
)
def test_value(value: float, text: str) -> None:
    assert format_value(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.42, "0.4 s"), (9.99, "10 s"), (59.4, "59 s"), (185, "3 min 05 s"), (7800, "2 h 10 min")]
)
def test_seconds(seconds: float, text: str) -> None:
    assert format_seconds(seconds) == text


def test_applied_says_rung_fuzz_and_what_is_missing() -> None:
    lines = applied_lines(record())
    assert "recovered, fuzz 1; 1 file changed, 69 insertions(+), 20 deletions(-), as the mail says" in lines[0]
    assert "mm/zswap.c hunk 3 at line 1322: base does not have '}'" in lines[1]
    assert "does not hold 1, 3, 4, 5, 6" in lines[2]


def test_trial_counts_names_what_did_not_run() -> None:
    lost = trial(spec(PATCHED), status=Status.ERROR, message="x")
    assert trial_counts(record([lost], planned=[lost.spec, spec(BASE)])) == (
        "2 trials: 1 not done by our fault, 1 not run"
    )


def test_gaps_when_there_are_many_then_the_rest_is_counted() -> None:
    one = record([], planned=[spec(BASE, seed) for seed in range(20)])
    assert len(gaps(one, 5)) == 6
    assert gaps(one, 5)[-1].startswith("and 15 more")


def test_scenarios_that_were_added_for_the_patch_are_told_with_the_reason() -> None:
    one = record()
    line = "shmem on one-node: the patch changes mm/\x1b[2Jx.c"
    aimed = dataclasses.replace(one, plan=dataclasses.replace(one.plan, aimed=(line,)))
    text = render_text(aimed)
    assert "Added for what the patch changes\n  shmem on one-node: the patch changes mm/\\x1b[2Jx.c\n" in text
    assert parse_run(render_run(aimed)).plan.aimed == (line,)
    assert "Added for" not in render_text(one)


def test_hostile_text_writes_no_control_characters_and_no_lines_of_its_own() -> None:
    assert printable("a\x1b[31m\u202eb\nc") == "a\\x1b[31m\\x202eb\nc"
    assert printable_line("a\r\nPASS\x07") == "a PASS\\x07"
    one = record()
    evil = dataclasses.replace(one.verdict, sentences=("x\x1b]0;owned\x07\nPASS",))
    text = render_text(dataclasses.replace(one, verdict=evil))
    assert "\x1b" not in text
    assert "\nPASS" not in text


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("report.txt", render_text(record())),
        ("report-all.txt", render_text(record(), everything=True)),
        ("junit.xml", render_junit(record())),
        ("run.json", render_run(record())),
    ],
)
def test_rendering_is_as_recorded(name: str, text: str) -> None:
    golden = RUNS / "a2-built-two-seeds" / name
    if os.environ.get("UPDATE_GOLDEN"):
        golden.parent.mkdir(parents=True, exist_ok=True)
        golden.write_text(text)
    assert text == golden.read_text()


def test_recorded_run_can_be_read() -> None:
    assert parse_run((RUNS / "a2-built-two-seeds" / "run.json").read_text()) == record()


def test_claims_are_told_with_their_figures_and_recorded() -> None:
    one = record()
    claim = Claim(says="node 1 gives nothing", scenario="memcg-limit", metric="written_back@node1", at_most=0)
    result = ClaimResult(claim=claim, status=ClaimStatus.CONFIRMED, figures=("memcg-limit on two-node: 0 patched",))
    told = dataclasses.replace(one, verdict=dataclasses.replace(one.verdict, claims=(result,)))
    assert "Claims\n  CONFIRMED: node 1 gives nothing\n      memcg-limit on two-node: 0 patched\n" in render_text(told)
    assert "Claims" not in render_text(one)
    assert parse_run(render_run(told)) == told
