"""Base and patched made for a run: base's health first, what differs between their code, and whose a failure is."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.errors import BrokenBase, InfraError
from orchestrator.host.deadline import Cancellation
from orchestrator.host.steps import StepEvent, Steps
from orchestrator.kernel.build import BuildRequest
from orchestrator.kernel.comparison import NOTE
from orchestrator.kernel.selftests import Selftests
from orchestrator.kernels import KernelMaker, Kernels
from orchestrator.model.kernel import KernelBuild, KernelRole
from orchestrator.model.objects import ObjectDifference
from orchestrator.model.tree import Trees
from orchestrator.store.run_directory import RunDirectory
from tests.unit.kernel.conftest import FakeLinux
from tests.unit.record_builder import trees

BROKEN = "int zswap_store(void)\n{\n\tthis is no C;\n}\n"


def nothing_wrong(_build: KernelBuild) -> None:
    """Find base sound."""


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return RunDirectory.create(tmp_path / "results", title="x", now=dt.datetime.now(dt.UTC))


def maker(
    fake: FakeLinux, run: RunDirectory, patched: str, monkeypatch: pytest.MonkeyPatch, events: list[StepEvent]
) -> KernelMaker:
    def request(role: KernelRole, _trees: Trees, _flavour: str) -> BuildRequest:
        return fake.request(role, fake.base if role is KernelRole.BASE else patched)

    monkeypatch.setattr("orchestrator.kernels.build_request", request)
    return KernelMaker(
        trees=trees(),
        flavour="plain",
        names=(),
        workshop=fake.workshop,
        run=run,
        steps=Steps(events.append),
        cancellation=Cancellation(),
    )


def made(fake: FakeLinux, run: RunDirectory, changes: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Kernels:
    return maker(fake, run, fake.commit(changes), monkeypatch, []).make(nothing_wrong)


def test_kernels_when_only_a_comment_changes_then_the_code_is_the_same(
    fake_linux: FakeLinux, run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = fake_linux.read("mm/zswap.c")
    kernels = made(fake_linux, run, {"mm/zswap.c": f"/* a word */\n{text}"}, monkeypatch)
    assert kernels.is_whole
    assert "only comments and blanks differ" in kernels.same_code
    assert {path.name for path in (run.path / "builds").iterdir()} == {
        "base.config", "base.build.log", "patched.config", "patched.build.log",
    }  # fmt: skip


def test_kernels_when_code_changes_then_it_is_not_the_same_and_the_step_says_what(
    fake_linux: FakeLinux, run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[StepEvent] = []
    changed = fake_linux.read("mm/zswap.c").replace("return 1", "return 3")
    kernels = maker(fake_linux, run, fake_linux.commit({"mm/zswap.c": changed}), monkeypatch, events).make(
        nothing_wrong
    )
    assert kernels.objects is not None
    assert (kernels.same_code, kernels.objects.changed_functions) == ("", ("zswap_store (mm/zswap.o)",))
    assert [event.text for event in events if event.name == "objects"] == ["1 function in 1 object differs"]


def test_kernels_when_nobody_compared_then_it_is_named_as_not_covered_and_nothing_is_claimed(
    fake_linux: FakeLinux, run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = {"mm/zswap.c": f"/* a word */\n{fake_linux.read('mm/zswap.c')}"}
    first = made(fake_linux, run, changes, monkeypatch)
    (first.builds[KernelRole.PATCHED].image.parent / NOTE).unlink()
    kernels = made(fake_linux, run, changes, monkeypatch)
    assert (kernels.objects, kernels.same_code) == (None, "")
    assert kernels.not_covered[0].startswith("object code: not compared")


def test_kernels_when_base_does_not_build_then_base_is_broken_and_patched_is_not_tried(
    fake_linux: FakeLinux, run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    fine = fake_linux.base
    fake_linux.base = fake_linux.commit({"mm/zswap.c": BROKEN})
    kernels = maker(fake_linux, run, fine, monkeypatch, []).make(nothing_wrong)
    (gap,) = kernels.gaps
    assert (gap.kind, gap.kernel, gap.blamed) == ("build", "base", False)
    assert "base does not build: mm/zswap.c:3" in gap.title
    assert (kernels.builds, kernels.faults, kernels.is_whole) == ({}, (), False)
    assert "this is no C" in (run.path / "builds" / "base.log").read_text()


def test_kernels_when_base_does_not_boot_then_patched_is_not_even_built(
    fake_linux: FakeLinux, run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unhealthy(build: KernelBuild) -> None:
        raise BrokenBase(f"base does not boot: {build.release}", stage="boot")

    events: list[StepEvent] = []
    kernels = maker(fake_linux, run, fake_linux.commit({"mm/zswap.c": BROKEN}), monkeypatch, events).make(unhealthy)
    assert [gap.kind for gap in kernels.gaps] == ["boot"]
    assert list(kernels.builds) == [KernelRole.BASE]
    assert not [event for event in events if ("kernel", "patched") in event.details]


def test_kernels_when_this_host_fails_then_that_ends_the_run_and_base_is_not_called_broken(
    fake_linux: FakeLinux, run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_qemu(_build: KernelBuild) -> None:
        raise InfraError("QEMU ended with status 1")

    with pytest.raises(InfraError, match="QEMU ended"):
        maker(fake_linux, run, fake_linux.base, monkeypatch, []).make(no_qemu)


def test_kernels_when_patched_does_not_build_then_the_patch_is_at_fault(
    fake_linux: FakeLinux, run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernels = made(fake_linux, run, {"mm/zswap.c": BROKEN}, monkeypatch)
    (fault,) = kernels.faults
    assert (fault.stage, kernels.gaps, kernels.not_covered) == ("build", (), ())
    assert "this is no C" in (run.path / "builds" / "patched.log").read_text()


def test_same_code_when_a_selftest_differs_then_trials_are_needed() -> None:
    same = Kernels(builds={}, objects=ObjectDifference(same=True, reason="same"))
    tests = {role: Selftests(programs={"cgroup/test_zswap": b"1"}) for role in KernelRole}
    assert replace(same, selftests=tests).same_code == "same"
    tests[KernelRole.PATCHED] = Selftests(programs={"cgroup/test_zswap": b"2"})
    assert replace(same, selftests=tests).same_code == ""
