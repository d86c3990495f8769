"""The one module that spawns processes.

Every child dies with us: it is started through ``setpriv --pdeathsig`` (prctl(2), PR_SET_PDEATHSIG), so even SIGKILL of
the orchestrator leaves nothing behind, and it leads a process group of its own, so that Ctrl-C on the terminal reaches
only us and we decide the order in which things end. The parent-death signal fires when the *thread* that started the
child ends: start a child in the thread that waits for it.
"""

from __future__ import annotations

import contextlib
import math
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from orchestrator.errors import Evidence, InfraError, MissingProgram, TimedOut, as_command, tail
from orchestrator.host.deadline import Cancellation, Deadline

TERMINATE_S = 5.0
"""How long a child may take to end after SIGTERM before it is killed."""

DEFAULT_TIMEOUT_S = 60.0
"""For commands that answer at once; whoever expects longer passes a deadline of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A command that ended: its exit status (negative: the signal) and what it wrote."""

    command: tuple[str, ...]
    exit_status: int
    stdout: str
    stderr: str

    @property
    def ok(self) -> bool:
        """Whether it succeeded."""
        return self.exit_status == 0

    def evidence(self, log: Path | None = None) -> Evidence:
        """Return what an error about this command should carry."""
        text = self.stderr if self.stderr.strip() else self.stdout
        return Evidence(command=self.command, exit_status=self.exit_status, last_lines=tail(text), log=log)


class Process:
    """A running child. Made by :func:`running`, which also ends it."""

    def __init__(self, popen: subprocess.Popen[bytes], command: tuple[str, ...]) -> None:
        self.popen = popen
        self.command = command

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self.popen.pid

    @property
    def exit_status(self) -> int | None:
        """Its exit status, None while it runs."""
        return self.popen.poll()

    def wait(self, deadline: Deadline) -> int:
        """Wait until it ends and return its exit status; raises :class:`TimedOut` or ``Cancelled``."""
        with self._ended() as ended:
            while (status := self.popen.poll()) is None:
                deadline.check()
                ended(min(0.1, max(deadline.remaining, 0.001)))
        return status

    @contextlib.contextmanager
    def _ended(self) -> Iterator[Callable[[float], object]]:
        """Hold a function that waits some seconds or until the child ends, whichever comes first.

        ``Popen.wait`` with a timeout looks dozens of times a second; a pidfd (Linux 5.3) wakes us once.
        """
        try:
            handle = os.pidfd_open(self.popen.pid)
        except OSError:
            # An old kernel, or the child is gone and reaped already.
            yield lambda seconds: time.sleep(min(seconds, 0.02))
            return
        try:
            yield lambda seconds: select.select([handle], [], [], seconds)
        finally:
            os.close(handle)

    def stop(self) -> None:
        """End the child and its process group: ask, wait, kill. Does nothing when it has ended."""
        if self.popen.poll() is None:
            self._signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.popen.wait(TERMINATE_S)
        # The leader may have ended and left members of its group behind.
        self._signal(signal.SIGKILL)
        self.popen.wait()

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.popen.pid, number)


def die_with_us(argv: Sequence[str | Path], *, death_signal: str = "KILL") -> list[str]:
    """Return ``argv`` prefixed so that the kernel sends it ``death_signal`` when we are gone."""
    return ["setpriv", "--pdeathsig", death_signal, "--", *(str(word) for word in argv)]


@contextlib.contextmanager
def running(
    argv: Sequence[str | Path],
    *,
    stdin: IO[bytes] | int = subprocess.DEVNULL,
    stdout: IO[bytes] | int = subprocess.DEVNULL,
    stderr: IO[bytes] | int = subprocess.STDOUT,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    pass_fds: Sequence[int] = (),
    death_signal: str = "KILL",
    file_bytes: int | None = None,
) -> Iterator[Process]:
    """Hold a running child; it is ended when the block is left, however that happens.

    ``file_bytes`` bounds every file that the child writes: past it the kernel ends it (RLIMIT_FSIZE, setrlimit(2)).
    Raises :class:`MissingProgram` when the program is not installed.
    """
    path = None if env is None else env.get("PATH")
    # By its path: it may lie in an sbin folder that the child's PATH lacks.
    program = require_program(argv[0], purpose=f"to run {Path(argv[0]).name}", path=path)
    limits = [] if file_bytes is None else ["prlimit", f"--fsize={file_bytes}", "--core=0", "--"]
    popen = subprocess.Popen(  # noqa: S603 - argv is a list, no shell
        die_with_us([*limits, program, *argv[1:]], death_signal=death_signal),
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        env=None if env is None else dict(env),
        cwd=cwd,
        pass_fds=tuple(pass_fds),
        start_new_session=True,
    )
    process = Process(popen, as_command(argv))
    try:
        yield process
    finally:
        process.stop()
        for pipe in (popen.stdin, popen.stdout, popen.stderr):
            if pipe is not None:
                # What was not written yet has no reader any more.
                with contextlib.suppress(OSError):
                    pipe.close()


def run(
    argv: Sequence[str | Path],
    *,
    deadline: Deadline | None = None,
    stdin: str | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Finished:
    """Run a command to its end and return what it said; the caller judges the exit status.

    Output is text in UTF-8 (undecodable bytes are replaced). Raises :class:`MissingProgram`, :class:`TimedOut` and
    ``Cancelled``.
    """
    limit = deadline or Deadline(DEFAULT_TIMEOUT_S, what=str(argv[0]))
    with running(
        argv,
        stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=env,
        cwd=cwd,
    ) as process:
        out, err = _communicate(process, None if stdin is None else stdin.encode(), limit)
        return Finished(
            command=process.command,
            exit_status=process.popen.returncode,
            stdout=out.decode("utf-8", "replace"),
            stderr=err.decode("utf-8", "replace"),
        )


def run_attached(argv: Sequence[str | Path], *, cancellation: Cancellation) -> int:
    """Run a program that talks with the user on our own terminal, and return its exit status when it ends by itself.

    It stays in our session and process group, so that it is told of Ctrl-C and of the window's size as we are. Raises
    :class:`MissingProgram`, and ``Cancelled`` when the user stopped us first; the program is ended then.
    """
    program = require_program(argv[0], purpose=f"to run {Path(argv[0]).name}")
    popen = subprocess.Popen(die_with_us([program, *argv[1:]]))  # noqa: S603 - argv is a list, no shell
    try:
        return Process(popen, as_command(argv)).wait(Deadline(math.inf, what=str(argv[0]), cancellation=cancellation))
    finally:
        if popen.poll() is None:
            popen.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                popen.wait(TERMINATE_S)
        if popen.poll() is None:
            popen.kill()
            popen.wait()


def _communicate(process: Process, stdin: bytes | None, deadline: Deadline) -> tuple[bytes, bytes]:
    """Feed and drain the pipes; like ``Popen.communicate`` but interrupted by a cancellation."""
    while True:
        try:
            return process.popen.communicate(stdin, timeout=min(0.1, max(deadline.remaining, 0.001)))
        except subprocess.TimeoutExpired:
            # communicate() keeps what it has read and goes on from there; it must not be given its input twice.
            stdin = None
            try:
                deadline.check()
            except TimedOut as error:
                raise TimedOut(error.message, evidence=Evidence(command=process.command)) from None


def check(
    argv: Sequence[str | Path],
    *,
    deadline: Deadline | None = None,
    stdin: str | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> str:
    """Run a command that must succeed and return its standard output; :class:`InfraError` when it does not."""
    finished = run(argv, deadline=deadline, stdin=stdin, env=env, cwd=cwd)
    if not finished.ok:
        raise InfraError(f"{Path(argv[0]).name} failed", evidence=finished.evidence())
    return finished.stdout


def require_program(program: str | Path, *, purpose: str, path: str | None = None) -> Path:
    """Return the program's path; :class:`MissingProgram` (saying what it is needed for) when it is not there."""
    found = find_program(program, path=path)
    if found is None:
        raise MissingProgram(str(program), purpose=purpose)
    return found


def find_program(program: str | Path, *, path: str | None = None) -> Path | None:
    """Return where a program is, also in the sbin folders that a user's PATH may lack; None when nowhere.

    ``path`` is searched instead of our own PATH.
    """
    name = str(program)
    if "/" in name:
        return Path(name) if Path(name).is_file() and os.access(name, os.X_OK) else None
    searched = os.environ.get("PATH", os.defpath) if path is None else path
    folders = [*searched.split(":"), "/usr/sbin", "/sbin", "/usr/local/sbin"]
    for folder in folders:
        candidate = Path(folder or ".") / name
        if candidate.is_file() and os.access(candidate, os.X_OK):
            return candidate
    return None
