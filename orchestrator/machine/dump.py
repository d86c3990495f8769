"""A guest core: all memory of a guest that hangs or panicked, as an ELF file for crash and drgn, compressed.

QEMU writes it into a named pipe and we compress what comes out: the limit on the size of what QEMU writes (RLIMIT_FSIZE,
for its console) is one on files, and the host's disk never holds the core as large as the guest's memory.
"""

from __future__ import annotations

import os
import select
import threading
import zlib
from pathlib import Path
from typing import IO

from orchestrator.errors import Cancelled, InfraError
from orchestrator.host.deadline import Deadline
from orchestrator.host.workspace import published_file, scratch_folder
from orchestrator.machine.machine import Machine

LEVEL = 1
"""Most of a guest's memory is zero or compressed already; the higher levels take minutes for little."""

GZIP = 31
"""zlib's window bits for a file that gunzip reads."""

_CHUNK = 1 << 20
_GLANCE_MS = 100


def dump_guest(machine: Machine, target: Path, kernel: Path, deadline: Deadline) -> str:
    """Write the guest's memory to ``target`` (gzip) and return a line that says where it is, or why it is not.

    Breaks the seal and stops the guest. Raises ``Cancelled``.
    """
    machine.open_gate()
    try:
        with published_file(target) as beside, scratch_folder("orchestrator-dump") as scratch:
            size = _through_a_pipe(machine, scratch / "core", beside, deadline)
    except Cancelled:
        raise
    except (InfraError, OSError) as error:
        words = error.message if isinstance(error, InfraError) else str(error)
        return f"no guest core was kept: {words}"
    mib = target.stat().st_size / (1 << 20)
    return f"a guest core of {size >> 20} MiB is kept: {target} ({mib:.1f} MiB, gzip; its kernel: {kernel})"


def _through_a_pipe(machine: Machine, pipe: Path, target: Path, deadline: Deadline) -> int:
    """Let QEMU write the core to ``pipe`` and compress it to ``target``; return its size in bytes."""
    os.mkfifo(pipe, 0o600)
    # Held for writing as well, it has a reader before QEMU opens it, and no end of file before we say so.
    reading = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)
    over = threading.Event()
    sizes: list[int] = []
    try:
        with target.open("wb") as file:
            thread = threading.Thread(target=lambda: sizes.append(_compress(reading, file, over)), daemon=True)
            thread.start()
            try:
                machine.qmp.execute("dump-guest-memory", deadline, paging=False, protocol=f"file:{pipe}")
            finally:
                over.set()
                thread.join()
    finally:
        os.close(reading)
    if not sizes:
        raise InfraError("its file could not be written")
    return sizes[0]


def _compress(reading: int, file: IO[bytes], over: threading.Event) -> int:
    """Compress what comes out of ``reading`` until it is empty and ``over``; return how much that was."""
    packer = zlib.compressobj(LEVEL, zlib.DEFLATED, GZIP)
    poll = select.poll()
    poll.register(reading, select.POLLIN)
    size = 0
    while True:
        was_over = over.is_set()
        if poll.poll(_GLANCE_MS):
            data = os.read(reading, _CHUNK)
            size += len(data)
            file.write(packer.compress(data))
        elif was_over:
            file.write(packer.flush())
            return size
