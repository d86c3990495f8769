"""The GitHub workflow and the GitLab job: valid for the tools that know the formats, and their scripts do what they should."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.contrib.conftest import BESIDE_PYTHON
from tests.contrib.jobs import (
    GITHUB,
    GITHUB_SHELL,
    GITLAB,
    GITLAB_SHELL,
    Shell,
    executable,
    github_steps,
    gitlab_script,
    load,
)
from tests.hostile import MARK, NAMES


def check(*argv: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(word) for word in argv], cwd=cwd, capture_output=True, text=True, check=False, timeout=120
    )


def schema(name: str, path: Path) -> subprocess.CompletedProcess[str]:
    return check(BESIDE_PYTHON / "check-jsonschema", "--builtin-schema", f"vendor.{name}", path)


def shellcheck(tmp_path: Path, text: str) -> subprocess.CompletedProcess[str]:
    path = tmp_path / "body.sh"
    path.write_text(text)
    return check(BESIDE_PYTHON / "shellcheck", "--shell=bash", path)


class TestGithub:
    def place(self, folder: Path, text: str) -> Path:
        target = folder / ".github/workflows/zswap.yml"
        target.parent.mkdir(parents=True)
        target.write_text(text)
        return target

    def test_workflow_for_actionlint_is_clean(self, tmp_path: Path, actionlint: list[str]) -> None:
        self.place(tmp_path, GITHUB.read_text())
        done = check(*actionlint, ".github/workflows/*.yml", cwd=tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "1 workflow file" in done.stdout

    def test_actionlint_with_a_fault_says_so(self, tmp_path: Path, actionlint: list[str]) -> None:
        broken = GITHUB.read_text().replace("steps.test.outputs.base }}", "steps.tset.outputs.base }}")
        self.place(tmp_path, broken)
        done = check(*actionlint, ".github/workflows/*.yml", cwd=tmp_path)
        assert done.returncode == 1
        assert "tset" in done.stdout

    def test_workflow_for_its_schema_is_valid(self, tmp_path: Path) -> None:
        assert schema("github-workflows", GITHUB).returncode == 0
        broken = self.place(tmp_path, GITHUB.read_text().replace("runs-on:", "run-on:"))
        assert schema("github-workflows", broken).returncode == 1

    def test_workflow_for_zizmor_has_no_weakness(self, tmp_path: Path) -> None:
        done = check(BESIDE_PYTHON / "zizmor", "--offline", "--no-config", self.place(tmp_path, GITHUB.read_text()))
        assert done.returncode == 0, done.stdout + done.stderr

    def test_no_expression_stands_in_a_script(self) -> None:
        scripts = [step["run"] for step in github_steps().values() if "run" in step]
        assert len(scripts) == 2
        assert not [script for script in scripts if "${{" in script]

    def test_scripts_for_shellcheck_are_clean(self, tmp_path: Path) -> None:
        for step in github_steps().values():
            if "run" in step:
                done = shellcheck(tmp_path, step["run"])
                assert done.returncode == 0, done.stdout

    def test_secrets_and_rights_are_as_few_as_can_be(self) -> None:
        assert load(GITHUB)["permissions"] == {"contents": "read"}
        assert "pull_request_target" not in load(GITHUB)["on"]
        checkouts = [step for step in github_steps().values() if step.get("uses", "").startswith("actions/checkout@")]
        assert [step["with"]["persist-credentials"] for step in checkouts] == [False, False]

    @pytest.fixture
    def runner(self, shell: Shell) -> Shell:
        """What GitHub's runner sets up for a step."""
        for name in ("env", "output", "path", "summary"):
            (shell.folder / name).touch()
        (shell.folder / "workspace/source").mkdir(parents=True)
        shell.variables.update(
            GITHUB_ACTIONS="true",
            GITHUB_WORKSPACE=str(shell.folder / "workspace"),
            RUNNER_TEMP=str(shell.folder / "temp"),
            GITHUB_PATH=str(shell.folder / "path"),
            GITHUB_OUTPUT=str(shell.folder / "output"),
            GITHUB_STEP_SUMMARY=str(shell.folder / "summary"),
        )
        return shell

    def step(self, runner: Shell, name: str, **more: str) -> subprocess.CompletedProcess[str]:
        step = github_steps()[name]
        script = runner.folder / "script.sh"
        script.write_text(step["run"])
        where = runner.folder / "workspace" / step.get("working-directory", "")
        assert set(more) == set(step.get("env", {}))
        return runner.run(*GITHUB_SHELL, script, cwd=where, **more)

    def test_install_step_makes_an_environment_and_asks_the_doctor(self, runner: Shell) -> None:
        fake_venv(runner)
        runner.program("sysctl", "#!/bin/sh\necho 1\n")
        runner.program("sudo", '#!/bin/sh\necho "sudo $*" >>"$FAKE_LOG"\n')
        done = self.step(runner, "Install")
        assert done.returncode == 0, done.stderr
        assert runner.calls() == [
            f"python3 -m venv {runner.folder}/temp/orchestrator",
            "pip install --quiet ./orchestrator",
            "sudo sysctl --quiet kernel.apparmor_restrict_unprivileged_userns=0",
            "doctor --fix",
        ]
        assert (runner.folder / "path").read_text() == f"{runner.folder}/temp/orchestrator/bin\n"

    @pytest.mark.parametrize("answer", ["echo 0", "exit 1", ""])
    def test_install_step_where_namespaces_are_allowed_changes_nothing(self, runner: Shell, answer: str) -> None:
        fake_venv(runner)
        runner.program("sysctl", f"#!/bin/sh\n{answer}\n")
        runner.program("sudo", '#!/bin/sh\necho "sudo $*" >>"$FAKE_LOG"\n')
        assert self.step(runner, "Install").returncode == 0
        assert not [call for call in runner.calls() if call.startswith("sudo")]

    @pytest.mark.parametrize("status", [0, 1, 2, 3])
    def test_test_step_ends_with_the_verdicts_status(self, runner: Shell, status: int) -> None:
        (runner.folder / "workspace/source/series.mbox").write_text("From x\n")
        runner.variables["FAKE_STATUS"] = str(status)
        done = self.step(runner, "Test", INPUT="series.mbox", LINUX="linux-7.2", OPTIONS="--profile demo")
        assert done.returncode == status
        results = runner.folder / "workspace/ci-results"
        assert {path.name for path in results.iterdir() if path.is_file()} == {
            "junit.xml", "results.ktap", "report.html", "summary.md",
        }  # fmt: skip
        outputs = dict(line.split("=", 1) for line in (runner.folder / "output").read_text().splitlines())
        assert outputs["status"] == str(status)
        assert outputs["base"] == "0123abcd"
        assert Path(outputs["run"], "plan.json").is_file()
        assert "markdown of" in (runner.folder / "summary").read_text()
        assert "--profile demo" in runner.calls()[0]

    def test_test_step_mutes_workflow_commands_in_what_strangers_wrote(self, runner: Shell) -> None:
        (runner.folder / "workspace/source/series.mbox").write_text("From x\n")
        done = self.step(runner, "Test", INPUT="series.mbox", LINUX="linux-7.2", OPTIONS="")
        lines = done.stdout.splitlines()
        first, last = lines[0], lines[-1]
        assert first.startswith("::stop-commands::")
        assert last == f"::{first.removeprefix('::stop-commands::')}::"
        assert len(last) >= 36
        assert 0 < lines.index("::set-output name=verdict::PASS") < len(lines) - 1

    def test_options_are_words_and_no_patterns(self, runner: Shell) -> None:
        (runner.folder / "workspace/source/series.mbox").write_text("From x\n")
        (runner.folder / "workspace/source/a").touch()
        self.step(runner, "Test", INPUT="series.mbox", LINUX="linux-7.2", OPTIONS="--sweep zpool=* --seeds 1")
        assert "--sweep zpool=* --seeds 1" in runner.calls()[0]

    @pytest.mark.parametrize("text", [name.replace("\0", "") for name in NAMES])
    def test_hostile_input_is_no_command(self, runner: Shell, text: str) -> None:
        source = runner.folder / "workspace/source"
        self.step(runner, "Test", INPUT=text, LINUX="linux-7.2", OPTIONS="")
        assert list(source.iterdir()) == []
        assert not Path("/", "etc", MARK).exists()


def fake_venv(shell: Shell) -> None:
    """A python3 whose venvs have a pip that writes what it is told, and the fake orchestrator."""
    pip = executable(shell.folder / "pip", '#!/bin/sh\necho "pip $*" >>"$FAKE_LOG"\n')
    shell.program(
        "python3",
        f"""#!/bin/sh
[ "$2" = venv ] || exec {sys.executable} "$@"
echo "python3 $*" >>"$FAKE_LOG"
mkdir -p "$3/bin"
cp {pip} "$3/bin/pip"
cp {shell.folder}/bin/orchestrator "$3/bin/"
""",
    )


class TestGitlab:
    def test_job_for_gitlabs_schema_is_valid(self, tmp_path: Path) -> None:
        assert schema("gitlab-ci", GITLAB).returncode == 0
        broken = tmp_path / "broken.yml"
        broken.write_text(GITLAB.read_text().replace("junit: ci-results/junit.xml", "junit: {a: b}"))
        assert schema("gitlab-ci", broken).returncode == 1

    def test_script_for_shellcheck_is_clean(self, tmp_path: Path) -> None:
        # SC2086: the words of OPTIONS are meant to be split. SC2154: variables are GitLab's.
        done = shellcheck(tmp_path, "# shellcheck disable=SC2086,SC2154\n:\n" + gitlab_script())
        assert done.returncode == 0, done.stdout

    @pytest.fixture
    def runner(self, shell: Shell) -> Shell:
        """What GitLab's runner sets up for a job: its variables, and the job's own."""
        project = shell.folder / "project"
        project.mkdir()
        (project / "series.mbox").write_text("From x\n")
        fake_venv(shell)
        shell.program("apt-get", '#!/bin/sh\necho "apt-get $*" >>"$FAKE_LOG"\n')
        shell.program("git", '#!/bin/sh\n[ "$1" = clone ] || exec /usr/bin/git "$@"\necho "git $*" >>"$FAKE_LOG"\n')
        job = load(GITLAB)["zswap"]["variables"]
        shell.variables.update({name: str(value) for name, value in job.items()})
        shell.variables.update(
            CI_PROJECT_DIR=str(project),
            XDG_CACHE_HOME=job["XDG_CACHE_HOME"].replace("$CI_PROJECT_DIR", str(project)),
            ORCHESTRATOR_HOME=str(shell.folder / "home"),
            ORCHESTRATOR_REPOSITORY="https://git.example/orchestrator.git",
        )
        return shell

    def job(self, runner: Shell, **more: str) -> subprocess.CompletedProcess[str]:
        script = runner.folder / "script.sh"
        script.write_text(gitlab_script())
        return runner.run(*GITLAB_SHELL, script, cwd=runner.folder / "project", **more)

    @pytest.mark.parametrize("status", [0, 1, 3])
    def test_job_installs_tests_and_ends_with_the_verdicts_status(self, runner: Shell, status: int) -> None:
        done = self.job(runner, INPUT="series.mbox", LINUX="linux-7.2", FAKE_STATUS=str(status))
        assert done.returncode == status, done.stderr
        calls = runner.calls()
        home = runner.folder / "home"
        assert calls[:2] == [
            "apt-get -q update",
            "apt-get -q install -y --no-install-recommends ca-certificates curl git python3 python3-venv",
        ]
        assert calls[2:6] == [
            f"git clone --quiet --depth 1 --branch main -- https://git.example/orchestrator.git {home}/source",
            f"python3 -m venv {home}",
            f"pip install --quiet {home}/source",
            "doctor --fix",
        ]
        assert calls[6].startswith("test --linux linux-7.2 --results ")
        assert calls[6].endswith("--profile quick -- series.mbox")
        assert (runner.folder / "project/ci-results/junit.xml").is_file()

    def test_where_there_is_no_merge_request_the_job_says_so(self, runner: Shell) -> None:
        done = self.job(runner)
        assert done.returncode == 2
        assert "no pull or merge request" in done.stderr

    def test_what_is_kept_lies_in_the_projects_folder(self) -> None:
        job = load(GITLAB)["zswap"]
        assert job["variables"]["XDG_CACHE_HOME"] == "$CI_PROJECT_DIR/.cache"
        assert all(path.startswith(".cache/mm-patch-orchestrator/") for path in job["cache"]["paths"])
        assert job["artifacts"]["when"] == "always"


def test_both_jobs_keep_the_same_of_the_cache() -> None:
    github = load(GITHUB)["jobs"]["zswap"]["env"]["KEPT"].split()
    gitlab = load(GITLAB)["zswap"]["cache"]["paths"]
    assert [path.removeprefix("~/") for path in github] == gitlab
