"""Narration."""

from __future__ import annotations

import pytest

from orchestrator.host.steps import Phase, StepEvent, Steps


def test_step_when_it_ends_then_listener_hears_start_note_and_end_with_seconds() -> None:
    heard: list[StepEvent] = []
    times = iter([10.0, 10.0, 11.0, 12.5])
    steps = Steps(heard.append, clock=lambda: next(times))
    with steps.step("build", kernel="base") as note:
        note("configuring")
    assert [(event.phase, event.text, event.seconds) for event in heard] == [
        (Phase.STARTED, "", 0.0),
        (Phase.NOTE, "configuring", 1.0),
        (Phase.FINISHED, "", 2.5),
    ]
    assert heard[0].details == (("kernel", "base"),)


def test_step_when_block_raises_then_says_failed_and_passes_the_error_on() -> None:
    heard: list[StepEvent] = []
    with pytest.raises(KeyError), Steps(heard.append).step("build"):
        raise KeyError("x")
    assert heard[-1].phase is Phase.FAILED
    assert heard[-1].text == "'x'"


def test_subscribe_when_late_then_hears_only_what_follows() -> None:
    steps, heard = Steps(), list[StepEvent]()
    steps.note("a", "one")
    steps.subscribe(heard.append)
    steps.note("a", "two")
    assert [event.text for event in heard] == ["two"]
