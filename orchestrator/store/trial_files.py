"""What a guest recorded, packed beside the trial's record: a trial that is answered from the cache has its files as well."""

from __future__ import annotations

import contextlib
import gzip
import io
import tarfile
from pathlib import Path

from orchestrator.errors import InfraError
from orchestrator.host.workspace import make_folder, publish_bytes

GUEST = "guest"
"""The folder of a trial's folder that holds the guest's files."""

LARGEST = 64 << 20
"""A record that is larger than this, unpacked, is not believed to be one of ours."""


def pack(folder: Path) -> bytes:
    """Return the files of ``folder``/guest as a compressed archive; the same files give the same bytes."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path in sorted((folder / GUEST).glob("*")):
            if path.is_file() and not path.is_symlink():
                data = path.read_bytes()
                entry = tarfile.TarInfo(path.name)
                entry.size = len(data)
                archive.addfile(entry, io.BytesIO(data))
    return gzip.compress(buffer.getvalue(), compresslevel=6, mtime=0)


def unpack(data: bytes, folder: Path) -> None:
    """Put the files of an archive that :func:`pack` made into ``folder``/guest.

    Raises :class:`InfraError` for what is no such archive: the cache is on disk, where anything may happen to it.
    """
    try:
        files = dict(_members(data))
    except (OSError, EOFError, tarfile.TarError, ValueError) as error:
        raise InfraError(f"the kept files of a trial cannot be read: {error}") from error
    target = make_folder(folder / GUEST)
    for name, content in files.items():
        publish_bytes(target / name, content)


def _members(data: bytes) -> list[tuple[str, bytes]]:
    with gzip.open(io.BytesIO(data)) as plain:
        text = plain.read(LARGEST + 1)
    if len(text) > LARGEST:
        raise ValueError("it is larger than a record can be")
    found = []
    with tarfile.open(fileobj=io.BytesIO(text)) as archive:
        for entry in archive:
            content = archive.extractfile(entry) if entry.isfile() else None
            if content is None or "/" in entry.name or entry.name in {"", ".", ".."}:
                raise ValueError(f"{entry.name!r} is no file of a record")
            found.append((entry.name, content.read()))
    return found


def keep_files(path: Path, folder: Path) -> None:
    """Keep the files of a trial's ``folder`` in the archive ``path``. A full disk is no reason to fail a run."""
    with contextlib.suppress(InfraError, OSError):
        if (folder / GUEST).is_dir():
            publish_bytes(path, pack(folder))


def bring_files(path: Path, folder: Path) -> bool:
    """Unpack ``path`` into a trial's ``folder``; return whether the files are there now."""
    with contextlib.suppress(InfraError, OSError):
        unpack(path.read_bytes(), folder)
        return True
    return False
