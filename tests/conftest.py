"""What tests of several folders share: one real run of the main job, and the kernel that it built."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

from tests.command import Outcome, small_test

# No test is timed: a busy machine is slow, and nothing is wrong then.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture(scope="session")
def main_run(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """The main job, small: the review mail, memcg-limit on two nodes, one seed."""
    return small_test("--again", "--perturbed", "--coverage", results=tmp_path_factory.mktemp("main"))


@pytest.fixture(scope="session")
def base_kernel_image(main_run: Outcome) -> Path:
    """The base kernel that the main job built."""
    build = next(build for build in main_run.record["builds"] if build["role"] == "base")
    return Path(build["image"])
