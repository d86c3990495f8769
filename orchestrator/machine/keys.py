"""SSH keys made for one machine: the client's pair, and the guest's host key in the format that dropbear reads.

Both ends pin the other: the guest's authorized_keys has our key alone, and we accept this host key alone.
"""

from __future__ import annotations

import base64
import io
import secrets
from dataclasses import dataclass

import paramiko
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

KEY_TYPE = b"ssh-ed25519"

ENTROPY_BYTES = 64
"""What seeds the guest's random number generator once its seal is broken; 32 are enough (drivers/char/random.c)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineKeys:
    """``client`` signs for us; ``host_public`` is what the guest must show; the rest is the guest's half, as files.

    ``client_file`` is ``client`` in the format that OpenSSH reads.
    """

    client: paramiko.PKey
    client_file: bytes
    host_public: paramiko.PKey
    authorized_keys: bytes
    host_key_file: bytes
    entropy: bytes


def make_keys() -> MachineKeys:
    """Return fresh keys. All parts have a fixed size, so that they do not move anything in a sealed guest."""
    client = ed25519.Ed25519PrivateKey.generate()
    host = ed25519.Ed25519PrivateKey.generate()
    client_file = client.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    return MachineKeys(
        client=paramiko.Ed25519Key.from_private_key(io.StringIO(client_file.decode())),
        client_file=client_file,
        host_public=paramiko.Ed25519Key(data=_public_blob(host)),
        authorized_keys=KEY_TYPE + b" " + base64.b64encode(_public_blob(client)) + b" orchestrator\n",
        host_key_file=_dropbear_key(host),
        entropy=secrets.token_bytes(ENTROPY_BYTES),
    )


def _raw(key: ed25519.Ed25519PrivateKey) -> tuple[bytes, bytes]:
    secret = key.private_bytes(
        serialization.Encoding.Raw, serialization.PrivateFormat.Raw, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return secret, public


def _string(data: bytes) -> bytes:
    """Return ``data`` as SSH's "string": its length in 4 bytes, then itself (RFC 4251, section 5)."""
    return len(data).to_bytes(4, "big") + data


def _public_blob(key: ed25519.Ed25519PrivateKey) -> bytes:
    return _string(KEY_TYPE) + _string(_raw(key)[1])


def _dropbear_key(key: ed25519.Ed25519PrivateKey) -> bytes:
    """Return the key file: type, then secret and public key as one string (dropbear, buf_put_ed25519_priv_key)."""
    secret, public = _raw(key)
    return _string(KEY_TYPE) + _string(secret + public)
