"""A TRIAL OF A RUN, AGAIN, on this host: its digest beside the recorded one, and where they differ what is another now.

Nothing is answered from the cache. The trial's records go to the run's part ``replay/``, so that the run stays what it was.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from orchestrator.again import BISECTED, check_known
from orchestrator.errors import InfraError
from orchestrator.judge.bisection import prefix_name
from orchestrator.laboratory import Laboratory, prefix_of
from orchestrator.model.kernel import KernelRole
from orchestrator.model.replay import Differs, Replay
from orchestrator.model.run import RunRecord
from orchestrator.model.trial import TrialResult, TrialSpec
from orchestrator.repeating import first_difference, record_files
from orchestrator.store.run_directory import RunDirectory

PART = "replay"
"""The run's part with what was repeated."""


def replay_trial(laboratory: Laboratory, record: RunRecord, spec: TrialSpec, patches: int) -> Replay:
    """Run the trial ``spec`` again on the kernel with the first ``patches`` of the series (0: base).

    Raises the :class:`PatchFault` of a kernel that does not build, :class:`InfraError` where base does not, ``Cancelled``,
    and :class:`UserError` for a trial that the plan cannot have.
    """
    check_known(laboratory, [spec])
    spec = dataclasses.replace(spec, kernel=KernelRole.PATCHED if patches else KernelRole.BASE)
    total = len(laboratory.trees.applied)
    part = laboratory.run.part(PART).part(f"patched-{patches}" if patches else str(KernelRole.BASE))
    kernels = laboratory.kernels(prefix_of(laboratory.trees, patches or total), run=part, compared=False)
    if kernels.gaps:
        raise InfraError(f"base is broken: {kernels.gaps[0].title}")
    if kernels.faults and patches:
        raise kernels.faults[0]
    with laboratory.steps.step("trials", total=1, done=0):
        (result,) = laboratory.results(laboratory.runner(kernels, run=part, again=True), [spec])
    home, recorded = _recorded(laboratory.run, record, spec, patches, total)
    return compared(
        prefix_name(patches) if 0 < patches < total else str(spec.kernel),
        result,
        recorded,
        before=_files(home, spec) if home else {},
        after=_files(part, spec),
    )


def _recorded(
    run: RunDirectory, record: RunRecord, spec: TrialSpec, patches: int, total: int
) -> tuple[RunDirectory | None, TrialResult | None]:
    """Return the trial as it was recorded, with the folder it lies in: by the run, or by its bisection."""
    if patches in {0, total}:
        return run, next((trial for trial in record.trials if trial.spec == spec), None)
    folder = run.path / BISECTED / f"patched-{patches}"
    if not folder.is_dir():
        return None, None
    home = RunDirectory(folder)
    return home, next((trial for trial in home.read_trials() if trial.spec == spec), None)


def _files(run: RunDirectory, spec: TrialSpec) -> Mapping[str, bytes]:
    folder: Path = run.path / "trials" / spec.id / "guest"
    return record_files(folder)


def compared(
    kernel: str,
    result: TrialResult,
    recorded: TrialResult | None,
    *,
    before: Mapping[str, bytes],
    after: Mapping[str, bytes],
) -> Replay:
    """Set a repeated trial beside its record; ``before`` and ``after`` are the files that the guest wrote, by name."""
    if recorded is None:
        note = "the run has no record of this trial with this kernel: there is nothing to compare with"
        return Replay(kernel=kernel, result=result, recorded="", note=note)
    differs = differing_parts(recorded.parts, result.parts)
    replay = Replay(kernel=kernel, result=result, recorded=recorded.digest, differs=differs)
    if not result.spec.sealed:
        return dataclasses.replace(replay, recorded="", note="a live trial repeats only roughly: it has no digest")
    if replay.is_same is None:
        which = "the record" if not recorded.digest else "the repeated trial"
        return dataclasses.replace(
            replay, note=f"{which} has no digest; recorded was {recorded.status}, it is {result.status} now"
        )
    if replay.is_same:
        return replay
    return dataclasses.replace(
        replay, first_difference=first_difference(before, after), note=_why(recorded, result, differs)
    )


def _why(recorded: TrialResult, result: TrialResult, differs: tuple[Differs, ...]) -> str:
    if differs:
        return ""
    if not recorded.parts:
        key = "the keys are the same" if recorded.key == result.key else "the keys differ"
        return f"the record does not say what its key was made of: an earlier version wrote it ({key})"
    if recorded.key != result.key:
        return "the keys differ in a part that has no name: another version of the orchestrator made the record"
    return "no part of the key differs: something of this host, or of the recording one, has reached the guest"


def differing_parts(recorded: Mapping[str, str], now: Mapping[str, str]) -> tuple[Differs, ...]:
    """Return the parts that are not what they were; () where the record names none at all."""
    if not recorded:
        return ()
    return tuple(
        Differs(part=name, recorded=recorded.get(name, ""), now=now.get(name, ""))
        for name in dict.fromkeys([*recorded, *now])
        if recorded.get(name, "") != now.get(name, "")
    )
