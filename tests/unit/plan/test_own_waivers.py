"""A run with waivers of the user's own: read before anything is done, kept in the plan, told where they met nothing."""

from __future__ import annotations

import dataclasses
import datetime as dt
from pathlib import Path

import pytest

from orchestrator.config.scenarios import scenarios
from orchestrator.config.waivers import read_waivers
from orchestrator.errors import UserError
from orchestrator.host.steps import Steps
from orchestrator.intake.reader import Wanted
from orchestrator.judge.waivers import apply_waivers
from orchestrator.kernels import selftest_names
from orchestrator.model.trial import Check, Status, TrialResult
from orchestrator.pipeline import TestRequest, profile_named, start_run, unused_waivers
from orchestrator.plan import narrowed
from tests.unit.record_builder import BASE, spec

PATCH = Path(__file__).parents[2] / "data" / "mail" / "01-comment-only.diff"
OWN = """
[[waiver]]
name = "integrity"
reason = "seen before, and not looked into"
expires = 2099-01-01

[[waiver]]
name = "invariant I4*"
reason = "seen before, and not looked into"
expires = 2099-01-01
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A file of waivers."""
    path = tmp_path / "own.toml"
    path.write_text(OWN)
    return path


def request(own: Path) -> TestRequest:
    return TestRequest(
        wanted=Wanted(inputs=(str(PATCH),)),
        linux="linux-7.2",
        base_rev=None,
        profile=narrowed(profile_named("demo"), scenarios=("memcg-limit",), topologies=("two-node",), seeds=1),
        sealed=True,
        sandbox=True,
        accelerator="auto",
        again=False,
        results=own.parent / "results",
        waivers=(str(own),),
    )


def start(wanted: TestRequest) -> tuple[str, ...]:
    return start_run(wanted, steps=Steps(), now=lambda: dt.datetime.now(dt.UTC)).read_plan().waivers


def failed(name: str) -> TrialResult:
    check = Check(name=name, status=Status.FAIL, message="wrong")
    return TrialResult(
        spec=spec(BASE), key="", status=Status.FAIL, message="wrong", digest="", metrics={}, checks=(check,), wall_s=1,
        guest_s=1,
    )  # fmt: skip


def test_run_when_planned_with_waivers_then_the_plan_names_the_file_from_anywhere(
    own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(own.parent)
    assert start(dataclasses.replace(request(own), waivers=(own.name,))) == (str(own),)


def test_run_when_the_file_is_not_there_then_is_refused_before_anything_is_done(own: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere\.toml"):
        start(dataclasses.replace(request(own), waivers=(str(own.parent / "nowhere.toml"),)))
    assert not (own.parent / "results").exists()


def test_unused_waivers_when_one_met_a_failure_then_only_the_other_is_told(own: Path) -> None:
    waived = apply_waivers([failed("integrity")], read_waivers([own]), "2026-12-01")
    lines = unused_waivers(waived, (str(own),))
    assert lines == (f"the waiver of 'invariant I4*' in {own} met no failure in this run",)


def test_unused_waivers_when_they_are_the_shipped_ones_then_nothing_is_told() -> None:
    waived = apply_waivers([failed("integrity")], read_waivers(), "2026-12-01")
    assert waived.unused
    assert unused_waivers(waived, ()) == ()


def test_selftest_names_when_scenarios_have_the_same_then_each_stands_once() -> None:
    known = scenarios()["selftests"]
    assert selftest_names((known, scenarios()["memcg-limit"], known)) == known.selftests
