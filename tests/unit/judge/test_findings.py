"""Whose a failure is: looked for on base, with the same seed and others, and weighed against base's own rate."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.judge.findings import chance_of, find_all, wanted_before_blame
from orchestrator.model.kernel import KernelRole
from orchestrator.model.trial import Check, Status, TrialResult, TrialSpec
from orchestrator.model.verdict import Finding
from tests.unit.record_builder import BASE, PATCHED, spec, trial

SPLAT = "KASAN|zswap_load|swap_read_folio"
TANGLED = "KASAN|zswap_load|~"


def splat(mark: str = SPLAT) -> Check:
    return Check(name="kernel log: KASAN", status=Status.FAIL, message="BUG: KASAN: in zswap_load", fingerprint=mark)


SELFTEST = Check(name="selftest test_zswap_usage", status=Status.FAIL, message="not ok 1")


def of(kernel: object, seed: int, *checks: Check, status: Status = Status.PASS) -> TrialResult:
    return trial(spec(kernel, seed), status=Status.FAIL if checks else status, message="", checks=checks)  # type: ignore[arg-type]


def on_patched(*trials: TrialResult) -> list[Finding]:
    return [finding for finding in find_all(trials, ()) if finding.kernel == "patched"]


def test_splat_when_base_ran_without_it_then_is_the_patchs() -> None:
    (finding,) = on_patched(of(BASE, 1), of(PATCHED, 1, splat()))
    assert finding.blamed


@pytest.mark.parametrize("seed", [1, 7])
def test_splat_when_base_shows_it_with_any_seed_then_is_bases(seed: int) -> None:
    (finding,) = on_patched(of(BASE, seed, splat()), of(PATCHED, 1, splat()))
    assert (finding.blamed, "base shows the same: not the patch's" in finding.title) == (False, True)


def test_splat_when_bases_trace_was_mixed_with_anothers_and_begins_alike_then_is_bases() -> None:
    assert not on_patched(of(BASE, 1, splat(TANGLED)), of(PATCHED, 1, splat()))[0].blamed
    assert not on_patched(of(BASE, 1, splat()), of(PATCHED, 1, splat(TANGLED)))[0].blamed
    assert on_patched(of(BASE, 1, splat("KASAN|zswap_store|~")), of(PATCHED, 1, splat()))[0].blamed


def test_splat_when_base_shows_it_once_and_patched_always_then_still_bases() -> None:
    trials = [of(BASE, 1, splat()), *(of(BASE, seed) for seed in range(2, 13))]
    trials += [of(PATCHED, seed, splat()) for seed in range(1, 13)]
    assert not on_patched(*trials)[0].blamed


def test_failed_test_when_it_fails_on_base_as_often_then_is_bases_with_both_rates() -> None:
    trials = [of(BASE, 1, SELFTEST), of(BASE, 2), of(BASE, 3), of(PATCHED, 1, SELFTEST), of(PATCHED, 2, SELFTEST)]
    (finding,) = on_patched(*trials)
    assert not finding.blamed
    assert finding.title.endswith("1 of 3 trials fail so on base, 2 of 2 with the patch)")


def test_failed_test_when_it_fails_with_the_patch_far_more_often_then_is_the_patchs() -> None:
    trials = [of(BASE, 1, SELFTEST), *(of(BASE, seed) for seed in range(2, 7))]
    trials += [of(PATCHED, seed, SELFTEST) for seed in range(1, 7)]
    (finding,) = on_patched(*trials)
    assert finding.blamed
    assert finding.title == "not ok 1 (1 of 6 trials fail so on base, 6 of 6 with the patch)"


INTEGRITY = Check(name="integrity", status=Status.FAIL, message="a wrong page")


@pytest.mark.parametrize("check", [INTEGRITY, splat()])
def test_failure_when_a_kernel_that_means_nothing_shows_it_too_then_is_not_the_patchs(check: Check) -> None:
    trials = [*(of(BASE, seed) for seed in (1, 2, 3)), of(PATCHED, 1, check), of(PATCHED, 2)]
    beside = [of(PATCHED, 1, check), of(PATCHED, 2)]
    (finding,) = [each for each in find_all(trials, (), beside) if each.kernel == "patched"]
    assert not finding.blamed
    assert "base, compiled in another way, shows the same: not the patch's" in finding.title
    assert wanted_before_blame(trials, beside) == ()
    assert not any(each.kernel == "base" for each in find_all(trials, (), beside))


def test_failure_when_a_kernel_that_means_nothing_ran_without_it_then_is_the_patchs() -> None:
    trials = [*(of(BASE, seed) for seed in (1, 2, 3)), of(PATCHED, 1, INTEGRITY)]
    (finding,) = find_all(trials, (), [of(PATCHED, 1)])
    assert (finding.blamed, finding.title) == (True, "a wrong page")


def test_failure_when_only_some_seeds_show_it_then_base_is_asked_for_longer_and_the_rates_are_told() -> None:
    patched = [of(PATCHED, 1, INTEGRITY), of(PATCHED, 2), of(PATCHED, 3)]
    wanted = wanted_before_blame([*(of(BASE, seed) for seed in (1, 2, 3)), *patched])
    assert [each.seed for each in wanted] == [4, 5, 6]
    assert wanted_before_blame([*(of(BASE, seed) for seed in (1, 2, 3)), *patched], in_a_hurry=True) == ()
    wanted = wanted_before_blame([*(of(BASE, seed) for seed in range(1, 7)), *patched])
    assert [each.seed for each in wanted] == [7, 8, 9]
    assert wanted_before_blame([*(of(BASE, seed) for seed in range(1, 7)), of(BASE, 7, INTEGRITY), *patched]) == ()
    (finding,) = find_all([*(of(BASE, seed) for seed in range(1, 10)), *patched], ())
    assert finding.blamed
    assert finding.title == "a wrong page (0 of 9 trials fail so on base, 1 of 3 with the patch)"


def test_chance_of_when_counts_are_known_then_fishers_figure() -> None:
    # By hand: 1 of 6 and 6 of 6 have 7 failures in 12; C(6,6)*C(6,1)/C(12,7) = 6/792.
    assert chance_of(6, 6, 1, 6) == pytest.approx(6 / 792)


@given(st.integers(-1, 12), st.integers(0, 12), st.integers(-1, 12), st.integers(0, 12))
def test_chance_of_any_counts_is_a_probability(failed: int, runs: int, failed_on_base: int, runs_on_base: int) -> None:
    assert 0.0 <= chance_of(failed, runs, failed_on_base, runs_on_base) <= 1.0


def seeds(specs: tuple[TrialSpec, ...], kernel: KernelRole = BASE) -> list[int]:
    return [wanted.seed for wanted in specs if wanted.kernel is kernel]


def test_wanted_before_blame_when_nothing_failed_then_nothing() -> None:
    assert wanted_before_blame([of(BASE, 1), of(PATCHED, 1)]) == ()


def test_wanted_before_blame_when_base_ran_thrice_without_it_then_patched_has_to_show_it_again() -> None:
    trials = [of(BASE, 1), of(BASE, 2), of(BASE, 3), of(PATCHED, 2, splat())]
    assert (seeds(wanted_before_blame(trials)), seeds(wanted_before_blame(trials), PATCHED)) == ([], [1, 3])
    assert wanted_before_blame([*trials, of(PATCHED, 1, splat()), of(PATCHED, 3, splat())]) == ()


def test_wanted_before_blame_when_patched_fails_everywhere_then_it_has_to_show_that_again_in_three_places_only() -> (
    None
):
    names = [f"scenario-{number}" for number in range(8)]
    trials = [trial(spec(BASE, seed, scenario=name)) for name in names for seed in (1, 2, 3)]
    trials += [
        trial(spec(PATCHED, 1, scenario=name), status=Status.FAIL, message="", checks=(INTEGRITY,)) for name in names
    ]
    wanted = wanted_before_blame(trials)
    assert {each.scenario for each in wanted} == set(names[:3])
    assert {each.kernel for each in wanted} == {PATCHED}
    more = [trial(each, status=Status.FAIL, message="", checks=(INTEGRITY,)) for each in wanted]
    assert wanted_before_blame([*trials, *more]) == ()


def test_wanted_before_blame_when_patched_hung_then_it_is_not_asked_for_more_of_that() -> None:
    hang = Check(name="hang", status=Status.FAIL, message="the guest hung, twice")
    assert wanted_before_blame([of(BASE, 1), of(BASE, 2), of(BASE, 3), of(PATCHED, 2, hang)]) == ()


def test_wanted_before_blame_when_base_shows_it_then_nothing() -> None:
    assert wanted_before_blame([of(BASE, 1, splat()), of(PATCHED, 2, splat())]) == ()


def test_wanted_before_blame_when_base_was_lost_with_that_seed_then_that_seed_and_others() -> None:
    trials = [of(BASE, 1), of(BASE, 2, status=Status.ERROR), of(PATCHED, 2, splat())]
    assert seeds(wanted_before_blame(trials)) == [2, 3]


def test_wanted_before_blame_when_two_failures_are_in_one_place_then_each_trial_once() -> None:
    trials = [of(BASE, 1), of(PATCHED, 1, splat()), of(PATCHED, 1, SELFTEST)]
    assert seeds(wanted_before_blame(trials)) == seeds(wanted_before_blame(trials), PATCHED) == [2, 3]


@given(
    base=st.sets(st.integers(1, 6)),
    patched=st.sets(st.integers(1, 6), min_size=1),
    in_a_hurry=st.booleans(),
    always=st.booleans(),
)
def test_wanted_before_blame_when_run_then_it_comes_to_an_end(
    *, base: set[int], patched: set[int], in_a_hurry: bool, always: bool
) -> None:
    trials = [of(BASE, seed) for seed in base] + [of(PATCHED, seed, splat()) for seed in patched]
    for _ in range(5):
        wanted = wanted_before_blame(trials, in_a_hurry=in_a_hurry)
        shown = [splat()] if always else []
        trials += [of(each.kernel, each.seed, *(shown if each.kernel is PATCHED else [])) for each in wanted]
    assert wanted_before_blame(trials, in_a_hurry=in_a_hurry) == ()
    specs = [trial.spec for trial in trials]
    assert len(set(specs)) == len(specs)
    assert patched <= {spec.seed for spec in specs if spec.kernel is BASE}
