"""Runs whose truth is known: metrics as counters behave in sealed trials, with and without an effect. Fixed seeds.

A metric of a cell is one of: exact (all seeds and kernels agree, as most synchronous counters do), wandering (each trial
draws anew, log-normally, or with heavy tails), jumping (now and then a trial takes another course, by a third), or led by
the workload (seeds differ, and both kernels follow). The trials of a cell share a part of their wandering: hundreds of
counters move together.
"""

from __future__ import annotations

import dataclasses
import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from orchestrator.model.kernel import KernelRole
from orchestrator.model.scenario import Direction, Metric, Scenario
from orchestrator.model.trial import TrialResult
from tests.unit.record_builder import BASE, PATCHED, metric, scenario, spec, trial

TOPOLOGIES = ("one-node", "two-node", "four-node")
SCENARIOS = tuple(f"scenario-{number}" for number in range(4))
NAMES = (
    ("zswpout", Direction.NONE),
    ("zswpin", Direction.NONE),
    ("zswpwb", Direction.NONE),
    ("stored_pages", Direction.NONE),
    ("shrink_memcg.calls", Direction.NONE),
    ("written_back@node0", Direction.NONE),
    ("written_back@node1", Direction.NONE),
    ("pool_limit_hit", Direction.DOWN),
    ("store_rejects", Direction.DOWN),
    ("hot_from_zswap", Direction.UP),
)
METRICS_A_RUN = len(TOPOLOGIES) * len(SCENARIOS) * len(NAMES)
TOGETHER = 0.7
"""The correlation of the metrics of one trial that wander."""


class Noise(StrEnum):
    """How a metric's values differ where the patch means nothing."""

    EXACT = "exact"
    WANDERING = "wandering"
    HEAVY = "heavy"
    JUMPING = "jumping"
    LED = "led"


@dataclass(frozen=True)
class Truth:
    """One metric of one cell: what it is on base, how it wanders (standard deviation of the logarithm), the effect (log)."""

    level: float
    noise: Noise
    sigma: float
    effect: float = 0.0


Effects = Callable[[random.Random, str, str, str], float]
"""The true effect (of the logarithm) for a scenario, a topology and a metric."""


def described() -> tuple[Scenario, ...]:
    """The scenarios of the synthetic runs."""
    found: dict[str, Metric] = {}
    for name, direction in NAMES:
        stem, at, _ = name.partition("@")
        found.setdefault(stem, metric(stem, direction, per_node=bool(at)))
    return tuple(scenario(name, tuple(found.values())) for name in SCENARIOS)


def truths(rng: random.Random, effects: Effects | None = None) -> dict[tuple[str, str, str], Truth]:
    """Draw the truth of one run. What kind of noise a metric has is its scenario's: topologies differ in how much."""
    found = {}
    for where in SCENARIOS:
        for name, _ in NAMES:
            noise = rng.choice(list(Noise))
            sigma = math.exp(rng.uniform(math.log(0.02), math.log(0.4)))
            for topology in TOPOLOGIES:
                found[where, topology, name] = Truth(
                    level=math.exp(rng.uniform(math.log(200), math.log(20000))),
                    noise=noise,
                    sigma=sigma * math.exp(rng.uniform(-0.5, 0.5)),
                    effect=effects(rng, where, topology, name) if effects else 0.0,
                )
    return found


def shifted(
    rng: random.Random, known: Mapping[tuple[str, str, str], Truth], wanders: Mapping[tuple[str, str], float]
) -> dict[tuple[str, str, str], Truth]:
    """Draw a kernel that means nothing and yet moves metrics in all seeds alike, each by what ``wanders`` says (log)."""
    return {
        key: dataclasses.replace(truth, effect=truth.effect + wanders[key[0], stem_of(key[2])] * rng.gauss(0, 1))
        for key, truth in known.items()
    }


def stem_of(name: str) -> str:
    """The metric without its node."""
    return name.partition("@")[0]


def wanderings(rng: random.Random) -> dict[tuple[str, str], float]:
    """Draw how far a kernel that means nothing moves each metric of each scenario: not at all, mostly."""
    names = [stem_of(name) for name, _ in NAMES]
    return {(where, name): rng.uniform(0.03, 0.4) * (rng.random() < 0.3) for where in SCENARIOS for name in names}


def value(rng: random.Random, truth: Truth, *, kernel: KernelRole, common: float, led: float) -> float:
    """Draw one value. ``common`` is what the trial's metrics share, ``led`` what the seed does to both kernels."""
    own = TOGETHER * common + math.sqrt(1 - TOGETHER**2) * rng.gauss(0, 1)
    match truth.noise:
        case Noise.EXACT:
            wander = 0.0
        case Noise.WANDERING:
            wander = truth.sigma * own
        case Noise.HEAVY:
            # Student's t with 3 degrees of freedom, scaled to the same standard deviation.
            wander = truth.sigma * own / math.sqrt(rng.gammavariate(1.5, 2.0) / 3) / math.sqrt(3)
        case Noise.JUMPING:
            wander = math.log(4 / 3) if rng.random() < 0.15 else 0.0
        case Noise.LED:
            wander = truth.sigma * led + truth.sigma / 10 * own
    shift = truth.effect if kernel is PATCHED else 0.0
    return float(round(truth.level * math.exp(wander + shift)))


def trials_of(
    rng: random.Random,
    known: Mapping[tuple[str, str, str], Truth],
    seeds: range,
    kernels: tuple[KernelRole, ...] = (BASE, PATCHED),
) -> list[TrialResult]:
    """Draw all trials of one run."""
    found = []
    for seed in seeds:
        for where in SCENARIOS:
            for topology in TOPOLOGIES:
                led = [rng.gauss(0, 1) for _ in NAMES]
                for kernel in kernels:
                    common = rng.gauss(0, 1)
                    metrics = {
                        name: value(rng, known[where, topology, name], kernel=kernel, common=common, led=led[at])
                        for at, (name, _) in enumerate(NAMES)
                    }
                    found.append(trial(spec(kernel, seed, topology=topology, scenario=where), metrics))
    return found
