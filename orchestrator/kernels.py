"""Base and patched as kernels: base built and booted before anything else, patched built, and their code compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from orchestrator.config import catalog, locations
from orchestrator.errors import BrokenBase, PatchFault
from orchestrator.host.deadline import Cancellation
from orchestrator.host.steps import Steps
from orchestrator.judge.health import finding_on_base
from orchestrator.kernel.build import BuildRequest, build_kernel, request_for
from orchestrator.kernel.comparison import compare_objects
from orchestrator.kernel.decode import Decoder
from orchestrator.kernel.making import Workshop
from orchestrator.kernel.selftests import Selftests, build_selftests
from orchestrator.model.kernel import KernelBuild, KernelRole
from orchestrator.model.memory import MemoryRange
from orchestrator.model.objects import ObjectDifference
from orchestrator.model.scenario import Scenario
from orchestrator.model.tree import Trees
from orchestrator.model.verdict import Finding
from orchestrator.store.run_directory import RunDirectory

NOT_COMPARED = "not compared: this build of patched is an earlier one, made against another base"
Health = Callable[[KernelBuild], None]
"""Looks whether a kernel is fit to be compared with; raises :class:`BrokenBase` where it is not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernels:
    """What was built. ``faults`` are the patch's, ``gaps`` base's own; with one of either there is nothing to run.

    ``objects`` is how the code of the two differs, None where that is not known. ``decoders`` say where in the source
    the frames of each kernel's complaints are; ``memory`` is what is kept of their guests' memory when a trial is over.
    """

    builds: Mapping[KernelRole, KernelBuild]
    faults: tuple[PatchFault, ...] = ()
    gaps: tuple[Finding, ...] = ()
    selftests: Mapping[KernelRole, Selftests] = field(default_factory=dict)
    objects: ObjectDifference | None = None
    decoders: Mapping[KernelRole, Decoder] = field(default_factory=dict)
    memory: tuple[MemoryRange, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Whether both kernels are there, and base is sound."""
        return not self.faults and not self.gaps

    @property
    def not_covered(self) -> tuple[str, ...]:
        """What should have been looked at and was not."""
        return (f"object code: {NOT_COMPARED}",) if self.is_whole and self.objects is None else ()

    @property
    def same_code(self) -> str:
        """How it is known that no trial can show a difference, "" where one may: kernel and its own tests are the same."""
        both = [self.selftests.get(role) for role in KernelRole]
        is_same = self.is_whole and self.objects is not None and self.objects.same and both[0] == both[1]
        return self.objects.reason if is_same and self.objects is not None else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelMaker:
    """Makes the kernels of one run, in a flavour of the catalog, with the kernel's own tests ``names``.

    ``compared`` says whether anybody asks how the two differ.
    """

    trees: Trees
    flavour: str
    names: Sequence[str]
    workshop: Workshop
    run: RunDirectory
    steps: Steps
    cancellation: Cancellation
    compared: bool = True

    def make(self, health: Health) -> Kernels:
        """Return the kernels. What is broken in base or by the patch is a finding, not the end of the run."""
        builds: dict[KernelRole, KernelBuild] = {}
        selftests: dict[KernelRole, Selftests] = {}
        try:
            builds[KernelRole.BASE] = self._built(KernelRole.BASE)
            health(builds[KernelRole.BASE])
            builds[KernelRole.PATCHED] = self._built(KernelRole.PATCHED)
            for role in KernelRole if self.names else ():
                with self.steps.step("selftests", kernel=role):
                    selftests[role] = selftests_for(role, self.names, self.trees, self.workshop, self.cancellation)
        except BrokenBase as error:
            self._keep_log(KernelRole.BASE, error)
            return Kernels(builds=builds, gaps=(finding_on_base(error),))
        except PatchFault as fault:
            self._keep_log(KernelRole.PATCHED, fault)
            return Kernels(builds=builds, faults=(fault,), selftests=selftests)
        decoders = {role: self._decoder(role) for role in builds}
        objects = self._compared(builds) if self.compared else None
        return Kernels(builds=builds, selftests=selftests, objects=objects, decoders=decoders)

    def _decoder(self, role: KernelRole) -> Decoder:
        request = build_request(role, self.trees, self.flavour)
        return Decoder(request=request, workshop=self.workshop, cancellation=self.cancellation)

    def _built(self, role: KernelRole) -> KernelBuild:
        request = build_request(role, self.trees, self.flavour)
        build = build_kernel(request, self.workshop, steps=self.steps, cancellation=self.cancellation)
        for name in ("config", "build.log"):
            self.run.keep_build_file(build.image.parent / name, f"{role}.{name}")
        return build

    def _keep_log(self, role: KernelRole, error: BrokenBase | PatchFault) -> None:
        if error.evidence.log is not None:
            self.run.keep_build_file(error.evidence.log, f"{role}.log")

    def _compared(self, builds: Mapping[KernelRole, KernelBuild]) -> ObjectDifference | None:
        found = compare_objects(builds[KernelRole.BASE], builds[KernelRole.PATCHED])
        self.steps.note("objects", NOT_COMPARED if found is None else _in_words(found))
        return found


def _in_words(difference: ObjectDifference) -> str:
    return f"no change: {difference.reason}" if difference.same else difference.reason


def build_request(role: KernelRole, trees: Trees, flavour_name: str) -> BuildRequest:
    """Return what is built for ``role``: its commit, in a flavour of the catalog."""
    architecture = catalog.flavour(flavour_name).on(catalog.architecture())
    return request_for(role, trees, architecture, locations.kconfigs_folder())


def selftest_names(known: Sequence[Scenario]) -> tuple[str, ...]:
    """Return the kernel's own tests that scenarios run, each once."""
    return tuple(dict.fromkeys(name for scenario in known for name in scenario.selftests))


def selftests_for(
    role: KernelRole, names: Sequence[str], trees: Trees, workshop: Workshop, cancellation: Cancellation
) -> Selftests:
    """Compile the tests ``names`` of ``role``'s tree; :class:`PatchFault` where patched's does not and base's does."""
    base = trees.base.commit
    commit = base if role is KernelRole.BASE else trees.patched_commit
    return build_selftests(names, commit=commit, base_commit=base, workshop=workshop, cancellation=cancellation)


def symbols_on(build: KernelBuild) -> frozenset[str]:
    """Return the configuration symbols that are on (y) in ``build``."""
    lines = (build.image.parent / "config").read_text(encoding="utf-8").splitlines()
    return frozenset(line.removesuffix("=y") for line in lines if line.startswith("CONFIG_") and line.endswith("=y"))
