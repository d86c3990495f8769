"""Files with which the user's own ssh reaches a guest: key, known host, and a configuration that names both.

The user's own configuration, agent and known hosts have no say, and nothing is added to them.
"""

from __future__ import annotations

from pathlib import Path

from orchestrator.machine.keys import KEY_TYPE, MachineKeys
from orchestrator.machine.ssh import LOOPBACK, USER

CONFIG = "ssh_config"
KEY = "key"
KNOWN_HOSTS = "known_hosts"


def write_login(folder: Path, *, name: str, port: int, keys: MachineKeys) -> None:
    """Write what ``ssh -F folder/ssh_config name`` needs into ``folder``, which is private to the user."""
    key, known = folder / KEY, folder / KNOWN_HOSTS
    key.touch(mode=0o600)
    key.write_bytes(keys.client_file)
    known.write_text(f"[{LOOPBACK}]:{port} {KEY_TYPE.decode()} {keys.host_public.get_base64()}\n")
    options = {
        "HostName": LOOPBACK,
        "Port": port,
        "User": USER,
        "IdentityFile": _quoted(key),
        "IdentitiesOnly": "yes",
        "IdentityAgent": "none",
        "UserKnownHostsFile": _quoted(known),
        "GlobalKnownHostsFile": "/dev/null",
        "StrictHostKeyChecking": "yes",
        "LogLevel": "ERROR",
        # A guest that hangs does not answer; the shell shall not hang with it for ever.
        "ServerAliveInterval": 15,
        "ServerAliveCountMax": 8,
    }
    lines = [f"Host {name}", *(f"  {option} {value}" for option, value in options.items())]
    (folder / CONFIG).write_text("\n".join([*lines, ""]))


def _quoted(path: Path) -> str:
    """Return a path as ssh_config(5) takes it: in quotes, its percent signs doubled."""
    return '"' + str(path).replace("%", "%%") + '"'
