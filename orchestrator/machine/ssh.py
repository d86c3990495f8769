"""SSH to the guest, by Fabric over paramiko: the only module that knows either.

Connections go to a loopback port, show one key, and accept one host key; an unknown key is an error, never a question.
"""

from __future__ import annotations

import contextlib
import io
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

import fabric
import invoke
import paramiko

from orchestrator.errors import Evidence, LostMachine, TimedOut, tail
from orchestrator.host.deadline import Deadline
from orchestrator.machine.keys import MachineKeys

USER = "root"
LOOPBACK = "127.0.0.1"
CONNECT_TIMEOUT_S = 10.0
KEEPALIVE_S = 15
NO_STATUS = -1
"""What paramiko gives for a command that left no exit status: killed by a signal, or the connection ended."""

SETTLE_S = 1.0
MAXIMUM_FETCH = 256 << 20
"""What the guest may hand us at most: it runs a stranger's kernel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a command in the guest said."""

    command: str
    exit_status: int
    stdout: str
    stderr: str

    @property
    def ok(self) -> bool:
        """Whether it succeeded."""
        return self.exit_status == 0

    def evidence(self) -> Evidence:
        """Return what an error about this command should carry."""
        return Evidence(
            command=(self.command,), exit_status=self.exit_status, last_lines=tail(self.stderr or self.stdout)
        )


class Shell(Protocol):
    """What a trial needs of a guest. The fake of the tests fulfils the same contract."""

    def run(self, command: str, deadline: Deadline) -> Answer:
        """Run a shell command; its exit status is the caller's to judge. Raises ``LostMachine`` and ``TimedOut``."""
        ...

    def fetch_folder(self, path: str, deadline: Deadline) -> Mapping[str, bytes]:
        """Return the regular files below ``path``: relative name to content."""
        ...


class Terminal(Protocol):
    """A login shell on a terminal of the guest's, as a stream of bytes both ways."""

    def recv(self, nbytes: int, /) -> bytes:
        """Return what the guest wrote, b"" when the shell has ended."""
        ...

    def sendall(self, data: bytes, /) -> None:
        """Type ``data``."""
        ...

    def resize_pty(self, width: int, height: int) -> None:
        """Tell the guest how large the window is."""
        ...

    def fileno(self) -> int:
        """Return a descriptor that can be read when :meth:`recv` would not wait."""
        ...


class FabricShell:
    """A :class:`Shell` over a Fabric connection."""

    def __init__(self, connection: fabric.Connection) -> None:
        self._connection = connection

    def run(self, command: str, deadline: Deadline) -> Answer:
        """Run a shell command in the guest."""
        deadline.check()
        try:
            # An empty input, not none (False): then nothing would tell a command that reads that there is nothing.
            result = self._connection.run(
                command, hide=True, warn=True, in_stream=io.StringIO(), timeout=max(1, int(deadline.remaining))
            )
        except invoke.exceptions.CommandTimedOut as error:
            raise TimedOut(f"{deadline.what}: no answer to '{command}'") from error
        except (paramiko.SSHException, EOFError, OSError, invoke.exceptions.UnexpectedExit) as error:
            raise LostMachine(f"the connection to the guest broke in '{command}': {error}") from error
        if result.exited == NO_STATUS:
            self._check_alive(command)
        return Answer(command=command, exit_status=result.exited, stdout=result.stdout, stderr=result.stderr)

    def fetch_folder(self, path: str, deadline: Deadline) -> Mapping[str, bytes]:
        """Return the regular files below ``path``, by tar through a channel (the guest's dropbear has no SFTP)."""
        data = self._read_bytes(f"tar -c -C {path} .", deadline)
        try:
            return dict(_unpacked(data))
        except (tarfile.TarError, ValueError, EOFError, OverflowError) as error:
            raise LostMachine(f"what the guest sent of {path} is no archive: {error}") from error

    @contextlib.contextmanager
    def terminal(self, *, kind: str, columns: int, lines: int) -> Iterator[Terminal]:
        """Hold a login shell on a terminal of the ``kind`` that $TERM names; :class:`LostMachine` if there is none."""
        try:
            channel = self._connection.client.invoke_shell(term=kind, width=columns, height=lines)
        except (paramiko.SSHException, EOFError, OSError) as error:
            raise LostMachine(f"the guest gives no terminal: {error}") from error
        with contextlib.closing(channel):
            yield channel

    def _read_bytes(self, command: str, deadline: Deadline) -> bytes:
        transport = self._connection.client.get_transport()
        if transport is None:
            raise LostMachine("the connection to the guest is closed")
        out = bytearray()
        try:
            with contextlib.closing(transport.open_session(timeout=max(1.0, deadline.remaining))) as channel:
                channel.settimeout(1.0)
                channel.exec_command(command)
                while True:
                    deadline.check()
                    with contextlib.suppress(TimeoutError):
                        if not (chunk := channel.recv(1 << 16)):
                            break
                        out += chunk
                        if len(out) > MAXIMUM_FETCH:
                            raise LostMachine(f"the guest sent more than {MAXIMUM_FETCH >> 20} MiB for '{command}'")
                status = channel.recv_exit_status()
        except (paramiko.SSHException, EOFError, OSError) as error:
            raise LostMachine(f"the connection to the guest broke in '{command}': {error}") from error
        if status == NO_STATUS:
            self._check_alive(command)
        if status != 0:
            raise LostMachine(f"'{command}' failed in the guest with status {status}")
        return bytes(out)

    def _check_alive(self, command: str) -> None:
        """Raise :class:`LostMachine` if the connection is gone: a command without a status may also have been killed."""
        transport = self._connection.client.get_transport()
        if transport is not None:
            # Its thread closes the channels first, and only then says that it is not active any more.
            transport.join(SETTLE_S)
        if transport is None or not transport.is_active():
            raise LostMachine(f"the connection to the guest ended in '{command}'")


def _unpacked(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the regular files of an uncompressed tar archive: a packed one could unpack to anything."""
    total = 0
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
        for member in archive:
            # A sparse file may claim to be larger than the whole archive.
            total += member.size
            if total > MAXIMUM_FETCH:
                raise tarfile.TarError(f"it claims to hold more than {MAXIMUM_FETCH >> 20} MiB")
            if member.isfile() and (content := archive.extractfile(member)) is not None:
                yield member.name.removeprefix("./"), content.read()


@contextlib.contextmanager
def connected_shell(port: int, keys: MachineKeys, deadline: Deadline) -> Iterator[FabricShell]:
    """Hold a shell in the guest behind the loopback ``port``.

    Raises :class:`LostMachine` when the guest does not answer, or shows another key than the one made for it.
    """
    connection = _connection(port, keys)
    try:
        _open(connection, deadline)
        yield FabricShell(connection)
    finally:
        connection.close()


def _connection(port: int, keys: MachineKeys) -> fabric.Connection:
    # The user's own SSH configuration has no say in how our guests are reached.
    config = fabric.Config(overrides={"load_ssh_configs": False}, lazy=True)
    connection = fabric.Connection(
        LOOPBACK,
        user=USER,
        port=port,
        config=config,
        connect_timeout=CONNECT_TIMEOUT_S,
        connect_kwargs={
            "pkey": keys.client,
            "look_for_keys": False,
            "allow_agent": False,
            "banner_timeout": CONNECT_TIMEOUT_S * 3,
            "auth_timeout": CONNECT_TIMEOUT_S * 3,
        },
    )
    # Fabric always sets AutoAddPolicy (fabric/connection.py, Connection.__init__).
    connection.client.set_missing_host_key_policy(paramiko.RejectPolicy())
    connection.client.get_host_keys().add(f"[{LOOPBACK}]:{port}", "ssh-ed25519", keys.host_public)
    return connection


def _open(connection: fabric.Connection, deadline: Deadline) -> None:
    """Connect; a connection that breaks before the handshake is tried again until the deadline.

    QEMU accepts connections for the guest, and the guest's server may not listen yet.
    """
    while True:
        try:
            connection.open()
        except (paramiko.BadHostKeyException, paramiko.AuthenticationException) as error:
            raise LostMachine(f"the guest is not the one that was started: {error}") from error
        except (paramiko.SSHException, EOFError, OSError) as error:
            connection.close()
            try:
                deadline.pause(0.1)
            except TimedOut:
                raise LostMachine(f"the guest does not answer on SSH: {error}") from error
        else:
            transport = connection.client.get_transport()
            if transport is not None:
                transport.set_keepalive(KEEPALIVE_S)
            return
