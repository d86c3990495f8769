"""Coverage of the patch: patched built once more with counters, the profile's scenarios run once, the changed lines told.

Nothing here is compared with base, and nothing here fails a run: what could not be measured is a reason or a gap.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from orchestrator.errors import InfraError, OrchestratorError
from orchestrator.judge.covered_lines import ChangedFile, FileCounts, covered_lines, has_code
from orchestrator.kernel.build import build_kernel
from orchestrator.kernel.counters import FLAGS, Counted, read_counters
from orchestrator.kernel.gcov import Counts, counts_in, line_counts, ranges_of, require_gcov, summed
from orchestrator.kernels import Kernels, build_request
from orchestrator.laboratory import Laboratory
from orchestrator.model.coverage import CoveredLine, LineState, PatchCoverage, number_ranges
from orchestrator.model.kernel import KernelRole
from orchestrator.model.memory import MemoryPiece
from orchestrator.model.trial import Status, TrialSpec
from orchestrator.store.counter_cache import CounterCache
from orchestrator.store.run_directory import RunDirectory
from orchestrator.tree.counted import counted_trees, patched_sources
from orchestrator.trial.runner import MEMORY
from orchestrator.trials import TrialRunner

PART = "coverage"
"""The run's part with the trials of the kernel that counts."""

MOST_OBJECTS = 24
"""So many objects are compiled with counters at most: those of the changed files first, then what else differs."""

NO_COUNTERS = "has no counters: assembly, Rust, or no part of the running kernel"
NO_CODE = "the patch adds or changes no line of a C function"


def measure_coverage(laboratory: Laboratory, kernels: Kernels) -> PatchCoverage:
    """Return which lines of the patch run in the profile's scenarios: each once, its first topology and seed, sealed.

    No more trials are run once every line has. Raises ``Cancelled``, and nothing else that is foreseen.
    """
    with laboratory.steps.step("coverage") as note:
        try:
            coverage = _measured(laboratory, kernels)
        except OrchestratorError as error:
            laboratory.cancellation.check()
            coverage = PatchCoverage(reason=error.message)
        note(coverage.sentence)
        return coverage


def _measured(laboratory: Laboratory, kernels: Kernels) -> PatchCoverage:
    sources = patched_sources(laboratory.trees, cancellation=laboratory.cancellation)
    files = [ChangedFile(path=each.path, text=each.text, numbers=each.numbers) for each in sources.files]
    files = [file for file in files if has_code(file)]
    others = [f"{path}: {NO_COUNTERS}" for path in sources.others]
    if not files:
        return PatchCoverage(reason="; ".join([NO_CODE, *others]))
    require_gcov(laboratory.workshop.toolchain)
    build = _built(laboratory, kernels, [file.path for file in files])
    coverage = _Coverage(laboratory, build, files, others)
    for spec, counts, gap in _trials(laboratory, build):
        coverage.add(spec, counts, gap)
        if counts is not None and not coverage.is_worth_more():
            break
    return coverage.told()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Build:
    """A kernel that counts, beside base. ``refused`` says of objects why they have no counters."""

    kernels: Kernels
    counted: Counted
    refused: Mapping[str, str]


def _built(laboratory: Laboratory, kernels: Kernels, paths: Sequence[str]) -> _Build:
    """Build patched with counters in the objects of ``paths``, and in what else differs where those alone cannot tell."""
    objects, left = _objects(paths, kernels)
    wanted = counted_trees(laboratory.trees, objects, FLAGS, cancellation=laboratory.cancellation)
    refused = {**wanted.refused, **dict.fromkeys(left, f"more than {MOST_OBJECTS} objects would have to count")}
    if not wanted.objects:
        return _Build(kernels=kernels, counted=_NOTHING, refused=refused)
    request = dataclasses.replace(
        build_request(KernelRole.PATCHED, wanted.trees, laboratory.plan.flavour), counted=wanted.objects
    )
    build = build_kernel(request, laboratory.workshop, steps=laboratory.steps, cancellation=laboratory.cancellation)
    counted = read_counters(build.image.parent)
    if counted is None:
        raise InfraError("what was kept with the kernel that counts cannot be read")
    builds = {**kernels.builds, KernelRole.PATCHED: build}
    counting = Kernels(builds=builds, selftests=kernels.selftests, memory=ranges_of(counted))
    return _Build(kernels=counting, counted=counted, refused=refused)


_NOTHING = Counted(source="", objects=(), kept={}, absent=(), unreadable=())


def _objects(paths: Sequence[str], kernels: Kernels) -> tuple[list[str], list[str]]:
    """Return the objects that have to count, and those of changed files for which there are too many.

    A header has no object, and a file that another includes has none either: what else differs is looked at then.
    """
    own = [_object_of(path) for path in paths if path.endswith(".c")]
    differ = (
        [] if kernels.objects is None else [name for name in kernels.objects.changed_objects if name.endswith(".o")]
    )
    if len(own) < len(paths) or not set(own) <= set(differ):
        others = [name for name in differ if name not in own]
        return [*own, *others][:MOST_OBJECTS], own[MOST_OBJECTS:]
    return own[:MOST_OBJECTS], own[MOST_OBJECTS:]


def _object_of(path: str) -> str:
    return f"{path.removesuffix('.c')}.o"


def _trials(laboratory: Laboratory, build: _Build) -> Iterator[tuple[TrialSpec, Counts | None, str]]:
    """Run the trials and yield what each counted, or why it did not; stop asking, and no more are run."""
    if not build.counted.objects:
        return
    part, cache = laboratory.run.part(PART), CounterCache(laboratory.cache)
    runner = laboratory.runner(build.kernels, run=part, again=True)
    left = []
    for spec in _specs(laboratory):
        pieces = None if laboratory.plan.again else cache.find(_key(runner, part, spec))
        try:
            counts = None if pieces is None else counts_in(build.counted, pieces)
        except OrchestratorError:
            counts = None
        if counts is None:
            left.append(spec)
        else:
            laboratory.steps.note("trial", "counted, from the cache", id=spec.id)
            yield spec, counts, ""
    for first in range(0, len(left), laboratory.machines):
        for result in laboratory.results(runner, left[first : first + laboratory.machines]):
            if result.status in {Status.SKIP, Status.MISS}:
                yield result.spec, None, f"{result.spec.id}: {result.status}, {result.message}"
                continue
            pieces = _pieces(part, result.spec)
            try:
                counts = counts_in(build.counted, pieces)
            except OrchestratorError as error:
                laboratory.cancellation.check()
                yield result.spec, None, f"{result.spec.id}: {result.message or error.message}"
                continue
            cache.put(result.key, pieces)
            yield result.spec, counts, ""


def _specs(laboratory: Laboratory) -> list[TrialSpec]:
    """Return the first of the planned trials of each scenario, as a sealed one of patched."""
    first: dict[str, TrialSpec] = {}
    for spec in laboratory.plan.trials:
        first.setdefault(spec.scenario, spec)
    return [dataclasses.replace(spec, kernel=KernelRole.PATCHED, sealed=True) for spec in first.values()]


def _key(runner: TrialRunner, part: RunDirectory, spec: TrialSpec) -> str:
    return runner.request(spec, part.path).key


def _pieces(part: RunDirectory, spec: TrialSpec) -> tuple[MemoryPiece, ...]:
    """Return what was kept of the memory of a trial's guest, and remove the files: the cache has it."""
    pieces = []
    for path in sorted((part.trial_folder(spec.id) / MEMORY).glob("*")):
        pieces.append(MemoryPiece(start=int(path.name, 16), data=path.read_bytes()))
        path.unlink()
    return tuple(pieces)


class _Coverage:
    """What was counted so far, as lines."""

    def __init__(
        self, laboratory: Laboratory, build: _Build, files: Sequence[ChangedFile], others: Sequence[str]
    ) -> None:
        self._laboratory = laboratory
        self._build = build
        self._files = _known(files, build)
        self._readings: list[Counts] = []
        self._trials: list[str] = []
        self._gaps = [*_unseen(files, build), *others]

    def add(self, spec: TrialSpec, counts: Counts | None, gap: str) -> None:
        """Take in what a trial counted, or why it did not."""
        if counts is None:
            self._gaps.append(gap)
        else:
            self._readings.append(counts)
            self._trials.append(spec.id)

    def is_worth_more(self) -> bool:
        """Whether a line is left that another trial might run."""
        return any(line.state is LineState.MISSED for line in self._lines()[0])

    def told(self) -> PatchCoverage:
        """Return the coverage as it is recorded."""
        lines, gaps = self._lines()
        if not lines and not self._trials:
            return PatchCoverage(reason="; ".join([*self._gaps, *gaps]) or NO_CODE)
        if not self._trials and self._build.counted.objects:
            return PatchCoverage(
                reason=f"no trial of the kernel with counters came to its end: {'; '.join(self._gaps)}"
            )
        return PatchCoverage(lines=lines, trials=tuple(self._trials), gaps=(*self._gaps, *gaps))

    def _lines(self) -> tuple[tuple[CoveredLine, ...], list[str]]:
        laboratory, counted = self._laboratory, self._build.counted
        counts = line_counts(
            counted, summed(self._readings), sandbox=laboratory.sandbox, cancellation=laboratory.cancellation
        )
        seen: Mapping[str, FileCounts] = {
            path: FileCounts(
                counts=counts.get(path, {}),
                kept=frozenset(line for first, last in runs for line in range(first, last + 1)),
            )
            for path, runs in counted.kept.items()
        }
        states = covered_lines(self._files, seen)
        unknown: dict[str, list[int]] = {}
        for path, number in states.unknown:
            unknown.setdefault(path, []).append(number)
        said = [
            f"{path}:{number_ranges(numbers)}: the compiler keeps no counter there" for path, numbers in unknown.items()
        ]
        return states.lines, said


def _known(files: Sequence[ChangedFile], build: _Build) -> list[ChangedFile]:
    """Return the files of which it is known whether they were compiled: not those whose counters are refused or unreadable."""
    lost = {*build.refused, *build.counted.unreadable}
    return [file for file in files if _object_of(file.path) not in lost]


def _unseen(files: Sequence[ChangedFile], build: _Build) -> Iterator[str]:
    """Say what of the files is not seen in full, and why."""
    counted = build.counted
    for name, why in build.refused.items():
        yield f"{name}: {why}"
    for name in counted.unreadable:
        yield f"{name}: its counters cannot be told from another's"
    for file in files:
        if file.path.endswith(".h"):
            yield f"{file.path}: counted where objects with counters use it, and nowhere else"
        elif _object_of(file.path) in counted.absent and file.path not in counted.kept:
            yield f"{file.path}: not compiled in this configuration"
