"""A real dropbear server on this host, as the guest of the shell's contract tests."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from orchestrator.host import process
from orchestrator.host.deadline import Deadline
from orchestrator.machine.keys import MachineKeys
from orchestrator.machine.ssh import FabricShell, connected_shell

LISTENING = "Not backgrounding"
ATTEMPTS = 20


def compile_home_shim(folder: Path) -> Path:
    """Compile the library that gives dropbear a home folder of ours; no namespace and no file of the host's is needed."""
    library = folder / "own_home.so"
    source = Path(__file__).with_name("own_home.c")
    subprocess.run(["gcc", "-shared", "-fPIC", "-Wall", "-Werror", "-o", library, source], check=True)
    return library


@dataclass(kw_only=True)
class DropbearGuest:
    """A server on a loopback port, its keys, and a folder that both sides see."""

    keys: MachineKeys
    port: int
    server: process.Process
    folder: Path

    @contextlib.contextmanager
    def shell(self, keys: MachineKeys, deadline: Deadline) -> Iterator[FabricShell]:
        """Hold a shell behind the server."""
        with connected_shell(self.port, keys, deadline) as shell:
            yield shell

    def place(self, files: Mapping[str, bytes]) -> str:
        """Put files where the server's side finds them; return the folder."""
        target = self.folder / "placed"
        target.mkdir()
        for name, data in files.items():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            (target / name).write_bytes(data)
        return str(target)

    def end(self) -> None:
        """Kill the server with its connections, which lead sessions of their own, and all they started."""
        family = descendants(self.server.pid)
        for pid in (self.server.pid, *family):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def descendants(pid: int) -> list[int]:
    """Return the children of ``pid``, their children, and so on."""
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
    found: list[int] = []
    queue = [pid]
    while queue:
        parent = queue.pop()
        children = [child for child, its_parent in parents.items() if its_parent == parent]
        found += children
        queue += children
    return found


@contextlib.contextmanager
def running_dropbear(folder: Path, keys: MachineKeys, shim: Path) -> Iterator[DropbearGuest]:
    """Hold a server that has ``keys``; ``folder`` is its home. A port that somebody else has is passed over."""
    (folder / ".ssh").mkdir(mode=0o700)
    (folder / ".ssh" / "authorized_keys").write_bytes(keys.authorized_keys)
    (folder / ".ssh" / "authorized_keys").chmod(0o600)
    (folder / "host_key").write_bytes(keys.host_key_file)
    (folder / "host_key").chmod(0o600)
    environment = {**os.environ, "LD_PRELOAD": str(shim), "TEST_HOME": str(folder)}
    for _ in range(ATTEMPTS):
        port = random.randrange(20000, 60000)
        # fmt: off
        argv = [
            "dropbear", "-F", "-E", "-s", "-m",
            "-p", f"127.0.0.1:{port}",
            "-r", str(folder / "host_key"),
            "-P", str(folder / "pid"),
        ]
        # fmt: on
        log = folder / "dropbear.log"
        with log.open("wb") as handle, process.running(argv, stdout=handle, stderr=handle, env=environment) as server:
            if _listens(server, log):
                guest = DropbearGuest(keys=keys, port=port, server=server, folder=folder)
                try:
                    yield guest
                finally:
                    guest.end()
                return
    raise AssertionError(f"dropbear found no port: {log.read_text()}")


def _listens(server: process.Process, log: Path) -> bool:
    """Return whether the server has its port; it says so once it listens, and ends when it cannot."""
    limit = time.monotonic() + 30
    while time.monotonic() < limit:
        if LISTENING in log.read_text():
            return True
        if server.exit_status is not None:
            return False
        time.sleep(0.01)
    raise AssertionError(f"dropbear neither listens nor ends: {log.read_text()}")
