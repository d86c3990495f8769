"""The gate: what makes a sealed guest with several CPUs independent of the host's threads (see ``gate.c``)."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from orchestrator.errors import InfraError, LostMachine
from orchestrator.host import process, workspace
from orchestrator.host.deadline import Cancellation, Deadline

SOURCE = Path(__file__).with_suffix(".c")
FLAGS = ("-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-Wl,--build-id=none")
COMPILE_TIMEOUT_S = 120.0
PLACES = b"cm"
"""What the gate says when it has found the CPUs' thread and the main loop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """The compiled gate; ``key`` identifies its source."""

    library: Path
    key: str


class HeldGate:
    """Our end of a gate in one QEMU. Made by :func:`held_gate`.

    ``environment`` and ``descriptors`` are for QEMU alone.
    """

    def __init__(self, library: IO[bytes], ours: socket.socket, theirs: socket.socket) -> None:
        self._ours = ours
        self._handed = (library, theirs)
        self.descriptors = (library.fileno(), theirs.fileno())
        # By its descriptor: LD_PRELOAD has no way to write a path with a blank or a colon.
        self.environment = {
            "LD_PRELOAD": f"/proc/self/fd/{library.fileno()}",
            "ORCHESTRATOR_GATE": str(theirs.fileno()),
        }

    def handed_over(self) -> None:
        """Close what QEMU has by now: the end of our socket is to be the end of file there."""
        for end in self._handed:
            end.close()

    def check(self, deadline: Deadline) -> None:
        """Wait until the gate has found its two places in QEMU; :class:`LostMachine` when it does not.

        The CPUs' thread says so before the guest starts, the main loop when it polls for the first time.
        """
        seen = b""
        while not set(PLACES) <= set(seen):
            try:
                self._ours.settimeout(max(0.01, deadline.remaining))
                said = self._ours.recv(16)
            except TimeoutError:
                said = b""
            if not said:
                raise LostMachine(
                    "this QEMU cannot be sealed: its threads are not where the gate looks for them "
                    f"(found: {seen.decode() or 'none'} of {PLACES.decode()})",
                    hint="orchestrator doctor; --live needs no seal",
                )
            seen += said

    def open(self) -> None:
        """Let QEMU's main loop run as it likes from now on. May be called again."""
        self._ours.close()


def compiled_gate(*, cache: Path, cancellation: Cancellation) -> Gate:
    """Return the gate, compiled for this host, from the cache if it is there; :class:`InfraError` when gcc fails."""
    process.require_program("gcc", purpose="to compile what seals QEMU")
    version = process.check(["gcc", "--version"]).splitlines()[0]
    source = SOURCE.read_bytes()
    target = cache / "tools" / workspace.content_key(version, " ".join(FLAGS), source) / "gate.so"
    if not target.is_file():
        with workspace.published_file(target) as beside:
            deadline = Deadline(COMPILE_TIMEOUT_S, what="compiling the gate", cancellation=cancellation)
            finished = process.run(["gcc", *FLAGS, "-o", beside, SOURCE], deadline=deadline)
            if not finished.ok:
                raise InfraError(
                    "what seals QEMU does not compile", hint="orchestrator doctor --fix", evidence=finished.evidence()
                )
    return Gate(library=target, key=workspace.content_key(source))


@contextlib.contextmanager
def held_gate(library: Path) -> Iterator[HeldGate]:
    """Hold a gate for one QEMU; it is open after the block."""
    ours, theirs = socket.socketpair()
    with ours, theirs, library.open("rb") as file:
        yield HeldGate(file, ours, theirs)
