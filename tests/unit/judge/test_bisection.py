from __future__ import annotations

import dataclasses
import itertools

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.errors import PatchFault
from orchestrator.judge.bisection import (
    MOST_WITNESSES,
    Look,
    Symptom,
    confidence_in,
    look_at,
    most_asked,
    prefix_name,
    search,
    symptoms_of,
)
from orchestrator.judge.compare import NullBuild
from orchestrator.model.bisection import Seen
from orchestrator.model.tree import Confidence
from orchestrator.model.trial import Check, Status, TrialResult
from tests.unit.record_builder import A2_BASE, A2_V5, BASE, PATCHED, record, scenario, spec, trial

BROKEN = Check(name="invariant I4", status=Status.FAIL, message="I4 is broken")
OTHER = Check(name="integrity", status=Status.FAIL, message="3 pages have wrong content")


class Oracle:
    """A series whose patch ``culprit`` is the first with the bug, and of which some prefixes cannot be tested."""

    def __init__(self, culprit: int, untestable: frozenset[int] = frozenset()) -> None:
        self.culprit = culprit
        self.untestable = untestable
        self.asked: list[int] = []

    def __call__(self, patches: int) -> Seen:
        assert patches not in self.asked, "no prefix is asked twice"
        self.asked.append(patches)
        if patches in self.untestable:
            return Seen.UNTESTABLE
        return Seen.BAD if patches >= self.culprit else Seen.GOOD


def test_every_patch_of_every_series_is_found_with_as_few_questions_as_can_be() -> None:
    for patches in range(1, 65):
        for culprit in range(1, patches + 1):
            oracle = Oracle(culprit)
            assert search(patches, oracle) == (culprit,)
            assert len(oracle.asked) <= most_asked(patches)
            assert all(0 < each < patches for each in oracle.asked), "base and the whole series are known"


def test_the_fourth_of_five_takes_two_builds() -> None:
    oracle = Oracle(4)
    assert search(5, oracle) == (4,)
    assert oracle.asked == [3, 4]


def test_every_pattern_of_untestable_prefixes_leaves_just_the_patches_that_nothing_tells_apart() -> None:
    for patches in range(1, 9):
        inner = range(1, patches)
        for size in range(patches):
            for skipped in itertools.combinations(inner, size):
                for culprit in range(1, patches + 1):
                    oracle = Oracle(culprit, frozenset(skipped))
                    good = max(k for k in range(culprit) if k not in skipped)
                    bad = min(k for k in range(culprit, patches + 1) if k not in skipped)
                    assert search(patches, oracle) == tuple(range(good + 1, bad + 1))
                    assert len(oracle.asked) <= most_asked(patches) + 2 * len(skipped)


@given(st.lists(st.sampled_from(list(Seen)), min_size=0, max_size=40))
def test_answers_that_contradict_each_other_still_end_in_an_answer_that_was_seen(answers: list[Seen]) -> None:
    patches = len(answers) + 1
    asked: dict[int, Seen] = {0: Seen.GOOD, patches: Seen.BAD}

    def ask(number: int) -> Seen:
        asked[number] = answers[number - 1]
        return asked[number]

    found = search(patches, ask)
    assert asked[found[0] - 1] is Seen.GOOD
    assert asked[found[-1]] is Seen.BAD
    assert all(asked[number] is Seen.UNTESTABLE for number in found[:-1])


def failing(seed: int, *checks: Check, topology: str = "two-node", guest_s: float = 8.0) -> TrialResult:
    done = trial(spec(PATCHED, seed, topology=topology), A2_V5, status=Status.FAIL, message="broken", checks=checks)
    return dataclasses.replace(done, guest_s=guest_s)


def passing(seed: int, *, topology: str = "two-node") -> tuple[TrialResult, TrialResult]:
    return (
        trial(spec(BASE, seed, topology=topology), A2_BASE),
        trial(spec(PATCHED, seed, topology=topology), A2_BASE),
    )


def on_base(seed: int, *checks: Check, topology: str = "two-node") -> TrialResult:
    status = Status.FAIL if checks else Status.PASS
    return trial(spec(BASE, seed, topology=topology), A2_BASE, status=status, checks=checks)


def test_what_every_seed_shows_is_asked_of_one_trial_in_the_cheapest_cell() -> None:
    run = record(
        [
            on_base(1), on_base(2), failing(1, BROKEN, guest_s=9.0), failing(2, BROKEN, guest_s=8.0),
            on_base(1, topology="one-node"), failing(1, BROKEN, topology="one-node", guest_s=5.0),
        ]
    )  # fmt: skip
    first, second = symptoms_of(run)
    assert (first.cell, second.cell) == (("memcg-limit", "one-node"), ("memcg-limit", "two-node"))
    assert first.always
    assert first.trials == (spec(PATCHED, 1, topology="one-node"),)
    assert second.trials == (spec(PATCHED, 2),), "the seed with the least guest time"
    assert "I4 is broken" in first.what


def test_what_some_seeds_show_is_asked_of_several_trials_and_after_what_all_show() -> None:
    sometimes = [failing(seed, OTHER) for seed in range(1, 6)]
    run = record([*(on_base(seed) for seed in range(1, 9)), *sometimes, *(passing(seed)[1] for seed in (6, 7))])
    (symptom,) = symptoms_of(run)
    assert not symptom.always
    assert len(symptom.trials) == MOST_WITNESSES


def test_a_run_without_a_regression_has_no_symptom() -> None:
    assert symptoms_of(record(passing(1))) == ()
    assert symptoms_of(record([on_base(1, BROKEN), failing(1, BROKEN)])) == (), "base's own failure blames nobody"


def test_of_a_kernel_that_does_not_build_nothing_else_is_looked_for() -> None:
    (symptom,) = symptoms_of(
        record([], planned=[spec(BASE), spec(PATCHED)], faults=[PatchFault("no zswap.o", stage="build")])
    )
    assert symptom.cell is None
    assert symptom.mark == "build"
    assert symptom.trials == ()


def followed(check: Check = BROKEN) -> Symptom:
    return symptoms_of(record([on_base(1), failing(1, check)]))[0]


def test_a_prefix_is_bad_that_shows_the_failure_and_good_that_does_not() -> None:
    symptom = followed()
    assert look_at(symptom, [on_base(1), failing(1, BROKEN)], [scenario()]).seen is Seen.BAD
    assert look_at(symptom, passing(1), [scenario()]).seen is Seen.GOOD


def test_another_failure_is_not_the_one_that_is_looked_for_and_is_told() -> None:
    look = look_at(followed(), [on_base(1), failing(1, OTHER)], [scenario()])
    assert look.seen is Seen.GOOD
    assert "wrong content" in look.text


def test_what_base_shows_with_the_same_seed_is_not_the_prefix_s() -> None:
    assert look_at(followed(), [on_base(1, BROKEN), failing(1, BROKEN)], [scenario()]).seen is Seen.GOOD


def test_a_lost_trial_says_nothing_of_its_prefix() -> None:
    lost = trial(spec(PATCHED, 1), status=Status.ERROR, message="QEMU was killed")
    look = look_at(followed(), [on_base(1), lost], [scenario()])
    assert look.seen is Seen.UNTESTABLE
    assert "QEMU was killed" in look.text


def with_calls(calls: float, kernel: str, seed: int) -> TrialResult:
    role = BASE if kernel == "base" else PATCHED
    return trial(spec(role, seed), {**A2_BASE, "shrink_memcg.calls": calls + seed})


SEEDS = (1, 2, 3, 4, 5, 6)


def metric_trials(calls: float) -> list[TrialResult]:
    return [
        result
        for seed in SEEDS
        for result in (with_calls(1000, "base", seed), with_calls(calls + seed, "patched", seed))
    ]


def test_a_metric_is_followed_with_all_its_seeds_and_judged_as_the_run_was() -> None:
    run = record(metric_trials(3000))
    (symptom,) = [each for each in symptoms_of(run) if each.metric == "shrink_memcg.calls"]
    assert len(symptom.trials) == len(SEEDS)
    assert not symptom.is_exact
    bad, good = (look_at(symptom, metric_trials(calls), [scenario()]) for calls in (3000, 1000))
    assert (bad.seen, bad.sure, good.seen, good.sure) == (Seen.BAD, True, Seen.GOOD, True)
    assert bad.shown_by


def perturbed(calls: float) -> NullBuild:
    """A kernel that means nothing and moves the metric of each seed alike."""
    return NullBuild(name="perturbed", trials=tuple(with_calls(calls, "patched", seed) for seed in SEEDS))


def test_a_metric_is_judged_with_the_run_s_perturbed_bases() -> None:
    (symptom,) = [each for each in symptoms_of(record(metric_trials(3000))) if each.metric == "shrink_memcg.calls"]
    moved = metric_trials(1500)
    alone = look_at(symptom, moved, [scenario()])
    beside = look_at(symptom, moved, [scenario()], [perturbed(1400)])
    assert (alone.seen, alone.sure) == (Seen.BAD, True)
    assert (beside.seen, beside.sure) == (Seen.GOOD, False), "a kernel that means nothing goes nearly as far"


def test_a_metric_of_trials_that_do_not_repeat_is_judged_by_ranks_as_in_its_run() -> None:
    (symptom,) = [each for each in symptoms_of(record(metric_trials(3000))) if each.metric == "shrink_memcg.calls"]
    few = [each for each in metric_trials(3000) if each.spec.seed <= 3]
    assert look_at(symptom, few, [scenario()]).sure
    assert not look_at(symptom, few, [scenario()], repeatable=False).sure, "three ranks a side prove nothing"


def noisy(calls: float) -> list[TrialResult]:
    """Few seeds that contradict each other: the comparison decides nothing."""
    noise = {1: -900.0, 2: 0.0, 3: 900.0}
    return [
        result
        for seed in noise
        for result in (with_calls(1000, "base", seed), with_calls(calls + noise[seed], "patched", seed))
    ]


def test_a_metric_that_is_undecided_goes_to_the_nearer_side_and_is_not_sure() -> None:
    (symptom,) = [each for each in symptoms_of(record(metric_trials(3000))) if each.metric == "shrink_memcg.calls"]
    far, near = (look_at(symptom, noisy(calls), [scenario()]) for calls in (2900, 1200))
    assert (far.seen, far.sure, near.seen, near.sure) == (Seen.BAD, False, Seen.GOOD, False)
    assert "% of what the whole series does to it" in far.text
    assert far.shown_by
    assert not near.shown_by


def test_metrics_come_after_failures() -> None:
    trials = metric_trials(3000)
    broken = dataclasses.replace(trials[1], status=Status.FAIL, checks=(BROKEN,), guest_s=100.0)
    first, *_ = symptoms_of(record([trials[0], broken, *trials[2:]]))
    assert first.is_exact


def test_figures_that_are_not_there_are_not_good() -> None:
    (symptom,) = [each for each in symptoms_of(record(metric_trials(3000))) if each.metric]
    bare = [dataclasses.replace(each, metrics={"zswpout": 1.0}) for each in metric_trials(1000)]
    assert look_at(symptom, bare, [scenario()]).seen is Seen.UNTESTABLE


def looks(good: Look, bad: Look) -> dict[int, Look]:
    return {3: good, 4: bad}


GOOD, BAD = Look(seen=Seen.GOOD, text=""), Look(seen=Seen.BAD, text="")


def test_only_exact_repeating_failures_that_every_seed_shows_are_certain() -> None:
    symptom = followed()
    sure, why = confidence_in(symptom, (4,), looks(GOOD, BAD), repeats=True)
    assert sure is Confidence.CERTAIN
    assert "patched@4" in why
    assert "patched@3" in why
    assert confidence_in(symptom, (4,), looks(GOOD, BAD), repeats=False)[0] is Confidence.HIGH
    sometimes = dataclasses.replace(symptom, always=False)
    assert confidence_in(sometimes, (4,), looks(GOOD, BAD), repeats=True)[0] is Confidence.MEDIUM
    live = dataclasses.replace(symptom, trials=(dataclasses.replace(spec(PATCHED), sealed=False),))
    assert confidence_in(live, (4,), looks(GOOD, BAD), repeats=True)[0] is Confidence.LOW


def test_metrics_are_never_certain() -> None:
    metric = dataclasses.replace(followed(), mark="", metric="zswpwb")
    unsure = dataclasses.replace(BAD, sure=False)
    assert confidence_in(metric, (4,), looks(GOOD, BAD), repeats=True)[0] is Confidence.HIGH
    assert confidence_in(metric, (4,), looks(GOOD, unsure), repeats=True)[0] is Confidence.MEDIUM


def test_prefixes_have_names() -> None:
    assert [prefix_name(number) for number in (0, 1, 12)] == ["base", "patched@1", "patched@12"]


def test_failure_that_the_verdict_does_not_blame_is_not_followed() -> None:
    bad = Check(name="integrity", status=Status.FAIL, message="a wrong page")
    done = [trial(spec(BASE, 1), A2_BASE), trial(spec(PATCHED, 1), A2_BASE, status=Status.FAIL, checks=[bad])]
    found = record(done)
    (symptom,) = symptoms_of(found)
    assert symptom.mark == "integrity"
    spared = tuple(dataclasses.replace(finding, blamed=False) for finding in found.verdict.findings)
    verdict = dataclasses.replace(found.verdict, findings=spared)
    assert symptoms_of(dataclasses.replace(found, verdict=verdict)) == ()
