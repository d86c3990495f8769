"""A base that does not come through is said to be broken; one that only fails is the judge's business."""

from __future__ import annotations

import pytest

from orchestrator.judge.health import base_trouble, first_look
from orchestrator.model.kernel import KernelRole
from orchestrator.model.trial import Check, Status, TrialResult, TrialSpec

BASE = TrialSpec(kernel=KernelRole.BASE, topology="two-node", scenario="memcg-limit", seed=1)
LOST = Check(name="machine", status=Status.ERROR, message="QEMU ended before the record\ncommand: qemu")


def trial(status: Status, *checks: Check, message: str = "") -> TrialResult:
    return TrialResult(
        spec=BASE,
        key="k",
        status=status,
        message=message,
        digest="",
        metrics={},
        checks=checks,
        wall_s=1.0,
        guest_s=1.0,
        console_tail=("[ 1.0] Kernel panic - not syncing",),
    )


def test_first_look_when_patched_is_planned_first_then_base_goes_before_it() -> None:
    patched = TrialSpec(kernel=KernelRole.PATCHED, topology="two-node", scenario="memcg-limit", seed=1)

    assert first_look([patched, BASE]) == BASE
    assert first_look([patched]) is None


@pytest.mark.parametrize(
    ("result", "why"),
    [
        (trial(Status.FAIL, LOST, message="kernel log: Kernel panic"), "kernel log: Kernel panic"),
        (trial(Status.ERROR, LOST, message="lost"), "QEMU ended before the record"),
    ],
)
def test_base_trouble_when_the_machine_was_lost_then_base_is_named_with_its_end(result: TrialResult, why: str) -> None:
    trouble = base_trouble(result, base="7.2.12 (eace7400cf47)")

    assert trouble is not None
    assert trouble.exit_status == 3
    assert trouble.message.startswith("base is broken: 7.2.12 (eace7400cf47) does not come through its first trial")
    assert trouble.message.endswith(why)
    assert "Kernel panic" in trouble.describe()


@pytest.mark.parametrize(
    "result",
    [
        trial(Status.PASS),
        trial(Status.FAIL, Check(name="kernel log", status=Status.FAIL, message="WARNING")),
        trial(Status.ERROR, Check(name="settled", status=Status.ERROR)),
        trial(Status.SKIP, LOST),
    ],
)
def test_base_trouble_when_the_trial_came_to_its_end_then_the_judge_has_it(result: TrialResult) -> None:
    assert base_trouble(result, base="x") is None
