"""Kernel.org's tarball ``linux-X.Y[.Z].tar.xz`` with its signed checksum file, for machines that are not Debian.

The checksum is always checked. The checksum file's signature is checked where the user has a keyring with the key
(gpgv's own, ``trustedkeys``); where not, provenance says that it was not. The base address is a parameter, so tests
run against a folder.
"""

from __future__ import annotations

import hashlib
import re
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import InfraError, OrchestratorError
from orchestrator.host import process
from orchestrator.host.deadline import Cancellation, Deadline

BASE_URL = "https://cdn.kernel.org/pub/linux/kernel"

DOWNLOAD_S = 1800.0
ANSWER_S = 30.0
LARGEST_SUMS = 8 << 20
LARGEST_TARBALL = 1 << 30


class NotOnKernelOrg(OrchestratorError):
    """The release is not there, or the site cannot be reached; the message says which. ``absent`` tells them apart."""

    def __init__(self, message: str, *, absent: bool) -> None:
        super().__init__(message)
        self.absent = absent


@dataclass(frozen=True, slots=True, kw_only=True)
class Tarball:
    """A downloaded tarball whose checksum was right; ``signature`` says whether the checksum file's signature was."""

    path: Path
    name: str
    sha256: str
    signature: str

    def describe(self) -> str:
        """Return where it came from and how that was checked, in one line."""
        return f"kernel.org's {self.name}, SHA-256 {self.sha256} as in its checksum file; {self.signature}"


def fetch_tarball(
    version: str,
    *,
    scratch: Path,
    cancellation: Cancellation,
    base_url: str = BASE_URL,
    keyring: Path | None = None,
) -> Tarball:
    """Download the newest point release of ``version`` (``7.2``) into ``scratch`` and check it.

    Raises :class:`NotOnKernelOrg` when it cannot be had, :class:`InfraError` when what came is not what was signed.
    """
    folder = f"{base_url}/v{version.partition('.')[0]}.x"
    deadline = Deadline(DOWNLOAD_S, what=f"download of linux-{version}", cancellation=cancellation)
    signed = scratch / "sha256sums.asc"
    _download(f"{folder}/sha256sums.asc", signed, deadline=deadline, largest=LARGEST_SUMS)
    signature = _check_signature(signed, keyring or default_keyring())
    name, sha256 = newest_release(signed_part(signed.read_text(errors="replace")), version)
    path = scratch / name
    found = _download(f"{folder}/{name}", path, deadline=deadline, largest=LARGEST_TARBALL)
    if found != sha256:
        raise InfraError(
            f"{name} has SHA-256 {found}, but kernel.org's checksum file says {sha256}",
            hint="the download was damaged or changed on its way; try again, or use --linux DIR",
        )
    return Tarball(path=path, name=name, sha256=sha256, signature=signature)


def signed_part(text: str) -> str:
    """Return what a clear-signed text (RFC 4880, section 7) signs; what stands outside of that proves nothing."""
    match = re.search(
        r"^-----BEGIN PGP SIGNED MESSAGE-----\n(?:\S.*\n)*\n(.*?)^-----BEGIN PGP SIGNATURE-----",
        text,
        re.MULTILINE | re.DOTALL,
    )
    if match is None:
        raise InfraError("kernel.org's checksum file is not a signed text")
    return match.group(1)


def newest_release(sums: str, version: str) -> tuple[str, str]:
    """Return name and SHA-256 of the newest ``linux-<version>[.N].tar.xz`` in the lines of a checksum file."""
    pattern = re.compile(rf"^([0-9a-f]{{64}})  (linux-{re.escape(version)}(?:\.(\d+))?\.tar\.xz)$", re.MULTILINE)
    found = [(int(match.group(3) or 0), match.group(2), match.group(1)) for match in pattern.finditer(sums)]
    if not found:
        raise NotOnKernelOrg(f"kernel.org has no linux-{version}", absent=True)
    _, name, sha256 = max(found)
    return name, sha256


def default_keyring() -> Path | None:
    """Return the keyring that gpgv trusts by default, None when the user has none."""
    folder = Path.home() / ".gnupg"
    candidates = (folder / "trustedkeys.kbx", folder / "trustedkeys.gpg")
    return next((path for path in candidates if path.exists()), None)


def _check_signature(signed: Path, keyring: Path | None) -> str:
    """Return what is known of the signature; :class:`InfraError` when it is bad."""
    if keyring is None or process.find_program("gpgv") is None:
        return "its signature was not checked: no keyring (gpgv's trustedkeys) with kernel.org's key"
    finished = process.run(["gpgv", "--status-fd", "1", "--keyring", keyring, signed])
    if "[GNUPG:] BADSIG" in finished.stdout:
        raise InfraError("the signature of kernel.org's checksum file is BAD", evidence=finished.evidence())
    if finished.ok and "[GNUPG:] GOODSIG" in finished.stdout:
        return f"its signature is good by {keyring.name}"
    return f"its signature was not checked: {keyring.name} does not hold kernel.org's key"


def _download(url: str, target: Path, *, deadline: Deadline, largest: int) -> str:
    """Write ``url``'s content to ``target`` and return its SHA-256."""
    digest, size = hashlib.sha256(), 0
    try:
        with urllib.request.urlopen(url, timeout=ANSWER_S) as answer, target.open("wb") as out:  # noqa: S310 - ours
            while block := answer.read(1 << 18):
                deadline.check()
                digest.update(block)
                size += len(block)
                if size > largest:
                    raise InfraError(f"{url} is larger than {largest >> 20} MiB")
                out.write(block)
    except (urllib.error.URLError, OSError) as error:
        absent = isinstance(error, urllib.error.HTTPError) and error.code == 404
        raise NotOnKernelOrg(f"{url}: {error}", absent=absent) from error
    return digest.hexdigest()
