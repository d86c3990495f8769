"""Mails as files: a Maildir that somebody else delivers into, and a folder. Nothing in them is changed."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from orchestrator.errors import InfraError
from orchestrator.host.deadline import Cancellation
from orchestrator.intake.mbox import split_mbox
from orchestrator.model.watch import SourceSettings
from orchestrator.watch.queue import Queue
from orchestrator.watch.sources.base import HEAD, Arrival, Passed, Source


class MaildirSource(Source):
    """A Maildir: ``new/`` and ``cur/``. A mail is known by its unique name: flags behind it change (``:2,S``)."""

    def read(self, queue: Queue, *, largest: int, cancellation: Cancellation) -> Iterator[Arrival | Passed]:
        """Yield what was not taken yet, in the order of delivery."""
        taken = queue.taken(self.name)
        there: set[str] = set()
        new: list[tuple[float, str, Path]] = []
        # cur/ last: a mail that is moved from new/ to cur/ meanwhile is met twice rather than never.
        for part in ("new", "cur"):
            for entry in _scan(self.settings.path / part):
                key = entry.name.partition(":")[0]
                if key not in there and key not in taken:
                    new.append((_modified(entry), key, Path(entry.path)))
                there.add(key)
        _forget(queue, self.name, taken - there)
        for _, key, path in sorted(new):
            cancellation.check()
            if found := _whole(path, largest):
                data, size = found
                yield Arrival(data=data, size=size, key=key)


class FolderSource(Source):
    """A folder of mail files (``.eml``, ``.mbox``, ``.patch``, ``.txt``). One is read when it was the same at two looks."""

    def __init__(self, settings: SourceSettings) -> None:
        super().__init__(settings)
        self._before: set[str] = set()

    def read(self, queue: Queue, *, largest: int, cancellation: Cancellation) -> Iterator[Arrival | Passed]:
        """Yield what is there whole and was not taken yet, by name."""
        taken = queue.taken(self.name)
        there: dict[str, Path] = {}
        for entry in _scan(self.settings.path):
            if not entry.name.startswith(".") and entry.name.endswith((".eml", ".mbox", ".patch", ".txt")):
                key = _identity(entry)
                if key:
                    there[key] = Path(entry.path)
        _forget(queue, self.name, taken - set(there))
        still, self._before = self._before, set(there)
        for key, path in sorted(there.items()):
            cancellation.check()
            if key in taken or key not in still:
                continue
            if found := _whole(path, largest):
                data, size = found
                pieces = split_mbox(data) if size <= largest else (data,)
                for piece in pieces:
                    whole = len(piece) if size <= largest else size
                    yield Arrival(data=piece, size=whole, key=key if piece is pieces[-1] else "")


def _scan(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return [entry for entry in found if entry.is_file()]
    except OSError as error:
        raise InfraError(f"cannot read {folder}: {error.strerror}") from error


def _modified(entry: os.DirEntry[str]) -> float:
    try:
        return entry.stat().st_mtime
    except OSError:
        return 0.0


def _identity(entry: os.DirEntry[str]) -> str:
    try:
        status = entry.stat()
    except OSError:
        return ""
    return f"{entry.name}\0{status.st_size}\0{status.st_mtime_ns}"


def _whole(path: Path, largest: int) -> tuple[bytes, int] | None:
    """Return a mail and its size, of one that is too large its head; None when it has gone, which the next look tells."""
    try:
        with path.open("rb") as handle:
            status = os.fstat(handle.fileno())
            if not stat.S_ISREG(status.st_mode):
                return None
            size = status.st_size
            return handle.read(size if size <= largest else HEAD), size
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InfraError(f"cannot read {path}: {error.strerror}") from error


def _forget(queue: Queue, name: str, gone: set[str]) -> None:
    if gone:
        with queue.transaction():
            queue.forget_taken(name, gone)
