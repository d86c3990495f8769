"""A kernel tarball as one commit in a bare repository.

The tarball is streamed into ``git fast-import``: no folder with 95,000 files in between (25 s on two cores, against
9 s for unpacking plus over a minute for ``git add``). Author, date and message are fixed, so the same tarball gives
the same commit id on every machine. This module does not know where a tarball comes from.
"""

from __future__ import annotations

import contextlib
import lzma
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from orchestrator.errors import Evidence, InfraError, tail
from orchestrator.host import process
from orchestrator.host.deadline import Cancellation, Deadline
from orchestrator.tree.git import Git, hermetic_environment

IMPORT_S = 1800.0

IDENTITY = "mm-patch-orchestrator <orchestrator@localhost>"
IMPORTED = 1_700_000_000
"""The date of every import commit; any fixed one will do."""

# Level 1 makes a pack of 350 MB; level 0 one of 1.6 GB that is not written any faster. Deltas would cost minutes.
_FAST_IMPORT = ("-c", "core.compression=1", "-c", "pack.compression=1", "fast-import", "--quiet", "--depth=0")


def import_tarball(tarball: Path, git: Git, *, message: str) -> str:
    """Import an xz-compressed tarball as the commit ``refs/heads/main`` of ``git`` and return the commit's id.

    The first path component (``linux-7.2/``) is dropped. Raises :class:`InfraError` when the tarball is damaged or git
    fails, ``Cancelled`` when the user wants to stop.
    """
    deadline = Deadline(IMPORT_S, what="import of the kernel sources", cancellation=git.cancellation)
    log = git.folder / "fast-import.log"
    argv = ["git", "-C", str(git.folder), *_FAST_IMPORT]
    with (
        log.open("wb") as errors,
        process.running(argv, stdin=subprocess.PIPE, stdout=errors, env=hermetic_environment({})) as importer,
        _decompressed(tarball, deadline) as stream,
    ):
        try:
            _feed(stream, importer.popen.stdin, message=message, cancellation=git.cancellation)
            status = importer.wait(deadline)
        except (tarfile.TarError, lzma.LZMAError, EOFError, OSError) as error:
            evidence = Evidence(command=importer.command, last_lines=tail(log.read_text(errors="replace")))
            raise InfraError(f"the tarball {tarball.name} cannot be imported: {error}", evidence=evidence) from error
    if status != 0:
        evidence = Evidence(command=tuple(argv), exit_status=status, last_lines=tail(log.read_text(errors="replace")))
        raise InfraError(f"git fast-import failed on {tarball.name}", evidence=evidence)
    log.unlink()
    return git.check("rev-parse", "--verify", "refs/heads/main^{commit}")


@contextlib.contextmanager
def _decompressed(tarball: Path, deadline: Deadline) -> Iterator[IO[bytes]]:
    """Hold the stream inside an .xz file; by the program xz, which uses another core, or by the library.

    Raises :class:`InfraError` when the block ends well but the file is damaged behind what was read.
    """
    if process.find_program("xz") is None:
        with lzma.open(tarball) as stream:
            yield stream
        return
    argv = ["xz", "--decompress", "--stdout", "--threads=0", str(tarball)]
    with process.running(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:
        assert child.popen.stdout is not None  # noqa: S101 - stdout=PIPE says so
        with child.popen.stdout as stream:
            yield stream
            # The archive ends before the stream does; xz checks its sums at the very end.
            while stream.read(1 << 20):
                deadline.check()
        status = child.wait(deadline)
    if status != 0:
        raise InfraError(f"{tarball.name} is damaged", evidence=Evidence(command=tuple(argv), exit_status=status))


def _feed(stream: IO[bytes], sink: IO[bytes] | None, *, message: str, cancellation: Cancellation) -> None:
    """Write the commit that holds the tarball's files to ``sink`` in fast-import's language, and close it."""
    assert sink is not None  # noqa: S101 - stdin=PIPE says so
    text = message.encode()
    count = 0
    with sink as out, tarfile.open(fileobj=stream, mode="r|", bufsize=1 << 20) as tar:
        out.write(f"commit refs/heads/main\ncommitter {IDENTITY} {IMPORTED} +0000\ndata {len(text)}\n".encode())
        out.write(text + b"\ndeleteall\n")
        for member in tar:
            cancellation.check()
            # The list of members is for random access; a stream has none, and 95,000 entries are 100 MB.
            tar.members = []  # type: ignore[attr-defined]
            count += _write_member(tar, member, out)
    if count == 0:
        raise tarfile.ReadError("it holds no file")


def _write_member(tar: tarfile.TarFile, member: tarfile.TarInfo, out: IO[bytes]) -> int:
    """Write one file or link; returns how many were written (folders are none)."""
    name = member.name.removeprefix("./").partition("/")[2]
    if not name or "\n" in name or name.startswith('"') or ".." in name.split("/"):
        return 0
    if member.issym():
        mode, data = "120000", member.linkname.encode()
    elif member.isfile():
        content = tar.extractfile(member)
        mode, data = "100755" if member.mode & 0o100 else "100644", b"" if content is None else content.read()
    else:
        return 0
    out.write(f"M {mode} inline {name}\ndata {len(data)}\n".encode("utf-8", "surrogateescape"))
    out.write(data)
    out.write(b"\n")
    return 1
