"""The scripts of the CI jobs for real: a fresh clone, pip, the smallest scenario; and commits of a shallow tree, as a job has them."""

from __future__ import annotations

import json
import os
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from orchestrator.host.deadline import Cancellation
from orchestrator.host.steps import Steps
from orchestrator.host.workspace import CACHE_NAME, cache_root
from orchestrator.tree.sources import open_source
from tests.command import LINUX, LONG_S, MAIL, REPOSITORY
from tests.contrib.jobs import (
    GITHUB_SHELL,
    GITLAB,
    GITLAB_SHELL,
    executable,
    fresh_clone,
    github_steps,
    gitlab_script,
    load,
)

pytestmark = pytest.mark.qemu

SMALLEST = "--scenario memcg-limit --topology two-node --seeds 1"
# Base and patched are the same object code: no trial is needed to say PASS.
BENIGN = REPOSITORY / "tests/data/patches/benign/01-comment-only.diff"


def run(script: str, *, shell: tuple[str, ...], cwd: Path, **more: str) -> subprocess.CompletedProcess[str]:
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("GITHUB_", "CI_", "GITLAB_"))}
    return subprocess.run(
        [*shell, "-c", script],
        cwd=cwd,
        env={**ours, **more},
        capture_output=True,
        text=True,
        check=False,
        timeout=LONG_S,
    )


def git(tree: Path, *words: str, given: str = "") -> str:
    who = ["-c", "user.name=A", "-c", "user.email=a@example.com"]
    argv: list[str | Path] = ["git", "-C", tree, *who, *words]
    return subprocess.run(argv, input=given, check=True, capture_output=True, text=True).stdout.strip()


def record(results: Path) -> dict[str, Any]:
    """The one run's record; every report that CI reads stands beside it."""
    suites = ET.parse(results / "junit.xml").getroot()
    assert int(suites.get("tests", "0")) > 0
    assert (results / "results.ktap").read_text().startswith("KTAP version 1\n")
    assert "<html" in (results / "report.html").read_text()
    assert (results / "summary.md").stat().st_size > 0
    (run_json,) = results.glob("run.*/*/run.json")
    loaded: dict[str, Any] = json.loads(run_json.read_text())
    return loaded


def test_github_job_on_a_mail_installs_tests_and_reports(tmp_path: Path) -> None:
    workspace = tmp_path / "workspace"
    fresh_clone(workspace / "orchestrator")
    (workspace / "source").mkdir()
    (workspace / "source/review.txt").write_bytes(MAIL.read_bytes())
    files = {name: tmp_path / name.lower() for name in ("GITHUB_PATH", "GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
    for path in files.values():
        path.touch()
    variables = {
        **{name: str(path) for name, path in files.items()},
        "GITHUB_ACTIONS": "true",
        "GITHUB_WORKSPACE": str(workspace),
        "RUNNER_TEMP": str(tmp_path / "temp"),
    }
    installed = run(github_steps()["Install"]["run"], shell=GITHUB_SHELL, cwd=workspace, **variables)
    assert installed.returncode == 0, installed.stdout + installed.stderr

    variables["PATH"] = f"{files['GITHUB_PATH'].read_text().strip()}:{os.environ['PATH']}"
    words = {"INPUT": "review.txt", "LINUX": LINUX, "OPTIONS": SMALLEST}
    done = run(github_steps()["Test"]["run"], shell=GITHUB_SHELL, cwd=workspace / "source", **variables, **words)
    assert done.returncode in {0, 1}, done.stdout + done.stderr
    found = record(workspace / "ci-results")
    assert {trial["status"] for trial in found["trials"]} == {"PASS"}
    outputs = dict(line.split("=", 1) for line in files["GITHUB_OUTPUT"].read_text().splitlines())
    assert outputs["base"] == found["base"]["commit"]
    assert outputs["status"] == str(done.returncode)
    assert found["verdict"]["outcome"] in files["GITHUB_STEP_SUMMARY"].read_text()


def merge_request(project: Path, source: Path) -> tuple[str, str]:
    """Make ``project`` a shallow repository of Linux with one patch on it; return base and tip."""
    tip_of_linux = git(source, "rev-parse", "HEAD")
    project.mkdir(parents=True)
    git(project, "init", "--quiet")
    git(project, "fetch", "--quiet", "--depth=1", source.as_uri(), tip_of_linux)
    git(project, "read-tree", tip_of_linux)
    git(project, "apply", "--cached", str(BENIGN))
    tree = git(project, "write-tree")
    tip = git(project, "commit-tree", "-p", tip_of_linux, "-m", "mm/zswap: say it better", tree)
    git(project, "update-ref", "HEAD", tip)
    return tip_of_linux, tip


def test_gitlab_job_on_a_merge_request_installs_tests_and_reports(tmp_path: Path) -> None:
    repository = fresh_clone(tmp_path / "orchestrator.git")
    git(repository, "checkout", "--quiet", "-B", "main")
    git(repository, "add", "--all")
    git(repository, "commit", "--quiet", "--allow-empty", "--message", "as it is")
    project = tmp_path / "project"
    source = open_source(LINUX, cache=cache_root(), steps=Steps(), cancellation=Cancellation())
    base, tip = merge_request(project, source.repo)
    # What GitLab restores of an earlier job.
    (project / ".cache").mkdir()
    (project / ".cache" / CACHE_NAME).symlink_to(cache_root())
    executable(tmp_path / "bin/apt-get", "#!/bin/sh\n")
    variables = {name: str(value) for name, value in load(GITLAB)["zswap"]["variables"].items()} | {
        "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
        "CI_PROJECT_DIR": str(project),
        "CI_MERGE_REQUEST_DIFF_BASE_SHA": base,
        "CI_COMMIT_SHA": tip,
        "XDG_CACHE_HOME": str(project / ".cache"),
        "ORCHESTRATOR_HOME": str(tmp_path / "home"),
        "ORCHESTRATOR_REPOSITORY": repository.as_uri(),
    }
    done = run(gitlab_script(), shell=GITLAB_SHELL, cwd=project, **variables)
    assert done.returncode == 0, done.stdout + done.stderr
    found = record(project / "ci-results")
    assert found["verdict"]["outcome"] == "PASS"
    assert found["base"]["commit"] == base
    assert found["objects"]["same"] is True
