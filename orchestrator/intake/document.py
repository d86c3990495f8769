"""An input's bytes, taken in under a limit, and their text."""

from __future__ import annotations

import codecs
import stat
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from orchestrator.errors import InputError

LARGEST = 64 << 20
"""A series of 500 patches is some MiB; what is larger is a mailbox, and belongs cut down first."""

_GZIP = b"\x1f\x8b"
_TEXT_HINT = "give a mail, an mbox, a folder of patches, or a page saved as text in UTF-8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One input: ``path`` is its name for messages (and the stem for a title), ``data`` its content, not compressed."""

    path: Path
    data: bytes

    @property
    def text(self) -> str:
        """The content as UTF-8 text with line feeds as line ends; :class:`InputError` when it is not that."""
        return decode(self.data, what=str(self.path))


def take_in(path: Path, *, largest: int = LARGEST) -> Document:
    """Read the file ``path``; :class:`InputError` when it is none, cannot be read, is too large or holds NUL bytes.

    A file that is too large is not read at all. A gzipped one (an archive's ``t.mbox.gz``) is unpacked.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise InputError(f"{path} is neither a file nor a folder", hint="save the mail to a file first")
        if status.st_size > largest:
            raise _too_large(path, f"has {status.st_size >> 20} MiB", largest)
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    return document_of(path, data, largest=largest)


def take_in_stream(stream: IO[bytes], *, name: str = "-", largest: int = LARGEST) -> Document:
    """Read a pipe to its end; raises as :func:`take_in` does."""
    data = stream.read(largest + 1)
    if len(data) > largest:
        raise _too_large(Path(name), "has more", largest)
    return document_of(Path(name), data, largest=largest)


def document_of(path: Path, data: bytes, *, largest: int = LARGEST) -> Document:
    """Return bytes as a document: unpacked, of one encoding; :class:`InputError` when they are no text."""
    if data.startswith(_GZIP):
        data = _unpack(path, data, largest)
    for mark, charset in ((codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16")):
        if data.startswith(mark):
            data = decode(data, what=str(path), charset=charset).encode()
            break
    if b"\0" in data:
        raise InputError(f"{path} is not text: it holds a NUL byte at offset {data.index(0)}", hint=_TEXT_HINT)
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
    except (LookupError, UnicodeError, ValueError) as error:
        raise InputError(f"{what} states the charset {charset!r}, which nobody knows") from error
    return text.removeprefix("\ufeff").replace("\r\n", "\n")


def _unpack(path: Path, data: bytes, largest: int) -> bytes:
    """Return what a gzip file holds, but no more than ``largest`` bytes of it are ever made."""
    engine = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        text = engine.decompress(data, largest + 1)
    except zlib.error as error:
        raise InputError(f"{path} begins like a gzip file, but cannot be unpacked: {error}") from error
    if len(text) > largest:
        raise _too_large(path, "has more when it is unpacked", largest)
    if not engine.eof:
        raise InputError(f"{path} is a gzip file that ends too early", hint="fetch it again")
    return text


def _too_large(path: Path, what: str, largest: int) -> InputError:
    return InputError(
        f"{path} {what}; the largest input is {largest >> 20} MiB",
        hint="cut the thread out of the mailbox, for example with b4 mbox or your mail program",
    )
