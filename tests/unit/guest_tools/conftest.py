"""Compiles the guest tools once a session, with the flags the guest image uses; gcc is required, nothing is skipped."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

SOURCES = Path(__file__).resolve().parents[3] / "guest_scripts" / "src"
FLAGS = ("-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-static", "-pthread")


def _compile(program: str, out: Path) -> None:
    binary = out / program
    sources = [*sorted((SOURCES / program).glob("*.c")), *sorted((SOURCES / "common").glob("*.c"))]
    argv = ["gcc", *FLAGS, "-I", str(SOURCES / "common"), "-o", str(binary), *map(str, sources)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, ""), f"{program} does not compile cleanly:\n{done.stderr}"


@pytest.fixture(scope="session")
def binaries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one static binary for each tool."""
    out = tmp_path_factory.mktemp("guest_tools")
    for program in ("mempress", "sampler", "probes"):
        _compile(program, out)
    return out


@pytest.fixture(scope="session")
def mempress(binaries: Path) -> Path:
    return binaries / "mempress"


@pytest.fixture(scope="session")
def sampler(binaries: Path) -> Path:
    return binaries / "sampler"


@pytest.fixture(scope="session")
def probes(binaries: Path) -> Path:
    return binaries / "probes"


@pytest.fixture(scope="session")
def sources() -> Path:
    return SOURCES
