"""The whole round with real parts: a patch comes over a public-inbox list, is tested in QEMU, and the reply stands below it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from tests.command import COMMAND, LINUX, LONG_S, REPOSITORY
from tests.integration.archive import Archive, running_archive
from tests.lists import ADDRESS

pytestmark = pytest.mark.qemu

PATCH = REPOSITORY / "tests/data/patches/known-bad/05-invalidate-first-only.diff"
PATCH_ID = "20261123.patch@example.org"
BOT = "bot@tests.example"


class Server:
    """A mail server on loopback: what it takes for the list it hands to the list's ``public-inbox-mda``."""

    def __init__(self) -> None:
        self.taken: list[bytes] = []
        self.environment: dict[str, str] = {}

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        """Take a mail and deliver it."""
        self.taken.append(envelope.content)
        if ADDRESS in envelope.rcpt_tos:
            mail = envelope.content.replace(b"\r\n", b"\n")
            subprocess.run(["public-inbox-mda", "--no-precheck"], input=mail, check=True, env=self.environment, timeout=60)
        return "250 OK"


@contextlib.contextmanager
def serving() -> Iterator[tuple[Server, int]]:
    server = Server()
    controller = Controller(server, hostname="127.0.0.1", port=0)
    controller.start()
    try:
        assert controller.server is not None
        yield server, controller.server.sockets[0].getsockname()[1]
    finally:
        controller.stop()


def patch_mail() -> bytes:
    return (
        f"From: A Uthor <a@example.org>\nTo: {ADDRESS}\nDate: Mon, 23 Nov 2026 08:00:00 +0000\n"
        f"Subject: [PATCH] mm: zswap: invalidate the first only\nMessage-ID: <{PATCH_ID}>\n\n"
        f"Less to do.\n\nSigned-off-by: A Uthor <a@example.org>\n---\n{PATCH.read_text()}-- \n2.39.5\n"
    ).encode()


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    (tmp_path / "archive").mkdir()
    with running_archive(tmp_path / "archive", []) as running:
        yield running


def configured(folder: Path, port: int) -> Path:
    (folder / "mail.toml").write_text(f"""
[sender]
from = "Bot <{BOT}>"
[smtp]
host = "127.0.0.1"
port = {port}
encryption = "none"
[lists."{ADDRESS}"]
send = "also no regressions"
moderated = false
""")
    path = folder / "watch.toml"
    path.write_text(f"""
state = "state"
[sources.mm]
kind = "public-inbox"
path = "archive/mm"
poll_s = 1
since_days = 3650
[filter]
paths = ["zswap"]
[requests]
addresses = ["{BOT}"]
[run]
linux = "{LINUX}"
options = ["--scenario", "churn", "--topology", "one-node", "--seeds", "1"]
[mail]
mode = "send"
config = "mail.toml"
[budgets]
free_mib = 100
""")
    return path


def queue_of(config: Path) -> list[dict[str, Any]]:
    done = subprocess.run(
        [*COMMAND, "queue", "list", "--all", "--json", "--config", str(config)],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    found: list[dict[str, Any]] = json.loads(done.stdout)["series"] if done.returncode == 0 else []
    return found


def wait_for(config: Path, *states: str, child: subprocess.Popen[bytes]) -> dict[str, Any]:
    end = time.monotonic() + LONG_S
    while time.monotonic() < end and child.poll() is None:
        found = [each for each in queue_of(config) if each["state"] in states]
        if found:
            return found[0]
        time.sleep(1)
    raise AssertionError(queue_of(config))


def test_watch_when_a_patch_comes_then_its_verdict_stands_below_it_on_the_list(tmp_path: Path, archive: Archive) -> None:
    with serving() as (server, port):
        server.environment = archive.environment
        config = configured(tmp_path, port)
        user = {**os.environ, "XDG_STATE_HOME": str(tmp_path / "user"), "XDG_CONFIG_HOME": str(tmp_path / "user")}
        argv = [*COMMAND, "watch", "--config", str(config)]
        with (tmp_path / "log").open("ab") as log:
            children = [subprocess.Popen(argv, stdout=log, stderr=log, env=user)]
        try:
            mail = patch_mail()
            subprocess.run(["public-inbox-mda", "--no-precheck"], input=mail, check=True, env=archive.environment, timeout=60)
            wait_for(config, "running", child=children[0])
            time.sleep(20)
            # In the middle of a build or a boot: it goes on from there.
            children[0].kill()
            children[0].wait(60)
            with (tmp_path / "log").open("ab") as log:
                children.append(subprocess.Popen(argv, stdout=log, stderr=log, env=user))
            entry = wait_for(config, "sent", "done", "refused", "parked", "mail prepared", child=children[1])
            # Its own reply comes back over the list meanwhile.
            time.sleep(5)
            children[1].terminate()
            assert children[1].wait(120) == 0
        finally:
            for child in children:
                if child.poll() is None:
                    child.kill()
                child.wait(60)

    assert entry["state"] == "sent", (entry, (tmp_path / "log").read_text()[-3000:])
    assert entry["outcome"] == "REGRESSION"
    assert len(server.taken) == 1
    (reply,) = server.taken
    assert f"In-Reply-To: <{PATCH_ID}>".encode() in reply
    assert len(queue_of(config)) == 1
    run = tmp_path / "state" / entry["run"]
    assert json.loads((run / "run.json").read_text())["verdict"]["outcome"] == "REGRESSION"
    assert len(list((tmp_path / "state" / "runs").rglob("run.json"))) == 1
    shown = subprocess.run(
        ["git", f"--git-dir={tmp_path}/archive/mm/git/0.git", "log", "--format=%an %s"],
        capture_output=True, text=True, check=True, env=archive.environment, timeout=60,
    ).stdout.splitlines()  # fmt: skip
    assert shown[0].startswith("Bot Re: [PATCH] mm: zswap: invalidate the first only")
