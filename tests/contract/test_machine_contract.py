"""What every machine keeps to: the same tests on a fake QEMU, and on the real one with a guest of one page."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.errors import Cancelled, LostMachine, MissingProgram, TimedOut
from orchestrator.host.deadline import Cancellation, Deadline
from orchestrator.machine.argv import MachineConfig
from orchestrator.machine.machine import ConsoleFull, GuestEnded, running_machine
from tests.contract.machines import assemble_tiny_guests, fake_machine, real_machine

LONG_S = 60.0
REPOSITORY = Path(__file__).parents[2]

Maker = Callable[[str], MachineConfig]
"""From a mode to a machine that behaves so."""


@pytest.fixture(scope="module")
def tiny_guests(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return assemble_tiny_guests(tmp_path_factory.mktemp("guests"))


@pytest.fixture(params=["fake", "sealed", "live"])
def make(request: pytest.FixtureRequest, tmp_path: Path, tiny_guests: Path) -> Maker:
    if request.param == "fake":
        return lambda mode: fake_machine(tmp_path, mode)
    return lambda mode: real_machine(tmp_path, mode, guests=tiny_guests, sealed=request.param == "sealed")


def soon(seconds: float = LONG_S) -> Deadline:
    return Deadline(seconds, what="the test")


def is_running(pid: int) -> bool:
    """Whether a process is there and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until_gone(pid: int) -> None:
    limit = time.monotonic() + LONG_S
    while is_running(pid):
        assert time.monotonic() < limit, f"process {pid} is still there"
        time.sleep(0.02)


def test_machine_when_the_guest_speaks_then_its_mark_is_seen(make: Maker) -> None:
    with running_machine(make("ready"), soon()) as machine:
        machine.wait_for_mark("ready", soon())
        assert machine.marks()[-1] == "ready"


def test_machine_when_started_then_has_a_loopback_port_for_ssh(make: Maker) -> None:
    with running_machine(make("silent"), soon()) as machine:
        assert 1024 <= machine.ssh_port <= 65535


def test_machine_when_started_then_its_command_can_be_pasted(make: Maker) -> None:
    config = make("silent")
    with running_machine(config, soon()) as machine:
        assert machine.pasteable_command().startswith(f"{config.architecture.qemu} -nodefaults ")


def test_machine_when_the_block_is_left_then_qemu_is_gone(make: Maker) -> None:
    with running_machine(make("ready"), soon()) as machine:
        pid = machine.qemu.pid
    assert not is_running(pid)


def test_machine_when_the_block_is_left_by_an_exception_then_qemu_is_gone(make: Maker) -> None:
    config = make("silent")
    with pytest.raises(KeyboardInterrupt), running_machine(config, soon()):
        raise KeyboardInterrupt
    assert [pid for pid in processes_with(str(config.console)) if is_running(pid)] == []


def test_machine_when_the_guest_restarts_before_the_mark_then_the_guest_has_ended(make: Maker) -> None:
    with running_machine(make("reboots"), soon()) as machine, pytest.raises(GuestEnded, match="'never-said'"):
        machine.wait_for_mark("never-said", soon())


def test_machine_when_the_guest_restarts_after_the_mark_then_the_mark_counts(make: Maker) -> None:
    with running_machine(make("reboots"), soon()) as machine:
        machine.qemu.wait(soon())
        machine.wait_for_mark("ready", soon())


def test_machine_when_the_guest_never_speaks_then_times_out_with_the_console_as_evidence(make: Maker) -> None:
    config = make("silent")
    with running_machine(config, soon()) as machine, pytest.raises(TimedOut) as caught:
        machine.wait_for_mark("ready", soon(0.3))
    assert (caught.value.message, caught.value.evidence.log) == ("the test: nothing after 0.3 s", config.console)


def test_machine_when_the_guest_writes_without_end_then_it_is_not_waited_for(
    make: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.machine.machine.MAXIMUM_CONSOLE", 4096)
    config = make("floods")
    with running_machine(config, soon()) as machine, pytest.raises(ConsoleFull) as caught:
        machine.wait_for_mark("never-said", soon())
    assert caught.value.message == "the guest filled its console (4096 bytes) before it said 'never-said'"
    assert (caught.value.evidence.log, config.console.stat().st_size) == (config.console, 4096)


def test_machine_when_the_run_is_cancelled_then_waiting_ends(make: Maker) -> None:
    cancellation = Cancellation()
    with running_machine(make("silent"), soon()) as machine:
        cancellation.cancel()
        with pytest.raises(Cancelled):
            machine.wait_for_mark("ready", Deadline(LONG_S, what="the test", cancellation=cancellation))


def test_machine_when_qemu_is_killed_from_outside_then_is_lost_and_the_guest_has_not_ended(make: Maker) -> None:
    with running_machine(make("silent"), soon()) as machine:
        os.kill(machine.qemu.pid, signal.SIGKILL)
        with pytest.raises(LostMachine, match="QEMU ended with status -9") as caught:
            machine.wait_for_mark("ready", soon())
    assert not isinstance(caught.value, GuestEnded)


def test_machine_when_qemu_dies_at_once_then_is_lost_with_qemus_words(make: Maker) -> None:
    with pytest.raises(LostMachine) as caught, running_machine(make("dies"), soon()):
        pass
    assert caught.value.evidence.last_lines
    assert caught.value.evidence.exit_status == 1


def test_machine_when_two_run_beside_each_other_then_each_has_its_own_port(tmp_path: Path, tiny_guests: Path) -> None:
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
    first, second = (real_machine(folder, "silent", guests=tiny_guests) for folder in folders)
    with running_machine(first, soon()) as one, running_machine(second, soon()) as two:
        assert one.ssh_port != two.ssh_port


def test_machine_when_the_console_path_has_a_comma_then_the_console_is_there(tmp_path: Path, tiny_guests: Path) -> None:
    config = real_machine(tmp_path, "ready", guests=tiny_guests)
    # Only the console: of a multiboot guest's initrd, unlike a Linux kernel's, QEMU makes a list at each comma.
    config = dataclasses.replace(config, console=tmp_path / "a,b" / "console.log")
    config.console.parent.mkdir()
    with running_machine(config, soon()) as machine:
        machine.wait_for_mark("ready", soon())


def test_machine_when_qemu_dies_at_once_then_its_message_is_the_evidence(tmp_path: Path) -> None:
    with pytest.raises(LostMachine) as caught, running_machine(fake_machine(tmp_path, "dies"), soon()):
        pass
    assert caught.value.evidence.last_lines == ("fake QEMU: no room for 512 elephants",)


def test_machine_when_qemu_never_greets_then_is_lost(tmp_path: Path) -> None:
    with pytest.raises(LostMachine, match="did not greet"), running_machine(fake_machine(tmp_path, "mute"), soon(0.5)):
        pass


def test_machine_when_qemu_never_greets_then_qemu_is_gone(tmp_path: Path) -> None:
    config = fake_machine(tmp_path, "mute")
    with pytest.raises(LostMachine), running_machine(config, soon(0.5)):
        pass
    assert [pid for pid in processes_with(str(config.console)) if is_running(pid)] == []


def test_machine_when_qemu_ignores_sigterm_then_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestrator.host.process.TERMINATE_S", 0.2)
    with running_machine(fake_machine(tmp_path, "deaf"), soon()) as machine:
        pid = machine.qemu.pid
    assert not is_running(pid)


def test_machine_when_the_guest_panicked_and_does_not_end_then_it_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.machine.machine.PANIC_S", 0.2)
    with running_machine(fake_machine(tmp_path, "panicked"), soon()) as machine:
        with pytest.raises(GuestEnded, match="panicked, and did not end"):
            machine.wait_for_mark("ready", soon())
        assert machine.qemu.exit_status is None


def test_machine_when_qemu_is_not_installed_then_says_what_is_missing(tmp_path: Path) -> None:
    config = fake_machine(tmp_path, "ready")
    (tmp_path / "fake-qemu").unlink()
    with pytest.raises(MissingProgram, match="fake-qemu"), running_machine(config, soon()):
        pass


HOLDER = """
import sys
from pathlib import Path
from orchestrator.host.deadline import Deadline
from orchestrator.machine.machine import running_machine
from tests.contract.machines import fake_machine, real_machine

kind, folder, guests = sys.argv[1:]
folder, guests = Path(folder), Path(guests)
config = fake_machine(folder, "ready") if kind == "fake" else real_machine(folder, "ready", guests=guests)
with running_machine(config, Deadline(60, what="start")) as machine:
    machine.wait_for_mark("ready", Deadline(60, what="guest"))
    print(machine.qemu.pid, flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("kind", ["fake", "sealed"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=["SIGKILL", "SIGTERM"])
def test_machine_when_we_are_killed_then_qemu_goes_with_us(
    kind: str, number: signal.Signals, tmp_path: Path, tiny_guests: Path
) -> None:
    argv = [sys.executable, "-c", HOLDER, kind, str(tmp_path), str(tiny_guests)]
    with subprocess.Popen(argv, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        qemu = int(holder.stdout.readline())
        assert is_running(qemu)
        holder.send_signal(number)
        wait_until_gone(qemu)


def processes_with(word: str) -> list[int]:
    """Return the processes that have ``word`` in their command line."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if word.encode() in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            continue
    return [pid for pid in found if pid != os.getpid()]
