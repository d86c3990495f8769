"""The payload of a guest that waits for a person: no scenario, SSH at once, and a shell's profile."""

from __future__ import annotations

import shlex
from pathlib import Path

from orchestrator.guest import cpio

PROFILE = "profile"


def login_payload(scripts: Path, *, topology: str) -> bytes:
    """Return the archive for a guest that only opens SSH; ``scripts`` is ``guest_scripts/``."""
    words = {"TRIAL_MODE": "live", "TRIAL_MEMCGS": ""}
    environment = "".join(f"{name}={shlex.quote(value)}\n" for name, value in words.items())
    profile = f"TOPOLOGY={shlex.quote(topology)}\n".encode() + (scripts / PROFILE).read_bytes()
    return cpio.write_archive(
        [cpio.file("trial/trial.env", environment.encode()), cpio.file("etc/profile", profile, executable=True)]
    )
