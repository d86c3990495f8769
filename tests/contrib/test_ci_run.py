"""contrib/ci-run: what it understands, what it tells orchestrator, what comes out, and with which status."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import signal
import subprocess
import threading
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.command import eventually
from tests.contrib.jobs import CI_RUN, CONTRIB, Shell

REPORTS = {"junit.xml", "results.ktap", "report.html", "summary.md"}
PATCH = "From 0123 Mon Sep 17 00:00:00 2001\nSubject: [PATCH] x\n"


def reports(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.is_file()}


def git(tree: Path, *words: str) -> str:
    who = ["-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "protocol.file.allow=always"]
    done = subprocess.run(["git", "-C", tree, *who, *words], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def commit(tree: Path, name: str) -> str:
    (tree / name).write_text(f"{name}\n")
    git(tree, "add", name)
    git(tree, "commit", "--quiet", "-m", f"add {name}")
    return git(tree, "rev-parse", "HEAD")


@pytest.fixture
def mail(shell: Shell) -> Path:
    path = shell.folder / "series.mbox"
    path.write_text(PATCH)
    return path


@pytest.fixture
def origin(shell: Shell) -> Path:
    """A repository: main with three commits, feature with two on the second of them."""
    tree = shell.folder / "origin"
    tree.mkdir()
    git(tree, "init", "--quiet", "--initial-branch=main")
    git(tree, "config", "uploadpack.allowAnySHA1InWant", "true")
    commit(tree, "one")
    commit(tree, "two")
    git(tree, "checkout", "--quiet", "-b", "feature")
    commit(tree, "three")
    commit(tree, "four")
    git(tree, "checkout", "--quiet", "main")
    commit(tree, "five")
    return tree


class Served(http.server.BaseHTTPRequestHandler):
    """Patches over HTTP, as a forge serves them."""

    def do_GET(self) -> None:
        if self.path == "/elsewhere.patch":
            self.send_response(302)
            self.send_header("Location", "file:///etc/passwd")
            self.end_headers()
            return
        body = {"/1.patch": PATCH.encode(), "/large.patch": b"x" * 70_000_000}.get(self.path)
        self.send_response(404 if body is None else 200)
        # No Content-Length: what is too large shows only when it has come.
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(body or b"")

    def log_message(self, *words: object) -> None:
        """Nothing is printed."""


@pytest.fixture
def site() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Served)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


class TestOutcome:
    @pytest.mark.parametrize("status", [0, 1, 3, 130])
    def test_status_is_orchestrators_and_the_reports_are_there(self, shell: Shell, mail: Path, status: int) -> None:
        done = shell.run(CI_RUN, "--out", "out", mail, FAKE_STATUS=str(status))
        assert done.returncode == status
        assert reports(shell.folder / "out") == REPORTS
        run = next((shell.folder / "out").glob("run.*/*"))
        assert (shell.folder / "out/junit.xml").read_text() == f"junit of {run}\n"
        assert f"the record: {run}" in done.stderr

    @pytest.mark.parametrize("status", [2, 3])
    def test_without_a_run_the_reports_are_an_error_and_not_an_earlier_calls(
        self, shell: Shell, mail: Path, status: int
    ) -> None:
        shell.run(CI_RUN, "--out", "out", mail)
        done = shell.run(CI_RUN, "--out", "out", mail, FAKE_STATUS=str(status), FAKE_RUN="no")
        assert done.returncode == status
        suites = ET.parse(shell.folder / "out/junit.xml").getroot()
        assert suites.get("errors") == "1"
        assert [error.get("type") for error in suites.iter("error")] == [f"exit {status}"]
        assert (shell.folder / "out/results.ktap").read_text().splitlines()[-1] == "not ok 1 orchestrator"
        assert reports(shell.folder / "out") == REPORTS - {"report.html"}

    def test_success_without_a_run_is_none(self, shell: Shell, mail: Path) -> None:
        assert shell.run(CI_RUN, mail, FAKE_RUN="no").returncode == 3

    @pytest.mark.parametrize(("status", "expected"), [(0, 3), (1, 1), (3, 3)])
    def test_a_report_that_cannot_be_made_hides_no_regression_and_is_no_pass(
        self, shell: Shell, mail: Path, status: int, expected: int
    ) -> None:
        done = shell.run(CI_RUN, "--out", "out", mail, FAKE_STATUS=str(status), FAKE_REPORT="no-html")
        assert done.returncode == expected
        assert reports(shell.folder / "out") == REPORTS - {"report.html"}

    def test_two_calls_keep_both_records(self, shell: Shell, mail: Path) -> None:
        for _ in range(2):
            shell.run(CI_RUN, "--out", "out", mail)
        assert len(list((shell.folder / "out").glob("run.*/*/plan.json"))) == 2

    def test_ktap_on_request_is_all_that_stands_on_standard_output(self, shell: Shell, mail: Path) -> None:
        done = shell.run(CI_RUN, "--ktap", "--out", "out", mail)
        assert done.stdout == (shell.folder / "out/results.ktap").read_text()
        assert done.stdout.startswith("ktap of ")

    def test_without_orchestrator_says_how_to_get_it(self, shell: Shell, mail: Path) -> None:
        (shell.folder / "bin/orchestrator").unlink()
        done = shell.run(CI_RUN, "--ktap", mail, PATH="/usr/bin:/bin")
        assert done.returncode == 3
        assert "doctor --fix" in done.stderr
        assert "not ok 1 orchestrator" in done.stdout


class TestInput:
    def test_mail_is_handed_on_behind_a_guard(self, shell: Shell, mail: Path) -> None:
        shell.run(CI_RUN, "--out", "out", mail, "--", "--profile", "demo")
        assert shell.calls()[0].startswith("test --linux linux-7.2 --results ")
        assert shell.calls()[0].endswith(f" --profile demo -- {mail}")

    @pytest.mark.parametrize(
        "word", ["<1@example.com>", "20261123.1-1-a@example.com", "https://lore.kernel.org/linux-mm/1@b/"]
    )
    def test_message_ids_and_links_to_archives_are_orchestrators_to_fetch(self, shell: Shell, word: str) -> None:
        assert shell.run(CI_RUN, "--out", "out", word).returncode == 0
        assert shell.calls()[0].endswith(f" -- {word}")

    def test_link_to_a_patch_is_fetched(self, shell: Shell, site: str) -> None:
        assert shell.run(CI_RUN, "--out", "out", f"{site}/1.patch").returncode == 0
        fetched = shell.folder / "out/input.mbox"
        assert fetched.read_text() == PATCH
        assert shell.calls()[0].endswith(f" -- {fetched}")

    @pytest.mark.parametrize(("name", "status"), [("none.patch", 3), ("elsewhere.patch", 3), ("large.patch", 2)])
    def test_link_that_gives_no_patch_ends_before_a_run(self, shell: Shell, site: str, name: str, status: int) -> None:
        done = shell.run(CI_RUN, "--out", "out", f"{site}/{name}")
        assert done.returncode in {status, 3}
        assert shell.calls() == []
        assert (shell.folder / "out/junit.xml").is_file()

    @pytest.mark.parametrize("word", ["nothing", "--help-me", "", "a..b"])
    def test_what_is_nothing_of_all_that_is_refused(self, shell: Shell, origin: Path, word: str) -> None:
        done = shell.run(CI_RUN, "--linux", origin, "--out", "out", word)
        assert done.returncode == 2
        assert shell.calls() == []

    def test_branch_is_tested_from_where_it_left(self, shell: Shell, origin: Path) -> None:
        done = shell.run(CI_RUN, "--linux", origin, "--onto", "main", "--out", "out", "feature")
        assert done.returncode == 0, done.stderr
        fork, tip = git(origin, "rev-parse", "main~1"), git(origin, "rev-parse", "feature")
        assert shell.calls()[0].endswith(f"--git {fork}..{tip}")

    def test_branch_without_a_beginning_is_refused(self, shell: Shell, origin: Path) -> None:
        done = shell.run(CI_RUN, "--linux", origin, "--out", "out", "feature")
        assert done.returncode == 2
        assert "--onto" in done.stderr

    def test_range_is_handed_on(self, shell: Shell, origin: Path) -> None:
        shell.run(CI_RUN, "--linux", origin, "--out", "out", "main~1..feature")
        assert shell.calls()[0].endswith("--git main~1..feature")

    def test_tree_can_be_told_by_the_environment(self, shell: Shell, origin: Path) -> None:
        shell.run(CI_RUN, "--out", "out", "main~1..feature", LINUX=str(origin))
        assert shell.calls()[0].startswith(f"test --linux {origin} ")

    @pytest.mark.parametrize("words", [[], ["a", "b"], ["--out"], ["a", "--profile"]])
    def test_wrong_usage_says_what_is_right(self, shell: Shell, words: list[str]) -> None:
        done = shell.run(CI_RUN, *words)
        assert done.returncode == 2
        assert done.stderr
        assert not (shell.folder / "ci-results").exists()


def merge_request(shell: Shell, tree: Path, base: str, tip: str) -> subprocess.CompletedProcess[str]:
    """Run the job of a merge request from ``base`` to ``tip``, as GitLab names them."""
    words = ("--linux", tree, "--out", "out", "change-request")
    return shell.run(CI_RUN, *words, CI_MERGE_REQUEST_DIFF_BASE_SHA=base, CI_COMMIT_SHA=tip)


class TestChangeRequest:
    """In clones as the runners make them: with one commit."""

    def clone(self, shell: Shell, origin: Path, revision: str) -> Path:
        tree = shell.folder / "job"
        tree.mkdir()
        git(tree, "init", "--quiet")
        git(tree, "remote", "add", "origin", origin.as_uri())
        git(tree, "fetch", "--quiet", "--depth=1", "origin", git(origin, "rev-parse", revision))
        git(tree, "checkout", "--quiet", "FETCH_HEAD")
        return tree

    def event(self, shell: Shell, request: dict[str, object]) -> str:
        path = shell.folder / "event.json"
        path.write_text(json.dumps(request))
        return str(path)

    def github(self, shell: Shell, origin: Path, branch: str, commits: int) -> subprocess.CompletedProcess[str]:
        tree = self.clone(shell, origin, branch)
        head = git(origin, "rev-parse", branch)
        event = self.event(shell, {"pull_request": {"head": {"sha": head}, "commits": commits}})
        return shell.run(CI_RUN, "--linux", tree, "--out", "out", "change-request", GITHUB_EVENT_PATH=event)

    def test_pull_request_is_the_range_of_its_commits(self, shell: Shell, origin: Path) -> None:
        done = self.github(shell, origin, "feature", 2)
        assert done.returncode == 0, done.stderr
        wanted = f"{git(origin, 'rev-parse', 'feature~2')}..{git(origin, 'rev-parse', 'feature')}"
        assert shell.calls()[0].endswith(f"--git {wanted}")
        assert len(git(shell.folder / "job", "rev-list", wanted).split()) == 2

    def test_pull_request_with_more_commits_than_there_are_in_a_row_is_refused(
        self, shell: Shell, origin: Path
    ) -> None:
        done = self.github(shell, origin, "feature", 7)
        assert done.returncode == 2
        assert "rebase" in done.stderr

    @pytest.mark.parametrize("event", [{}, {"push": 1}, {"pull_request": None}])
    def test_event_that_is_no_pull_request_is_refused(
        self, shell: Shell, origin: Path, event: dict[str, object]
    ) -> None:
        path = self.event(shell, event)
        done = shell.run(CI_RUN, "--linux", origin, "--out", "out", "change-request", GITHUB_EVENT_PATH=path)
        assert done.returncode == 2
        assert "no pull request" in done.stderr

    def test_event_that_cannot_be_read_is_ours(self, shell: Shell, origin: Path) -> None:
        path = shell.folder / "event.json"
        path.write_text("{")
        done = shell.run(CI_RUN, "--linux", origin, "--out", "out", "change-request", GITHUB_EVENT_PATH=str(path))
        assert done.returncode == 3

    def test_merge_request_is_the_range_from_its_base(self, shell: Shell, origin: Path) -> None:
        tree = self.clone(shell, origin, "feature")
        base, tip = git(origin, "rev-parse", "main~1"), git(origin, "rev-parse", "feature")
        done = merge_request(shell, tree, base, tip)
        assert done.returncode == 0, done.stderr
        assert shell.calls()[0].endswith(f"--git {base}..{tip}")
        assert len(git(tree, "rev-list", f"{base}..{tip}").split()) == 2

    def test_merge_request_beside_its_base_is_refused(self, shell: Shell, origin: Path) -> None:
        tree = self.clone(shell, origin, "feature")
        base, tip = git(origin, "rev-parse", "main"), git(origin, "rev-parse", "feature")
        done = merge_request(shell, tree, base, tip)
        assert done.returncode == 2
        assert "rebase" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_cancelled_job_tells_orchestrator_and_waits_for_it(shell: Shell, mail: Path, number: signal.Signals) -> None:
    child = subprocess.Popen(
        # A shell cannot trap what was ignored when it began, as under nohup.
        ["env", "--default-signal=INT", CI_RUN, "--out", "out", mail],
        cwd=shell.folder,
        env=shell.environment(FAKE_WAIT="yes"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    assert eventually((shell.folder / "calls.log.waiting").exists)
    os.kill(child.pid, number)
    assert child.wait(timeout=60) == 130
    assert shell.calls()[-1] == "told"


class TestMmCi:
    """The step is called as MM CI calls its own: a script in .github/scripts of the tree, with no argument."""

    def step(self, shell: Shell, origin: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        scripts = origin / ".github/scripts"
        scripts.mkdir(parents=True)
        script = scripts / "run-zswap-tests.sh"
        script.write_text((CONTRIB / "mm-ci/run-zswap-tests.sh").read_text())
        return shell.run("bash", script, *words, cwd=origin, **more)

    @pytest.mark.parametrize("status", [0, 1, 3])
    def test_step_prints_ktap_and_ends_with_the_verdicts_status(self, shell: Shell, origin: Path, status: int) -> None:
        done = self.step(shell, origin, "main~1..feature", FAKE_STATUS=str(status), ZSWAP_CI_OPTIONS="--seeds 1 --all")
        assert done.returncode == status, done.stderr
        assert done.stdout == (origin / "zswap-results/results.ktap").read_text()
        assert (origin / "zswap-results/junit.xml").is_file()
        assert shell.calls()[0].endswith("--git main~1..feature --seeds 1 --all")

    def test_step_on_a_pull_request_tests_its_commits(self, shell: Shell, origin: Path) -> None:
        path = shell.folder / "event.json"
        head = git(origin, "rev-parse", "feature")
        path.write_text(json.dumps({"pull_request": {"head": {"sha": head}, "commits": 2}}))
        git(origin, "remote", "add", "origin", origin.as_uri())
        done = self.step(shell, origin, GITHUB_EVENT_NAME="pull_request", GITHUB_EVENT_PATH=str(path))
        assert done.returncode == 0, done.stderr
        assert shell.calls()[0].endswith(f"--git {git(origin, 'rev-parse', 'feature~2')}..{head} --profile quick")

    def test_step_without_a_series_is_a_skip_and_no_pass(self, shell: Shell, origin: Path) -> None:
        done = self.step(shell, origin, GITHUB_EVENT_NAME="push")
        assert done.returncode == 4
        assert done.stdout.splitlines() == [
            "KTAP version 1",
            "1..0 # SKIP no series: this job runs for no pull request",
        ]
        assert shell.calls() == []
