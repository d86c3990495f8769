"""``orchestrator bisect``, ``replay`` and ``compare``: what they say to a wrong name, and to a run that gives nothing to do."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from orchestrator.cli.app import app
from orchestrator.model.bisection import Bisection, BisectionStep, Seen
from orchestrator.model.tree import Confidence
from orchestrator.report.junit import render_junit
from orchestrator.report.markdown import render_markdown
from orchestrator.report.text import render_text
from orchestrator.store.run_json import parse_run, render_run
from tests.hostile import CORPUS
from tests.recorded import NAMES, RUNS
from tests.unit.record_builder import record

TRIAL = "memcg-limit-two-node-patched-s1"


@pytest.fixture
def results(tmp_path: Path) -> Path:
    for name in NAMES:
        shutil.copytree(RUNS / name, tmp_path / "results" / name)
    return tmp_path / "results"


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)


def refused(done: Result) -> str:
    assert done.exit_code == 2, done.output
    assert "Traceback" not in done.output
    return done.stderr


@pytest.mark.parametrize("words", [("bisect", "changdd"), ("replay", "changdd", TRIAL), ("compare", "changdd", "pass")])
def test_run_that_is_not_there_is_told_with_those_that_are(words: tuple[str, ...], results: Path) -> None:
    said = refused(run(*words, "--results", results))
    assert "there is no run 'changdd'" in said
    assert "changed" in said


@pytest.mark.parametrize("words", [("bisect", "cut"), ("replay", "cut", TRIAL), ("compare", "cut", "pass")])
def test_record_that_was_cut_off_is_told(words: tuple[str, ...], results: Path) -> None:
    shutil.copytree(results / "changed", results / "cut")
    text = (results / "cut/run.json").read_text()
    (results / "cut/run.json").write_text(text[: len(text) // 2])
    assert "damaged" in refused(run(*words, "--results", results))


def test_run_without_a_regression_has_nothing_to_bisect(results: Path) -> None:
    said = refused(run("bisect", "changed", "--results", results))
    assert "is no REGRESSION but CHANGED" in said
    assert "is no REGRESSION but PASS" in refused(run("bisect", "pass", "--results", results))


def test_series_of_one_patch_is_that_patch(results: Path) -> None:
    assert "has one patch, so it is that one" in refused(run("bisect", "regression", "--results", results))


def test_trial_that_is_not_there_is_told_with_those_that_are(results: Path) -> None:
    found = parse_run((results / "changed/run.json").read_text())
    there = found.trials[0].spec.id
    said = refused(run("replay", "changed", f"{there}x", "--results", results))
    assert f"no trial '{there}x'" in said
    assert there in " ".join(said.split())


def test_kernel_that_is_not_there_is_told_with_those_that_are(results: Path) -> None:
    there = parse_run((results / "changed/run.json").read_text()).trials[0].spec.id
    said = refused(run("replay", "changed", there, "--kernel", "patched@2", "--results", results))
    assert "there is no kernel 'patched@2' in this run" in said
    assert "base, patched" in said


def test_two_runs_stand_side_by_side(results: Path) -> None:
    done = run("compare", "changed", "pass", "--results", results)
    assert done.exit_code == 0
    assert "first: " in done.stdout
    assert "CHANGED" in done.stdout
    assert "second: " in done.stdout
    found = json.loads(run("compare", "changed", "pass", "--results", results, "--json").stdout)
    assert (found["first"]["outcome"], found["second"]["outcome"]) == ("CHANGED", "PASS")


@pytest.mark.parametrize("one", NAMES)
def test_every_recorded_run_can_be_set_against_every_other(one: str, results: Path) -> None:
    for other in NAMES:
        done = run("compare", one, other, "--results", results, "--all")
        assert done.exit_code == 0, done.output
        assert done.stdout.startswith("first: ")


def bisection(words: str = "mm/zswap: count") -> Bisection:
    return Bisection(
        what=words,
        patch=4,
        candidates=(4,),
        subject=words,
        message_id=words,
        steps=(
            BisectionStep(patches=3, seen=Seen.GOOD, text=words, trials=(TRIAL,), built=True, seconds=30.0),
            BisectionStep(patches=4, seen=Seen.BAD, text="it is there", trials=(TRIAL,), built=True, seconds=31.0),
        ),
        confidence=Confidence.CERTAIN,
        reason="the failure is exact",
        trial=TRIAL,
        replay=f"orchestrator replay RUN {TRIAL} --kernel patched@4",
        seconds=61.5,
    )


def test_reports_tell_what_a_bisection_found_and_the_record_keeps_it() -> None:
    found = dataclasses.replace(record(), bisection=bisection())
    assert parse_run(render_run(found)) == found
    text = render_text(found)
    assert "Which patch\n  patch 4 brought it: mm/zswap: count <mm/zswap: count>\n" in text
    assert "patched@3: good (30 s, built)" in text
    assert f"to see it again: orchestrator replay RUN {TRIAL} --kernel patched@4" in text
    assert "2 kernels built, 1 min 02 s" in text
    junit = render_junit(found)
    assert '<property name="bisection.patch" value="4" />' in junit
    assert '<property name="bisection.confidence" value="certain" />' in junit


def test_run_without_a_bisection_says_nothing_of_one() -> None:
    assert "Which patch" not in render_text(record())
    assert "bisection" not in render_junit(record())


@pytest.mark.parametrize("words", CORPUS)
def test_hostile_subjects_stay_where_they_are(words: str) -> None:
    found = dataclasses.replace(record(), bisection=bisection(words))
    text = render_text(found)
    # One line each for the answer, what was looked for and the step: nobody adds lines of his own.
    assert len(text.splitlines()) == len(render_text(dataclasses.replace(record(), bisection=bisection())).splitlines())
    assert not any(ord(char) < 32 and char not in "\n\t" for char in text)
    render_junit(found)
    # In a block of code, whatever the words are.
    assert "Which patch" in render_markdown(found)
