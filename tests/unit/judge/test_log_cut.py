"""A console log that ends too early, as a trial's runner notices it: by the last word that its machine has certainly heard."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.host.deadline import Cancellation
from orchestrator.host.resources import Resources
from orchestrator.model.samples import Measured
from orchestrator.model.trial import Status
from orchestrator.trial.outcome import Finished
from orchestrator.trial.request import TrialRequest
from tests.unit.plan.test_trials import BANNER, Bench, passed
from tests.unit.record_builder import BASE, spec


def script(said: str, *, measured: bool) -> Callable[..., Finished]:
    """Stand for ``run_trial``: leaves a console log, and what was measured or nothing."""

    def run(request: TrialRequest, *, cancellation: Cancellation) -> Finished:
        cancellation.check()
        (request.folder / "console.log").write_text(BANNER + said)
        there = Measured(samples=(), memcgs=(), counts={}) if measured else None
        return Finished(result=passed(request), measured=there)

    return run


READY = "[    2.000000] orchestrator: ready\n"
SEALED_END = "[    9.000000] orchestrator: sealed-end\n"


@pytest.mark.parametrize(
    ("sealed", "said", "measured", "status"),
    [
        pytest.param(False, READY, True, Status.PASS, id="live"),
        pytest.param(False, "", True, Status.ERROR, id="live, cut"),
        pytest.param(False, "", False, Status.PASS, id="live, lost before"),
        pytest.param(True, SEALED_END, True, Status.PASS, id="sealed"),
        pytest.param(True, READY, True, Status.ERROR, id="sealed, cut"),
    ],
)
def test_trial_whose_log_lacks_what_its_machine_has_heard_is_our_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, sealed: bool, said: str, measured: bool, status: Status
) -> None:
    bench = Bench(tmp_path, monkeypatch)
    monkeypatch.setattr("orchestrator.trials.check_invariants", lambda *_: ())
    monkeypatch.setattr("orchestrator.trials.run_trial", script(said, measured=measured))
    one = dataclasses.replace(spec(BASE), sealed=sealed)
    (result,) = bench.runner().run_all([one], Resources(cpus=1, memory_mib=8192))
    assert result.status is status
    assert [check.name for check in result.checks if "was cut" in check.message] == (
        ["kernel log"] if status is Status.ERROR else []
    )
