"""Real mail servers on loopback for the tests of the watcher: a public-inbox list, and dovecot."""

from __future__ import annotations

import contextlib
import getpass
import grp
import os
import pwd
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ADDRESS = "mm@lists.example.org"
START_S = 60.0


@dataclass(frozen=True)
class Inbox:
    """A public-inbox list (v2) without a server: mails are delivered by ``public-inbox-mda``, read from its git."""

    path: Path
    environment: dict[str, str]

    def deliver(self, *mails: bytes) -> None:
        """Deliver mails as the list's mail server does."""
        for mail in mails:
            argv = ["public-inbox-mda", "--no-precheck"]
            subprocess.run(argv, input=mail, check=True, capture_output=True, env=self.environment, timeout=START_S)

    def git(self, *words: str, epoch: int = 0, given: bytes | None = None) -> str:
        """Run git in an epoch."""
        argv = ["git", f"--git-dir={self.path / 'git' / f'{epoch}.git'}", *words]
        done = subprocess.run(argv, input=given, check=True, capture_output=True, env=self.environment, timeout=START_S)
        return done.stdout.decode().strip()


def make_inbox(folder: Path) -> Inbox:
    """Make a list."""
    home = folder / "home"
    home.mkdir(parents=True)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
        "HOME": str(home),
        "PI_CONFIG": str(folder / "config"),
        "ORIGINAL_RECIPIENT": ADDRESS,
        "NO_PROXY": "*",
    }
    (folder / "config").write_text("[publicinboxmda]\n\tspamcheck = none\n")
    argv = ["public-inbox-init", "-V2", "--indexlevel=basic", "mm", str(folder / "mm"), "http://127.0.0.1/mm", ADDRESS]
    subprocess.run(argv, check=True, capture_output=True, env=environment, timeout=START_S)
    return Inbox(path=folder / "mm", environment=environment)


@dataclass
class Dovecot:
    """A dovecot on loopback that serves one Maildir to one user."""

    folder: Path
    port: int
    user: str = "watcher"
    password: str = "secret"

    def __post_init__(self) -> None:
        self._server: subprocess.Popen[bytes] | None = None

    @property
    def maildir(self) -> Path:
        """The user's Maildir: mails are delivered into its ``new/``."""
        return self.folder / "mail"

    def start(self) -> None:
        """Start it and wait until it answers."""
        argv = ["dovecot", "-F", "-c", str(self.folder / "dovecot.conf")]
        self._server = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + START_S
        while time.monotonic() < end:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1) as channel:
                if channel.recv(4) == b"* OK":
                    return
            time.sleep(0.05)
        raise AssertionError((self.folder / "log").read_text())

    def stop(self) -> None:
        """End it, and the processes of its connections with it."""
        if self._server is not None:
            self._server.terminate()
            self._server.wait(START_S)
            self._server = None


@contextlib.contextmanager
def running_dovecot() -> Iterator[Dovecot]:
    """Hold a server; root starts its parts as ordinary users, anybody else as himself."""
    # Not below pytest's folder: nobody but us may enter that.
    with tempfile.TemporaryDirectory(prefix="dovecot.") as name:
        Path(name).chmod(0o755)
        yield from _served(Path(name))


def _served(folder: Path) -> Iterator[Dovecot]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    me = getpass.getuser()
    group = grp.getgrgid(pwd.getpwnam(me).pw_gid).gr_name
    # The part that strangers talk to refuses to be root; locked into its folder it then needs no way to it.
    login, locked, owner = ("dovenull", "login", "nobody") if os.getuid() == 0 else (me, "", me)
    reader = pwd.getpwnam(owner)
    server = Dovecot(folder, port)
    for part in ("tmp", "new", "cur"):
        (server.maildir / part).mkdir(parents=True)
    for path in (server.maildir, *server.maildir.iterdir()):
        os.chown(path, reader.pw_uid, reader.pw_gid)
    (folder / "users").write_text(f"{server.user}:{{PLAIN}}{server.password}\n")
    (folder / "dovecot.conf").write_text(f"""
protocols = imap
listen = 127.0.0.1
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
ssl = no
disable_plaintext_auth = no
default_internal_user = {me}
default_internal_group = {group}
default_login_user = {login}
first_valid_uid = 0
first_valid_gid = 0
mail_location = maildir:{server.maildir}
mailbox_idle_check_interval = 1 s
service imap-login {{
  chroot = {locked}
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
passdb {{
  driver = passwd-file
  args = {folder}/users
}}
userdb {{
  driver = static
  args = uid={reader.pw_uid} gid={reader.pw_gid} home={folder}/mail
}}
""")
    try:
        server.start()
        yield server
    finally:
        server.stop()
