"""Which trials a run makes, one round after another: the plan's, then what the judge still wants to know.

After the plan's own trials come: one trial of base once more, as the proof that trials repeat on this host; the trials of
a perturbed base, which show how far a kernel wanders that means nothing; trials of base without which nobody should be
blamed; and more seeds where a metric is undecided, as far as the profile's time goes.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from orchestrator.errors import Cancelled, InfraError, PatchFault
from orchestrator.judge.adaptive import MoreSeeds, NextLook, next_look
from orchestrator.judge.compare import NullBuild, compare
from orchestrator.judge.findings import wanted_on_base
from orchestrator.judge.pairs import Cell
from orchestrator.judge.reach import with_reach
from orchestrator.kernels import Kernels
from orchestrator.laboratory import Laboratory
from orchestrator.model.kernel import KernelRole
from orchestrator.model.repeat import Repeat
from orchestrator.model.trial import Status, TrialResult, TrialSpec
from orchestrator.repeating import once_more
from orchestrator.store.run_directory import RunDirectory
from orchestrator.tree.perturb import perturbed_base

PERTURBED, AGAIN = "perturbed", "again"
"""The run's parts with trials that are not its own."""


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
        self._null: _NullTrials | None = None
        self._not_covered: list[str] = []

    def run(self) -> RoundsDone:
        """Run all rounds; what an earlier attempt at this run has done is not done again."""
        laboratory = self._laboratory
        self._done = {result.spec: result for result in laboratory.run.read_trials()}
        self._runner = laboratory.runner(self._kernels)
        self._go(laboratory.plan.trials)
        repeat = None
        if laboratory.plan.sealed:
            repeat = once_more(laboratory, self._kernels, list(self._results()))
            self._null = self._null_trials(repeat)
        self._more()
        return RoundsDone(
            planned=tuple(self._planned),
            trials=self._results(),
            null_builds=self._null.builds() if self._null else (),
            repeat=repeat,
            not_covered=tuple(self._not_covered),
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

    def _more(self) -> None:
        """Add trials until nothing is open that more of them could decide, or the time for them is over."""
        look = NextLook(wanted=())
        self._go_null()
        begin = time.monotonic()
        while True:
            trials = with_reach(self._results())
            left_s = (self._profile.budget_s or math.inf) - (time.monotonic() - begin)
            look = self._next_look(trials, left_s)
            specs = [*wanted_on_base(trials), *(spec for more in look.wanted for spec in self._pairs_of(more))]
            wanted = [spec for spec in dict.fromkeys(specs) if spec not in self._planned]
            if not wanted:
                break
            self._laboratory.steps.note("more", _in_words(look, wanted))
            self._go(wanted)
            self._go_null()
        self._not_covered += look.lines_on_left_out()

    def _go_null(self) -> None:
        if self._null is not None:
            self._null.run([spec for spec in self._planned if spec.kernel is KernelRole.BASE])

    def _next_look(self, trials: Sequence[TrialResult], left_s: float) -> NextLook:
        if not self._profile.most_seeds or not self._laboratory.plan.sealed:
            return NextLook(wanted=())
        changes = compare(self._scenarios, trials, self._null.builds() if self._null else ())
        machines = self._laboratory.machines
        costs = _seconds_a_pair(trials)
        return next_look(
            changes, most=self._profile.most_seeds, seconds_a_pair=costs, budget_s=max(0.0, left_s) * machines
        )

    def _pairs_of(self, more: MoreSeeds) -> list[TrialSpec]:
        return [
            TrialSpec(kernel=kernel, topology=more.topology, scenario=more.scenario, seed=seed)
            for seed in more.seeds
            for kernel in KernelRole
        ]

    def _null_trials(self, repeat: Repeat | None) -> _NullTrials | None:
        """Return what wanders without meaning anything: a perturbed base, or base itself where it does not repeat."""
        laboratory = self._laboratory
        if repeat is not None and not repeat.holds:
            self._not_covered.append(
                f"sealed trials are not repeatable here: {repeat.difference}; base's own spread was measured instead"
            )
            return _NullTrials(laboratory, self._kernels, AGAIN, again=True)
        if not self._profile.perturbed:
            return None
        try:
            trees = perturbed_base(laboratory.trees, cancellation=laboratory.cancellation)
            if trees is None:
                return None
            kernels = laboratory.kernels(trees, run=laboratory.run.part(PERTURBED), compared=False)
        except Cancelled:
            raise
        except (PatchFault, InfraError) as error:
            self._not_covered.append(f"a perturbed base was not built: {error.message}")
            return None
        if not kernels.is_whole:
            said = "; ".join([*(fault.message for fault in kernels.faults), *(gap.title for gap in kernels.gaps)])
            self._not_covered.append(f"a perturbed base was not built: {said}")
            return None
        images = {build.image_sha256 for build in kernels.builds.values()}
        if len(images) < len(kernels.builds):
            self._not_covered.append(
                "base compiled at another level of optimisation is the same code: chance was not measured"
            )
            return None
        return _NullTrials(laboratory, kernels, PERTURBED)


class _NullTrials:
    """The trials of one kernel that means nothing, beside base's own."""

    def __init__(self, laboratory: Laboratory, kernels: Kernels, name: str, *, again: bool | None = None) -> None:
        self._laboratory = laboratory
        self._name = name
        # Base itself, once more, keeps its role; a perturbed base stands where patched does.
        self._role = KernelRole.BASE if again else KernelRole.PATCHED
        self._run: RunDirectory = laboratory.run.part(name)
        self._runner = laboratory.runner(kernels, run=self._run, again=again)
        self._done = {result.spec: result for result in self._run.read_trials()}

    def run(self, of_base: Sequence[TrialSpec]) -> None:
        """Run what stands beside those trials of base and is not done. Kernel's own tests have nothing to compare."""
        wanted = [
            dataclasses.replace(spec, kernel=self._role)
            for spec in of_base
            if not self._laboratory.scenarios[spec.scenario].selftests
        ]
        left = [spec for spec in wanted if spec not in self._done]
        if not left:
            return
        with self._laboratory.steps.step("null", kernel=self._name, total=len(left)):
            for result in self._laboratory.results(self._runner, left):
                self._done[result.spec] = result

    def builds(self) -> tuple[NullBuild, ...]:
        """Return the build with its trials, as the judge takes it."""
        return (NullBuild(name=self._name, trials=tuple(self._done.values())),)


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
