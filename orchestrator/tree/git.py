"""Git as a program: one hermetic way to call it, in text and in bytes.

The user's and the system's git configuration do not reach these calls, hooks do not run, nothing is asked on a
terminal, and no lock is taken that is not needed: what comes out depends on the objects alone. This module knows no
patch and no kernel.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from orchestrator.errors import Evidence, InfraError
from orchestrator.host import process
from orchestrator.host.deadline import Cancellation, Deadline

GIT_S = 300.0
"""How long one git command may take; a kernel tree on a slow disk is the slowest case."""

# A GIT_DIR or GIT_INDEX_FILE left by a hook that called us would redirect every command.
_REDIRECTING = ("GIT_",)

_OPTIONS = (
    "-c", "core.hooksPath=/dev/null",
    "-c", "core.fsmonitor=false",
    "-c", "core.autocrlf=false",
    "-c", "core.quotePath=false",
    "-c", "gc.auto=0",
    "-c", "maintenance.auto=false",
    "-c", "commit.gpgSign=false",
    "-c", "advice.detachedHead=false",
    "-c", "log.showSignature=false",
    "-c", "log.follow=false",
    # A tree of another user's is only read, and its configuration runs nothing in the commands used here.
    "-c", "safe.directory=*",
)  # fmt: skip


class Git:
    """Commands in one repository. ``folder`` is a git directory, a bare repository or a work tree.

    ``extra`` are environment variables for every command (an index file, an object directory, identities).
    """

    def __init__(self, folder: Path, cancellation: Cancellation, *, extra: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self.cancellation = cancellation
        self.extra = dict(extra or {})

    def using(self, **extra: str) -> Git:
        """Return the same repository with more environment variables."""
        return Git(self.folder, self.cancellation, extra={**self.extra, **extra})

    def run(self, *args: str | Path, stdin: str | None = None) -> process.Finished:
        """Run ``git args`` and return what it said; the caller judges."""
        return process.run(self.argv(*args), deadline=self._deadline(args), stdin=stdin, env=self.environment())

    def check(self, *args: str | Path, stdin: str | None = None) -> str:
        """Run ``git args`` which must succeed and return its output without the last line feed."""
        argv = self.argv(*args)
        return process.check(argv, deadline=self._deadline(args), stdin=stdin, env=self.environment()).removesuffix(
            "\n"
        )

    def check_bytes(self, *args: str | Path) -> bytes:
        """Like :meth:`check`, with the output as the bytes it is: file contents need not be UTF-8."""
        argv = self.argv(*args)
        with (
            tempfile.TemporaryFile() as out,
            process.running(argv, stdout=out, stderr=subprocess.DEVNULL, env=self.environment()) as child,
        ):
            status = child.wait(self._deadline(args))
            if status != 0:
                raise InfraError("git failed", evidence=Evidence(command=child.command, exit_status=status))
            out.seek(0)
            return out.read()

    def argv(self, *args: str | Path) -> list[str]:
        """Return the whole command of ``git args``, for who runs it himself."""
        return ["git", "-C", str(self.folder), *_OPTIONS, *(str(arg) for arg in args)]

    def environment(self) -> dict[str, str]:
        """Return the environment that commands here run in."""
        return hermetic_environment(self.extra)

    def _deadline(self, args: tuple[str | Path, ...]) -> Deadline:
        # Most commands are over before anybody would look whether the user wants to stop.
        self.cancellation.check()
        return Deadline(GIT_S, what=f"git {args[0]}", cancellation=self.cancellation)


def hermetic_environment(extra: Mapping[str, str]) -> dict[str, str]:
    """Return our environment without anything that redirects git, plus ``extra``."""
    env = {key: value for key, value in os.environ.items() if not key.startswith(_REDIRECTING)}
    env |= {
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_LITERAL_PATHSPECS": "1",
        # What an object id names is that object, whatever refs/replace of the user's tree says.
        "GIT_NO_REPLACE_OBJECTS": "1",
        # A partial clone would fetch what it lacks, and write that to the user's tree. The second is for git < 2.44.
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_ALLOW_PROTOCOL": "none",
        "LC_ALL": "C",
        "TZ": "UTC",
    }
    return env | dict(extra)


def init_bare(folder: Path, cancellation: Cancellation) -> Git:
    """Make an empty bare repository without templates (so without hooks) and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    git = Git(folder, cancellation)
    git.check("init", "--quiet", "--bare", "--template=", "--initial-branch=main")
    return git
