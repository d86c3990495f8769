"""contrib/noxfile-example.py, run by nox in a tree, with a wheel in which orchestrator is a fake."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from tests.contrib.conftest import BESIDE_PYTHON
from tests.contrib.jobs import CI_RUN, CONTRIB, FAKE_ORCHESTRATOR, Shell
from tests.contrib.test_ci_run import commit, git


@pytest.fixture
def tree(shell: Shell) -> Path:
    """A branch with one commit more than its upstream."""
    folder = shell.folder / "linux"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch=main")
    commit(folder, "one")
    git(folder, "checkout", "--quiet", "-b", "mine", "--track", "main")
    commit(folder, "two")
    return folder


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    """A wheel needs no build: what pip wants of one is little."""
    path = tmp_path / "fake-1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("fake-1.data/scripts/orchestrator", FAKE_ORCHESTRATOR)
        archive.writestr("fake-1.data/scripts/orchestrator-ci-run", CI_RUN.read_text())
        archive.writestr("fake-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: fake\nVersion: 1\n")
        archive.writestr("fake-1.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("fake-1.dist-info/RECORD", "")
    return path


def test_session_tests_the_branch_and_fails_with_the_verdict(shell: Shell, tree: Path, wheel: Path) -> None:
    noxfile = shell.folder / "noxfile.py"
    noxfile.write_text((CONTRIB / "noxfile-example.py").read_text())
    nox = (BESIDE_PYTHON / "nox", "-f", noxfile)

    upstream = shell.run(*nox, cwd=tree, ORCHESTRATOR=str(wheel))
    assert upstream.returncode == 0, upstream.stderr
    assert shell.calls()[0] == "doctor"
    assert shell.calls()[1].startswith(f"test --linux {tree} --results {tree}/zswap-results/run.")
    assert shell.calls()[1].endswith(" --git @{upstream}..HEAD")
    assert (tree / "zswap-results/junit.xml").is_file()

    words = ("--", "mine~1..mine", "--profile", "full")
    regression = shell.run(*nox, *words, cwd=tree, ORCHESTRATOR=str(wheel), FAKE_STATUS="1")
    assert regression.returncode != 0
    assert shell.calls()[-5].endswith(" --git mine~1..mine --profile full")
