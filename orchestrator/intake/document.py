"""An input file's bytes, taken in under a limit, and their text."""

from __future__ import annotations

import stat
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import InputError

LARGEST = 64 << 20
"""A series of 500 patches is some MiB; what is larger is a mailbox, and belongs cut down first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One input file: its path, for messages, and its content."""

    path: Path
    data: bytes

    @property
    def text(self) -> str:
        """The content as UTF-8 text with line feeds as line ends; :class:`InputError` when it is not that."""
        return decode(self.data, what=str(self.path))


def take_in(path: Path, *, largest: int = LARGEST) -> Document:
    """Read the file ``path``; :class:`InputError` when it is none, cannot be read, is too large or holds NUL bytes.

    A file that is too large is not read at all.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise InputError(f"{path} is neither a file nor a folder", hint="save the mail to a file first")
        if status.st_size > largest:
            raise InputError(
                f"{path} has {status.st_size >> 20} MiB; the largest input is {largest >> 20} MiB",
                hint="cut the thread out of the mailbox, for example with b4 mbox or your mail program",
            )
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    if b"\0" in data:
        raise InputError(
            f"{path} is not text: it holds a NUL byte at offset {data.index(0)}",
            hint="give a mail, an mbox, a folder of patches, or a page saved as text in UTF-8",
        )
    return Document(path=path, data=data)


def decode(data: bytes, *, what: str, charset: str = "utf-8") -> str:
    """Return bytes as text with line feeds as line ends; :class:`InputError` when they are not of that charset."""
    try:
        text = data.decode(charset)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{what} is not {charset.upper()}: byte 0x{data[error.start]:02x} in line {line}",
            hint="save it as UTF-8, or give the raw mail, which states its charset",
        ) from error
    except LookupError as error:
        raise InputError(f"{what} states the charset {charset!r}, which nobody knows") from error
    return text.removeprefix("\ufeff").replace("\r\n", "\n")
