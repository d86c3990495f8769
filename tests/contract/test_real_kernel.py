"""The same contracts on a guest with a real Linux: our image, our init, our SSH server.

``base_kernel_image`` is a built base kernel, made once a session.
"""

from __future__ import annotations

import dataclasses
import hashlib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.config.catalog import architecture, topologies
from orchestrator.config.locations import guest_scripts_folder
from orchestrator.config.scenarios import scenarios
from orchestrator.errors import LostMachine, TimedOut
from orchestrator.guest.image import build_guest_image
from orchestrator.guest.payload import SshFiles, keys_payload, trial_payload
from orchestrator.host.deadline import Cancellation, Deadline
from orchestrator.machine.argv import Accelerator, MachineConfig
from orchestrator.machine.keys import MachineKeys, make_keys
from orchestrator.machine.machine import GuestEnded, Machine, running_machine
from orchestrator.machine.ssh import Shell
from orchestrator.model.kernel import KernelRole
from orchestrator.model.trial import Status, TrialSpec
from orchestrator.trial.checks import check_topology
from orchestrator.trial.records import parse_topology
from tests.contract import test_shell_contract as contract

pytestmark = pytest.mark.qemu

BOOT_S = 300.0
LIVE = TrialSpec(kernel=KernelRole.BASE, topology="four-node", scenario="memcg-limit", seed=1, sealed=False)
DESCRIBE = "TRIAL_MEMCGS=load; . /guest/lib.sh; describe_topology"


@pytest.fixture(scope="module")
def keys() -> MachineKeys:
    return make_keys()


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory, base_kernel_image: Path, keys: MachineKeys) -> MachineConfig:
    """A live machine whose guest waits for us."""
    folder = tmp_path_factory.mktemp("machine")
    scripts = guest_scripts_folder()
    topology = topologies()[LIVE.topology]
    image = build_guest_image(scripts, cache=folder / "cache", cancellation=Cancellation())
    probes = (scripts / "src" / "probes" / "zswap.spec").read_bytes()
    payload = trial_payload(LIVE, scenarios()[LIVE.scenario], topology, probes=probes)
    files = SshFiles(authorized_keys=keys.authorized_keys, host_key=keys.host_key_file, entropy=keys.entropy)
    (folder / "initrd").write_bytes(image.data + payload + keys_payload(files))
    return MachineConfig(
        architecture=architecture(),
        topology=topology,
        kernel=base_kernel_image,
        initrd=folder / "initrd",
        console=folder / "console.log",
        qmp_fd=-1,
        sealed=False,
        accelerator=Accelerator.TCG,
    )


def soon(seconds: float = BOOT_S) -> Deadline:
    return Deadline(seconds, what="the test")


@pytest.fixture(scope="module")
def machine(config: MachineConfig) -> Iterator[Machine]:
    with running_machine(config, soon()) as held:
        held.wait_for_mark("ready", soon())
        yield held


@pytest.fixture
def shell(machine: Machine, keys: MachineKeys) -> Iterator[Shell]:
    with machine.shell(keys, soon()) as held:
        yield held


@pytest.mark.parametrize("command", [contract.SPEAKS, contract.SILENT, contract.READS_STDIN, contract.BYTES])
def test_run_in_a_guest_when_the_script_of_the_contract_has_the_command_then_the_answer_is_that(
    shell: Shell, command: str
) -> None:
    answer, expected = shell.run(command, soon()), contract.SCRIPT[command]
    said = (answer.exit_status, answer.stdout, answer.stderr)
    assert said == (expected.exit_status, expected.stdout, expected.stderr)


def test_run_in_a_guest_when_a_command_does_not_end_then_times_out(shell: Shell) -> None:
    with pytest.raises(TimedOut):
        shell.run(contract.SLEEPS, soon(1))


def test_run_in_a_guest_when_the_connection_breaks_then_the_machine_is_lost(shell: Shell) -> None:
    with pytest.raises(LostMachine):
        shell.run(contract.BREAKS, soon())


def test_fetch_from_a_guest_when_a_file_holds_every_byte_then_all_of_them_come(shell: Shell) -> None:
    shell.run("mkdir -p /tmp/placed/deep && head -c 100000 /dev/urandom >/tmp/placed/deep/file", soon())
    digest = shell.run("sha256sum </tmp/placed/deep/file", soon()).stdout.split()[0]
    (data,) = shell.fetch_folder("/tmp/placed", soon()).values()
    assert hashlib.sha256(data).hexdigest() == digest


def test_connect_to_a_guest_when_its_host_key_is_another_then_the_machine_is_lost(
    machine: Machine, keys: MachineKeys
) -> None:
    others = dataclasses.replace(keys, host_public=make_keys().host_public)
    with pytest.raises(LostMachine, match="not the one that was started"), machine.shell(others, soon()):
        pass


def test_connect_to_a_guest_when_our_key_is_another_then_the_machine_is_lost(
    machine: Machine, keys: MachineKeys
) -> None:
    others = dataclasses.replace(keys, client=make_keys().client)
    with pytest.raises(LostMachine, match="not the one that was started"), machine.shell(others, soon()):
        pass


def test_guest_when_it_describes_its_topology_then_it_is_the_one_asked_for(machine: Machine, shell: Shell) -> None:
    seen = parse_topology(shell.run(DESCRIBE, soon()).stdout)
    check = check_topology(topologies()[LIVE.topology], seen)
    assert (check.status, check.message) == (Status.PASS, "4 nodes as asked for")


def test_guest_when_it_looks_for_a_way_out_then_there_is_none(shell: Shell) -> None:
    # 10.0.2.2 is our loopback in QEMU's user network; restrict=on lets nothing through to it.
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        shell.run(f"nc -w 3 10.0.2.2 {listener.getsockname()[1]} </dev/null", soon())
        with pytest.raises(BlockingIOError):
            listener.accept()


def test_guest_when_its_kernel_panics_then_the_guest_has_ended(config: MachineConfig) -> None:
    # An init that is not there: the kernel gives up, and with panic=-1 and -no-reboot QEMU ends.
    console = config.console.with_name("panic.log")
    broken = dataclasses.replace(config, console=console, parameters=("rdinit=/no/such/init", "init=/no/such/init"))
    with running_machine(broken, soon()) as machine, pytest.raises(GuestEnded):
        machine.wait_for_mark("ready", soon())
    assert "Kernel panic" in console.read_text(errors="replace")
