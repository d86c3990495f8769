"""What every :class:`Shell` keeps to: the same tests on the fake, and on Fabric with a real dropbear."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol

import pytest

from orchestrator.errors import Cancelled, LostMachine, TimedOut
from orchestrator.host.deadline import Cancellation, Deadline
from orchestrator.machine.keys import MachineKeys, make_keys
from orchestrator.machine.ssh import Shell
from tests.contract.dropbear_guest import running_dropbear
from tests.fakes import FakeGuest, Scripted

LONG_S = 60.0

SPEAKS = "echo to stdout; echo to stderr >&2; exit 3"
SILENT = "true"
READS_STDIN = "cat; echo done"
KILLED = "kill -9 $$"
SLEEPS = "exec sleep 20"
BREAKS = "kill -9 $PPID; exec sleep 5"
BYTES = r"printf '\303\244\377\n'"
MUCH = "head -c 300000 /dev/zero | tr '\\0' x"
UNKNOWN = "no-such-program-anywhere"

SCRIPT: Mapping[str, Scripted] = {
    SPEAKS: Scripted(exit_status=3, stdout="to stdout\n", stderr="to stderr\n"),
    SILENT: Scripted(),
    READS_STDIN: Scripted(stdout="done\n"),
    KILLED: Scripted(exit_status=-1),
    SLEEPS: Scripted(seconds=20),
    BREAKS: Scripted(kills_guest=True),
    BYTES: Scripted(stdout="ä\N{REPLACEMENT CHARACTER}\n"),
    MUCH: Scripted(stdout="x" * 300000),
}

FILES: Mapping[str, bytes] = {
    "plain": b"text\n",
    "empty": b"",
    "every byte": bytes(range(256)),
    "deep/er/still": b"nested",
    "large": b"0123456789abcdef" * 65536,
}


class Guest(Protocol):
    """Something that answers on SSH: real or fake."""

    keys: MachineKeys

    def shell(self, keys: MachineKeys, deadline: Deadline) -> contextlib.AbstractContextManager[Shell]: ...
    def place(self, files: Mapping[str, bytes]) -> str: ...
    def end(self) -> None: ...


class PlacingFakeGuest(FakeGuest):
    """The fake with the two things that only these tests do to a guest."""

    def place(self, files: Mapping[str, bytes]) -> str:
        self.folders = {"/placed": dict(files)}
        return "/placed"

    def end(self) -> None:
        self.alive = False


@pytest.fixture(params=["fake", "dropbear"])
def guest(request: pytest.FixtureRequest, tmp_path: Path, home_shim: Path) -> Iterator[Guest]:
    keys = make_keys()
    if request.param == "fake":
        yield PlacingFakeGuest(keys=keys, script=SCRIPT)
    else:
        with running_dropbear(tmp_path, keys, home_shim) as real:
            yield real


@pytest.fixture
def shell(guest: Guest) -> Iterator[Shell]:
    with guest.shell(guest.keys, soon()) as held:
        yield held


def soon(seconds: float = LONG_S) -> Deadline:
    return Deadline(seconds, what="the test")


def test_run_when_a_command_fails_then_the_answer_has_its_status(shell: Shell) -> None:
    assert shell.run(SPEAKS, soon()).exit_status == 3


def test_run_when_a_command_speaks_then_the_answer_has_both_streams_apart(shell: Shell) -> None:
    answer = shell.run(SPEAKS, soon())
    assert (answer.stdout, answer.stderr) == ("to stdout\n", "to stderr\n")


def test_run_when_a_command_succeeds_without_a_word_then_the_answer_is_ok_and_empty(shell: Shell) -> None:
    answer = shell.run(SILENT, soon())
    assert (answer.ok, answer.stdout, answer.stderr) == (True, "", "")


def test_run_when_a_command_is_not_there_then_that_is_an_answer(shell: Shell) -> None:
    assert shell.run(UNKNOWN, soon()).exit_status == 127


def test_run_when_a_command_reads_its_input_then_finds_it_at_its_end(shell: Shell) -> None:
    assert shell.run(READS_STDIN, soon()).stdout == "done\n"


def test_run_when_a_command_is_killed_by_a_signal_then_that_is_an_answer(shell: Shell) -> None:
    assert not shell.run(KILLED, soon()).ok


def test_run_when_output_is_no_text_then_it_is_replaced(shell: Shell) -> None:
    assert shell.run(BYTES, soon()).stdout == "ä\N{REPLACEMENT CHARACTER}\n"


def test_run_when_output_is_long_then_all_of_it_is_there(shell: Shell) -> None:
    assert len(shell.run(MUCH, soon()).stdout) == 300000


def test_run_when_there_were_commands_before_then_they_do_not_matter(shell: Shell) -> None:
    assert [shell.run(command, soon()).exit_status for command in (SPEAKS, SILENT, SPEAKS)] == [3, 0, 3]


def test_run_when_a_command_does_not_end_then_times_out_with_the_deadlines_words(shell: Shell) -> None:
    with pytest.raises(TimedOut, match="the test"):
        shell.run(SLEEPS, soon(1))


def test_run_when_the_deadline_has_passed_then_times_out(shell: Shell) -> None:
    with pytest.raises(TimedOut):
        shell.run(SILENT, soon(0))


def test_run_when_the_run_was_cancelled_then_says_so(shell: Shell) -> None:
    cancellation = Cancellation()
    cancellation.cancel()
    with pytest.raises(Cancelled):
        shell.run(SILENT, Deadline(LONG_S, what="the test", cancellation=cancellation))


def test_run_when_the_connection_breaks_in_a_command_then_the_machine_is_lost(shell: Shell) -> None:
    with pytest.raises(LostMachine):
        shell.run(BREAKS, soon())


def test_run_when_the_server_has_died_then_the_machine_is_lost(guest: Guest, shell: Shell) -> None:
    shell.run(SILENT, soon())
    guest.end()
    with pytest.raises(LostMachine):
        shell.run(SILENT, soon())


def test_fetch_when_files_are_nested_then_gives_every_byte_of_them(guest: Guest, shell: Shell) -> None:
    folder = guest.place(FILES)
    assert shell.fetch_folder(folder, soon()) == FILES


def test_fetch_when_the_folder_is_empty_then_gives_nothing(guest: Guest, shell: Shell) -> None:
    folder = guest.place({})
    assert shell.fetch_folder(folder, soon()) == {}


def test_fetch_when_the_folder_is_not_there_then_the_machine_is_lost(shell: Shell) -> None:
    with pytest.raises(LostMachine):
        shell.fetch_folder("/no/such/folder", soon())


def test_fetch_when_the_deadline_has_passed_then_times_out(guest: Guest, shell: Shell) -> None:
    folder = guest.place(FILES)
    with pytest.raises(TimedOut):
        shell.fetch_folder(folder, soon(0))


def test_fetch_when_the_server_has_died_then_the_machine_is_lost(guest: Guest, shell: Shell) -> None:
    folder = guest.place(FILES)
    guest.end()
    with pytest.raises(LostMachine):
        shell.fetch_folder(folder, soon())


def test_connect_when_the_server_has_died_then_the_machine_is_lost(guest: Guest) -> None:
    guest.end()
    with pytest.raises(LostMachine), guest.shell(guest.keys, soon(0.5)):
        pass


def test_connect_when_the_host_key_is_unknown_then_the_machine_is_lost(guest: Guest) -> None:
    keys = dataclasses.replace(guest.keys, host_public=make_keys().host_public)
    with pytest.raises(LostMachine, match="not the one that was started"), guest.shell(keys, soon()):
        pass


def test_connect_when_the_client_key_is_wrong_then_the_machine_is_lost(guest: Guest) -> None:
    keys = dataclasses.replace(guest.keys, client=make_keys().client)
    with pytest.raises(LostMachine, match="not the one that was started"), guest.shell(keys, soon()):
        pass


def test_connect_when_left_by_an_exception_then_another_one_can_connect(guest: Guest) -> None:
    with pytest.raises(KeyError), guest.shell(guest.keys, soon()):
        raise KeyError
    with guest.shell(guest.keys, soon()) as shell:
        assert shell.run(SILENT, soon()).ok
