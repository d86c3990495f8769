"""A QEMU without a machine: takes QEMU's arguments, speaks QMP on the descriptor given, and writes to the console.

Called as ``fake_qemu.py MODE PORT ARGUMENT...``; PORT is what it says that it forwards to the guest's SSH. The modes:

    ready      says that its sealed scenario is over and that it is ready, once its CPUs run, and stays
    reboots    says that it is ready, and then ends with 0, as QEMU does with -no-reboot when the guest restarts
    panics     says that its kernel panicked, and then ends with 0
    panicked   says that its kernel panicked, and stays
    floods     says that it is ready, again and again, until the file may not grow any more, and stays
    stuck      says that its kernel has begun, stays, and says no more
    silent     stays, and never says a word
    dies       ends with 1 and a message before it has greeted
    mute       never greets
    deaf       as silent, and ignores SIGTERM

Run as a program of its own, with the standard library alone.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import re
import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

USERNET = """Hub -1 (net0):
  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ
  TCP[HOST_FORWARD]  12       127.0.0.1 {port}       10.0.2.15    22     0     0
"""


def value(argv: list[str], option: str, pattern: str) -> str:
    """Return what ``pattern`` finds in a value of ``option``."""
    for name, word in itertools.pairwise(argv):
        if name == option and (match := re.search(pattern, word)):
            return match[1]
    sys.exit(f"fake QEMU: no {option} with {pattern}")


def forever() -> NoReturn:
    """Stay until a signal ends us."""
    while True:
        time.sleep(3600)


def flood(console: Path) -> None:
    """Write as much as the file may hold; past that QEMU's vCPU threads, which block SIGXFSZ, get an error each time."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    with contextlib.suppress(OSError), console.open("ab", buffering=0) as handle:
        while handle.write(b"orchestrator: ready\n"):
            pass


def start_guest(mode: str, console: Path) -> None:
    """Let the CPUs run."""
    if mode in {"ready", "reboots"}:
        marks = ["ready"] if mode == "reboots" else ["sealed-end", "ready"]
        with console.open("a") as handle:
            handle.write("[    0.000000] Linux version 7.2.12 (fake)\n")
            handle.writelines(f"[    0.100000] orchestrator: {mark}\n" for mark in marks)
    if mode in {"panics", "panicked", "stuck"}:
        with console.open("a") as handle:
            handle.write("[    0.000000] Linux version 7.2.12 (fake)\n")
            if mode != "stuck":
                handle.write("[    0.200000] Kernel panic - not syncing: VFS: Unable to mount root fs\n")
    if mode == "floods":
        flood(console)
    if mode in {"reboots", "panics"}:
        sys.exit(0)


def requests(qmp: socket.socket) -> Iterator[dict[str, object]]:
    """Yield what is asked until the other side is gone: JSON objects in a stream, not lines."""
    text = ""
    while chunk := qmp.recv(4096):
        text += chunk.decode()
        while text := text.lstrip():
            try:
                request, end = json.JSONDecoder().raw_decode(text)
            except ValueError:
                break
            text = text[end:]
            yield request


def serve(mode: str, port: str, console: Path, qmp: socket.socket) -> None:
    """Answer on QMP until the other side is gone."""
    version = {"version": {"qemu": {"major": 7, "minor": 2, "micro": 0}, "package": "fake"}, "capabilities": []}
    qmp.sendall(json.dumps({"QMP": version}).encode() + b"\n")
    for request in requests(qmp):
        answer: object = {}
        if request["execute"] == "human-monitor-command":
            answer = USERNET.format(port=port)
        same_id = {"id": request["id"]} if "id" in request else {}
        qmp.sendall(json.dumps({"return": answer, **same_id}).encode() + b"\n")
        if request["execute"] == "cont":
            start_guest(mode, console)
        if request["execute"] == "quit":
            sys.exit(0)


def main() -> None:
    """Play QEMU."""
    mode, port, *argv = sys.argv[1:]
    console = Path(value(argv, "-chardev", r"^file,id=console,path=(.*)$").replace(",,", ","))
    # QEMU makes the console's file anew when it starts.
    console.write_bytes(b"")
    if mode == "dies":
        sys.exit("fake QEMU: no room for 512 elephants")
    if mode == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if mode != "mute":
        serve(mode, port, console, socket.socket(fileno=int(value(argv, "-chardev", r"id=qmp,fd=(\d+)"))))
    forever()


if __name__ == "__main__":
    main()
