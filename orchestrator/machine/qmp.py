"""QMP, QEMU's control protocol, by qemu.qmp: the only module that knows it.

The connection is a socket pair made before QEMU starts, so there is no path, no port and no waiting for either.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
from collections.abc import Iterator

from qemu.qmp import QMPClient, QMPError

from orchestrator.errors import LostMachine
from orchestrator.host.deadline import Deadline

FORWARDED = re.compile(r"TCP\[HOST_FORWARD\]\s+\d+\s+(\S+)\s+(\d+)\s+\S+\s+(\d+)")


class NoAnswer(LostMachine):
    """QEMU got a command and is still there, but did not answer in time."""


class Qmp:
    """A session with one QEMU, used by one thread."""

    def __init__(self, client: QMPClient, runner: asyncio.Runner) -> None:
        self._client = client
        self._runner = runner

    def execute(self, command: str, deadline: Deadline, **arguments: object) -> object:
        """Send a command and return its answer; :class:`LostMachine` when QEMU is gone, :class:`NoAnswer` when it is late."""

        async def ask() -> object:
            return await asyncio.wait_for(
                self._client.execute(command, arguments or None), timeout=max(0.1, deadline.remaining)
            )

        try:
            return self._runner.run(ask())
        except TimeoutError as error:
            raise NoAnswer(f"QEMU did not answer '{command}' on QMP in time") from error
        except (QMPError, OSError, asyncio.CancelledError) as error:
            raise LostMachine(f"QEMU did not answer '{command}' on QMP: {error}") from error

    def forwarded_port(self, guest_port: int, deadline: Deadline) -> int:
        """Return the loopback port that QEMU bound for ``guest_port``.

        QEMU picks a free one itself (hostfwd with port 0), so nobody can take it between the choice and the use.
        """
        command = {"command-line": "info usernet"}
        answer = str(self.execute("human-monitor-command", deadline, **command))
        for address, host_port, port in FORWARDED.findall(answer):
            if int(port) == guest_port and address == "127.0.0.1":
                return int(host_port)
        raise LostMachine(f"QEMU has no forwarded port for SSH; it says: {answer.strip()}")


@contextlib.contextmanager
def qmp_session(ours: socket.socket, deadline: Deadline) -> Iterator[Qmp]:
    """Hold a session over ``ours``, one end of a socket pair whose other end QEMU has."""
    client = QMPClient("orchestrator")
    with asyncio.Runner() as runner:

        async def greet() -> None:
            # The socket has to be handed over inside the loop that will use it.
            await asyncio.wait_for(client.connect(ours), timeout=max(0.1, deadline.remaining))

        async def part() -> None:
            with contextlib.suppress(QMPError, EOFError, OSError, TimeoutError):
                await asyncio.wait_for(client.disconnect(), timeout=2)

        try:
            runner.run(greet())
        except (QMPError, OSError, TimeoutError) as error:
            raise LostMachine(f"QEMU did not greet on QMP: {error}") from error
        try:
            yield Qmp(client, runner)
        finally:
            runner.run(part())
