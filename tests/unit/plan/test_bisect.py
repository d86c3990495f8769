"""A bisection as it is carried out: what is built, what is run, and what is made of what goes wrong. No kernel is built here."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import cast

import pytest

from orchestrator.bisect import bisect_run, can_bisect
from orchestrator.errors import Cancelled, InfraError, PatchFault
from orchestrator.host.steps import StepEvent, Steps
from orchestrator.kernels import Kernels
from orchestrator.laboratory import Laboratory
from orchestrator.model.bisection import Bisection, Seen
from orchestrator.model.kernel import KernelRole
from orchestrator.model.repeat import Repeat
from orchestrator.model.run import RunRecord
from orchestrator.model.tree import AppliedPatch, Confidence, Rung, Trees
from orchestrator.model.trial import Check, Status, TrialResult, TrialSpec
from orchestrator.model.verdict import Outcome
from orchestrator.report.bisection import answer_line, bisection_lines
from orchestrator.store.codec import decode, encode
from orchestrator.store.run_directory import RunDirectory
from tests.unit.record_builder import A2_BASE, BASE, PATCHED, build, record, scenario, series, spec, trees, trial

BROKEN = Check(name="integrity", status=Status.FAIL, message="3 pages have wrong content")
REPEATS = Repeat(trial="x", digests=("d", "d"))


def five(present: Sequence[int] = ()) -> Trees:
    """Base and five patches; those in ``present`` change nothing."""
    one = trees()
    applied: list[AppliedPatch] = []
    for number in range(1, 6):
        before = applied[-1].tree if applied else one.base.tree
        tree = before if number in present else f"{number}" * 40
        rung = Rung.PRESENT if number in present else Rung.AM
        applied.append(
            dataclasses.replace(
                one.applied[0], index=number, subject=f"patch {number}", commit="c" * 40, tree=tree, rung=rung
            )
        )
    return dataclasses.replace(one, applied=tuple(applied))


def a_run(
    *, status: Status = Status.FAIL, checks: Sequence[Check] = (BROKEN,), patched: Trees | None = None
) -> RunRecord:
    """A run of five patches whose whole series fails."""
    done = record([trial(spec(BASE), A2_BASE), trial(spec(PATCHED), A2_BASE, status=status, checks=checks)])
    mail = series().patches[0]
    patches = tuple(
        dataclasses.replace(mail, index=number, total=5, subject=f"patch {number}", message_id=f"{number}@example.org")
        for number in range(1, 6)
    )
    whole = dataclasses.replace(series(), patches=patches, total=5, missing=())
    return dataclasses.replace(done, trees=patched or five(), series=whole, repeat=REPEATS)


class FakeLaboratory:
    """Builds and runs by a table: from which patch on trials fail, and which prefixes do not build, or break."""

    def __init__(
        self,
        run: RunRecord,
        folder: Path,
        *,
        culprit: int,
        unbuildable: Sequence[int] = (),
        breaking: Mapping[int, Exception] | None = None,
        lost: Sequence[int] = (),
    ) -> None:
        self.trees = run.trees
        self.run = RunDirectory(folder)
        self.events: list[StepEvent] = []
        self.steps = Steps(self.events.append)
        self.scenarios = {"memcg-limit": scenario()}
        self.culprit = culprit
        self.unbuildable = unbuildable
        self.breaking = breaking or {}
        self.lost = lost
        self.built: list[int] = []
        self.ran: list[str] = []

    def kernels(self, prefix: Trees, *, run: RunDirectory, compared: bool) -> Kernels:
        number = len(prefix.applied)
        assert not compared, "nobody asks how the code of a prefix differs"
        assert run.path.name == f"patched-{number}"
        self.built.append(number)
        if number in self.breaking:
            raise self.breaking[number]
        if number in self.unbuildable:
            return Kernels(builds={BASE: build(BASE)}, faults=(PatchFault("mm/zswap.c:7: error", stage="build"),))
        patched = dataclasses.replace(build(PATCHED), cached=number == 5, tree=str(number))
        return Kernels(builds={BASE: build(BASE), PATCHED: patched})

    def runner(self, kernels: Kernels, *, run: RunDirectory, again: bool) -> int:
        assert not again
        return int(kernels.builds[PATCHED].tree)

    def results(self, number: int, specs: Sequence[TrialSpec]) -> Iterator[TrialResult]:
        for each in specs:
            self.ran.append(f"{number}:{each.id}")
            if each.kernel is KernelRole.BASE:
                yield trial(each, A2_BASE)
            elif number in self.lost:
                yield trial(each, status=Status.ERROR, message="QEMU was killed")
            elif number >= self.culprit:
                yield trial(each, A2_BASE, status=Status.FAIL, checks=[BROKEN])
            else:
                yield trial(each, A2_BASE)


def bisected(laboratory: FakeLaboratory, run: RunRecord, *, fresh: bool = True) -> Bisection:
    return bisect_run(cast("Laboratory", laboratory), run, fresh=fresh)


@pytest.mark.parametrize("culprit", [1, 2, 3, 4, 5])
def test_bisection_names_the_patch_with_as_few_builds_as_can_be(culprit: int, tmp_path: Path) -> None:
    run = a_run()
    laboratory = FakeLaboratory(run, tmp_path, culprit=culprit)
    found = bisected(laboratory, run)
    assert (found.patch, found.subject, found.message_id) == (culprit, f"patch {culprit}", f"{culprit}@example.org")
    assert found.confidence is Confidence.CERTAIN
    assert len(laboratory.built) <= 3
    assert found.builds == len(laboratory.built)
    assert found.trial == "memcg-limit-two-node-patched-s1"
    assert found.replay == f"orchestrator replay {tmp_path.name} {found.trial} --kernel patched@{culprit}"
    assert decode(Bisection, encode(found)) == found


def test_bisection_of_a_run_of_another_day_asks_the_whole_series_first(tmp_path: Path) -> None:
    run = a_run()
    laboratory = FakeLaboratory(run, tmp_path, culprit=4)
    found = bisected(laboratory, run, fresh=False)
    assert [(step.patches, step.seen, step.built) for step in found.steps] == [
        (5, Seen.BAD, False), (3, Seen.GOOD, True), (4, Seen.BAD, True)
    ]  # fmt: skip
    assert found.patch == 4


def test_bisection_when_the_failure_is_not_seen_again_then_names_nobody(tmp_path: Path) -> None:
    run = a_run()
    laboratory = FakeLaboratory(run, tmp_path, culprit=6)
    found = bisected(laboratory, run, fresh=False)
    assert (found.patch, found.candidates, found.confidence) == (None, (), Confidence.LOW)
    assert "does not show it on this host now" in found.reason
    assert laboratory.built == [5]
    assert "no patch can be named" in answer_line(found)


def test_prefix_that_does_not_build_is_told_and_stepped_over(tmp_path: Path) -> None:
    run = a_run()
    laboratory = FakeLaboratory(run, tmp_path, culprit=4, unbuildable=[3])
    found = bisected(laboratory, run)
    assert (found.patch, found.candidates) == (None, (3, 4))
    assert [step.seen for step in found.steps if step.patches == 3] == [Seen.UNTESTABLE]
    assert "patched@3" in found.reason
    lines = "\n".join(bisection_lines(dataclasses.replace(run, bisection=found)))
    assert "one of the patches 3 and 4" in lines
    assert "build: mm/zswap.c:7: error" in lines


def test_prefixes_that_this_host_loses_are_stepped_over(tmp_path: Path) -> None:
    run = a_run()
    laboratory = FakeLaboratory(run, tmp_path, culprit=5, lost=[3], breaking={4: InfraError("the disk is full")})
    found = bisected(laboratory, run)
    assert found.candidates == (3, 4, 5)
    assert {step.text for step in found.steps if step.seen is Seen.UNTESTABLE} == {
        "memcg-limit-two-node-patched-s1: ERROR, QEMU was killed", "the disk is full"
    }  # fmt: skip


def test_interrupted_bisection_ends(tmp_path: Path) -> None:
    run = a_run()
    with pytest.raises(Cancelled):
        bisected(FakeLaboratory(run, tmp_path, culprit=2, breaking={3: Cancelled("interrupted")}), run)


def test_patch_that_is_in_base_already_costs_no_build_and_is_never_named(tmp_path: Path) -> None:
    run = a_run(patched=five(present=[3, 4]))
    laboratory = FakeLaboratory(run, tmp_path, culprit=2)
    found = bisected(laboratory, run)
    assert found.patch == 2
    assert len(laboratory.built) == len({run.trees.applied[number - 1].tree for number in laboratory.built})
    nothing = a_run(patched=five(present=[1, 2, 3, 4]))
    only = FakeLaboratory(nothing, tmp_path, culprit=5)
    assert bisected(only, nothing).patch == 5
    assert only.built == [], "what has base's tree is base"


def test_build_that_fails_is_bisected_by_building_alone(tmp_path: Path) -> None:
    fault = PatchFault("mm/zswap.c:7: error", stage="build")
    run = dataclasses.replace(
        record([], planned=[spec(BASE), spec(PATCHED)], faults=[fault]), trees=five(), series=a_run().series
    )
    assert can_bisect(run)
    laboratory = FakeLaboratory(run, tmp_path, culprit=9, unbuildable=[4, 5])
    found = bisected(laboratory, run)
    assert (found.patch, found.trial, found.replay, laboratory.ran) == (4, "", "", [])
    assert found.confidence is Confidence.CERTAIN


def test_only_regressions_of_series_are_bisected() -> None:
    run = a_run()
    assert can_bisect(run)
    one = dataclasses.replace(run.trees, applied=run.trees.applied[:1])
    assert not can_bisect(dataclasses.replace(run, trees=one))
    passed = dataclasses.replace(run.verdict, outcome=Outcome.PASS)
    assert not can_bisect(dataclasses.replace(run, verdict=passed))
    assert not can_bisect(dataclasses.replace(run, trials=()))


def test_what_is_asked_is_narrated_by_the_prefix_s_name(tmp_path: Path) -> None:
    run = a_run()
    laboratory = FakeLaboratory(run, tmp_path, culprit=4)
    bisected(laboratory, run)
    named = [dict(event.details)["kernel"] for event in laboratory.events if event.name == "bisect"]
    assert list(dict.fromkeys(named)) == ["patched@3", "patched@4"]
