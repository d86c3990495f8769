"""A guest's release: a sealed QEMU that is late with its answer is no lost machine, one that is gone is."""

from __future__ import annotations

from typing import cast

import pytest

from orchestrator.errors import LostMachine
from orchestrator.host.deadline import Deadline
from orchestrator.machine.machine import ANSWER_S, _release
from orchestrator.machine.qmp import NoAnswer, Qmp


class Answers:
    """Stands for a session; raises ``error`` where there is one."""

    def __init__(self, error: LostMachine | None) -> None:
        self.error = error
        self.asked: list[tuple[str, float]] = []

    def execute(self, command: str, deadline: Deadline) -> None:
        self.asked.append((command, deadline.seconds))
        if self.error is not None:
            raise self.error


def release(error: LostMachine | None, *, sealed: bool) -> Answers:
    answers = Answers(error)
    _release(cast("Qmp", answers), Deadline(30, what="the start"), sealed=sealed)
    return answers


def test_release_when_a_sealed_qemu_is_late_then_the_guest_is_waited_for_all_the_same() -> None:
    assert release(NoAnswer("late"), sealed=True).asked == [("cont", ANSWER_S)]


def test_release_when_qemu_answers_then_it_was_asked_once() -> None:
    assert release(None, sealed=False).asked == [("cont", 30)]


@pytest.mark.parametrize(("error", "sealed"), [(LostMachine("gone"), True), (NoAnswer("late"), False)])
def test_release_when_qemu_is_gone_or_has_no_excuse_then_the_machine_is_lost(
    error: LostMachine, *, sealed: bool
) -> None:
    with pytest.raises(LostMachine):
        release(error, sealed=sealed)
