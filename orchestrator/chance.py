"""The measure of chance in a run: trials of kernels that differ from base without meaning anything.

The first such kernel is base with what the series touches compiled another way. More of them, compiled in yet other
ways, are made where the judge asks: how far a kernel goes that means nothing is as well known as there are kernels that
went there, however many seeds each has.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence

from orchestrator.errors import Cancelled, InfraError, PatchFault
from orchestrator.judge.compare import NullBuild
from orchestrator.judge.pairs import Cell
from orchestrator.kernels import Kernels
from orchestrator.laboratory import Laboratory
from orchestrator.model.kernel import KernelRole
from orchestrator.model.repeat import Repeat
from orchestrator.model.trial import TrialResult, TrialSpec
from orchestrator.store.run_directory import RunDirectory
from orchestrator.tree.perturb import PERTURBATIONS, perturbed_base

PERTURBED = "perturbed"
"""The run's parts with trials that are not its own: the further ones are ``perturbed-2``, ``perturbed-3``."""


class Chance:
    """The kernels of one run that mean nothing. ``not_covered`` has what was wanted of them and is not there."""

    def __init__(self, laboratory: Laboratory, kernels: Kernels) -> None:
        self._laboratory = laboratory
        self._tables: list[_NullTrials] = []
        self._images = {build.image_sha256 for build in kernels.builds.values()}
        self._flags = list(PERTURBATIONS)
        self.not_covered: list[str] = []

    def begin(self, repeat: Repeat | None) -> None:
        """Make the first kernel; none where ``repeat`` says that trials do not repeat: metrics are ranked there, not paired."""
        if repeat is not None and not repeat.holds:
            self.not_covered.append(
                f"sealed trials are not repeatable here: {repeat.difference}; metrics were judged as those of live trials are"
            )
            self._flags = []
        elif not self._laboratory.plan.profile.perturbed:
            self._flags = []
        else:
            self._add(None)

    def grow(self, cells: Collection[Cell]) -> bool:
        """Have one kernel more run the trials of ``cells``, a new one where all that there are run them.

        Returns whether anything was tried; what stood in the way is in ``not_covered``. A run that measures no chance, and one
        whose kernels all ran these trials with no other way to compile base, tries nothing.
        """
        narrow = next((table for table in self._tables if table.lacks(cells)), None)
        if narrow is None and not (self._tables and self._flags):
            return False
        named = "; ".join(f"{scenario} on {topology}" for scenario, topology in cells)
        self._laboratory.steps.note("more", f"another perturbed base: {named}")
        if narrow is None:
            self._add(frozenset(cells))
        else:
            narrow.widen(cells)
        return True

    def run(self, of_base: Sequence[TrialSpec]) -> None:
        """Run what stands beside those trials of base and is not done. Kernel's own tests have nothing to compare."""
        for table in self._tables:
            table.run(of_base)

    def builds(self) -> tuple[NullBuild, ...]:
        """Return the kernels with their trials, as the judge takes them."""
        return tuple(table.build() for table in self._tables)

    def _add(self, cells: frozenset[Cell] | None) -> None:
        """Make the next kernel that is none of those that there are; ``cells`` is None where all trials are wanted of it."""
        laboratory = self._laboratory
        while self._flags:
            nr = len(PERTURBATIONS) - len(self._flags) + 1
            flag = self._flags.pop(0)
            name = PERTURBED if nr == 1 else f"{PERTURBED}-{nr}"
            try:
                trees = perturbed_base(laboratory.trees, cancellation=laboratory.cancellation, flag=flag)
                if trees is None:
                    self._flags = []
                    return
                kernels = laboratory.kernels(trees, run=laboratory.run.part(name), compared=False)
            except Cancelled:
                raise
            except (PatchFault, InfraError) as error:
                self.not_covered.append(f"a perturbed base was not built: {error.message}")
                return
            if not kernels.is_whole:
                said = "; ".join([*(fault.message for fault in kernels.faults), *(gap.title for gap in kernels.gaps)])
                self.not_covered.append(f"a perturbed base was not built: {said}")
                return
            image = kernels.builds[KernelRole.PATCHED].image_sha256
            if image not in self._images:
                self._images.add(image)
                self._tables.append(_NullTrials(laboratory, kernels, name, cells=cells))
                return
        if not self._tables:
            self.not_covered.append("base compiled in other ways is the same code: chance was not measured")


class _NullTrials:
    """The trials of one kernel that means nothing, beside base's own; of ``cells`` alone where that is not None."""

    def __init__(
        self,
        laboratory: Laboratory,
        kernels: Kernels,
        name: str,
        *,
        cells: frozenset[Cell] | None = None,
    ) -> None:
        self._laboratory = laboratory
        self._name = name
        self._cells = cells
        self._run: RunDirectory = laboratory.run.part(name)
        self._runner = laboratory.runner(kernels, run=self._run)
        self._done: dict[TrialSpec, TrialResult] = {result.spec: result for result in self._run.read_trials()}

    def lacks(self, cells: Collection[Cell]) -> bool:
        """Whether trials of some of ``cells`` are not asked for."""
        return self._cells is not None and not self._cells.issuperset(cells)

    def widen(self, cells: Collection[Cell]) -> None:
        """Ask for the trials of ``cells`` too."""
        self._cells = (self._cells or frozenset()).union(cells)

    def run(self, of_base: Sequence[TrialSpec]) -> None:
        """Run what stands beside those trials of base, is asked for and is not done."""
        wanted = [
            # A perturbed base stands where patched does.
            dataclasses.replace(spec, kernel=KernelRole.PATCHED)
            for spec in of_base
            if not self._laboratory.scenarios[spec.scenario].selftests
            and (self._cells is None or (spec.scenario, spec.topology) in self._cells)
        ]
        left = [spec for spec in wanted if spec not in self._done]
        if not left:
            return
        with self._laboratory.steps.step("null", kernel=self._name, total=len(left)):
            for result in self._laboratory.results(self._runner, left):
                self._done[result.spec] = result

    def build(self) -> NullBuild:
        """Return the kernel with its trials, as the judge takes it."""
        return NullBuild(name=self._name, trials=tuple(self._done.values()))
