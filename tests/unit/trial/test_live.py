"""A live trial's script, against a guest that answers from a script."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from orchestrator.errors import Cancelled, InfraError, LostMachine, TimedOut
from orchestrator.host.deadline import Cancellation, Deadline
from orchestrator.machine.machine import Machine, running_machine
from orchestrator.trial import live
from tests.contract.machines import fake_machine
from tests.fakes import FakeGuest, Scripted
from tests.unit.trial.recorded import KEYS, request

IS_DONE = "test -s /results/exit_status"
NOT_YET = Scripted(exit_status=1)
SAMPLE = "12.34 40.00\nstored_pages 7\nzswpwb 9\n"


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    with running_machine(fake_machine(tmp_path, "silent"), Deadline(60, what="start")) as held:
        yield held


@pytest.fixture(autouse=True)
def without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "SAMPLE_S", 0.0)


def driven(
    tmp_path: Path,
    machine: Machine,
    *,
    done: Sequence[Scripted] = (Scripted(),),
    sample: Scripted = Scripted(stdout=SAMPLE),  # noqa: B008 - frozen
    start: Scripted = Scripted(),  # noqa: B008
    timeout_s: float = 60.0,
    cancellation: Cancellation | None = None,
) -> list[dict[str, object]]:
    """Drive a live trial and return its samples."""
    wanted = request(tmp_path)
    wanted = dataclasses.replace(wanted, scenario=dataclasses.replace(wanted.scenario, timeout_s=timeout_s))
    guest = FakeGuest(keys=KEYS, script={live.START: start, live.SAMPLE: sample, IS_DONE: done})
    with guest.shell(KEYS, Deadline(60, what="the test")) as shell:
        live.drive_live(wanted, machine, shell, cancellation or Cancellation())
    return [json.loads(line) for line in (tmp_path / "live.jsonl").read_text().splitlines()]


def test_live_when_the_scenario_ends_at_its_third_look_then_there_are_three_samples(
    tmp_path: Path, machine: Machine
) -> None:
    samples = driven(tmp_path, machine, done=[NOT_YET, NOT_YET, Scripted()])
    assert samples == [{"guest_s": 12.34, "counters": {"stored_pages": 7, "zswpwb": 9}}] * 3


def test_live_when_there_are_samples_of_an_earlier_try_then_they_are_gone(tmp_path: Path, machine: Machine) -> None:
    (tmp_path / "live.jsonl").write_text('{"old": 1}\n')
    assert len(driven(tmp_path, machine)) == 1


@pytest.mark.parametrize(
    ("said", "record"),
    [
        ("", {"guest_s": None, "counters": {}}),
        ("cat: /proc/uptime: I/O error\n", {"guest_s": None, "counters": {}}),
        ("9" * 400 + ".00 1\n", {"guest_s": None, "counters": {}}),
        ("1.00 2.00\nzswpwb\nzswpout many\nzswpin " + "9" * 5000, {"guest_s": 1.0, "counters": {}}),
    ],
)
def test_live_when_the_guest_answers_nonsense_then_it_is_no_sample_and_no_error(
    said: str, record: dict[str, object], tmp_path: Path, machine: Machine
) -> None:
    assert driven(tmp_path, machine, sample=Scripted(stdout=said)) == [record]


def test_live_when_the_scenario_cannot_be_started_then_says_so(tmp_path: Path, machine: Machine) -> None:
    with pytest.raises(InfraError, match="could not be started"):
        driven(tmp_path, machine, start=Scripted(exit_status=1))


def test_live_when_the_scenario_does_not_end_then_times_out_with_the_console(tmp_path: Path, machine: Machine) -> None:
    with pytest.raises(TimedOut) as caught:
        driven(tmp_path, machine, done=[NOT_YET], timeout_s=0.2)
    assert caught.value.evidence.log == machine.console


def test_live_when_the_guest_is_lost_then_says_so(tmp_path: Path, machine: Machine) -> None:
    with pytest.raises(LostMachine):
        driven(tmp_path, machine, sample=Scripted(kills_guest=True))


def test_live_when_cancelled_then_ends_as_cancelled(tmp_path: Path, machine: Machine) -> None:
    cancellation = Cancellation()
    cancellation.cancel()
    with pytest.raises(Cancelled):
        driven(tmp_path, machine, done=[NOT_YET], cancellation=cancellation)
