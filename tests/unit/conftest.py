"""The guest's tools, compiled once a session by the code that compiles them for a guest image; gcc is required."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.config.locations import guest_scripts_folder
from orchestrator.guest.tools import compiled_tools
from orchestrator.host.deadline import Cancellation


@pytest.fixture(scope="session")
def sources() -> Path:
    return guest_scripts_folder() / "src"


@pytest.fixture(scope="session")
def tools_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder that the tools are compiled into once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def binaries(tmp_path_factory: pytest.TempPathFactory, sources: Path, tools_cache: Path) -> Path:
    """A folder with one static binary for each tool."""
    out = tmp_path_factory.mktemp("guest_tools")
    for name, data in compiled_tools(sources, cache=tools_cache, cancellation=Cancellation()).items():
        binary = out / name
        binary.write_bytes(data)
        binary.chmod(0o755)
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
