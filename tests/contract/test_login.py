"""A person's shell in a guest: by the real ssh with the files we write, and by our own means where there is no ssh."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.errors import Cancelled
from orchestrator.host.deadline import Cancellation, Deadline
from orchestrator.machine.keys import make_keys
from orchestrator.machine.login import CONFIG, KEY, write_login
from orchestrator.machine.terminal import exchange, run_command
from tests.contract.dropbear_guest import DropbearGuest, running_dropbear


@pytest.fixture
def guest(tmp_path: Path, home_shim: Path) -> Iterator[DropbearGuest]:
    with running_dropbear(tmp_path, make_keys(), home_shim) as held:
        yield held


def login(guest: DropbearGuest, folder: Path) -> list[str]:
    """Return ssh's command for ``guest``; the folder's name is one that ssh has to be told with care."""
    odd = folder / 'a %d "folder'.replace('"', "")
    odd.mkdir()
    write_login(odd, name="guest", port=guest.port, keys=guest.keys)
    return ["ssh", "-F", str(odd / CONFIG), "guest"]


def test_ssh_when_given_our_files_then_asks_nothing_and_runs_the_command(guest: DropbearGuest, tmp_path: Path) -> None:
    argv = [*login(guest, tmp_path), "echo here; exit 5"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (5, "here\n", "")


def test_ssh_when_the_server_shows_another_key_then_refuses(guest: DropbearGuest, tmp_path: Path) -> None:
    command = login(guest, tmp_path)
    folder = Path(command[2]).parent
    write_login(folder, name="guest", port=guest.port, keys=make_keys())
    done = subprocess.run([*command, "echo here"], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (255, "")


def test_key_file_when_written_then_only_its_owner_may_read_it(tmp_path: Path) -> None:
    write_login(tmp_path, name="guest", port=22, keys=make_keys())
    assert (tmp_path / KEY).stat().st_mode & 0o777 == 0o600


def talked(guest: DropbearGuest, typed: bytes, cancellation: Cancellation | None = None) -> bytes:
    """Return what a shell on a terminal of the guest's writes when ``typed`` is typed."""
    deadline = Deadline(60, what="the shell")
    (source, keyboard), (screen, target) = os.pipe(), os.pipe()
    os.write(keyboard, typed)
    with guest.shell(guest.keys, deadline) as shell, shell.terminal(kind="vt100", columns=91, lines=23) as terminal:
        try:
            exchange(terminal, source, target, cancellation=cancellation or Cancellation())
        finally:
            for descriptor in (source, keyboard, target):
                os.close(descriptor)
    with os.fdopen(screen, "rb") as handle:
        return handle.read()


def test_terminal_when_typed_to_then_is_one_and_as_large_as_said(guest: DropbearGuest) -> None:
    shown = talked(guest, b"tty; stty size; echo $TERM; exit\n")
    assert b"/dev/pts/" in shown
    assert b"23 91" in shown
    assert b"vt100" in shown


def test_terminal_when_the_user_stops_us_then_ends(guest: DropbearGuest) -> None:
    cancellation = Cancellation()
    timer = threading.Timer(0.5, cancellation.cancel)
    timer.start()
    with pytest.raises(Cancelled):
        talked(guest, b"sleep 100\n", cancellation)
    timer.join()


def test_command_without_ssh_when_run_then_its_words_and_status_are_ours(
    guest: DropbearGuest, capsys: pytest.CaptureFixture[str]
) -> None:
    with guest.shell(guest.keys, Deadline(60, what="the shell")) as shell:
        status = run_command(shell, "echo out; echo err >&2; exit 4", cancellation=Cancellation())
    assert (status, *capsys.readouterr()) == (4, "out\n", "err\n")
