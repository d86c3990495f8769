"""What a trial's kernel lacks, and which of the kernel's own tests a trial gets."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from orchestrator.config.catalog import architecture, topologies
from orchestrator.config.scenarios import scenarios
from orchestrator.guest.image import GuestImage
from orchestrator.kernel.selftests import Selftests
from orchestrator.machine.argv import Accelerator
from orchestrator.machine.gate import Gate
from orchestrator.trials import Parts
from tests.unit.record_builder import BASE, PATCHED, build, spec

NAMES = scenarios()["selftests"].selftests
ALL = Selftests(programs={name: name.encode() for name in NAMES})


def bare_parts() -> Parts:
    return Parts(
        builds={role: build(role) for role in (BASE, PATCHED)},
        image=GuestImage(data=b"image", key="6" * 64),
        gate=Gate(library=Path("/gate.so"), key="7" * 64),
        probes={},
        architecture=architecture(),
        scenarios=scenarios(),
        topologies=topologies(),
        qemu="QEMU emulator version 7.2.22",
        accelerator=Accelerator.TCG,
    )


def parts(patched: Selftests) -> Parts:
    return dataclasses.replace(bare_parts(), selftests={BASE: ALL, PATCHED: patched})


def test_selftests_of_when_the_scenario_runs_them_then_have_the_programs_names() -> None:
    found = parts(ALL).selftests_of(spec(BASE, scenario="selftests"))
    assert found == {"test_zswap": b"cgroup/test_zswap", "test_memcontrol": b"cgroup/test_memcontrol"}


def test_selftests_of_when_the_scenario_runs_none_then_there_are_none() -> None:
    assert parts(ALL).selftests_of(spec(BASE)) == {}


@pytest.mark.parametrize(("scenario", "says"), [("selftests", "this kernel has none"), ("memcg-limit", "")])
def test_lacking_when_the_tree_has_no_such_test_then_says_why_of_that_kernel_alone(scenario: str, says: str) -> None:
    without = parts(Selftests(programs={NAMES[0]: b""}, reasons={NAMES[1]: "this kernel has none"}))
    assert without.lacking(spec(PATCHED, scenario=scenario)) == says
    assert without.lacking(spec(BASE, scenario=scenario)) == ""
