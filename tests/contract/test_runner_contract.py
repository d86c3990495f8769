"""What the watcher asks of a runner: the same tests on the fake one, and on real processes (a script for the orchestrator)."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from orchestrator.errors import MissingProgram
from orchestrator.model.verdict import Outcome
from orchestrator.model.watch import RunSettings
from orchestrator.watch.runner import Attempt, Ended, Job, ProcessRunner, Runner, StillEnding, run_folder
from tests.command import eventually, is_running
from tests.watching import FakeRunner, patch

SCRIPT = """#!/bin/sh
mails=$2
for last in "$@"; do :; done
folder=$last
word=$(cat "$(dirname "$0")/word")
run="$folder/20260101-000000-demo"
if [ "$2" = --resume ]; then [ "$3" = 20260101-000000-demo ] || exit 9; else [ -d "$mails" ] || exit 8; fi
case "$word" in "exit "*) echo "building"; echo "orchestrator: something was wrong" >&2; exit "${word#exit }" ;; esac
mkdir -p "$run"
echo '{}' >"$run/plan.json"
case "$word" in endless) echo $$ >"$(dirname "$0")/pid"; exec sleep 600 ;; esac
echo "{\\"verdict\\": {\\"outcome\\": \\"$word\\", \\"sentences\\": [\\"It is $word.\\"]}}" >"$run/run.json"
case "$word" in REGRESSION) exit 1 ;; ERROR | INCONCLUSIVE) exit 3 ;; esac
"""


@dataclass
class Case:
    """A runner that is told with which word its runs end."""

    runner: Runner
    says: Callable[[str], None]


def fake_case(folder: Path) -> Case:
    fake = FakeRunner(folder / "journal", polls=3)

    def say(word: str) -> None:
        fake.polls = 10**9 if word == "endless" else 3
        fake.outcomes = {"demo": ["PASS" if word == "endless" else word]}

    return Case(fake, say)


def process_case(folder: Path) -> Case:
    script = folder / "orchestrator"
    script.write_text(SCRIPT)
    script.chmod(0o755)

    def say(word: str) -> None:
        (folder / "word").write_text(word)

    return Case(ProcessRunner(RunSettings(linux="linux-7.2", command=(str(script),))), say)


@pytest.fixture(params=[fake_case, process_case], ids=["fake", "process"])
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Case:
    made: Case = request.param(tmp_path)
    return made


@pytest.fixture
def job(tmp_path: Path) -> Job:
    mails = tmp_path / "mails"
    mails.mkdir()
    (mails / "0000.eml").write_bytes(patch("demo"))
    return Job(mails=mails, folder=tmp_path / "1" / "1", profile="quick", version=1, partial=False, pick="x@y")


def to_its_end(attempt: Attempt) -> Ended:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if found := attempt.poll():
            return found
        time.sleep(0.01)
    raise AssertionError("it never ended")


@pytest.mark.parametrize("word", ["PASS", "REGRESSION", "IMPROVEMENT", "CHANGED", "INCONCLUSIVE"])
def test_runner_when_there_is_a_verdict_then_it_and_the_folder(case: Case, job: Job, word: str) -> None:
    case.says(word)

    found = to_its_end(case.runner.start(job))

    assert found == Ended(run=run_folder(job.folder), outcome=Outcome(word), ours=False, says=word)
    assert found.run is not None


def test_runner_when_the_verdict_is_error_then_it_is_ours(case: Case, job: Job) -> None:
    case.says("ERROR")

    found = to_its_end(case.runner.start(job))

    assert (found.outcome, found.ours, found.says) == (Outcome.ERROR, True, "It is ERROR.")


def test_runner_when_the_input_cannot_be_used_then_not_ours_and_its_words(case: Case, job: Job) -> None:
    case.says("exit 2")

    assert to_its_end(case.runner.start(job)) == Ended(run=None, outcome=None, ours=False, says="something was wrong")


@pytest.mark.parametrize("word", ["exit 3", "exit 130", "exit 1"])
def test_runner_when_there_is_no_record_then_it_is_ours(case: Case, job: Job, word: str) -> None:
    case.says(word)

    found = to_its_end(case.runner.start(job))

    assert (found.outcome, found.ours) == (None, True)
    assert "something was wrong" in found.says


def test_runner_when_it_is_stopped_then_the_next_start_goes_on_in_the_same_folder(case: Case, job: Job) -> None:
    case.says("endless")
    attempt = case.runner.start(job)
    assert eventually(lambda: run_folder(job.folder) is not None)
    assert attempt.poll() is None
    attempt.stop()

    case.says("PASS")
    found = to_its_end(case.runner.start(job))

    assert found.outcome is Outcome.PASS
    assert len([path for path in job.folder.iterdir() if path.is_dir()]) == 1


def test_runner_when_the_run_is_over_already_then_its_verdict_at_once(case: Case, job: Job) -> None:
    case.says("REGRESSION")
    to_its_end(case.runner.start(job))

    case.says("PASS")
    found = to_its_end(case.runner.start(job))

    assert found.run is not None
    assert run_folder(job.folder) == found.run


# What only processes can do.


@pytest.fixture
def real(tmp_path: Path) -> Case:
    return process_case(tmp_path)


def test_process_when_it_is_stopped_then_it_has_gone(real: Case, job: Job, tmp_path: Path) -> None:
    real.says("endless")
    attempt = real.runner.start(job)
    assert eventually(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())
    pid = int((tmp_path / "pid").read_text())

    attempt.stop()

    assert not is_running(pid)


def test_process_when_an_earlier_one_still_works_in_the_folder_then_it_is_waited_for(real: Case, job: Job) -> None:
    real.says("endless")
    attempt = real.runner.start(job)
    try:
        with pytest.raises(StillEnding, match="is still ending"):
            real.runner.start(job)
    finally:
        attempt.stop()


def test_process_when_a_run_that_is_gone_on_with_is_refused_then_it_is_ours(real: Case, job: Job) -> None:
    run = job.folder / "20260101-000000-demo"
    run.mkdir(parents=True)
    (run / "plan.json").write_text("{}")
    real.says("exit 2")

    found = to_its_end(real.runner.start(job))

    assert (found.ours, found.says) == (True, "exit status 2: something was wrong")


def test_process_when_the_program_is_missing_then_said(job: Job) -> None:
    with pytest.raises(MissingProgram):
        ProcessRunner(RunSettings(linux="x", command=("/no/such/program",))).start(job)


def test_process_when_the_record_is_half_written_then_it_is_ours(real: Case, job: Job) -> None:
    run = job.folder / "20260101-000000-demo"
    run.mkdir(parents=True)
    (run / "plan.json").write_text("{}")
    (run / "run.json").write_text('{"verdict": {"outc')

    found = to_its_end(real.runner.start(job))

    assert (found.outcome, found.ours, found.says) == (None, True, "its record is gone")


def test_process_when_the_message_id_is_hostile_then_it_is_no_option_and_no_error(real: Case, job: Job) -> None:
    real.says("PASS")

    for number, pick in enumerate(["--results=/etc@x", "a\x00b@x", "\ud800@x", "", "x" * 10_000]):
        found = to_its_end(real.runner.start(replace(job, pick=pick, folder=job.folder.with_name(f"n{number}"))))
        assert found.outcome is Outcome.PASS
