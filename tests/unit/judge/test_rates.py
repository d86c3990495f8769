"""How often the comparison is wrong, and how often it finds what is there: synthetic runs whose truth is known.

The figures are those of docs/judging.md. Fixed seeds: this is no matter of luck, and a change of method shows in them.
"""

from __future__ import annotations

import dataclasses
import random
from collections import Counter

import pytest

from orchestrator.judge.compare import OTHER_LEVEL, PRIMARY_LEVEL, NullBuild, compare
from orchestrator.model.verdict import Change
from tests.unit.judge.synthetic import (
    METRICS_A_RUN,
    Effects,
    Noise,
    Truth,
    described,
    shifted,
    stem_of,
    trials_of,
    truths,
    wanderings,
)
from tests.unit.record_builder import PATCHED

MOVED = frozenset({Change.REGRESSED, Change.IMPROVED, Change.CHANGED})
RUNS = 84


def a_few(rng: random.Random, where: str, topology: str, name: str) -> float:
    """An effect on one metric in ten: a third more, a doubling, or nearly all gone."""
    return rng.choice((0.29, 0.69, -3.0)) if rng.random() < 0.1 else 0.0


def test_10000_comparisons_without_an_effect_then_false_alarms_within_the_levels() -> None:
    assert RUNS * METRICS_A_RUN >= 10_000
    rng = random.Random(20261123)
    runs: Counter[str] = Counter()
    for _ in range(RUNS):
        changes = compare(described(), trials_of(rng, truths(rng), range(1, 4)))
        assert len(changes) == METRICS_A_RUN
        for kind in MOVED:
            runs[kind] += any(change.change is kind for change in changes)
        runs["open"] += any(change.suspect for change in changes)
    # A level is a share of runs; 84 runs that keep 1 % show more than 3 alarms once in 5000.
    assert runs[Change.REGRESSED] <= 3
    assert runs[Change.REGRESSED] / RUNS <= PRIMARY_LEVEL
    assert (runs[Change.CHANGED] + runs[Change.IMPROVED]) / RUNS <= OTHER_LEVEL
    assert runs["open"] / RUNS <= 1 / 60


def judged(seed: int, *, runs: int, seeds: int, effects: Effects) -> list[tuple[Truth, Change, float | None]]:
    """Every metric of some runs: the truth, the class, and the sign of the effect that was found."""
    rng = random.Random(seed)
    found: list[tuple[Truth, Change, float | None]] = []
    for _ in range(runs):
        known = truths(rng, effects)
        changes = compare(described(), trials_of(rng, known, range(1, seeds + 1)))
        found += [(known[each.scenario, each.topology, each.metric], each.change, each.effect) for each in changes]
    return found


@pytest.mark.parametrize(
    ("seeds", "noise", "effect", "least"),
    [
        (3, Noise.EXACT, 0.69, 0.8),
        (3, Noise.LED, -3.0, 0.4),
        (12, Noise.EXACT, 0.29, 0.9),
        (12, Noise.WANDERING, 0.69, 0.7),
        (12, Noise.HEAVY, 0.69, 0.7),
        (12, Noise.JUMPING, 0.69, 0.9),
        (12, Noise.WANDERING, -3.0, 0.9),
    ],
)
def test_power_is_as_stated(seeds: int, noise: Noise, effect: float, least: float) -> None:
    def on_one(rng: random.Random, where: str, topology: str, name: str) -> float:
        return effect if topology == "two-node" and rng.random() < 0.3 else 0.0

    found = [
        change for truth, change, _ in judged(5, runs=12, seeds=seeds, effects=on_one)
        if truth.noise is noise and truth.effect
    ]  # fmt: skip
    assert len(found) >= 20
    assert sum(change in MOVED for change in found) / len(found) >= least


def test_effect_that_is_found_has_the_right_sense_and_one_that_matters_is_hardly_ever_called_the_same() -> None:
    found = judged(11, runs=20, seeds=6, effects=a_few)
    shown = [(truth.effect, effect or 0.0) for truth, change, effect in found if change in MOVED]
    assert len(shown) > 50
    assert all(effect * truth > 0 for truth, effect in shown)
    with_effect = [change for truth, change, _ in found if truth.effect]
    assert with_effect.count(Change.SAME) / len(with_effect) <= 0.01


def test_effect_just_as_large_as_the_smallest_of_interest_is_rarely_called_the_same() -> None:
    # 5 % at a level where 32 pages do not count: the two one-sided tests stand at their edge.
    found = judged(13, runs=15, seeds=6, effects=lambda rng, *_: 0.051 if rng.random() < 0.3 else 0.0)
    edge = [change for truth, change, _ in found if truth.effect and truth.level > 3000]
    assert len(edge) > 100
    assert edge.count(Change.SAME) / len(edge) <= 0.05


def with_null_builds(
    builds: int, *, runs: int, effect: float = 0.0, moved: bool = False
) -> tuple[Counter[str], list[Change]]:
    """Runs of kernels that move some metrics in all seeds alike though they mean nothing, beside ``builds`` such of base.

    Returns how many runs accuse or tell of a change that is none, and what became of exact metrics that have ``effect``:
    of those that are ``moved`` by kernels that mean nothing, or of the others.
    """
    rng = random.Random(99)
    false: Counter[str] = Counter()
    true: list[Change] = []
    for _ in range(runs):
        known, wanders = truths(rng), wanderings(rng)
        hit = {key for key in known if effect and key[1] == "two-node" and rng.random() < 0.1}
        patched = {key: dataclasses.replace(truth, effect=effect * (key in hit)) for key, truth in known.items()}
        trials = trials_of(rng, shifted(rng, patched, wanders), range(1, 4))
        nulls = [
            NullBuild(
                name=str(number),
                trials=tuple(trials_of(rng, shifted(rng, known, wanders), range(1, 4), kernels=(PATCHED,))),
            )
            for number in range(builds)
        ]
        changes = compare(described(), trials, nulls)
        keys = [(change.scenario, change.topology, change.metric) for change in changes]
        for kind in MOVED:
            false[kind] += any(
                change.change is kind for key, change in zip(keys, changes, strict=True) if key not in hit
            )
        true += [
            change.change
            for key, change in zip(keys, changes, strict=True)
            if key in hit and known[key].noise is Noise.EXACT and bool(wanders[key[0], stem_of(key[2])]) is moved
        ]
    return false, true


def test_kernels_that_mean_nothing_and_move_all_seeds_alike_are_told_by_one_perturbed_build() -> None:
    blind, _ = with_null_builds(0, runs=20)
    told, _ = with_null_builds(1, runs=60)
    # Nothing but a perturbed build can tell these from an effect.
    assert blind[Change.REGRESSED] >= 5
    assert told[Change.REGRESSED] == 0
    assert told[Change.CHANGED] + told[Change.IMPROVED] <= 2


@pytest.mark.parametrize("builds", [2, 3])
def test_further_perturbed_builds_accuse_no_more_often(builds: int) -> None:
    told, _ = with_null_builds(builds, runs=60)
    assert told[Change.REGRESSED] == 0
    assert told[Change.CHANGED] + told[Change.IMPROVED] <= 2


def test_effect_on_a_metric_that_perturbed_builds_move_is_found_with_two_of_them_and_not_with_one() -> None:
    def found(builds: int) -> float:
        _, changes = with_null_builds(builds, runs=60, effect=2.3, moved=True)
        assert len(changes) >= 5
        return sum(change in MOVED for change in changes) / len(changes)

    assert found(1) <= 0.2
    assert found(2) >= 0.5


def test_effect_on_a_metric_that_perturbed_builds_do_not_move_is_still_found() -> None:
    _, found = with_null_builds(1, runs=60, effect=0.69)
    assert len(found) >= 20
    assert sum(change in MOVED for change in found) / len(found) >= 0.7
