"""The keys of a machine, read by dropbear's own tool."""

from __future__ import annotations

import subprocess
from pathlib import Path

from orchestrator.machine.keys import MachineKeys, make_keys


def dropbears_view(keys: MachineKeys, folder: Path) -> list[str]:
    """Return what dropbearkey says of the host key: the lines of ``dropbearkey -y``."""
    file = folder / "host_key"
    file.write_bytes(keys.host_key_file)
    file.chmod(0o600)
    done = subprocess.run(["dropbearkey", "-y", "-f", file], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_host_key_when_read_by_dropbearkey_then_has_the_public_key_that_we_pin(tmp_path: Path) -> None:
    keys = make_keys()
    line = next(line for line in dropbears_view(keys, tmp_path) if line.startswith("ssh-ed25519 "))
    assert line.split()[1] == keys.host_public.get_base64()


def test_authorized_keys_when_made_then_has_the_clients_key_alone() -> None:
    keys = make_keys()
    assert keys.authorized_keys.decode() == f"ssh-ed25519 {keys.client.get_base64()} orchestrator\n"


def test_client_file_when_read_by_ssh_keygen_then_is_the_key_that_the_guest_lets_in(tmp_path: Path) -> None:
    keys, file = make_keys(), tmp_path / "key"
    file.touch(mode=0o600)
    file.write_bytes(keys.client_file)
    done = subprocess.run(["ssh-keygen", "-y", "-f", file], capture_output=True, text=True, check=True)
    assert done.stdout.split()[1] == keys.client.get_base64()


def test_keys_when_made_twice_then_no_part_is_the_same() -> None:
    first, second = make_keys(), make_keys()
    parts = [
        (keys.authorized_keys, keys.host_key_file, keys.entropy, keys.host_public.asbytes()) for keys in (first, second)
    ]
    assert all(one != other for one, other in zip(*parts, strict=True))


def test_keys_when_made_many_times_then_every_part_keeps_its_size() -> None:
    sizes = {
        (len(keys.authorized_keys), len(keys.host_key_file), len(keys.entropy))
        for keys in (make_keys() for _ in range(50))
    }
    assert len(sizes) == 1


def test_client_and_host_key_when_made_then_are_different() -> None:
    keys = make_keys()
    assert keys.client.asbytes() != keys.host_public.asbytes()
