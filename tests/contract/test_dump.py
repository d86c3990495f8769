"""A guest core, of the real QEMU with a guest of one page."""

from __future__ import annotations

import dataclasses
import gzip
import struct
from pathlib import Path

import pytest

from orchestrator.errors import TimedOut
from orchestrator.host.deadline import Cancellation, Deadline
from orchestrator.machine.argv import MachineConfig
from orchestrator.machine.dump import dump_guest
from orchestrator.machine.machine import running_machine
from orchestrator.model.trial import Status
from orchestrator.trial.runner import run_trial
from tests.contract.machines import assemble_tiny_guests, real_machine
from tests.unit.trial.recorded import check_of, request

ET_CORE = 4
SAID = b"orchestrator: ready\n"


@pytest.fixture(scope="module")
def tiny_guests(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return assemble_tiny_guests(tmp_path_factory.mktemp("guests"))


def limit() -> Deadline:
    return Deadline(60, what="the test")


def machine(folder: Path, mode: str, guests: Path, *, sealed: bool = True) -> MachineConfig:
    """A machine of two nodes that have little memory: all of it is read."""
    config = real_machine(folder, mode, guests=guests, sealed=sealed)
    nodes = tuple(dataclasses.replace(node, memory_mib=32) for node in config.topology.nodes)
    return dataclasses.replace(config, topology=dataclasses.replace(config.topology, nodes=nodes))


def core_of(config: MachineConfig, target: Path, mark: str) -> tuple[str, bytes]:
    """What is said of the core, and the core: of a guest that has said ``mark``, or never says it."""
    with running_machine(config, limit()) as held:
        try:
            held.wait_for_mark(mark, Deadline(2, what="a mark that may not come"))
        except TimedOut:
            assert held.qemu.exit_status is None, "QEMU stays where its guest has ended"
        line = dump_guest(held, target, config.kernel, limit())
    return line, gzip.decompress(target.read_bytes())


@pytest.mark.parametrize("kind", ["sealed", "live"])
def test_core_when_the_guest_hangs_then_is_an_elf_file_with_all_of_its_memory(
    kind: str, tmp_path: Path, tiny_guests: Path
) -> None:
    config = machine(tmp_path, "silent", tiny_guests, sealed=kind == "sealed")
    line, core = core_of(config, tmp_path / "core.gz", "never")
    assert core[:4] == b"\x7fELF"
    assert struct.unpack_from("<H", core, 16)[0] == ET_CORE
    assert len(core) >= config.topology.memory_mib << 20
    # The guest's only page is in its memory, text and all.
    assert SAID in core
    assert str(tmp_path / "core.gz") in line
    assert (tmp_path / "core.gz").stat().st_size < len(core) / 20


def test_core_when_the_guest_restarts_then_its_memory_is_still_there(tmp_path: Path, tiny_guests: Path) -> None:
    config = dataclasses.replace(machine(tmp_path, "reboots", tiny_guests), stays=True)
    line, core = core_of(config, tmp_path / "core.gz", "never")
    assert SAID in core
    assert "core of" in line


def test_core_when_qemu_is_gone_then_there_is_none_and_the_reason_is_told(tmp_path: Path, tiny_guests: Path) -> None:
    config = machine(tmp_path, "ready", tiny_guests)
    with running_machine(config, limit()) as held:
        held.qemu.stop()
        line = dump_guest(held, tmp_path / "core.gz", config.kernel, limit())
    assert line.startswith("no guest core was kept: ")
    assert not (tmp_path / "core.gz").exists()


def test_core_when_it_cannot_be_written_then_the_reason_is_told(tmp_path: Path, tiny_guests: Path) -> None:
    config = machine(tmp_path, "ready", tiny_guests)
    (tmp_path / "file").write_text("")
    with running_machine(config, limit()) as held:
        line = dump_guest(held, tmp_path / "file" / "core.gz", config.kernel, limit())
    assert line.startswith("no guest core was kept: ")


@pytest.mark.parametrize("asked", ["", "asked"])
def test_trial_that_hangs_keeps_a_core_where_it_is_asked_for_and_only_there(
    asked: str, tmp_path: Path, tiny_guests: Path
) -> None:
    wanted = request(tmp_path / "trial")
    wanted = dataclasses.replace(
        wanted,
        build=dataclasses.replace(wanted.build, image=tiny_guests / "silent"),
        scenario=dataclasses.replace(wanted.scenario, timeout_s=1.0),
        topology=machine(tmp_path, "silent", tiny_guests).topology,
        dump=bool(asked),
    )
    result = run_trial(wanted, cancellation=Cancellation()).result
    core = wanted.folder / "core.gz"
    assert result.status is Status.ERROR
    assert core.exists() is bool(asked)
    said = [line for line in check_of(result, "machine").detail if "guest core" in line]
    assert [str(core) in line for line in said] == [True] * bool(asked)
    if asked:
        # Another attempt that goes well leaves no core of this one.
        run_trial(dataclasses.replace(wanted, dump=False), cancellation=Cancellation())
        assert not core.exists()
