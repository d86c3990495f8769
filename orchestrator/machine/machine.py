"""A machine: one QEMU with one guest, held for the length of a block and gone after it, however the block is left."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import shlex
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from orchestrator.errors import Evidence, LostMachine, TimedOut, as_command, tail
from orchestrator.host import process
from orchestrator.host.deadline import Deadline
from orchestrator.machine.argv import SSH_PORT, MachineConfig, qemu_argv
from orchestrator.machine.gate import HeldGate, held_gate
from orchestrator.machine.keys import MachineKeys
from orchestrator.machine.qmp import NoAnswer, Qmp, qmp_session
from orchestrator.machine.ssh import FabricShell, connected_shell

MARK = re.compile(r"orchestrator: ([a-z-]+)")
PANIC = b"] Kernel panic - not syncing"
LAST_WORDS_S = 1.0
"""How long a sealed guest that has panicked goes on sealed, to say what it has to say. Its restart needs QEMU's main loop,
which the gate does not always let through then (seen with QEMU 7.2); nothing is left to be repeatable."""
REST_S = 3.0
"""How long a guest that has panicked, and whose QEMU is to stay, may take to its restart; then its memory is read."""

PANIC_S = 30.0
"""How long a guest that has panicked may take to end. Some never do: their restart hangs too."""

POLL_S = 0.02
ENDING_S = 1.0
ANSWER_S = 5.0
"""How long the answer of a sealed QEMU to its release is waited for."""

OOM_SCORE = "500"
"""A host short of memory shall kill a guest, not the orchestrator."""

MAXIMUM_CONSOLE = 16 << 20
"""How much a console may hold: a stranger's kernel may write without end.

RLIMIT_FSIZE bounds the file, but does not end QEMU: it is a vCPU's thread that writes, and that has SIGXFSZ blocked
(qemu_thread_create(), util/qemu-thread-posix.c). The guest goes on, with nobody to hear it, until we end it.
"""


class GuestEnded(LostMachine):
    """The guest ended by itself (panic, reboot, power-off) before it was asked to."""


class ConsoleFull(LostMachine):
    """The guest wrote all that a console may hold, and was not done yet."""


class Machine:
    """A running guest. Made by :func:`running_machine`."""

    def __init__(
        self, qemu: process.Process, qmp: Qmp, console: Path, errors: Path, gate: HeldGate | None = None
    ) -> None:
        self.qemu = qemu
        self.qmp = qmp
        self.console = console
        self._errors = errors
        self._gate = gate
        self._marks: list[str] = []
        self._marks_read = 0
        self._panicked_at: float | None = None
        self.ssh_port = 0
        self.stays = False

    def open_gate(self) -> None:
        """Break the seal: from here on the host's events reach the guest, and QMP and SSH get their answers in time."""
        if self._gate is not None:
            self._gate.open()

    def pasteable_command(self) -> str:
        """Return QEMU's command as one line for a shell."""
        return shlex.join(self.qemu.command)

    def console_text(self) -> str:
        """Return what the guest wrote on its console so far."""
        try:
            with self.console.open("rb") as handle:
                return handle.read(MAXIMUM_CONSOLE).decode("utf-8", "replace")
        except FileNotFoundError:
            return ""

    def marks(self) -> list[str]:
        """Return the words that the guest's init has said so far, in order; reads only what is new."""
        with contextlib.suppress(FileNotFoundError), self.console.open("rb") as handle:
            handle.seek(self._marks_read)
            new = handle.read()
            whole = new.rfind(b"\n") + 1
            self._marks += MARK.findall(new[:whole].decode("utf-8", "replace"))
            if self._panicked_at is None and PANIC in new[:whole]:
                self._panicked_at = time.monotonic()
            self._marks_read += whole
        return self._marks

    def wait_for_mark(self, mark: str, deadline: Deadline) -> None:
        """Wait until the guest's init has said ``mark``.

        Raises :class:`GuestEnded` when the guest ended first, :class:`ConsoleFull` when it wrote without end,
        :class:`LostMachine` when QEMU itself failed, and :class:`TimedOut` with the console's end.
        """
        while True:
            # In this order: what was said before the end is seen.
            ended = self.qemu.exit_status
            if mark in self.marks():
                return
            if ended is not None:
                raise self._ended(ended, mark)
            if self._console_is_full():
                message = f"the guest filled its console ({MAXIMUM_CONSOLE} bytes) before it said '{mark}'"
                raise ConsoleFull(message, evidence=self.evidence())
            since_panic = 0.0 if self._panicked_at is None else time.monotonic() - self._panicked_at
            if since_panic > LAST_WORDS_S:
                self.open_gate()
            if self.stays and since_panic > REST_S:
                raise GuestEnded(f"the guest panicked before it said '{mark}'", evidence=self.evidence())
            if since_panic > PANIC_S:
                message = f"the guest panicked, and did not end within {PANIC_S:.0f} s, before it said '{mark}'"
                raise GuestEnded(message, evidence=self.evidence())
            try:
                deadline.pause(POLL_S)
            except TimedOut as error:
                raise TimedOut(error.message, evidence=self.evidence()) from None

    def evidence(self) -> Evidence:
        """Return the console's end and where the whole of it is."""
        return Evidence(command=self.qemu.command, last_lines=tail(self.console_text()), log=self.console)

    def _console_is_full(self) -> bool:
        with contextlib.suppress(FileNotFoundError):
            return self.console.stat().st_size >= MAXIMUM_CONSOLE
        return False

    def _ended(self, status: int, mark: str) -> LostMachine:
        words = self._errors.read_text(errors="replace").strip()
        if status == 0:
            return GuestEnded(f"the guest ended before it said '{mark}'", evidence=self.evidence())
        return LostMachine(
            f"QEMU ended with status {status} before the guest said '{mark}': {words or 'without a word'}",
            hint="orchestrator doctor",
            evidence=Evidence(command=self.qemu.command, exit_status=status, last_lines=tail(words), log=self._errors),
        )

    @contextlib.contextmanager
    def shell(self, keys: MachineKeys, deadline: Deadline) -> Iterator[FabricShell]:
        """Hold a shell in the guest."""
        with connected_shell(self.ssh_port, keys, deadline) as shell:
            yield shell


@contextlib.contextmanager
def running_machine(config: MachineConfig, deadline: Deadline) -> Iterator[Machine]:
    """Hold a machine made from ``config`` (its ``qmp_fd`` is filled in here), its guest started.

    ``deadline`` bounds the start, until the guest's CPUs run.
    """
    ours, theirs = socket.socketpair()
    errors_path = config.console.with_name("qemu.err")
    config = dataclasses.replace(config, qmp_fd=theirs.fileno())
    with contextlib.ExitStack() as stack:
        stack.callback(ours.close)
        gate: HeldGate | None = None
        if config.gate is not None:
            gate = stack.enter_context(held_gate(config.gate))
        with theirs, errors_path.open("wb") as errors:
            argv = qemu_argv(config)
            qemu = stack.enter_context(
                process.running(
                    argv,
                    stdout=errors,
                    stderr=errors,
                    env=None if gate is None else {**os.environ, **gate.environment},
                    pass_fds=[theirs.fileno(), *(gate.descriptors if gate else ())],
                    file_bytes=MAXIMUM_CONSOLE,
                )
            )
        if gate is not None:
            gate.handed_over()
            # QEMU shall see that it has to end.
            stack.callback(gate.open)
        _prefer_for_oom_kill(qemu.pid)
        try:
            qmp = stack.enter_context(qmp_session(ours, deadline))
            machine = Machine(qemu, qmp, config.console, errors_path, gate)
            machine.ssh_port = qmp.forwarded_port(SSH_PORT, deadline)
            if gate is not None:
                gate.check(Deadline(ENDING_S, what="the gate's places"))
            if config.stays:
                qmp.execute("set-action", deadline, reboot="shutdown", shutdown="pause", panic="pause")
                machine.stays = True
            _release(qmp, deadline, sealed=gate is not None)
        except LostMachine as error:
            # A QEMU that ends closes its socket a little before it has a status.
            with contextlib.suppress(TimedOut):
                qemu.wait(Deadline(ENDING_S, what="QEMU's end"))
            words = errors_path.read_text(errors="replace").strip()
            evidence = Evidence(
                command=as_command(argv), exit_status=qemu.exit_status, last_lines=tail(words), log=errors_path
            )
            message = f"{error.message}: {words}" if words else error.message
            raise LostMachine(message, hint="orchestrator doctor", evidence=evidence) from error
        yield machine


def _release(qmp: Qmp, deadline: Deadline, *, sealed: bool) -> None:
    """Let the guest's CPUs run.

    The main loop of a sealed QEMU answers when they idle for the first time: late on a host that leaves it no time, never
    where the kernel spins as it comes up. The command is there before, and who waits for the guest finds out the rest.
    """
    if not sealed:
        qmp.execute("cont", deadline)
        return
    with contextlib.suppress(NoAnswer):
        qmp.execute("cont", Deadline(ANSWER_S, what="QEMU's answer"))


def _prefer_for_oom_kill(pid: int) -> None:
    # It may have ended already, and /proc may be mounted read-only in a container.
    with contextlib.suppress(OSError):
        Path(f"/proc/{pid}/oom_score_adj").write_text(OOM_SCORE)
