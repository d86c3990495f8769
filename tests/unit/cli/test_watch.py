"""The commands ``watch`` and ``queue``, run as a user runs them; a script stands for ``orchestrator test``."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.config.watch import read_watch_settings
from orchestrator.errors import UserError
from orchestrator.watch.queue import Queue
from orchestrator.watch.state import State
from tests.command import COMMAND, REPOSITORY, eventually
from tests.killed import SCRIPT
from tests.watching import drop_into, mail, patch, posting


class Site:
    """A folder with a watch.toml, a Maildir and a script in the place of the orchestrator."""

    def __init__(self, folder: Path, *, script: str = SCRIPT, more: str = "") -> None:
        self.folder = folder
        self.config = folder / "watch.toml"
        drop_into(folder / "maildir", [])
        (folder / "fake").write_text(script)
        (folder / "fake").chmod(0o755)
        self.config.write_text(f"""
state = "state"

[sources.mm]
kind = "maildir"
path = "maildir"
poll_s = 0.1

[filter]
paths = ["zswap"]

[run]
linux = "linux-7.2"
command = ["{folder}/fake"]
backoff_s = 0.1

[budgets]
free_mib = 1

[mail]
mode = "none"
{more}
""")

    def deliver(self, *mails: bytes) -> None:
        drop_into(self.folder / "maildir", list(mails))

    def call(self, *words: str) -> subprocess.CompletedProcess[str]:
        argv = [*COMMAND, *words, "--config", str(self.config)]
        return subprocess.run(argv, cwd=REPOSITORY, capture_output=True, text=True, timeout=120, check=False)

    def start(self) -> subprocess.Popen[bytes]:
        argv = [*COMMAND, "watch", "--config", str(self.config)]
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(argv, cwd=REPOSITORY, stdout=log, stderr=log)

    def series(self) -> list[dict[str, Any]]:
        done = self.call("queue", "list", "--all", "--json")
        assert done.returncode == 0, done.stderr
        found: list[dict[str, Any]] = json.loads(done.stdout)["series"]
        return found

    def states(self) -> list[State]:
        if not (self.folder / "state" / "queue.sqlite3").is_file():
            return []
        queue = Queue(self.folder / "state" / "queue.sqlite3")
        try:
            return [entry.state for entry in queue.entries()]
        finally:
            queue.close()


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[bytes]]]:
    children: list[subprocess.Popen[bytes]] = []
    yield children
    for child in children:
        if child.poll() is None:
            child.kill()
        child.wait(60)


def test_watch_when_once_then_what_is_there_is_tested_and_it_ends(site: Site) -> None:
    site.deliver(*posting("alpha", 2), *posting("beta", 3)[:2], patch("other", path="fs/x.c"))

    done = site.call("watch", "--once")

    assert done.returncode == 0, done.stderr
    events = [json.loads(line)["event"] for line in done.stderr.splitlines()]
    assert events[0] == "started"
    assert events[-1] == "stopped"
    assert [(each["title"], each["state"], each["says"]) for each in site.series()] == [
        ("alpha", "done", "no mail: mode = 'none': no replies are made"),
        ("beta", "seen", "waits for parts 2-3 of 3"),
        ("other", "filtered", "it touches none of the files wanted, only fs/x.c"),
    ]


def test_queue_when_it_is_listed_and_shown_then_for_a_person(site: Site) -> None:
    site.deliver(*posting("alpha\x1b[31m", 2)[1:], patch("other", path="fs/x.c"))
    site.call("watch", "--once")

    listed, shown = site.call("queue", "list"), site.call("queue", "show", "1")

    assert "waits for what it answers" in listed.stdout
    assert "other" not in listed.stdout
    assert "\x1b" not in listed.stdout + shown.stdout
    assert "part 2    <2.alpha" in shown.stdout
    assert json.loads(site.call("queue", "show", "1", "--json").stdout)["messages"][0]["index"] == 1


def test_queue_when_somebody_asked_who_may_not_then_requests_says_why(site: Site) -> None:
    site.deliver(mail(subject="Re: x", body="#orchestrator test", message_id="r@example.org", answers="y@example.org"))
    site.call("watch", "--once")

    done = site.call("queue", "requests")

    assert "a@example.org may not ask for tests" in " ".join(done.stdout.split())
    assert json.loads(site.call("queue", "requests", "--json").stdout)[0]["state"] == "refused"


def test_queue_when_a_filtered_series_is_retried_then_it_is_tested(site: Site) -> None:
    site.deliver(patch("other", path="fs/x.c"))
    site.call("watch", "--once")

    assert site.call("queue", "retry", "1").stdout == "1: is tested again\n"
    site.call("watch", "--once")

    assert site.states() == [State.DONE]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("queue", "show", "99"), "there is no series 99 in the queue"),
        (("queue", "retry", "1"), "series 1 is done"),
        (("queue", "drop", "1"), "there is nothing left to do with it"),
        (("queue", "list", "--state", "nowhere"), "there is no state 'nowhere'"),
    ],
)
def test_queue_when_it_is_asked_for_nonsense_then_words_and_2(site: Site, words: tuple[str, ...], says: str) -> None:
    site.deliver(patch("alpha"))
    site.call("watch", "--once")

    done = site.call(*words)

    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert says in done.stderr


def test_queue_when_there_is_none_then_words_and_2(site: Site) -> None:
    done = site.call("queue", "list")

    assert done.returncode == 2
    assert "there is no queue" in done.stderr


def test_watch_when_a_running_series_is_dropped_then_its_process_is_ended(
    tmp_path: Path, started: list[subprocess.Popen[bytes]]
) -> None:
    site = Site(tmp_path, script='#!/bin/sh\necho $$ >>"$(dirname "$0")/pids"\nexec sleep 600\n')
    site.deliver(patch("alpha"))
    started.append(site.start())
    assert eventually((tmp_path / "pids").exists)
    pid = int((tmp_path / "pids").read_text())

    assert site.call("queue", "drop", "1").stdout == "1: dropped\n"

    assert eventually(lambda: not Path(f"/proc/{pid}").exists())
    assert site.states() == [State.DROPPED]


def test_watch_when_it_is_stopped_then_its_run_ends_and_goes_on_at_the_next_start(
    tmp_path: Path, started: list[subprocess.Popen[bytes]]
) -> None:
    slow = SCRIPT.replace("outcome=PASS", '[ -e "$(dirname "$0")/go" ] || sleep 600; outcome=PASS')
    site = Site(tmp_path, script=slow)
    site.deliver(patch("alpha"))
    started.append(site.start())
    assert eventually(lambda: list(tmp_path.glob("state/runs/1/1/*/plan.json")))

    started[0].send_signal(signal.SIGTERM)
    assert started[0].wait(60) == 0
    assert site.states() == [State.RUNNING]
    (tmp_path / "go").touch()
    done = site.call("watch", "--once")

    assert done.returncode == 0
    assert site.states() == [State.DONE]
    assert len(list(tmp_path.glob("state/runs/1/1/*/run.json"))) == 1
    assert (tmp_path / "begun").read_text().split()[-1] == "--resume"


def test_watch_when_the_command_is_killed_again_and_again_then_each_series_has_one_verdict(
    site: Site, started: list[subprocess.Popen[bytes]]
) -> None:
    chance = random.Random(20261123)
    for number in range(8):
        site.deliver(*posting(f"s{number}", 2))
        started.append(site.start())
        before = len(site.states())
        eventually(lambda before=before: len(site.states()) > before, seconds=20)
        time.sleep(chance.uniform(0.0, 0.3))
        started[-1].kill()
        started[-1].wait(60)

    done = site.call("watch", "--once")

    assert done.returncode == 0, done.stderr
    assert site.states() == [State.DONE] * 8
    assert [len(list(site.folder.glob(f"state/runs/{n}/**/run.json"))) for n in range(1, 9)] == [1] * 8


def test_watch_when_another_one_runs_then_words_and_2(site: Site, started: list[subprocess.Popen[bytes]]) -> None:
    started.append(site.start())
    assert eventually((site.folder / "state" / "queue.sqlite3").exists)

    done = site.call("watch", "--once")

    assert done.returncode == 2
    assert "another watcher runs" in done.stderr


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "watch.toml:1: state: Field required"),
        ("state = 1", "state: Input should be a valid string"),
        ('state = "s"\n[sources.x]\nkind = "nntp"\npath = "y"', "watch.toml:3: sources.x.kind: Input should be"),
        (
            'state = "s"\n[sources.x]\nkind = "maildir"\npath = "y"\nmore = 1',
            "watch.toml:5: sources.x.more: Extra inputs",
        ),
        (
            'state = "s"\n[sources.x]\nkind = "maildir"\npath = "y"\n[filter]\npaths = ["zswp"]',
            "no set of paths 'zswp'",
        ),
        ('state = "s"\n[run]\nlinux = "x"\nprofile = "none"', "there is no profile 'none'"),
        ('state = "s"\n[sources.x]\nkind = "imap"\nimap = { host = "h", tls = "none" }', "for this machine only"),
        ('state = "s"\n[sources.x]\nkind = "imap"\nimap = { host = "h", user = "u" }', "go together"),
        ("[[[", "is not valid TOML"),
    ],
)
def test_config_when_it_is_wrong_then_file_line_and_key(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "watch.toml"
    path.write_text(text)

    with pytest.raises(UserError) as caught:
        read_watch_settings(path)
    assert says in caught.value.describe()


def test_config_when_it_is_the_example_then_it_can_be_read() -> None:
    found = read_watch_settings(REPOSITORY / "docs" / "watch.toml.example")

    assert found.sources
    assert "mm/zswap.c" in found.filter.paths


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('"linux-7.2"', '"/no/such/tree"', "/no/such/tree is neither a folder nor a named source"),
        ('"linux-7.2"', '"/usr/bin"', "the kernel tree: /usr/bin is no git tree"),
        ('"linux-7.2"', '"linux-next-ish"', "linux-next-ish is neither a folder nor a named source"),
        ('linux = "linux-7.2"', 'linux = "linux-7.2"\noptions = ["--seed", "3"]', "No such option: --seed"),
        ('linux = "linux-7.2"', 'linux = "linux-7.2"\noptions = ["--seeds", "many"]', "Invalid value for '--seeds'"),
    ],
)
def test_watch_when_no_series_could_be_tested_then_it_does_not_begin(site: Site, old: str, new: str, says: str) -> None:
    site.config.write_text(site.config.read_text().replace(old, new))

    done = site.call("watch", "--once")

    assert done.returncode == 2
    assert says in " ".join(done.stderr.split())
    assert not (site.folder / "state").exists()


def test_doctor_when_it_is_asked_about_a_watcher_then_it_says_how_that_is(site: Site) -> None:
    site.deliver(patch("alpha"))
    site.call("watch", "--once")

    done = subprocess.run(
        [*COMMAND, "doctor", "--watch", str(site.config)], cwd=REPOSITORY, capture_output=True, text=True, timeout=120,
        check=False, env={**os.environ, "COLUMNS": "200"},
    )  # fmt: skip

    assert "ok       source mm can be read" in done.stdout
    assert "is whole" in done.stdout
