"""KTAP: what the specification asks of the lines. The kernel's own parser reads it in tests/integration/test_formats.py."""

from __future__ import annotations

import dataclasses
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.report.ktap import render_ktap
from tests.hostile import TEXT, hostile_record
from tests.recorded import NAMES, recorded

RESULT = re.compile(r"( *)(ok|not ok) (\d+) ([^#]+?)(?: # ([A-Z]+)?(.*))?")
PLAN = re.compile(r"( *)1\.\.(\d+)")


def results(text: str) -> list[tuple[int, str, int, str, str]]:
    """Return depth, result, number, description and directive of each result line."""
    found = [match for line in text.splitlines() if (match := RESULT.fullmatch(line))]
    return [(len(match[1]) // 2, match[2], int(match[3]), match[4], match[5] or "") for match in found]


def planned(text: str) -> list[int]:
    return [int(match[2]) for line in text.splitlines() if (match := PLAN.fullmatch(line))]


@pytest.mark.parametrize("name", NAMES)
def test_log_begins_with_its_version_and_keeps_its_plans(name: str) -> None:
    text = render_ktap(recorded(name).record)
    assert text.startswith("KTAP version 1\n1..2\n")
    top, *below = planned(text)
    seen = results(text)
    assert [number for depth, _, number, _, _ in seen if depth == 0] == list(range(1, top + 1))
    assert sum(depth == 1 for depth, *_ in seen) == sum(below)


def test_splat_is_a_failure_of_its_trial_and_of_its_suite_with_the_log_before_it() -> None:
    text = render_ktap(recorded("regression").record)
    failed = [(name, directive) for _, result, _, name, directive in results(text) if result == "not ok"]
    assert failed == [("churn.patched.s1", ""), ("one-node", "")]
    lines = text.splitlines()
    splat = next(number for number, line in enumerate(lines) if "# | WARNING: mm/zswap.c:1680 at zswap_swapoff" in line)
    assert splat < next(number for number, line in enumerate(lines) if line.startswith("  not ok"))


def test_our_error_is_told_as_one_and_not_as_the_patchs_failure() -> None:
    failed = [each for each in results(render_ktap(recorded("our-error").record)) if each[1] == "not ok"]
    assert [(name, directive) for _, _, _, name, directive in failed] == [
        ("memcg-limit.patched.s1", "ERROR"),
        ("two-node", "ERROR"),
    ]


def test_what_was_not_run_is_skipped() -> None:
    skipped = [
        name for *_, name, directive in results(render_ktap(recorded("half-finished").record)) if directive == "SKIP"
    ]
    assert "memcg-limit.patched.s1" in skipped


@pytest.mark.parametrize(
    "text", [*TEXT, "Subtest: forged", "x # SKIP", "reboot: System halted", "1..7", "KTAP version 1"]
)
def test_hostile_text_changes_no_result_and_no_plan(text: str) -> None:
    record = recorded("regression").record
    plain, hostile = (render_ktap(hostile_record(record, each)) for each in ("x", text))
    assert [each[:3] for each in results(hostile)] == [each[:3] for each in results(plain)]
    assert planned(hostile) == planned(plain)
    assert not [line for line in hostile.splitlines() if line.lstrip().startswith("# Subtest: forged")]
    assert not [line for line in hostile.splitlines() if line.startswith("reboot:")]


@given(st.text(max_size=60))
@settings(max_examples=60, deadline=None)
def test_any_name_of_a_scenario_gives_one_result_a_trial(name: str) -> None:
    record = recorded("our-error").record
    trials = tuple(
        dataclasses.replace(each, spec=dataclasses.replace(each.spec, scenario=name)) for each in record.trials
    )
    plan = dataclasses.replace(record.plan, trials=tuple(each.spec for each in trials))
    text = render_ktap(dataclasses.replace(record, trials=trials, plan=plan))
    assert len(results(text)) == len(results(render_ktap(record)))
