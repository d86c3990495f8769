"""Coverage of the patch: which trials are run for it, what is told where something fails, and what is not run again."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from orchestrator import patch_coverage
from orchestrator.errors import Cancelled, InfraError, PatchFault
from orchestrator.host.deadline import Cancellation
from orchestrator.host.steps import Steps
from orchestrator.kernel.counters import Counted, CountedObject, Counter
from orchestrator.kernel.toolchain import Toolchain
from orchestrator.kernels import Kernels
from orchestrator.laboratory import Laboratory
from orchestrator.model.coverage import LineState, PatchCoverage
from orchestrator.model.kernel import KernelRole
from orchestrator.model.memory import MemoryPiece
from orchestrator.model.objects import ObjectDifference
from orchestrator.model.trial import Status, TrialResult, TrialSpec
from orchestrator.patch_coverage import MOST_OBJECTS, measure_coverage
from orchestrator.store.run_directory import RunDirectory
from orchestrator.tree.counted import CountedTrees, PatchedSource, PatchedSources
from orchestrator.trial.runner import MEMORY
from tests.unit.record_builder import BASE, PATCHED, build, spec, trial

TEXT = "int f(int x)\n{\n\tone(x);\n\ttwo(x);\n\tthree(x);\n\treturn x;\n}\n"
FIRST, SECOND, THIRD = 3, 4, 5
GCC = Toolchain(identity="gcc (Debian 12.2.0-14) 12.2.0; GNU ld; GNU Make", ccache=False)
COUNTED = Counted(
    source="/src",
    objects=(
        CountedObject(name="mm/a.o", notes=b"", counters=(Counter(function="f", address=4096, count=1, record=8192),)),
    ),
    kept={"mm/a.c": ((1, 7),)},
    absent=(),
    unreadable=(),
)


class FakeRunner:
    """A trial's key is its name's; the part of the run is where its memory goes."""

    def __init__(self, part: RunDirectory) -> None:
        self.part = part

    def request(self, wanted: TrialSpec, _folder: Path) -> Any:
        return SimpleNamespace(key=f"key-{wanted.id}")


@dataclasses.dataclass
class FakeLaboratory:
    """In a scenario's trial the lines of ``ran`` run; None is a machine that was lost, a status a trial without memory."""

    run: RunDirectory
    cache: Path
    ran: Mapping[str, Sequence[int] | Status | None]
    machines: int = 1
    cancelled: bool = False
    again: bool = False
    tried: list[str] = dataclasses.field(default_factory=list)

    def __post_init__(self) -> None:
        self.steps = Steps()
        self.cancellation = Cancellation()
        self.trees = self.sandbox = None
        self.workshop = SimpleNamespace(toolchain=GCC)
        trials = [
            spec(kernel, seed, scenario=name, topology=topology)
            for seed in (1, 2)
            for name in self.ran
            for topology in ("two-node", "one-node")
            for kernel in (BASE, PATCHED)
        ]
        self.plan = SimpleNamespace(flavour="plain", trials=tuple(trials), again=self.again)

    def runner(self, kernels: Kernels, *, run: RunDirectory, again: bool) -> FakeRunner:
        assert again
        assert kernels.memory
        return FakeRunner(run)

    def results(self, runner: FakeRunner, specs: Sequence[TrialSpec]) -> Iterator[TrialResult]:
        for each in specs:
            self.tried.append(each.id)
            ran = self.ran[each.scenario]
            if self.cancelled:
                self.cancellation.cancel()
                self.cancellation.check()
            if ran is None:
                yield trial(each, {}, status=Status.ERROR, message="the guest hung")
            elif isinstance(ran, Status):
                yield trial(each, {}, status=ran, message="no such scenario")
            else:
                folder = runner.part.trial_folder(each.id) / MEMORY
                folder.mkdir(exist_ok=True)
                (folder / "1000").write_bytes(bytes(ran))
                yield dataclasses.replace(trial(each, {}), key=f"key-{each.id}")


def counts_in(_counted: Counted, memory: Sequence[MemoryPiece]) -> Any:
    if not memory:
        raise InfraError("the guest's memory does not hold the counters")
    return {"mm/a.o": dict.fromkeys(memory[0].data, (1,))}


def line_counts(_counted: Counted, counts: Any, **_: object) -> Mapping[str, Mapping[int, int]]:
    ran = counts.get("mm/a.o", {})
    return {"mm/a.c": {number: len(ran.get(number, ())) for number in (1, FIRST, SECOND, THIRD)}}


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """What the stages give: the patch's sources, the trees, the build, what was kept with it."""
    given = SimpleNamespace(
        sources=(PatchedSource(path="mm/a.c", text=TEXT, numbers=frozenset({FIRST, SECOND})),),
        others=(), counted=COUNTED, refused={}, asked=[], error=None,
    )  # fmt: skip

    def counted_trees(_trees: object, objects: Sequence[str], _flags: object, **_: object) -> CountedTrees:
        given.asked = list(objects)
        taken = tuple(name for name in objects if name not in given.refused)
        return CountedTrees(trees=cast("Any", None), objects=taken, refused=given.refused)

    def build_kernel(*_: object, **__: object) -> Any:
        if given.error:
            raise given.error
        return build(KernelRole.PATCHED)

    @dataclasses.dataclass
    class Request:
        counted: tuple[str, ...] = ()

    for name, value in {
        "patched_sources": lambda *_, **__: PatchedSources(files=given.sources, others=given.others),
        "counted_trees": counted_trees,
        "build_request": lambda *_: Request(),
        "build_kernel": build_kernel,
        "read_counters": lambda _: given.counted,
        "counts_in": counts_in,
        "line_counts": line_counts,
    }.items():
        monkeypatch.setattr(patch_coverage, name, value)
    return given


@pytest.fixture
def laboratory(tmp_path: Path, world: SimpleNamespace) -> Callable[..., FakeLaboratory]:
    def made(ran: Mapping[str, Sequence[int] | Status | None], **options: Any) -> FakeLaboratory:
        (tmp_path / "run").mkdir(exist_ok=True)
        return FakeLaboratory(run=RunDirectory(tmp_path / "run"), cache=tmp_path / "cache", ran=ran, **options)

    return made


def measured(fake: FakeLaboratory, objects: ObjectDifference | None = None) -> PatchCoverage:
    builds = {role: build(role) for role in KernelRole}
    return measure_coverage(cast("Laboratory", fake), Kernels(builds=builds, objects=objects))


def states(coverage: PatchCoverage) -> dict[int, LineState]:
    return {line.line: line.state for line in coverage.lines}


Made = Callable[..., FakeLaboratory]


def test_each_scenario_is_run_once_on_its_first_topology_and_seed_until_every_line_ran(laboratory: Made) -> None:
    lab = laboratory({"a": [FIRST], "b": [FIRST], "c": [SECOND], "d": [FIRST]})
    coverage = measured(lab)
    assert lab.tried == [f"{name}-two-node-patched-s1" for name in "abc"]
    assert coverage.sentence == "2 of 2 changed lines ran"
    assert coverage.trials == tuple(lab.tried)
    assert coverage.gaps == ()


def test_lines_that_no_scenario_runs_are_missed(laboratory: Made) -> None:
    lab = laboratory({"a": [FIRST], "b": []})
    assert states(measured(lab)) == {FIRST: LineState.EXECUTED, SECOND: LineState.MISSED}
    assert len(lab.tried) == 2


def test_what_was_counted_once_is_not_run_again(laboratory: Made) -> None:
    first = measured(laboratory({"a": [FIRST], "b": []}))
    again = laboratory({"a": [FIRST], "b": []})
    assert measured(again) == first
    assert again.tried == []
    anyway = laboratory({"a": [FIRST], "b": []}, again=True)
    assert measured(anyway) == first
    assert len(anyway.tried) == 2
    assert not list(again.run.path.rglob(f"{MEMORY}/*"))


def test_a_trial_that_is_lost_is_a_gap_and_the_others_count(laboratory: Made) -> None:
    coverage = measured(laboratory({"a": None, "b": [FIRST], "c": Status.SKIP}))
    assert states(coverage)[FIRST] is LineState.EXECUTED
    assert coverage.trials == ("b-two-node-patched-s1",)
    assert coverage.gaps == (
        "a-two-node-patched-s1: the guest hung", "c-two-node-patched-s1: SKIP, no such scenario",
    )  # fmt: skip


def test_no_trial_that_came_to_its_end_is_a_reason_and_no_zero(laboratory: Made) -> None:
    coverage = measured(laboratory({"a": None}))
    assert coverage.lines == ()
    assert "no trial of the kernel with counters came to its end" in coverage.reason
    assert not coverage.is_idle


@pytest.mark.parametrize(
    "error", [PatchFault("it does not build", stage="build"), InfraError("no disk space: 3 MiB are left")]
)
def test_a_build_that_fails_is_a_reason_and_fails_nothing(
    laboratory: Made, world: SimpleNamespace, error: Exception
) -> None:
    world.error = error
    coverage = measured(laboratory({"a": [FIRST]}))
    assert coverage.reason == str(cast("Any", error).message)


def test_an_interrupt_is_no_reason_but_ends_it(laboratory: Made) -> None:
    with pytest.raises(Cancelled):
        measured(laboratory({"a": [FIRST]}, cancelled=True))


def test_a_patch_without_code_needs_no_kernel(laboratory: Made, world: SimpleNamespace) -> None:
    for sources in ((), (PatchedSource(path="mm/a.c", text="/* f */\nint x;\n", numbers=frozenset({1, 2})),)):
        world.sources = sources
        lab = laboratory({"a": [FIRST]})
        assert measured(lab).reason == "the patch adds or changes no line of a C function"
        assert lab.tried == world.asked == []


def test_code_that_cannot_count_is_a_gap_or_a_part_of_the_reason(laboratory: Made, world: SimpleNamespace) -> None:
    world.others = ("arch/x86/lib/copy.S",)
    says = "arch/x86/lib/copy.S: has no counters: assembly, Rust, or no part of the running kernel"
    assert measured(laboratory({"a": [FIRST]})).gaps == (says,)
    world.sources = ()
    assert measured(laboratory({"a": [FIRST]})).reason.endswith(f"; {says}")


def test_a_file_that_is_not_compiled_is_told_so(laboratory: Made, world: SimpleNamespace) -> None:
    world.sources += (PatchedSource(path="mm/b.c", text=TEXT, numbers=frozenset({FIRST})),)
    world.counted = dataclasses.replace(COUNTED, absent=("mm/b.o",))
    coverage = measured(laboratory({"a": [FIRST, SECOND]}))
    assert [(line.path, line.state) for line in coverage.lines][-1] == ("mm/b.c", LineState.NOT_COMPILED)
    assert coverage.gaps == ("mm/b.c: not compiled in this configuration",)


def test_a_file_whose_counters_are_forbidden_is_a_gap_and_its_lines_are_not_told(
    laboratory: Made, world: SimpleNamespace
) -> None:
    world.sources += (PatchedSource(path="mm/b.c", text=TEXT, numbers=frozenset({FIRST})),)
    world.refused = {"mm/b.o": "mm/Makefile forbids counters in it"}
    coverage = measured(laboratory({"a": [FIRST, SECOND]}))
    assert {line.path for line in coverage.lines} == {"mm/a.c"}
    assert coverage.gaps == ("mm/b.o: mm/Makefile forbids counters in it",)


def test_when_no_object_may_count_then_that_is_the_reason(laboratory: Made, world: SimpleNamespace) -> None:
    world.refused = {"mm/a.o": "mm/Makefile forbids counters in it"}
    assert measured(laboratory({"a": [FIRST]})).reason == "mm/a.o: mm/Makefile forbids counters in it"


def test_a_changed_header_is_looked_at_through_the_objects_that_differ(
    laboratory: Made, world: SimpleNamespace
) -> None:
    header = PatchedSource(path="include/linux/a.h", text=TEXT, numbers=frozenset({FIRST}))
    differ = ObjectDifference(same=False, changed_objects=("mm/a.o", "mm/z.o", "vmlinux.lds"))
    measured(laboratory({"a": [FIRST]}), differ)
    assert world.asked == ["mm/a.o"], "what else differs has the same lines"
    world.sources += (header,)
    coverage = measured(laboratory({"a": [FIRST]}), differ)
    assert world.asked == ["mm/a.o", "mm/z.o"]
    assert "include/linux/a.h: counted where objects with counters use it, and nowhere else" in coverage.gaps


def test_of_very_many_files_the_rest_is_a_gap(laboratory: Made, world: SimpleNamespace) -> None:
    world.sources = tuple(
        PatchedSource(path=f"mm/a{number or ''}.c", text=TEXT, numbers=frozenset({FIRST}))
        for number in range(MOST_OBJECTS + 2)
    )
    coverage = measured(laboratory({"a": [FIRST]}))
    assert len(world.asked) == MOST_OBJECTS
    assert sum("objects would have to count" in gap for gap in coverage.gaps) == 2
