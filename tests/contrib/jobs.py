"""The scripts in the two CI jobs, taken out of their YAML and run as the runners run them."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tests.command import REPOSITORY

CONTRIB = REPOSITORY / "contrib"
GITHUB = CONTRIB / "github/zswap.yml"
GITLAB = CONTRIB / "gitlab/zswap.gitlab-ci.yml"
CI_RUN = CONTRIB / "ci-run"

# What GitHub's runner calls for a "run:" without "shell:", and GitLab's for a job in an image that has bash.
GITHUB_SHELL = ("bash", "-e")
GITLAB_SHELL = ("bash", "-eo", "pipefail")


def load(path: Path) -> dict[str, Any]:
    """Read a YAML file, as YAML 1.2: "on" is a word there."""
    loaded: dict[str, Any] = YAML(typ="safe").load(path.read_text())
    return loaded


def github_steps() -> dict[str, dict[str, Any]]:
    """The steps of the workflow's one job by name."""
    return {step["name"]: step for step in load(GITHUB)["jobs"]["zswap"]["steps"]}


def gitlab_script() -> str:
    """The whole script of the GitLab job: one shell runs both parts."""
    job = load(GITLAB)["zswap"]
    return "\n".join([*job["before_script"], *job["script"]])


def fresh_clone(target: Path) -> Path:
    """Clone this repository; contrib/ and what installs it as they are in the working tree, committed or not."""
    subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", REPOSITORY, target], check=True)
    shutil.rmtree(target / "contrib", ignore_errors=True)
    shutil.copytree(CONTRIB, target / "contrib")
    shutil.copy(REPOSITORY / "pyproject.toml", target / "pyproject.toml")
    return target


def executable(path: Path, text: str) -> Path:
    """Write a program."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    return path


# Writes what it was told, one call a line; a run with the status that FAKE_STATUS says; reports that name their format.
FAKE_ORCHESTRATOR = """#!/bin/sh
printf '%s\\n' "$*" >>"$FAKE_LOG"
case $1 in
report)
    [ "${FAKE_REPORT:-}" != "no-$4" ] || exit 3
    printf '%s of %s\\n' "$4" "$2"
    ;;
test)
    while [ "$1" != --results ]; do shift; done
    [ "${FAKE_WAIT:-}" != yes ] || {
        trap 'echo told >>"$FAKE_LOG"; exit 130' TERM
        : >"$FAKE_LOG.waiting"
        while :; do sleep 0.05; done
    }
    printf '::set-output name=verdict::PASS\\n'
    if [ "${FAKE_RUN:-yes}" = yes ]; then
        mkdir -p "$2/20261123-120000-title"
        echo '{}' >"$2/20261123-120000-title/plan.json"
        echo '{"base": {"commit": "0123abcd"}}' >"$2/20261123-120000-title/run.json"
    fi
    exit "${FAKE_STATUS:-0}"
    ;;
esac
"""


@dataclass(frozen=True)
class Shell:
    """A machine for a script: a PATH with programs of ours before the real ones, and a log of their calls."""

    folder: Path
    variables: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.program("orchestrator", FAKE_ORCHESTRATOR)
        # Under this name the wheel installs it.
        self.program("orchestrator-ci-run", CI_RUN.read_text())

    @property
    def log(self) -> Path:
        """Where fakes write their calls."""
        return self.folder / "calls.log"

    def calls(self) -> list[str]:
        """The fakes' calls so far."""
        return self.log.read_text().splitlines() if self.log.exists() else []

    def program(self, name: str, text: str) -> Path:
        """Put a program on PATH."""
        return executable(self.folder / "bin" / name, text)

    def environment(self, **more: str) -> dict[str, str]:
        """Nothing of the CI that these tests may run in."""
        ours = {name: value for name, value in os.environ.items() if not name.startswith(("GITHUB_", "CI_", "GITLAB_"))}
        return {
            **ours,
            "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
            "FAKE_LOG": str(self.log),
            **self.variables,
            **more,
        }

    def run(self, *argv: str | Path, cwd: Path | None = None, **more: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            [str(word) for word in argv],
            cwd=cwd or self.folder,
            env=self.environment(**more),
            capture_output=True,
            text=True,
            check=False,
            timeout=2400,
        )
