"""``orchestrator history``, ``show``, ``report`` and ``b4-check``, as a person and a machine see them."""

from __future__ import annotations

import json
import re
import shutil
import sys
import xml.etree.ElementTree as ET
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from orchestrator.cli.app import app
from orchestrator.cli.when import format_when
from orchestrator.store.run_directory import RunDirectory
from orchestrator.store.run_json import parse_run
from tests.hostile import CORPUS, MARK
from tests.recorded import NAMES, RUNS

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=timezone(timedelta(hours=1)))


@pytest.fixture
def results(tmp_path: Path) -> Path:
    for number, name in enumerate(NAMES):
        shutil.copytree(RUNS / name, tmp_path / "results" / f"2026112{number}-154126-{name}")
    return tmp_path / "results"


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "GITHUB_STEP_SUMMARY", "PATCHWORK_TOKEN", "COLUMNS", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)


def run(*words: str | Path, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words], input=stdin, catch_exceptions=False)


@pytest.mark.parametrize(
    ("stamp", "said"),
    [
        ("2026-11-25T10:59:40+00:00", "just now"),
        ("2026-11-25T10:48:00+00:00", "12 min ago"),
        ("2026-11-25T07:30:00+00:00", "3 h ago"),
        ("2026-11-24T22:59:00+00:00", "yesterday 23:59"),
        ("2026-11-24T14:37:00+00:00", "yesterday 15:37"),
        ("2026-11-21T14:37:00+00:00", "Sat 15:37"),
        ("2026-11-03T14:37:00+00:00", "2026-11-03"),
        ("2027-01-01T00:00:00+00:00", "2027-01-01"),
        ("2026-11-25T10:48:00", "12 min ago"),
        ("not a time", "not a time"),
        ("", ""),
    ],
)
def test_moments_are_told_as_people_say_them(stamp: str, said: str) -> None:
    assert format_when(stamp, NOW) == said


def test_history_lists_the_runs_newest_first(results: Path) -> None:
    done = run("history", "--results", results)
    assert done.exit_code == 0
    verdicts = [line.split()[0] for line in done.stdout.splitlines()[1:]]
    assert verdicts == ["unfinished", "ERROR", "INCONCLUSIVE", "REGRESSION", "CHANGED", "PASS"]
    (line,) = [line for line in done.stdout.splitlines() if "REGRESSION" in line]
    assert re.search(r"36 s +2 +05-invalidate-first-only +20261122-154126-regression$", line.rstrip())
    assert "1 of 4" in done.stdout


def test_history_on_a_narrow_terminal_keeps_the_runs_ids_whole(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    done = run("history", "--results", results)
    assert all(len(line.rstrip()) <= 80 for line in done.stdout.splitlines())
    assert "20261122-154126-regression" in done.stdout


def test_run_that_somebody_is_doing_is_in_progress(results: Path) -> None:
    name = "20261125-154126-half-finished"
    assert "unfinished" in run("history", "--results", results).stdout
    with RunDirectory(results / name).held():
        assert "in progress" in run("history", "--results", results).stdout
        shown = run("show", name, "--results", results).stdout
    assert "This run is in progress: 1 of 4 trials are done." in shown
    assert "--resume" not in shown
    assert f"--resume {name}" in run("show", name, "--results", results).stdout


def test_history_as_json_and_filtered(results: Path) -> None:
    found = json.loads(run("history", "--results", results, "--json", "--verdict", "regression").stdout)
    assert [each["run_id"] for each in found] == ["20261122-154126-regression"]
    assert found[0]["seconds"] == 36.0
    assert len(json.loads(run("history", "--results", results, "--json", "-n", "2").stdout)) == 2
    assert len(json.loads(run("history", "--results", results, "--json", "--search", "batch").stdout)) == 3
    assert "the newest 2 of 6 runs" in run("history", "--results", results, "-n", "2").stdout


def test_history_of_nothing_and_of_an_unknown_verdict(tmp_path: Path) -> None:
    assert "no runs in" in run("history", "--results", tmp_path).stdout
    done = run("history", "--results", tmp_path, "--verdict", "fine")
    assert done.exit_code == 2
    assert "one of pass, regression" in done.stderr


@pytest.mark.parametrize("text", CORPUS, ids=range(len(CORPUS)))
def test_hostile_title_does_nothing_to_the_terminal(text: str, results: Path) -> None:
    (path,) = results.glob("*-pass/run.json")
    data = json.loads(path.read_text())
    data["series"]["title"] = text
    data["verdict"]["sentences"] = [text]
    path.write_text(json.dumps(data))
    for words in (("history",), ("show", "20261120-154126-pass"), ("history", "--json")):
        shown = run(*words, "--results", results).stdout
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e\u2066]", shown)
        assert len(shown.splitlines()) < 120 or len(text) > 1000
    assert MARK in shown


def test_show_shows_what_test_showed_and_json_is_the_record(results: Path) -> None:
    done = run("show", "20261122-154126-regression", "--results", results)
    assert done.exit_code == 0
    assert "REGRESSION" in done.stdout
    assert "zswap_swapoff" in done.stdout
    as_json = run("show", "20261122-154126-regression", "--results", results, "--json").stdout
    assert parse_run(as_json) == parse_run((results / "20261122-154126-regression" / "run.json").read_text())
    latest = run("show", "--results", results)
    assert "This run is not finished: 1 of 4 trials are done." in latest.stdout


@pytest.mark.parametrize("command", ["show", "report"])
def test_unknown_run_is_told_without_a_traceback(command: str, results: Path) -> None:
    more = ["--format", "text"] if command == "report" else []
    done = run(command, "nowhere", *more, "--results", results)
    assert done.exit_code == 2
    assert done.stderr.startswith("orchestrator: there is no run 'nowhere'")


def test_report_without_a_format_lists_them() -> None:
    shown = run("report").stdout
    assert {"junit", "ktap", "kcidb", "html", "markdown", "csv", "parquet", "json"} <= set(shown.split())


def test_report_writes_one_format_to_stdout_or_a_file(results: Path, tmp_path: Path) -> None:
    done = run("report", "20261122-154126-regression", "-f", "ktap", "--results", results)
    assert done.stdout.startswith("KTAP version 1\n")
    target = tmp_path / "deep" / "out.xml"
    done = run("report", "20261122-154126-regression", "-f", "junit", "-o", target, "--results", results)
    assert (done.exit_code, done.stdout) == (0, "")
    assert ET.parse(target).getroot().tag == "testsuites"


def test_report_writes_all_formats_to_a_folder(results: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = run("report", "20261122-154126-regression", "--format", "all", "-o", out, "--results", results)
    assert done.exit_code == 0, done.stderr
    suffixes = sorted(path.name.partition("first-only")[2] for path in out.iterdir())
    assert {".xml", ".ktap", ".kcidb.json", ".md", ".samples.csv", ".samples.parquet", ".json", ".html"} <= set(
        suffixes
    )
    assert len(done.stdout.splitlines()) == len(suffixes)


def test_report_of_a_lone_record_leaves_out_what_needs_its_folder_and_says_so(tmp_path: Path) -> None:
    lone = tmp_path / "mailed.json"
    shutil.copy(RUNS / "pass" / "run.json", lone)
    done = run("report", lone, "-f", "all", "-o", tmp_path / "out", "--results", tmp_path)
    assert done.exit_code == 0
    assert "no csv" in done.stderr
    assert "no parquet" in done.stderr
    assert run("report", lone, "-f", "csv", "--results", tmp_path).exit_code == 2


@pytest.mark.parametrize("run_id", ["../../evil", "/tmp/evil", "a/b", "", "..", "-rf", "\x1b[2J", "a\nb", "x" * 300])
def test_report_never_writes_outside_of_its_folder(run_id: str, tmp_path: Path) -> None:
    lone = tmp_path / "mailed.json"
    data = json.loads((RUNS / "pass" / "run.json").read_text())
    lone.write_text(json.dumps({**data, "run_id": run_id}))
    done = run("report", lone, "-f", "text", "-f", "ktap", "-o", tmp_path / "out", "--results", tmp_path)
    assert done.exit_code == 2
    assert "no name for a file" in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-f", "pdf"], "there is no format 'pdf'"),
        (["-f", "text", "-f", "ktap"], "several formats need a folder"),
        (["--step-summary"], "GITHUB_STEP_SUMMARY is not set"),
        (["--patchwork", "https://patchwork.example.org"], "PATCHWORK_TOKEN is not set"),
    ],
)
def test_report_that_cannot_be_made_says_what_to_do(words: list[str], said: str, results: Path) -> None:
    done = run("report", "20261122-154126-regression", *words, "--results", results)
    assert done.exit_code == 2
    assert said in done.stderr
    assert "Try: " in done.stderr


def test_report_without_a_run_is_told() -> None:
    assert run("report", "-f", "text").exit_code == 2


def test_patchwork_without_message_ids_is_told(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATCHWORK_TOKEN", "x")
    done = run("report", "20261122-154126-regression", "--patchwork", "http://127.0.0.1:1", "--results", results)
    assert done.exit_code == 2
    assert "message id" in done.stderr


def test_step_summary_is_added_to_what_is_there(results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "summary.md"
    place.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(place))
    assert run("report", "latest", "--step-summary", "--results", results).exit_code == 0
    assert place.read_text().startswith("before\n## INCONCLUSIVE: ")
    place.write_bytes(b"x" * (1 << 20))
    done = run("report", "latest", "--step-summary", "--results", results)
    assert done.exit_code == 2
    assert place.stat().st_size == 1 << 20


def test_schema_is_printed() -> None:
    assert json.loads(run("report", "--schema").stdout)["title"] == "run.json"


def test_completion_knows_runs_and_formats(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def completed(words: str) -> str:
        # What bash's function of --show-completion does.
        environment = {
            "_ORCHESTRATOR_COMPLETE": "complete_bash", "COMP_WORDS": f"orchestrator {words}",
            "COMP_CWORD": str(len(words.split())),
        }  # fmt: skip
        done = CliRunner().invoke(app, [], env=environment, prog_name="orchestrator")
        return done.stdout

    assert completed(f"show --results {results} 20261122").split() == ["20261122-154126-regression"]
    assert completed("report --format k").split() == ["kcidb", "ktap"]
    assert completed("hist").split() == ["history"]


def mail_of(name: str, message_id: str = "<unknown@example.org>") -> bytes:
    diff = parse_run((RUNS / name / "run.json").read_text()).series.patches[0].diff
    head = f"From: A <a@example.org>\nSubject: [PATCH] x\nMessage-ID: {message_id}\n\nWhy.\n---\n f | 1 +\n\n"
    return f"{head}{diff}-- \n2.39.5\n".encode()


def test_b4_check_tells_what_a_run_said_of_the_same_change(results: Path) -> None:
    done = run("b4-check", "--results", results, "--link", "https://example.org/x", stdin=mail_of("regression"))
    (answer,) = json.loads(done.stdout)
    assert set(answer) == {"tool", "status", "summary", "url", "details"}
    assert (answer["status"], answer["url"]) == ("fail", "https://example.org/x")
    assert "zswap_swapoff" in answer["summary"]
    assert done.exit_code == 0


@pytest.mark.parametrize(
    "mail",
    [
        b"",
        b"\n\n",
        b"Subject: hello\n\nno patch\n",
        b"\xff\xfe\x00",
        b"Message-ID: <<>\n\nx",
        b"Content-Type: text/plain; charset=nonsense\n\n\xff",
    ],
)
def test_b4_check_answers_anything_else_with_a_warning_and_blames_nobody(mail: bytes, results: Path) -> None:
    done = run("b4-check", "--results", results, stdin=mail)
    (answer,) = json.loads(done.stdout)
    assert (done.exit_code, answer["status"]) == (0, "warn")
    assert answer["summary"].startswith("not tested")


def test_b4_reads_the_answer(results: Path, tmp_path: Path) -> None:
    from email import message_from_bytes, policy

    from b4.review import checks

    command = f"{sys.executable} -m orchestrator b4-check --results {results}"
    message = message_from_bytes(mail_of("regression"), policy=policy.default)
    found = checks._dispatch_cmd(command, message, str(tmp_path))
    assert [(each["tool"], each["status"]) for each in found] == [("mm-patch-orchestrator", "fail")]
    assert "zswap_swapoff" in found[0]["details"]
