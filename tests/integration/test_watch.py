"""The whole round with real parts: a patch comes over a public-inbox list, is tested in QEMU, and the reply stands below it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from tests.command import COMMAND, LINUX, LONG_S, REPOSITORY
from tests.integration.archive import Archive, running_archive
from tests.lists import ADDRESS
from tests.watching import mail

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
            await asyncio.to_thread(deliver, envelope.content.replace(b"\r\n", b"\n"), self.environment)
        return "250 OK"


def deliver(raw: bytes, environment: dict[str, str]) -> None:
    subprocess.run(["public-inbox-mda", "--no-precheck"], input=raw, check=True, env=environment, timeout=60)


@contextlib.contextmanager
def serving() -> Iterator[tuple[Server, int]]:
    server = Server()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    controller = Controller(server, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield server, port
    finally:
        controller.stop()


def patch_mail() -> bytes:
    return (
        f"From: A Uthor <a@example.org>\nTo: {ADDRESS}\nDate: Mon, 23 Nov 2026 08:00:00 +0000\n"
        f"Subject: [PATCH] mm: swap: invalidate the first only\nMessage-ID: <{PATCH_ID}>\n\n"
        f"Less to do.\n\nSigned-off-by: A Uthor <a@example.org>\n---\n{PATCH.read_text()}-- \n2.39.5\n"
    ).encode()


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    (tmp_path / "archive").mkdir()
    # A list without a mail has no page.
    first = mail(subject="Welcome", body="A list.", message_id="welcome@example.org", list_id="")
    (tmp_path / "first.mbox").write_bytes(b"From mboxrd@z Thu Jan  1 00:00:00 1970\n" + first)
    with running_archive(tmp_path / "archive", [tmp_path / "first.mbox"]) as running:
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
paths = ["zswap", "swap"]
[requests]
addresses = ["{BOT}"]
[run]
linux = "{LINUX}"
options = ["--scenario", "churn", "--topology", "one-node", "--seeds", "1", "--no-perturbed", "--budget", "0"]
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
        # A reply that is prepared is handed on at once, unless it waits for a person.
        found = [
            each
            for each in queue_of(config)
            if each["state"] in states and (each["state"] != "mail prepared" or each["waits_for"])
        ]
        if found:
            return found[0]
        time.sleep(1)
    raise AssertionError(queue_of(config))


def test_watch_when_a_patch_comes_then_its_verdict_stands_below_it_on_the_list(
    tmp_path: Path, archive: Archive
) -> None:
    with serving() as (server, port):
        server.environment = archive.environment
        config = configured(tmp_path, port)
        user = {**os.environ, "XDG_STATE_HOME": str(tmp_path / "user"), "XDG_CONFIG_HOME": str(tmp_path / "user")}
        argv = [*COMMAND, "watch", "--config", str(config)]
        with (tmp_path / "log").open("ab") as log:
            children = [subprocess.Popen(argv, stdout=log, stderr=log, env=user)]
        try:
            raw = patch_mail()
            subprocess.run(
                ["public-inbox-mda", "--no-precheck"], input=raw, check=True, env=archive.environment, timeout=60
            )
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
    with urllib.request.urlopen(f"{archive.url}{PATCH_ID}/t/", timeout=60) as answer:
        shown = re.sub(r"<[^>]+>", "", answer.read().decode())
    overview = shown[shown.index("Thread overview") :]
    # The mark is how deep it stands in the thread.
    assert re.search(r"\n[^\n]*\[PATCH\] mm: swap: invalidate the first only A Uthor\n[^\n]* ` [^\n]*Bot", overview), (
        overview
    )
