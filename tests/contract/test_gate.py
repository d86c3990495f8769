"""The gate in a real QEMU: what the host does cannot reach a sealed guest with several CPUs."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.config.catalog import architecture, topologies
from orchestrator.config.locations import guest_scripts_folder
from orchestrator.config.scenarios import scenarios
from orchestrator.errors import LostMachine
from orchestrator.guest.image import build_guest_image
from orchestrator.guest.payload import SshFiles, keys_payload, trial_payload
from orchestrator.host.deadline import Cancellation, Deadline
from orchestrator.machine.argv import Accelerator, MachineConfig
from orchestrator.machine.gate import compiled_gate
from orchestrator.machine.keys import make_keys
from orchestrator.machine.machine import Machine, running_machine
from orchestrator.model.kernel import KernelRole
from orchestrator.model.trial import TrialSpec
from tests.contract.machines import fake_machine

SPEC = TrialSpec(kernel=KernelRole.BASE, topology="four-node", scenario="memcg-limit", seed=1, sealed=True)


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library, in a folder whose name LD_PRELOAD could not hold."""
    return compiled_gate(cache=tmp_path_factory.mktemp("a b:c"), cancellation=Cancellation()).library


@pytest.fixture
def sealed(tmp_path: Path, base_kernel_image: Path, gate: Path) -> MachineConfig:
    scripts, topology = guest_scripts_folder(), topologies()[SPEC.topology]
    image = build_guest_image(scripts, cache=tmp_path / "cache", cancellation=Cancellation())
    probes = (scripts / "src" / "probes" / "zswap.spec").read_bytes()
    payload = trial_payload(SPEC, scenarios()[SPEC.scenario], topology, probes=probes)
    keys = make_keys()
    files = SshFiles(authorized_keys=keys.authorized_keys, host_key=keys.host_key_file, entropy=keys.entropy)
    (tmp_path / "initrd").write_bytes(image.data + payload + keys_payload(files))
    return MachineConfig(
        architecture=architecture(),
        topology=topology,
        kernel=base_kernel_image,
        initrd=tmp_path / "initrd",
        console=tmp_path / "console",
        qmp_fd=-1,
        sealed=True,
        accelerator=Accelerator.TCG,
        gate=gate,
    )


def soon(seconds: float = 300.0) -> Deadline:
    return Deadline(seconds, what="the test")


@contextlib.contextmanager
def stormed(machine: Machine) -> Iterator[list[object]]:
    """Ask QMP without a pause; the answers so far are in what this yields."""
    answers: list[object] = []
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            answers.append(machine.qmp.execute("query-status", soon()))

    storm = threading.Thread(target=ask)
    storm.start()
    try:
        yield answers
    finally:
        over.set()
        machine.open_gate()
        storm.join()


def until_the_end(machine: Machine) -> str:
    """What the guest said while it was sealed, with the kernel's time stamps in µs."""
    machine.wait_for_mark("sealed-end", soon())
    return machine.console_text().partition("sealed-end")[0]


@pytest.mark.qemu
def test_sealed_guest_with_four_cpus_when_qmp_is_stormed_then_every_time_stamp_is_the_same(
    sealed: MachineConfig,
) -> None:
    # Without the gate more than half of such trials differ: bench/gate.py.
    with running_machine(sealed, soon()) as machine:
        quiet = until_the_end(machine)
    sealed.console.unlink()
    with running_machine(sealed, soon()) as machine:
        with stormed(machine) as answers:
            stormy = until_the_end(machine)
            assert len(answers) > 100
        # The seal is broken: QEMU answers though the guest never idles any more.
        machine.wait_for_mark("ready", soon())
        assert machine.qmp.execute("query-status", soon()) is not None
    assert stormy == quiet
    assert quiet.count("\n") > 100


@pytest.mark.qemu
def test_sealed_guest_when_its_kernel_panics_then_qemu_ends_by_itself(sealed: MachineConfig) -> None:
    # Nobody opens the gate: a shutdown polls with the big lock held, and must not wait for CPUs that wait for the lock.
    broken = dataclasses.replace(sealed, parameters=("rdinit=/no/such/init", "init=/no/such/init"))
    with running_machine(broken, soon()) as machine:
        assert machine.qemu.wait(soon(120)) == 0
    assert "Kernel panic" in sealed.console.read_text(errors="replace")


def test_machine_when_its_qemu_has_other_threads_then_it_is_said_not_to_be_sealed(tmp_path: Path, gate: Path) -> None:
    config = dataclasses.replace(fake_machine(tmp_path, "ready"), gate=gate)
    with pytest.raises(LostMachine, match="cannot be sealed"), running_machine(config, soon()):
        pass
