"""The command in the background, for tests that interrupt it."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.command import COMMAND, LINUX


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Any]:
    """Start the command in the background; it is ended after the test."""
    children: list[subprocess.Popen[str]] = []

    def start(*words: str | Path) -> subprocess.Popen[str]:
        argv = [*COMMAND, *(str(word) for word in words), "--results", str(tmp_path / "results")]
        child = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        children.append(child)
        return child

    yield start
    for child in children:
        if child.poll() is None:
            child.send_signal(signal.SIGKILL)
        child.communicate()


@pytest.fixture
def started_boot() -> Iterator[Any]:
    """Start ``orchestrator boot`` in the background; it is ended after the test."""
    children: list[subprocess.Popen[str]] = []

    def start(*words: str) -> subprocess.Popen[str]:
        argv = [*COMMAND, "boot", "--linux", LINUX, "--accel", "tcg", *words]
        child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        children.append(child)
        return child

    yield start
    for child in children:
        if child.poll() is None:
            child.send_signal(signal.SIGKILL)
        child.communicate()
