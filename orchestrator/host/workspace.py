"""Folders, locks and publishing: where the cache is, who may write to what, and how a file appears whole or not at all."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from orchestrator.errors import InfraError
from orchestrator.host.deadline import Deadline

CACHE_NAME = "mm-patch-orchestrator"


def cache_root() -> Path:
    """Return the cache folder (made if missing): ``$XDG_CACHE_HOME/mm-patch-orchestrator``.

    Everything in it can be made again; deleting it costs time, never results.
    """
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    root = Path(base) / CACHE_NAME
    make_folder(root)
    return root


def make_folder(folder: Path) -> Path:
    """Make ``folder`` and its parents; :class:`InfraError` with the reason when that cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InfraError(f"cannot make the folder {folder}: {error.strerror}") from error
    return folder


@contextlib.contextmanager
def locked(path: Path, deadline: Deadline) -> Iterator[None]:
    """Hold the lock file ``path`` exclusively, against other threads and other processes.

    The kernel drops it when we die, so a lock is never stale (flock(2)).
    """
    make_folder(path.parent)
    with path.open("w") as handle:
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                deadline.pause(0.1)
        yield


@contextlib.contextmanager
def published_file(target: Path) -> Iterator[Path]:
    """Hold a path beside ``target`` to write to; it is renamed to ``target`` when the block ends well, else removed."""
    make_folder(target.parent)
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    os.close(handle)
    beside = Path(name)
    try:
        yield beside
        # mkstemp's 0600 is for secrets; what we publish is read by others.
        beside.chmod(0o644)
        beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)


@contextlib.contextmanager
def published_folder(target: Path) -> Iterator[Path]:
    """Hold a folder beside ``target`` to fill; it is renamed to ``target`` when the block ends well, else removed.

    When ``target`` has appeared meanwhile, somebody else made the same: theirs stays.
    """
    make_folder(target.parent)
    beside = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        yield beside
        beside.chmod(0o755)
        with contextlib.suppress(FileExistsError, OSError):
            if not target.exists():
                beside.rename(target)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    if not target.exists():
        raise InfraError(f"could not publish {target}", hint="look for free space and permissions there")


def publish_text(target: Path, text: str) -> None:
    """Write ``text`` to ``target`` so that a reader sees the old file or the new one, never half of it."""
    publish_bytes(target, text.encode())


def publish_bytes(target: Path, data: bytes) -> None:
    """Like :func:`publish_text`, for bytes."""
    try:
        with published_file(target) as beside:
            beside.write_bytes(data)
    except OSError as error:
        raise InfraError(f"cannot write {target}: {error.strerror}") from error


def append_line(target: Path, line: str) -> None:
    """Append one line to ``target`` in a single write, so that a reader never sees half of it."""
    make_folder(target.parent)
    try:
        with target.open("ab", buffering=0) as handle:
            handle.write(f"{line}\n".encode())
    except OSError as error:
        raise InfraError(f"cannot write {target}: {error.strerror}") from error


@contextlib.contextmanager
def scratch_folder(prefix: str) -> Iterator[Path]:
    """Hold a private folder that is removed when the block is left."""
    with tempfile.TemporaryDirectory(prefix=f"{prefix}.", ignore_cleanup_errors=True) as name:
        yield Path(name)


def require_space(folder: Path, mebibytes: int, *, purpose: str) -> None:
    """Raise :class:`InfraError` unless ``folder``'s file system has ``mebibytes`` free."""
    free = shutil.disk_usage(folder).free // (1 << 20)
    if free < mebibytes:
        raise InfraError(
            f"no disk space: {purpose} needs {mebibytes} MiB in {folder}, {free} MiB are free",
            hint="free some space, or point XDG_CACHE_HOME at another disk",
        )


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's content in hex."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def content_key(*parts: str | bytes) -> str:
    """Return a key for an ordered list of parts: SHA-256 over each part's length and bytes, in hex."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "big"))
        digest.update(data)
    return digest.hexdigest()
