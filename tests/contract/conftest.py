"""What contract tests share: things that are compiled once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contract.dropbear_guest import compile_home_shim


@pytest.fixture(scope="session")
def home_shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library that gives dropbear a home folder of the test's."""
    return compile_home_shim(tmp_path_factory.mktemp("shim"))
