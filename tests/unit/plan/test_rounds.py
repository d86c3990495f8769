"""The rounds of a run: the plan's trials, the proof that they repeat, base's word, and seeds where something is open."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from orchestrator.chance import Chance
from orchestrator.errors import Cancelled, InfraError
from orchestrator.host.deadline import Cancellation
from orchestrator.host.steps import Steps
from orchestrator.judge.compare import compare
from orchestrator.judge.findings import CONFIRMATIONS, CONFIRMATIONS_OF_SOME
from orchestrator.kernels import Kernels
from orchestrator.laboratory import Laboratory
from orchestrator.model.kernel import KernelRole
from orchestrator.model.run import Plan, Profile
from orchestrator.model.scenario import Direction
from orchestrator.model.trial import Check, Status, TrialResult, TrialSpec
from orchestrator.model.verdict import Change
from orchestrator.plan import planned_trials
from orchestrator.repeating import first_difference
from orchestrator.rounds import UNPROVEN, Rounds, RoundsDone
from orchestrator.store.run_directory import RunDirectory
from orchestrator.tree.perturb import PERTURBATIONS
from tests.unit.record_builder import BASE, PATCHED, build, metric, scenario, topology, trial

Try = Callable[[TrialSpec, str], TrialResult]
BUILD = build(PATCHED)
SCENARIO = scenario(metrics=(metric("down", Direction.DOWN),))


@dataclasses.dataclass
class FakeLaboratory:
    """Tries kernels by asking ``tried``, which gets the specification and the part of the run that it is for."""

    run: RunDirectory
    tried: Try
    plan: Plan
    perturbed_error: InfraError | None = None
    same_image: bool = False
    """Whether base compiled in other ways is always the same code."""
    ran: list[tuple[str, TrialSpec]] = dataclasses.field(default_factory=list)
    machines: int = 2

    def __post_init__(self) -> None:
        self.scenarios = {SCENARIO.name: SCENARIO}
        self.steps = Steps()
        self.cancellation = Cancellation()
        self.trees = None

    def kernels(self, trees: object, *, run: RunDirectory, compared: bool) -> Kernels:
        if self.perturbed_error:
            raise self.perturbed_error
        image = "aa" if self.same_image else run.path.name
        return Kernels(builds={PATCHED: dataclasses.replace(BUILD, image_sha256=image)})

    def runner(self, kernels: Kernels, *, run: RunDirectory | None = None, again: bool | None = None) -> RunDirectory:
        return run or self.run

    def results(self, runner: RunDirectory, specs: Sequence[TrialSpec]) -> Iterator[TrialResult]:
        part = "" if runner.path == self.run.path else runner.path.name
        for spec in specs:
            self.ran.append((part, spec))
            result = self.tried(spec, part)
            runner.write_trial(result)
            yield result


def profile(**options: Any) -> Profile:
    return Profile(
        name="any",
        what_for="",
        scenarios=("memcg-limit",),
        topologies=("two-node",),
        seeds=options.pop("seeds", (1,)),
        **options,
    )


@pytest.fixture
def laboratory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., FakeLaboratory]:
    monkeypatch.setattr("orchestrator.chance.perturbed_base", lambda *_, **__: object())

    def made(tried: Try, **options: Any) -> FakeLaboratory:
        sealed = options.pop("sealed", True)
        chosen = profile(**options)
        specs = planned_trials(
            chosen, scenarios={SCENARIO.name: SCENARIO}, topologies={"two-node": topology()}, sealed=sealed
        )
        plan = Plan(
            run_id="r", mail="m", linux="l", base_rev=None, profile=chosen, sealed=sealed, sandbox=True,
            accelerator="tcg", again=False, trials=specs,
        )  # fmt: skip
        with contextlib.suppress(FileExistsError):
            (tmp_path / "run").mkdir()
        return FakeLaboratory(run=RunDirectory(tmp_path / "run"), tried=tried, plan=plan)

    return made


def rounds(laboratory: FakeLaboratory) -> RoundsDone:
    base = dataclasses.replace(BUILD, role=BASE, image_sha256="aa")
    return Rounds(cast("Laboratory", laboratory), Kernels(builds={BASE: base})).run()


def of(base: float, patched: float) -> Try:
    return lambda spec, part: trial(spec, {"down": patched if spec.kernel is PATCHED and not part else base})


def seeds_of(done: RoundsDone, kernel: KernelRole) -> list[int]:
    return sorted(trial.spec.seed for trial in done.trials if trial.spec.kernel is kernel)


def test_rounds_when_nothing_is_open_then_only_the_plan_and_the_proof_are_run(
    laboratory: Callable[..., FakeLaboratory],
) -> None:
    lab = laboratory(of(100, 100), most_seeds=12)
    done = rounds(lab)
    assert done.planned == lab.plan.trials
    assert [part for part, _ in lab.ran] == ["", "", "repeat"]
    assert done.repeat is not None
    assert done.repeat.holds


def test_rounds_when_a_single_seed_is_worse_then_more_seeds_prove_it(
    laboratory: Callable[..., FakeLaboratory],
) -> None:
    done = rounds(laboratory(of(100, 300), most_seeds=12))
    assert seeds_of(done, BASE) == seeds_of(done, PATCHED) == [1, 2, 3]
    assert len(done.planned) == 6


def test_rounds_when_the_seeds_are_fixed_then_none_is_added(laboratory: Callable[..., FakeLaboratory]) -> None:
    assert seeds_of(rounds(laboratory(of(100, 300))), PATCHED) == [1]


def test_rounds_when_there_is_no_time_then_what_was_wanted_is_told(laboratory: Callable[..., FakeLaboratory]) -> None:
    done = rounds(laboratory(of(100, 300), most_seeds=12, budget_s=1.0))
    assert seeds_of(done, PATCHED) == [1]
    assert done.not_covered == ("memcg-limit on two-node: 2 more seeds were wanted for down and not run: no time left",)


def test_rounds_when_patched_fails_then_base_is_run_until_its_word_counts(
    laboratory: Callable[..., FakeLaboratory],
) -> None:
    def tried(spec: TrialSpec, _: str) -> TrialResult:
        if spec.kernel is BASE:
            return trial(spec, {"down": 1})
        bad = Check(name="integrity", status=Status.FAIL, message="a wrong page")
        return trial(spec, {"down": 1}, status=Status.FAIL, checks=[bad])

    done = rounds(laboratory(tried))
    assert seeds_of(done, BASE) == seeds_of(done, PATCHED) == list(range(1, CONFIRMATIONS + 1))


def test_rounds_when_only_one_seed_of_patched_fails_then_base_is_run_longer_while_there_is_time(
    laboratory: Callable[..., FakeLaboratory],
) -> None:
    def tried(spec: TrialSpec, _: str) -> TrialResult:
        bad = [Check(name="integrity", status=Status.FAIL, message="a wrong page")]
        failed = spec.kernel is PATCHED and spec.seed == 1
        return trial(spec, {"down": 1}, status=Status.FAIL if failed else Status.PASS, checks=bad if failed else [])

    done = rounds(laboratory(tried))
    assert seeds_of(done, BASE) == list(range(1, CONFIRMATIONS_OF_SOME + 1))
    assert seeds_of(done, PATCHED) == list(range(1, CONFIRMATIONS + 1))
    hurried = rounds(laboratory(tried, budget_s=1e-9))
    assert seeds_of(hurried, BASE) == list(range(1, CONFIRMATIONS + 1))


def test_rounds_when_base_is_perturbed_then_its_trials_stand_beside_all_of_base(
    laboratory: Callable[..., FakeLaboratory],
) -> None:
    lab = laboratory(of(100, 300), most_seeds=12, perturbed=True)
    (null,) = rounds(lab).null_builds
    assert null.name == "perturbed"
    assert sorted(trial.spec.seed for trial in null.trials) == [1, 2, 3]
    assert {trial.spec.kernel for trial in null.trials} == {PATCHED}


def test_rounds_when_the_perturbed_base_does_not_build_then_it_is_said_and_the_run_goes_on(
    laboratory: Callable[..., FakeLaboratory],
) -> None:
    lab = laboratory(of(100, 100), perturbed=True)
    lab.perturbed_error = InfraError("gcc was killed")
    done = rounds(lab)
    assert done.null_builds == ()
    assert done.not_covered == ("a perturbed base was not built: gcc was killed",)
    assert len(done.trials) == 2


def test_rounds_when_base_compiled_otherwise_is_the_same_code_then_it_is_said(
    laboratory: Callable[..., FakeLaboratory],
) -> None:
    lab = laboratory(of(100, 100), perturbed=True)
    lab.same_image = True
    done = rounds(lab)
    assert done.null_builds == ()
    assert done.not_covered == ("base compiled in other ways is the same code: chance was not measured",)


def moved_by_chance(by: dict[str, float], patched: float) -> Try:
    """Return what tries kernels that wander by ``by``, a part of the run each, in all seeds alike."""

    def tried(spec: TrialSpec, part: str) -> TrialResult:
        value = 10000 * (1 + by.get(part, 0.0)) if spec.kernel is BASE or part else patched
        return trial(spec, {"down": value + spec.seed})

    return tried


CHANCE = {"perturbed": 0.06, "perturbed-2": -0.05, "perturbed-3": 0.04}


def test_rounds_when_one_perturbed_base_cannot_tell_then_another_is_made_and_no_seed_is_spent(
    laboratory: Callable[..., FakeLaboratory],
) -> None:
    lab = laboratory(moved_by_chance(CHANCE, 90000.0), seeds=(1, 2, 3), most_seeds=12, perturbed=True)
    done = rounds(lab)
    assert [null.name for null in done.null_builds] == ["perturbed", "perturbed-2"]
    assert {len(null.trials) for null in done.null_builds} == {3}
    assert seeds_of(done, PATCHED) == [1, 2, 3]
    changes = [compare([SCENARIO], done.trials, done.null_builds[:count])[0].change for count in (1, 2)]
    assert changes == [Change.UNCLEAR, Change.REGRESSED]


def test_rounds_when_another_scenario_turns_out_to_need_it_then_a_perturbed_base_that_is_there_runs_it_too(
    laboratory: Callable[..., FakeLaboratory],
) -> None:
    chance = Chance(cast("Laboratory", laboratory(of(1, 1), perturbed=True)), Kernels(builds={}))
    chance.begin(None)
    here, there = ("memcg-limit", "two-node"), ("memcg-limit", "one-node")
    specs = [TrialSpec(kernel=BASE, scenario=name, topology=where, seed=1) for name, where in (here, there)]
    counts: list[list[int]] = []
    while chance.grow([here if not counts else there]):
        chance.run(specs)
        counts.append([len(null.trials) for null in chance.builds()])
    assert counts == [[2, 1], [2, 2], [2, 2, 1]]


def test_rounds_when_a_perturbed_base_goes_as_far_as_the_patch_then_nobody_is_accused(
    laboratory: Callable[..., FakeLaboratory],
) -> None:
    lab = laboratory(moved_by_chance(CHANCE, 10700.0), seeds=(1, 2, 3), most_seeds=3, perturbed=True)
    done = rounds(lab)
    (change,) = compare([SCENARIO], done.trials, done.null_builds)
    assert (len(done.null_builds), change.change, change.suspect) == (1, Change.UNCLEAR, False)


def test_rounds_when_there_is_no_time_or_no_seed_to_add_then_one_perturbed_base_is_all(
    laboratory: Callable[..., FakeLaboratory],
) -> None:
    for options in ({"most_seeds": 0}, {"most_seeds": 12, "budget_s": 1e-9}):
        tried = moved_by_chance(CHANCE, 90000.0)
        done = rounds(laboratory(tried, seeds=(1, 2, 3), perturbed=True, **options))
        assert [null.name for null in done.null_builds] == ["perturbed"]


def test_rounds_when_a_further_perturbed_base_does_not_build_then_the_next_is_tried(
    laboratory: Callable[..., FakeLaboratory], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object, *, flag: str, **__: object) -> object:
        if flag == PERTURBATIONS[1]:
            raise InfraError("gcc does not like it")
        return object()

    monkeypatch.setattr("orchestrator.chance.perturbed_base", refuse)
    tried = moved_by_chance(CHANCE, 90000.0)
    done = rounds(laboratory(tried, seeds=(1, 2, 3), most_seeds=12, perturbed=True))
    assert [null.name for null in done.null_builds] == ["perturbed", "perturbed-3"]
    assert "a perturbed base was not built: gcc does not like it" in done.not_covered


def test_rounds_when_the_user_stops_the_perturbed_build_then_the_run_ends(
    laboratory: Callable[..., FakeLaboratory],
) -> None:
    lab = laboratory(of(100, 100), perturbed=True)
    lab.perturbed_error = Cancelled()
    with pytest.raises(Cancelled):
        rounds(lab)


def test_rounds_when_base_does_not_repeat_then_trials_are_ranked_and_no_other_kernel_is_built(
    laboratory: Callable[..., FakeLaboratory],
) -> None:
    def tried(spec: TrialSpec, part: str) -> TrialResult:
        value = 300 if spec.kernel is PATCHED else 100
        return dataclasses.replace(trial(spec, {"down": value + spec.seed}), digest="ab" * 32 if part else "cd" * 32)

    done = rounds(laboratory(tried, seeds=(1, 2), most_seeds=12, perturbed=True))
    assert done.repeat is not None
    assert not done.repeat.holds
    assert done.null_builds == ()
    assert "not repeatable here" in done.not_covered[0]
    # Pairs of sealed trials would have proven it with three; ranks need more.
    assert len(seeds_of(done, PATCHED)) == 6
    (change,) = compare([SCENARIO], done.trials, repeatable=False)
    assert change.change is Change.REGRESSED


def test_rounds_when_trials_are_live_then_seeds_are_added_to_them_too(
    laboratory: Callable[..., FakeLaboratory],
) -> None:
    lab = laboratory(lambda spec, part: of(100 + spec.seed, 300 + spec.seed)(spec, part), sealed=False, most_seeds=12)
    done = rounds(lab)
    assert seeds_of(done, PATCHED) == list(range(1, 7))
    assert {spec.sealed for spec in done.planned} == {False}
    assert done.repeat is None


def test_rounds_when_no_trial_of_base_passes_then_it_is_said_that_nothing_shows_that_they_repeat(
    laboratory: Callable[..., FakeLaboratory],
) -> None:
    done = rounds(laboratory(lambda spec, _: trial(spec, status=Status.FAIL, message="it fails")))
    assert done.repeat is None
    assert done.not_covered == (f"{UNPROVEN}: no trial of base passed, so that none was run twice",)


def test_rounds_when_the_second_trial_is_lost_then_nothing_is_proven_and_pairs_stay_pairs(
    laboratory: Callable[..., FakeLaboratory],
) -> None:
    def tried(spec: TrialSpec, part: str) -> TrialResult:
        if part == "repeat":
            return dataclasses.replace(trial(spec, status=Status.ERROR, message="lost the machine"), digest="")
        return of(100, 300)(spec, part)

    done = rounds(laboratory(tried, seeds=(1, 2, 3), perturbed=True))
    assert done.repeat is None
    assert done.not_covered == (
        f"{UNPROVEN}: memcg-limit-two-node-base-s1 was run again, and left no record: lost the machine",
    )
    assert [null.name for null in done.null_builds] == ["perturbed"]


def test_rounds_when_a_perturbed_base_fails_as_patched_does_then_base_is_not_asked(
    laboratory: Callable[..., FakeLaboratory],
) -> None:
    def tried(spec: TrialSpec, part: str) -> TrialResult:
        if spec.kernel is BASE:
            return trial(spec, {"down": 1})
        bad = Check(name="integrity", status=Status.FAIL, message="a wrong page")
        return trial(spec, {"down": 1}, status=Status.FAIL, checks=[bad])

    done = rounds(laboratory(tried, perturbed=True))
    assert seeds_of(done, BASE) == seeds_of(done, PATCHED) == [1]


def test_rounds_when_a_run_is_resumed_then_what_is_done_is_not_done_again(
    laboratory: Callable[..., FakeLaboratory],
) -> None:
    first = laboratory(of(100, 300), most_seeds=12, perturbed=True)
    done = rounds(first)
    second = laboratory(of(100, 300), most_seeds=12, perturbed=True)
    assert rounds(second) == done
    assert second.ran == []


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ({"samples": b"a\nb\n"}, {"samples": b"a\nc\n"}, "samples, line 2: 'b', then 'c'"),
        ({"samples": b"a\n", "topology": b"x"}, {"samples": b"b\n", "topology": b"y"}, "(the machine that the guest"),
        (
            {"dmesg": b"a\n"},
            {"dmesg": b"a\nb\n"},
            "dmesg, line 2: '', then 'b' (what the kernel said, or when differs)",
        ),
        ({"a": b"1"}, {"a": b"1", "b": b"2"}, "b is there only the second time"),
        ({}, {"a": b"1"}, "the earlier record's files are not there any more"),
        ({"a": b"1"}, {"a": b"1"}, "one of the two records was changed afterwards"),
        ({"a": b"\xff" * 99}, {"a": b"x"}, "\\xff"),
    ],
)
def test_first_difference_when_two_records_part_then_the_place_is_told(
    before: dict[str, bytes], after: dict[str, bytes], says: str
) -> None:
    assert says in first_difference(before, after)
