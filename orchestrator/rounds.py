"""Which trials a run makes, one round after another: the plan's, then what the judge still wants to know.

After the plan's own trials come: one trial of base once more, as the proof that trials repeat on this host; the trials of
a perturbed base, which show how far a kernel wanders that means nothing; trials of base without which nobody should be
blamed; and more perturbed bases or more seeds where a metric is undecided, as far as the profile's time goes.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from orchestrator.chance import Chance
from orchestrator.judge.adaptive import MoreSeeds, NextLook, next_look
from orchestrator.judge.compare import NullBuild, compare, short_of_builds
from orchestrator.judge.findings import wanted_before_blame
from orchestrator.judge.pairs import Cell
from orchestrator.judge.reach import with_reach, with_reach_beside
from orchestrator.kernels import Kernels
from orchestrator.laboratory import Laboratory
from orchestrator.model.kernel import KernelRole
from orchestrator.model.repeat import Repeat
from orchestrator.model.trial import Status, TrialResult, TrialSpec
from orchestrator.repeating import once_more

UNPROVEN = "nothing shows that trials repeat on this host"


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundsDone:
    """All trials of a run. ``planned`` are the plan's specifications and those that were added, in this order.

    ``null_builds`` are trials of base that differ from the run's own without meaning anything.
    """

    planned: tuple[TrialSpec, ...]
    trials: tuple[TrialResult, ...] = ()
    null_builds: tuple[NullBuild, ...] = ()
    repeat: Repeat | None = None
    not_covered: tuple[str, ...] = ()


class Rounds:
    """The rounds of one run: ``laboratory`` has the plan, ``kernels`` are base and patched."""

    def __init__(self, laboratory: Laboratory, kernels: Kernels) -> None:
        self._laboratory = laboratory
        self._kernels = kernels
        self._profile = laboratory.plan.profile
        self._scenarios = [laboratory.scenarios[name] for name in self._profile.scenarios]
        self._planned = dict.fromkeys(laboratory.plan.trials)
        self._done: dict[TrialSpec, TrialResult] = {}
        self._chance = Chance(laboratory, kernels)
        self._repeatable = True

    def run(self) -> RoundsDone:
        """Run all rounds; what an earlier attempt at this run has done is not done again."""
        laboratory = self._laboratory
        self._done = {result.spec: result for result in laboratory.run.read_trials()}
        self._runner = laboratory.runner(self._kernels)
        self._go(laboratory.plan.trials)
        repeat: Repeat | None = None
        unproven: list[str] = []
        if laboratory.plan.sealed:
            proof = once_more(laboratory, self._kernels, list(self._results()))
            if isinstance(proof, Repeat):
                repeat, self._repeatable = proof, proof.holds
            else:
                unproven = [f"{UNPROVEN}: {proof}"]
            self._chance.begin(repeat)
        left_out = self._more()
        return RoundsDone(
            planned=tuple(self._planned),
            trials=self._results(),
            null_builds=self._chance.builds(),
            repeat=repeat,
            not_covered=(*unproven, *self._chance.not_covered, *left_out),
        )

    def _results(self) -> tuple[TrialResult, ...]:
        return tuple(self._done[spec] for spec in self._planned if spec in self._done)

    def _go(self, specs: Sequence[TrialSpec]) -> None:
        """Run those that are not done."""
        self._planned |= dict.fromkeys(specs)
        left = [spec for spec in specs if spec not in self._done]
        if not left:
            return
        total, done = len(self._planned), len(self._planned) - len(left)
        with self._laboratory.steps.step("trials", total=total, done=done):
            for result in self._laboratory.results(self._runner, left):
                self._done[result.spec] = result

    def _more(self) -> tuple[str, ...]:
        """Add trials until nothing is open that more of them could decide, or the time for them is over.

        Returns a line on each scenario of which more was wanted.
        """
        look = NextLook(wanted=())
        self._go_null()
        begin = time.monotonic()
        while True:
            trials = with_reach(self._results())
            left_s = (self._profile.budget_s or math.inf) - (time.monotonic() - begin)
            if left_s > 0 and self._another_null_build(trials):
                continue
            look = self._next_look(trials, left_s)
            beside = with_reach_beside([build.trials for build in self._chance.builds()], trials)
            confirming = wanted_before_blame(trials, beside, in_a_hurry=left_s <= 0)
            specs = [*confirming, *(spec for more in look.wanted for spec in self._pairs_of(more))]
            wanted = [spec for spec in dict.fromkeys(specs) if spec not in self._planned]
            if not wanted:
                return look.lines_on_left_out()
            self._laboratory.steps.note("more", _in_words(look, wanted))
            self._go(wanted)
            self._go_null()

    def _another_null_build(self, trials: Sequence[TrialResult]) -> bool:
        """Have one more perturbed base tried where the judge needs it and there is a way left; whether that was so."""
        if not self._profile.most_seeds:
            return False
        cells = short_of_builds(self._scenarios, trials, self._chance.builds())
        if not cells or not self._chance.grow(cells):
            return False
        self._go_null()
        return True

    def _go_null(self) -> None:
        self._chance.run([spec for spec in self._planned if spec.kernel is KernelRole.BASE])

    def _next_look(self, trials: Sequence[TrialResult], left_s: float) -> NextLook:
        if not self._profile.most_seeds:
            return NextLook(wanted=())
        changes = compare(self._scenarios, trials, self._chance.builds(), repeatable=self._repeatable)
        machines = self._laboratory.machines
        costs = _seconds_a_pair(trials)
        return next_look(
            changes, most=self._profile.most_seeds, seconds_a_pair=costs, budget_s=max(0.0, left_s) * machines
        )

    def _pairs_of(self, more: MoreSeeds) -> list[TrialSpec]:
        sealed = self._laboratory.plan.sealed
        return [
            TrialSpec(kernel=kernel, topology=more.topology, scenario=more.scenario, seed=seed, sealed=sealed)
            for seed in more.seeds
            for kernel in KernelRole
        ]


def _seconds_a_pair(trials: Sequence[TrialResult]) -> Mapping[Cell, float]:
    """Return what a seed of each cell costs: what its trials took at most, base's included."""
    longest: dict[tuple[Cell, KernelRole], float] = {}
    for trial in trials:
        if trial.status in {Status.PASS, Status.FAIL}:
            at = (trial.spec.scenario, trial.spec.topology), trial.spec.kernel
            longest[at] = max(longest.get(at, 0.0), trial.wall_s)
    costs: dict[Cell, float] = {}
    for (cell, _), seconds in longest.items():
        costs[cell] = costs.get(cell, 0.0) + seconds
    return costs


def _in_words(look: NextLook, wanted: Sequence[TrialSpec]) -> str:
    told = [f"{more.scenario} on {more.topology} for {', '.join(more.metrics[:2])}" for more in look.wanted[:3]]
    return f"{len(wanted)} more trials{': ' if told else ''}{'; '.join(told)}"
