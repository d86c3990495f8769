"""The Containerfile: clean for hadolint, its scripts for shellcheck, and about files that are there."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

from tests.command import REPOSITORY
from tests.contrib.conftest import BESIDE_PYTHON
from tests.contrib.jobs import CONTRIB

CONTAINERFILE = CONTRIB / "Containerfile"


def instructions() -> list[tuple[str, str]]:
    """The instructions with what follows them, comments left out and continued lines joined."""
    text = re.sub(r"^#.*\n", "", CONTAINERFILE.read_text(), flags=re.MULTILINE).replace("\\\n", "")
    words = [line.split(maxsplit=1) for line in text.splitlines() if line.strip()]
    return [(first, rest) for first, rest in words]


def of(name: str) -> list[str]:
    return [rest for first, rest in instructions() if first == name]


def hadolint(path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [BESIDE_PYTHON / "hadolint", "--no-color", path], capture_output=True, text=True, check=False, timeout=60
    )


def test_containerfile_for_hadolint_is_clean(tmp_path: Path) -> None:
    done = hadolint(CONTAINERFILE)
    assert (done.returncode, done.stdout) == (0, "")
    broken = tmp_path / "Containerfile"
    broken.write_text(CONTAINERFILE.read_text().replace(":trixie", ""))
    assert "DL3006" in hadolint(broken).stdout


def test_scripts_for_shellcheck_are_clean(tmp_path: Path) -> None:
    assert len(of("RUN")) == 4
    for number, body in enumerate(of("RUN")):
        script = tmp_path / f"{number}.sh"
        script.write_text(body)
        done = subprocess.run(
            [BESIDE_PYTHON / "shellcheck", "--shell=dash", script],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stdout


def test_what_is_copied_is_there_and_is_all_that_a_wheel_needs() -> None:
    copied = [word for rest in of("COPY") for word in rest.split()[:-1]]
    assert [word for word in copied if not (REPOSITORY / word).exists()] == []
    assert {"orchestrator", "kconfigs", "guest_scripts", "contrib", "pyproject.toml", "README.md", "LICENSE"} == set(
        copied
    )


def test_image_needs_no_root_to_run_and_calls_what_the_jobs_call() -> None:
    assert of("USER")[-1] == "1000"
    assert json.loads(of("ENTRYPOINT")[-1]) == ["orchestrator-ci-run"]
    assert "XDG_CACHE_HOME=/cache" in of("ENV")
    assert "--privileged" not in " ".join(rest for _, rest in instructions())
