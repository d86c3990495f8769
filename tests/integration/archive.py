"""A public-inbox server on loopback with the corpus' series in it, and a user whose b4 is set up for it."""

from __future__ import annotations

import contextlib
import mailbox
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ADDRESS = "mm@lists.example.org"
START_S = 60.0
# systemd's way to hand on a socket: it is number 3, and the environment says for which process it is.
HAND_ON = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
os.execvp("public-inbox-httpd", ["public-inbox-httpd", "-W0"])
"""


@dataclass(frozen=True)
class Archive:
    """A running archive. ``environment`` is that of the user who reads it."""

    url: str
    environment: dict[str, str]


@contextlib.contextmanager
def running_archive(folder: Path, mboxes: Sequence[Path]) -> Iterator[Archive]:
    """Hold an archive of the messages in ``mboxes``; it ends with the block."""
    home = folder / "home"
    home.mkdir()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
        "HOME": str(home),
        "XDG_CACHE_HOME": str(home / "cache"),
        "XDG_DATA_HOME": str(home / "data"),
        "PI_CONFIG": str(folder / "config"),
        "ORIGINAL_RECIPIENT": ADDRESS,
        # Nothing here may look beyond this machine.
        "NO_PROXY": "*",
    }
    (folder / "config").write_text("[publicinboxmda]\n\tspamcheck = none\n")
    run = ["public-inbox-init", "-V2", "--indexlevel=full", "mm", str(folder / "mm"), "http://127.0.0.1/mm", ADDRESS]
    subprocess.run(run, check=True, capture_output=True, env=environment, timeout=START_S)
    for mbox in mboxes:
        for message in _messages(mbox):
            argv = ["public-inbox-mda", "--no-precheck"]
            subprocess.run(
                argv, input=bytes(message), check=True, capture_output=True, env=environment, timeout=START_S
            )
    with _listening() as listener, (folder / "httpd.log").open("wb") as log:
        port = listener.getsockname()[1]
        (home / ".gitconfig").write_text(f"[b4]\n\tmidmask = http://127.0.0.1:{port}/mm/%s\n")
        argv = [sys.executable, "-c", HAND_ON, str(listener.fileno())]
        server = subprocess.Popen(
            argv, pass_fds=(listener.fileno(),), env=environment, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            url = f"http://127.0.0.1:{port}/mm/"
            _wait_until_it_answers(url)
            yield Archive(url=url, environment=environment)
        finally:
            server.terminate()
            server.wait(START_S)


def _messages(path: Path) -> list[mailbox.mboxMessage]:
    mbox = mailbox.mbox(path)
    try:
        return list(mbox)
    finally:
        mbox.close()


@contextlib.contextmanager
def _listening() -> Iterator[socket.socket]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.setblocking(False)
        listener.listen()
        yield listener


def _wait_until_it_answers(url: str) -> None:
    end = time.monotonic() + START_S
    while True:
        try:
            with urllib.request.urlopen(url, timeout=START_S):
                return
        except urllib.error.URLError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)
