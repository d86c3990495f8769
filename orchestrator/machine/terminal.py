"""A shell in the guest on the user's own terminal, where there is no ssh program to do it."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import sys
import termios
import tty
from collections.abc import Iterator

from orchestrator.errors import LostMachine, UserError
from orchestrator.host.deadline import Cancellation, Deadline
from orchestrator.machine.ssh import FabricShell, Terminal

CHUNK = 1 << 16
COMMAND_S = 24 * 3600.0
GLANCE_S = 0.2
"""How long a changed window, or the user's wish to stop, may not be noticed."""


def talk(shell: FabricShell, *, cancellation: Cancellation) -> None:
    """Connect the user's terminal with a login shell in the guest until that ends.

    Raises :class:`UserError` when standard input is no terminal, :class:`LostMachine` when the connection breaks, and
    ``Cancelled``. The terminal is afterwards as it was.
    """
    if not sys.stdin.isatty():
        raise UserError(
            "standard input is no terminal", hint="install ssh (package openssh-client), or use --command or --wait"
        )
    size = shutil.get_terminal_size()
    kind = os.environ.get("TERM", "vt100")
    with shell.terminal(kind=kind, columns=size.columns, lines=size.lines) as terminal, _raw(sys.stdin.fileno()):
        try:
            exchange(terminal, sys.stdin.fileno(), sys.stdout.fileno(), cancellation=cancellation)
        except (EOFError, OSError) as error:
            raise LostMachine(f"the connection to the guest broke: {error}") from error


def run_command(shell: FabricShell, command: str, *, cancellation: Cancellation) -> int:
    """Run a command in the guest, write what it said to our standard streams when it is over, return its status."""
    answer = shell.run(command, Deadline(COMMAND_S, what="the command in the guest", cancellation=cancellation))
    sys.stdout.write(answer.stdout)
    sys.stderr.write(answer.stderr)
    return answer.exit_status


def exchange(terminal: Terminal, source: int, target: int, *, cancellation: Cancellation) -> None:
    """Carry bytes between the descriptors ``source`` and ``target`` and a guest's terminal until that ends.

    When ``source`` has ended, what the guest still writes is waited for.
    """
    size = shutil.get_terminal_size()
    sources = [terminal.fileno(), source]
    while True:
        cancellation.check()
        ready, _, _ = select.select(sources, [], [], GLANCE_S)
        if (now := shutil.get_terminal_size()) != size:
            size = now
            terminal.resize_pty(size.columns, size.lines)
        if terminal.fileno() in ready:
            data = terminal.recv(CHUNK)
            if not data:
                return
            _write(target, data)
        if source in ready:
            typed = os.read(source, CHUNK)
            if typed:
                terminal.sendall(typed)
            else:
                sources.remove(source)


def _write(target: int, data: bytes) -> None:
    while data:
        data = data[os.write(target, data) :]


@contextlib.contextmanager
def _raw(descriptor: int) -> Iterator[None]:
    """Hold a terminal in raw mode: the guest's end of the line does the editing and takes Ctrl-C."""
    before = termios.tcgetattr(descriptor)
    try:
        tty.setraw(descriptor)
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
