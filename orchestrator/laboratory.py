"""What a run's kernels are built and tried with: opened once from its plan, and used for every kernel of the run.

Those are base and patched, and where somebody asks for it base perturbed, a prefix of the series, patched with counters.
Knows how the stages' parts go together; knows no order and no verdict.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path

from orchestrator.config import catalog, locations
from orchestrator.config.lists import mailing_lists
from orchestrator.config.scenario_mistakes import TRACING
from orchestrator.config.scenarios import scenarios_named
from orchestrator.first_boot import FirstBoot, check_base_boots
from orchestrator.guest.image import GuestImage, build_guest_image
from orchestrator.host import workspace
from orchestrator.host.deadline import Cancellation
from orchestrator.host.resources import Resources, available_memory_mib, usable_cpus
from orchestrator.host.sandbox import NO_SANDBOX, Sandbox, find_sandbox
from orchestrator.host.steps import Steps
from orchestrator.kernel.making import Workshop
from orchestrator.kernel.toolchain import find_toolchain
from orchestrator.kernels import KernelMaker, Kernels, selftest_names, symbols_on
from orchestrator.machine.accelerator import SEALED_CHOICE, Choice, choose_accelerator, qemu_version
from orchestrator.machine.argv import Accelerator
from orchestrator.machine.gate import compiled_gate
from orchestrator.model.kernel import Architecture, KernelBuild
from orchestrator.model.run import Plan
from orchestrator.model.scenario import Scenario
from orchestrator.model.series import Series
from orchestrator.model.topology import Topology
from orchestrator.model.tree import Trees
from orchestrator.model.trial import TrialResult, TrialSpec
from orchestrator.store.run_directory import RunDirectory
from orchestrator.store.trial_cache import TrialCache
from orchestrator.tree.export import applied_diffs
from orchestrator.tree.prepare import Preparation, prepare_trees
from orchestrator.tree.sources import open_source
from orchestrator.trial.runner import machine_config
from orchestrator.trials import Parts, TrialRunner


class Laboratory:
    """Builds and tries kernels as the plan of ``run`` has it. What takes time is made when it is first asked for.

    Making one looks for QEMU, the compiler and the sandbox, and raises :class:`UserError` for what is missing.
    """

    def __init__(self, run: RunDirectory, *, steps: Steps, cancellation: Cancellation) -> None:
        self.run = run
        self.plan: Plan = run.read_plan()
        self.series: Series = run.read_series_record()
        self.scenarios: Mapping[str, Scenario] = scenarios_named(self.plan.profile.scenarios)
        own = {topology.name: topology for topology in self.plan.topologies}
        self.topologies: Mapping[str, Topology] = {**catalog.topologies(), **own}
        self.cache = workspace.cache_root()
        self.steps = steps
        self.cancellation = cancellation
        # Everything that can be found out before the first minute is spent.
        self.qemu = qemu_version(catalog.architecture())
        self._toolchain = find_toolchain()
        self.sandbox: Sandbox = (
            find_sandbox(cache=self.cache, cancellation=cancellation) if self.plan.sandbox else NO_SANDBOX
        )
        self._choice: Choice | None = SEALED_CHOICE if self.plan.sealed else None
        self._resources = Resources(cpus=usable_cpus(), memory_mib=available_memory_mib())

    @property
    def architecture(self) -> Architecture:
        """The architecture, in the plan's flavour."""
        return catalog.flavour(self.plan.flavour).on(catalog.architecture())

    @property
    def choice(self) -> Choice:
        """The accelerator and why it is that one, as far as one was chosen: a live run chooses at its first trial."""
        return self._choice or SEALED_CHOICE

    @cached_property
    def trees(self) -> Trees:
        """Base, and the series on it; the series as it was applied is kept in the run."""
        plan = self.plan
        with self.steps.step("source", linux=plan.linux):
            source = open_source(plan.linux, cache=self.cache, steps=self.steps, cancellation=self.cancellation)
        preparation = Preparation(
            rev=plan.base_rev,
            may_fetch=plan.may_fetch,
            strict=plan.strict,
            lists=mailing_lists(),
            others=self.run.read_others(),
        )
        trees = prepare_trees(source, self.series, preparation, steps=self.steps, cancellation=self.cancellation)
        self.run.write_series(self.series, applied_diffs(trees, cancellation=self.cancellation))
        return trees

    @cached_property
    def workshop(self) -> Workshop:
        """What kernels are built with."""
        return Workshop(
            repo=self.trees.source.repo,
            cache=self.cache,
            sandbox=self.sandbox,
            toolchain=self._toolchain,
            jobs=usable_cpus(),
        )

    @cached_property
    def image(self) -> GuestImage:
        """The guest's file system."""
        with self.steps.step("image"):
            scripts = locations.guest_scripts_folder()
            return build_guest_image(scripts, cache=self.cache, cancellation=self.cancellation)

    def kernels(self, trees: Trees, *, run: RunDirectory | None = None, compared: bool = True) -> Kernels:
        """Build base and boot it, which is not done again once it went well, then build patched, as ``trees`` has them.

        The builds' files are kept in ``run``, the laboratory's own where none is given.
        """

        def health(build: KernelBuild) -> None:
            boot = FirstBoot(
                build=build,
                architecture=self.architecture,
                topology=self.topologies[self.plan.profile.topologies[0]],
                image=self.image,
                scripts=locations.guest_scripts_folder(),
                qemu=self.qemu,
            )
            check_base_boots(boot, cache=self.cache, steps=self.steps, cancellation=self.cancellation)

        maker = KernelMaker(
            trees=trees,
            flavour=self.plan.flavour,
            names=selftest_names([self.scenarios[name] for name in self.plan.profile.scenarios]),
            workshop=self.workshop,
            run=run or self.run,
            steps=self.steps,
            cancellation=self.cancellation,
            compared=compared,
        )
        return maker.make(health)

    def runner(self, kernels: Kernels, *, run: RunDirectory | None = None, again: bool | None = None) -> TrialRunner:
        """Return what runs trials of ``kernels``; their records go to ``run``, the laboratory's own where none is given.

        ``again`` says that no trial is answered from the cache; None is as planned.
        """
        if self._choice is None:
            self._choice = self._chosen(self._runner(self._parts(kernels, again=again), run or self.run))
        return self._runner(self._parts(kernels, again=again), run or self.run)

    def results(self, runner: TrialRunner, specs: Sequence[TrialSpec]) -> Iterator[TrialResult]:
        """Run trials, as many beside each other as this host bears, and yield the results as they come."""
        return runner.run_all(specs, self._resources)

    @property
    def machines(self) -> int:
        """How many trials run beside each other: of live ones each has the host for itself."""
        return self._resources.cpus if self.plan.sealed else 1

    def _parts(self, kernels: Kernels, *, again: bool | None) -> Parts:
        return Parts(
            builds=kernels.builds,
            image=self.image,
            gate=compiled_gate(cache=self.cache, cancellation=self.cancellation),
            probes=probe_specs(locations.guest_scripts_folder()),
            architecture=self.architecture,
            scenarios=self.scenarios,
            topologies=self.topologies,
            qemu=self.qemu,
            accelerator=self._choice.accelerator if self._choice else Accelerator.TCG,
            symbols={role: symbols_on(build) for role, build in kernels.builds.items()},
            selftests=kernels.selftests,
            decoders=kernels.decoders,
            again=self.plan.again if again is None else again,
            dump=self.plan.dump,
            memory=kernels.memory,
        )

    def _runner(self, parts: Parts, run: RunDirectory) -> TrialRunner:
        return TrialRunner(
            parts, run=run, cache=TrialCache(self.cache), steps=self.steps, cancellation=self.cancellation
        )

    def _chosen(self, runner: TrialRunner) -> Choice:
        """Choose the accelerator of live trials by booting what they boot."""
        with self.steps.step("accelerator"), workspace.scratch_folder("orchestrator-probe") as scratch:
            request = runner.request(self.plan.trials[0], scratch)
            initrd = scratch / "initrd"
            initrd.write_bytes(request.initrd)
            probe = machine_config(request, initrd=initrd, console=scratch / "console.log")
            return choose_accelerator(self.plan.accelerator, probe, cancellation=self.cancellation)


def prefix_of(trees: Trees, patches: int) -> Trees:
    """Return ``trees`` with the first ``patches`` of the series alone: patched@k."""
    return dataclasses.replace(trees, applied=trees.applied[:patches])


def probe_specs(scripts: Path) -> Mapping[str, bytes]:
    """Return the probes' specifications by name: "" is every trial's, the others are added for scenarios that ask."""
    folder = scripts / "src" / "probes"
    return {"": (folder / "zswap.spec").read_bytes()} | {
        name: (folder / f"zswap-{name}.spec").read_bytes() for name in TRACING
    }
