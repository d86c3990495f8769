"""A series with a bug in its fourth patch: found by itself after the run, repeated, and set against another run."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.command import COMMAND, LINUX, LONG_S, REPOSITORY, Outcome, orchestrator

pytestmark = pytest.mark.qemu

SERIES = REPOSITORY / "tests/data/patches/series-of-five"
PATCH = "mm/zswap: count a written back page in one place"
TRIAL = "second-chance-one-node-patched-s1"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return orchestrator(
        "test", SERIES, "--linux", LINUX, "--scenario", "second-chance", "--topology", "one-node", "--seeds", "1",
        "--no-perturbed", "--no-coverage", results=tmp_path_factory.mktemp("results"),
    )  # fmt: skip


def command(*words: str | Path) -> subprocess.CompletedProcess[str]:
    argv = [*COMMAND, *(str(word) for word in words)]
    return subprocess.run(argv, capture_output=True, text=True, timeout=LONG_S, check=False)


def test_the_patch_with_the_bug_is_named_by_itself_and_with_certainty(run: Outcome) -> None:
    assert (run.status, run.record["verdict"]["outcome"]) == (1, "REGRESSION"), run.stderr
    found = run.record["bisection"]
    assert (found["patch"], found["subject"], found["confidence"]) == (4, PATCH, "certain")
    assert found["message_id"] == "20261102100000.4-alex@example.org"
    assert [(step["patches"], step["seen"]) for step in found["steps"]] == [(3, "good"), (4, "bad")]
    assert sum(step["built"] for step in found["steps"]) <= 3
    assert found["trial"] == TRIAL
    assert f"patch 4 brought it: {PATCH}" in run.stdout
    assert f'<property name="bisection.subject" value="{PATCH}" />' in (run.folder / "junit.xml").read_text()


def test_the_command_that_the_answer_names_shows_it_again_bit_for_bit(run: Outcome) -> None:
    words = run.record["bisection"]["replay"].split()[1:]
    done = command(*words, "--results", run.results, "--json")
    replay = json.loads(done.stdout)
    assert done.returncode == 0, done.stderr
    assert replay["kernel"] == "patched@4"
    assert replay["recorded"] == replay["result"]["digest"]
    assert replay["result"]["status"] == "FAIL"
    assert replay["differs"] == []


def test_the_prefix_without_the_bug_passes(run: Outcome) -> None:
    done = command("replay", run.folder, TRIAL, "--kernel", "patched@3", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["result"]["status"] == "PASS"


def test_bisect_by_hand_comes_to_the_same_answer(run: Outcome) -> None:
    done = command("bisect", run.folder)
    assert done.returncode == 0, done.stderr
    assert f"patch 4 brought it: {PATCH}" in done.stdout
    steps = run.record["bisection"]["steps"]
    assert [step["patches"] for step in steps] == [5, 3, 4], "the whole series has to show it again first"
    assert not any(step["built"] for step in steps)


def test_a_run_set_against_itself_is_the_same_everywhere(run: Outcome) -> None:
    done = command("compare", run.folder, run.folder, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["differs"] == []
    assert all(cell["seeds"] and not cell["reason"] for cell in found["cells"])
    assert {each["change"]["change"] for each in found["metrics"] if each["change"]} == {"same"}
    assert all(each["first"] and each["second"] for each in found["findings"])
