"""Runs of mempress on the host, for its tests."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Line = dict[str, Any]
PAGE = os.sysconf("SC_PAGESIZE")


def run(mempress: Path, workload: Path, *, seed: int = 1) -> tuple[int, list[Line]]:
    """Return the exit code and the lines; nothing may be on stderr."""
    argv = [str(mempress), str(workload), "--seed", str(seed)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    assert done.stderr == ""
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


def write(tmp_path: Path, text: str) -> Path:
    workload = tmp_path / "workload"
    workload.write_text(text)
    return workload


def check(mempress: Path, workload: Path) -> subprocess.CompletedProcess[str]:
    argv = [str(mempress), "--check", str(workload)]
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)


def bad_pages(lines: list[Line]) -> list[Line]:
    return [line["bad_page"] for line in lines if "bad_page" in line]


def of_op(lines: list[Line], op: str) -> list[Line]:
    return [line for line in lines if line.get("op") == op]


def page(number: int) -> slice:
    return slice(number * PAGE, (number + 1) * PAGE)


@contextmanager
def hook_server(folder: Path, answer: Callable[[str], str]) -> Iterator[list[str]]:
    """Answer hooks as the trial script does, one after the other; yields the names asked for."""
    asked: list[str] = []
    for fifo in ("hook.request", "hook.reply"):
        os.mkfifo(folder / fifo)

    def serve() -> None:
        while (name := (folder / "hook.request").read_text().strip()) != "end":
            asked.append(name)
            (folder / "hook.reply").write_text(answer(name))

    server = threading.Thread(target=serve, daemon=True)
    server.start()
    try:
        yield asked
    finally:
        (folder / "hook.request").write_text("end\n")
        server.join(timeout=30)
