"""A room for a stranger's code: bubblewrap without network, home, or anything of the user's but what is bound.

A patch's Makefile and host tools are run by Kbuild. They see /usr read-only, a private /tmp, /proc and /dev, and the
folders that were bound, always under the same names, so that a build is the same on every machine. All namespaces are
new, all capabilities are dropped, no_new_privs is set, the environment is ours, and every mount that is not bound
writable is read-only — /proc too, since two of the three ways keep uid 0, for which /proc/sys and its like stay writable.

What limits memory and processes, and where:

* RLIMIT_AS bounds the address space of *each* process and RLIMIT_FSIZE each file, everywhere.
* RLIMIT_NPROC is set but binds only an ordinary user: the kernel exempts uid 0 of the host (``INIT_USER`` in
  copy_process()), also inside a user namespace.
* :func:`watched` therefore counts what runs in the room, its anonymous memory and the disk that is left, twice a
  second, and ends the room when a limit is passed. It needs no privilege, so it holds everywhere. Between two looks a
  fork bomb can get a few thousand processes far; they all die with the room's pid namespace.
* No cgroup is used: an ordinary user may write to one only under systemd, and a chroot shows none.

This module knows nothing of kernels.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from orchestrator.errors import Evidence, InfraError, TimedOut
from orchestrator.host.deadline import Cancellation, Deadline
from orchestrator.host.process import Finished, Process, find_program, run
from orchestrator.host.workspace import make_folder

ROOM_PATH = "/usr/bin:/bin:/usr/sbin:/sbin"
"""Not /usr/local: what an administrator put there is part of no package's version."""

LAYOUT_VERSION = "room-1"
"""Goes up when the paths or the environment in the room change: what was built in another room is then not reused."""

_ETC = ("ld.so.cache", "alternatives")
"""What of /etc programs need: where libraries are, and Debian's choice of awk, yacc and their like."""

_TOP_FOLDERS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")

_TMP_BYTES = 2 << 30

_LOOK_EVERY_S = 0.5

_PROBE_S = 20.0

# $1 is an empty folder: the whole tree is mounted there again, since bubblewrap must make / a private mount and a
# chroot's / is none. The command is passed as words, never as text.
_MOUNT_POINT_SCRIPT = 'mount --rbind / "$1" && root=$1 && shift && exec chroot "$root" "$@"'


class SandboxKind(StrEnum):
    """The ways to a room, in the order in which they are tried."""

    USER_NAMESPACE = "user namespace"
    ROOT = "root"
    ROOT_IN_CHROOT = "root in a chroot"
    NONE = "none"

    @property
    def is_confined(self) -> bool:
        """Whether a stranger's code may run in it."""
        return self is not SandboxKind.NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Bind:
    """The folder or file ``outside`` appears at the absolute path ``inside``."""

    outside: Path
    inside: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a room may use; the module's docstring says how each is enforced.

    ``process_mib`` is address space of one process, ``memory_mib`` resident anonymous memory of all together,
    ``file_mib`` the size of one file, ``free_disk_mib`` what must stay free where the room may write.
    """

    process_mib: int = 16 << 10
    memory_mib: int = 0
    processes: int = 1000
    file_mib: int = 8 << 10
    free_disk_mib: int = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What a command finds in its sandbox. ``env`` is the whole environment, ``cwd`` a path inside."""

    read_only: tuple[Bind, ...] = ()
    writable: tuple[Bind, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: str = "/tmp"  # noqa: S108 - the room's own
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """A way to a room that was seen to work here, or the user's word that none is wanted.

    ``top`` is what the host has beside /usr: ``("lib", "usr/lib")`` is a symbolic link, ``("lib", "")`` a folder.
    """

    kind: SandboxKind
    top: tuple[tuple[str, str], ...] = ()
    mount_point: Path | None = None

    @property
    def layout(self) -> str:
        """A word for the paths in the room, for keys: the three confined ways look alike from inside."""
        return LAYOUT_VERSION if self.kind.is_confined else "none"


NO_SANDBOX = Sandbox(kind=SandboxKind.NONE)


class LimitPassed(InfraError):
    """What ran in a room used more than it may; the caller knows whose fault that is."""


def sandboxed(argv: Sequence[str], *, sandbox: Sandbox, room: Room) -> list[str]:
    """Return the command that runs ``argv``, written with inside paths, in ``room``. Pure.

    Without a sandbox it is the same command with the paths of outside, and only the rlimits hold.
    """
    limited = [*_limits(room.limits), *argv]
    if sandbox.kind is SandboxKind.NONE:
        words = [_outside(word, room) for word in limited]
        env = [f"{name}={_outside(value, room)}" for name, value in room.env.items()]
        return ["env", "-i", "-C", _outside(room.cwd, room), *env, *words]
    bwrap = ["bwrap", *_namespaces(sandbox.kind), *_mounts(sandbox, room), *_environment(room), "--", *limited]
    if sandbox.kind is SandboxKind.ROOT_IN_CHROOT:
        if sandbox.mount_point is None:
            raise InfraError("a sandbox in a chroot needs a mount point")
        return [
            "unshare", "--mount", "--propagation", "unchanged",
            "sh", "-c", _MOUNT_POINT_SCRIPT, "sh", str(sandbox.mount_point), *bwrap,
        ]  # fmt: skip
    return bwrap


def _namespaces(kind: SandboxKind) -> list[str]:
    words = ["--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-net", "--unshare-cgroup-try"]
    if kind is SandboxKind.USER_NAMESPACE:
        words += ["--unshare-user", "--uid", "65534", "--gid", "65534"]
    return [*words, "--hostname", "room", "--cap-drop", "ALL", "--new-session", "--die-with-parent"]


def _mounts(sandbox: Sandbox, room: Room) -> list[str]:
    words = ["--ro-bind", "/usr", "/usr"]
    for name, target in sandbox.top:
        words += ["--symlink", target, f"/{name}"] if target else ["--ro-bind", f"/{name}", f"/{name}"]
    for name in _ETC:
        words += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    words += ["--proc", "/proc", "--remount-ro", "/proc", "--dev", "/dev", "--remount-ro", "/dev"]
    words += ["--size", str(_TMP_BYTES), "--tmpfs", "/tmp"]  # noqa: S108 - the room's own
    for bind in room.read_only:
        words += ["--ro-bind", str(bind.outside), bind.inside]
    for bind in room.writable:
        words += ["--bind", str(bind.outside), bind.inside]
    return [*words, "--remount-ro", "/", "--chdir", room.cwd]


def _environment(room: Room) -> list[str]:
    words = ["--clearenv"]
    for name, value in room.env.items():
        words += ["--setenv", name, value]
    return words


def _limits(limits: Limits) -> list[str]:
    return [
        "prlimit",
        f"--as={limits.process_mib << 20}",
        f"--nproc={limits.processes}",
        f"--fsize={limits.file_mib << 20}",
        "--core=0",
        "--",
    ]


def _outside(word: str, room: Room) -> str:
    """Return ``word`` with each inside path, also behind a ``NAME=``, as the path it is bound from."""
    for bind in (*room.read_only, *room.writable):
        # A backslash in the folder's name must stay one.
        outside = str(bind.outside).replace("\\", r"\\")
        word = re.sub(rf"(?<![^=:]){re.escape(bind.inside)}(?=$|[/:])", outside, word)
    return word


def find_sandbox(*, cache: Path, cancellation: Cancellation) -> Sandbox:
    """Return the first way to a room in which a command really ran; raises :class:`InfraError` when none works.

    ``cache`` is a folder of ours for the mount point that the way inside a chroot needs.
    """
    tried = []
    if find_program("bwrap") is None:
        tried.append("bubblewrap (bwrap) is not installed")
    else:
        for kind in _ways():
            sandbox = _sandbox(kind, cache)
            finished = _probe(sandbox, cancellation)
            if finished.ok and finished.stdout == "in the room\n":
                return sandbox
            reason = (finished.stderr.strip().splitlines() or [f"exit status {finished.exit_status}"])[-1]
            tried.append(f"{kind}: {reason}")
    raise InfraError(
        "no sandbox works here, and a patch is a stranger's code that the build runs",
        hint="install bubblewrap (orchestrator doctor --fix), or say --no-sandbox if you trust the patch",
        evidence=Evidence(last_lines=tuple(tried)),
    )


def _ways() -> list[SandboxKind]:
    ways = [SandboxKind.USER_NAMESPACE]
    if os.geteuid() == 0:
        ways += [SandboxKind.ROOT, SandboxKind.ROOT_IN_CHROOT]
    return ways


def _sandbox(kind: SandboxKind, cache: Path) -> Sandbox:
    mount_point = make_folder(cache / "sandbox-root") if kind is SandboxKind.ROOT_IN_CHROOT else None
    return Sandbox(kind=kind, top=host_layout(), mount_point=mount_point)


def _probe(sandbox: Sandbox, cancellation: Cancellation) -> Finished:
    room = Room(env={"PATH": ROOM_PATH})
    argv = sandboxed(["sh", "-c", "echo in the room"], sandbox=sandbox, room=room)
    deadline = Deadline(_PROBE_S, what="trying the sandbox", cancellation=cancellation)
    try:
        return run(argv, deadline=deadline)
    except TimedOut as error:
        return Finished(command=tuple(argv), exit_status=-1, stdout="", stderr=error.message)


def host_layout(root: Path = Path("/")) -> tuple[tuple[str, str], ...]:
    """Return what the host has beside /usr, as :class:`Sandbox` wants it."""
    found = []
    for name in _TOP_FOLDERS:
        folder = root / name
        if folder.is_symlink():
            found.append((name, str(folder.readlink())))
        elif folder.is_dir():
            found.append((name, ""))
    return tuple(found)


def watched(process: Process, *, room: Room, deadline: Deadline) -> int:
    """Wait until a sandboxed ``process`` ends and return its exit status.

    Raises :class:`LimitPassed` when it passed ``room.limits`` (the caller leaves the block that holds the process,
    which ends it), :class:`TimedOut` and ``Cancelled``.
    """
    while True:
        look = Deadline(min(_LOOK_EVERY_S, deadline.remaining), what=deadline.what, cancellation=deadline.cancellation)
        try:
            return process.wait(look)
        except TimedOut:
            deadline.check()
        _check_limits(process, room)


def _check_limits(process: Process, room: Room) -> None:
    limits = room.limits
    inside = list(descendants(process.pid))
    evidence = Evidence(command=process.command)
    if len(inside) > limits.processes:
        raise LimitPassed(f"more than {limits.processes} processes ran in the sandbox", evidence=evidence)
    used = sum(_anonymous_mib(pid) for pid in inside)
    if limits.memory_mib and used > limits.memory_mib:
        raise LimitPassed(f"more than {limits.memory_mib} MiB of memory were used in the sandbox", evidence=evidence)
    for bind in room.writable:
        status = os.statvfs(bind.outside)
        if status.f_bavail * status.f_frsize < limits.free_disk_mib << 20:
            raise InfraError(
                f"no disk space: less than {limits.free_disk_mib} MiB are left in {bind.outside}",
                hint="free some space, or point XDG_CACHE_HOME at another disk",
                evidence=evidence,
            )


def descendants(pid: int) -> Iterator[int]:
    """Yield the process ids of all living descendants of ``pid`` (not ``pid`` itself)."""
    parents = _parents() if not Path(f"/proc/self/task/{os.getpid()}/children").exists() else None
    waiting = [pid]
    while waiting:
        parent = waiting.pop()
        children = _children(parent) if parents is None else parents.get(parent, [])
        yield from children
        waiting += children


def _children(pid: int) -> list[int]:
    """Return a process's children as each of its threads knows them (proc(5), CONFIG_PROC_CHILDREN)."""
    found: list[int] = []
    try:
        for thread in os.scandir(f"/proc/{pid}/task"):
            with open(f"{thread.path}/children") as handle:  # noqa: PTH123 - twice a second for each process
                found += map(int, handle.read().split())
    except OSError:
        # It has ended meanwhile.
        pass
    return found


def _parents() -> dict[int, list[int]]:
    """Return every process's children by looking at all processes; for kernels without the file above."""
    found: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, IndexError, ValueError):
                # The name, in parentheses, may itself hold blanks and parentheses (proc(5)).
                parent = int((entry / "stat").read_bytes().rpartition(b")")[2].split()[1])
                found.setdefault(parent, []).append(int(entry.name))
    return found


def _anonymous_mib(pid: int) -> float:
    try:
        _size, resident, shared = Path(f"/proc/{pid}/statm").read_text().split()[:3]
    except (OSError, ValueError):
        return 0.0
    return (int(resident) - int(shared)) * os.sysconf("SC_PAGE_SIZE") / (1 << 20)
