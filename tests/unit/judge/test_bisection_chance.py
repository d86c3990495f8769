"""A metric is bisected by the comparison that judged its run: with the perturbed bases that the run's folder has."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from orchestrator.bisect import null_builds_of
from orchestrator.model.bisection import Seen
from orchestrator.model.kernel import KernelRole
from orchestrator.model.repeat import Repeat
from orchestrator.model.run import RunRecord
from orchestrator.model.trial import TrialResult, TrialSpec
from orchestrator.store.run_directory import RunDirectory
from tests.unit.judge.test_bisection import SEEDS, metric_trials, with_calls
from tests.unit.plan.test_bisect import REPEATS, FakeLaboratory, a_run, bisected, five
from tests.unit.record_builder import record

WHOLE, PART = 3000, 1500
"""What the whole series makes of the calls, and what its prefixes do."""


class Counting(FakeLaboratory):
    """Its prefixes make the metric half as bad as the whole series does."""

    def results(self, number: int, specs: Sequence[TrialSpec]) -> Iterator[TrialResult]:
        for each in specs:
            patched = WHOLE if number == len(self.trees.applied) else PART
            if each.kernel is KernelRole.BASE:
                yield with_calls(1000, "base", each.seed)
            else:
                yield with_calls(patched + each.seed, "patched", each.seed)


def run_of(repeat: Repeat) -> RunRecord:
    return dataclasses.replace(record(metric_trials(WHOLE)), trees=five(), series=a_run().series, repeat=repeat)


def keep_perturbed(folder: Path, calls: float) -> None:
    part = RunDirectory(folder).part("perturbed")
    for seed in SEEDS:
        part.write_trial(with_calls(calls, "patched", seed))


@pytest.mark.parametrize(("kept", "seen"), [(None, Seen.BAD), (1001.0, Seen.BAD), (1400.0, Seen.GOOD)])
def test_prefix_that_moves_a_metric_no_farther_than_a_kernel_that_means_nothing_is_not_bad(
    tmp_path: Path, kept: float | None, seen: Seen
) -> None:
    run = run_of(REPEATS)
    if kept is not None:
        keep_perturbed(tmp_path, kept)
    found = bisected(Counting(run, tmp_path, culprit=9), run)
    assert found.steps[0].seen is seen
    assert (tmp_path / "perturbed").exists() is (kept is not None), "nothing is made that was not there"


def test_prefix_in_a_run_whose_trials_did_not_repeat_is_judged_by_ranks(tmp_path: Path) -> None:
    run = run_of(Repeat(trial="x", digests=("d", "e"), difference="the console"))
    found = bisected(Counting(run, tmp_path, culprit=9), run)
    assert "% of what the whole series does to it" in found.steps[0].text, (
        "ranks of six seeds prove nothing here, pairs do"
    )


def test_perturbed_bases_are_those_of_the_run_s_folder_in_their_order(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    run.part("repeat").write_trial(with_calls(1, "base", 1))
    for name in ("perturbed-2", "perturbed"):
        run.part(name).write_trial(with_calls(1, "patched", 1))
    assert [(build.name, len(build.trials)) for build in null_builds_of(run)] == [("perturbed", 1), ("perturbed-2", 1)]
