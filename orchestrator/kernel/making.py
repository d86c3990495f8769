"""Running make on bound sources and objects: the room, the environment that makes builds repeatable, and the log."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import BrokenBase, Evidence, InfraError, PatchFault, tail
from orchestrator.host.deadline import Cancellation, Deadline
from orchestrator.host.process import running
from orchestrator.host.sandbox import ROOM_PATH, Bind, LimitPassed, Limits, Room, Sandbox, sandboxed, watched
from orchestrator.host.workspace import make_folder
from orchestrator.kernel.diagnostics import first_error, machine_trouble
from orchestrator.kernel.kconfig import fragment_path
from orchestrator.kernel.toolchain import Toolchain
from orchestrator.model.kernel import Architecture, KernelRole

MAKE_S = 4 * 3600.0
"""For a hung build; a cold one takes minutes."""

_LOG_TAIL_BYTES = 4 << 20
_LOG_HEAD_BYTES = 64 << 20

REPEATABLE = {
    "PATH": ROOM_PATH,
    "LC_ALL": "C",
    "HOME": "/tmp",  # noqa: S108 - the room's own
    "TZ": "UTC",
    # What a kernel says of its making (scripts/mkcompile_h, init/version-timestamp.c) is the same for all of ours.
    "KBUILD_BUILD_TIMESTAMP": "2001-01-01",
    "KBUILD_BUILD_USER": "orchestrator",
    "KBUILD_BUILD_HOST": "orchestrator",
    "KBUILD_BUILD_VERSION": "1",
    # Set but empty: scripts/setlocalversion then asks no git and adds no "+".
    "LOCALVERSION": "",
}
"""The environment of every build; part of every key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """Where and with what kernels are built: the same for all builds of a run.

    ``cache`` is the orchestrator's cache folder, ``repo`` our bare repository with all trees; ``memory_mib`` is what a
    build's processes may use together, 0 for most of this machine's.
    """

    repo: Path
    cache: Path
    sandbox: Sandbox
    toolchain: Toolchain
    jobs: int
    memory_mib: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Folders:
    """What is bound at /src, /obj and /fragments."""

    source: Path
    objects: Path
    fragments: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """One build: in which folders, for whom, and its log (appended to)."""

    workshop: Workshop
    architecture: Architecture
    role: KernelRole
    folders: Folders
    log: Path
    cancellation: Cancellation

    @property
    def make(self) -> list[str]:
        """The words that begin every call of make."""
        return [
            "make",
            "-C",
            "/src",
            "O=/obj",
            f"ARCH={self.architecture.kernel_arch}",
            f"CC={self.workshop.toolchain.compiler}",
        ]

    @property
    def seen_source(self) -> str:
        """The source folder's name in the compiler's messages."""
        return "/src" if self.workshop.sandbox.kind.is_confined else str(self.folders.source)

    def room(self) -> Room:
        """Return the room: sources read-only, objects writable, and ccache's folder for base alone.

        A stranger who can write to ccache's folder chooses what later builds link. A patched build does not read it
        either: what a patch changes is not in it, and looking costs a tenth of a second a file.
        """
        env = {**REPEATABLE, "ARCH": self.architecture.kernel_arch}
        read_only = [
            Bind(outside=self.folders.source, inside="/src"),
            Bind(outside=self.folders.fragments, inside="/fragments"),
        ]
        writable = [Bind(outside=self.folders.objects, inside="/obj")]
        if self.workshop.toolchain.ccache and self.role is KernelRole.BASE:
            writable.append(Bind(outside=make_folder(self.workshop.cache / "ccache"), inside="/ccache"))
            env |= {"CCACHE_DIR": "/ccache", "CCACHE_TEMPDIR": "/tmp", "CCACHE_MAXSIZE": "4G"}  # noqa: S108
            # What a file includes is taken from the compiler's own list: a cold build preprocesses nothing twice.
            env["CCACHE_DEPEND"] = "1"
        elif self.workshop.toolchain.ccache:
            # The command lines still name it, or make would find all of base's objects out of date.
            env["CCACHE_DISABLE"] = "1"
        limits = Limits(memory_mib=self.workshop.memory_mib or _most_of_memory_mib())
        return Room(read_only=tuple(read_only), writable=tuple(writable), env=env, cwd="/obj", limits=limits)


def run_in_room(bench: Bench, argv: list[str]) -> None:
    """Run a command of the build, its output appended to the log; raises as :func:`blame` says when it fails."""
    room = bench.room()
    command = sandboxed(argv, sandbox=bench.workshop.sandbox, room=room)
    make_folder(bench.log.parent)
    deadline = Deadline(MAKE_S, what=f"make ({bench.role})", cancellation=bench.cancellation)
    # GNU make ends what it started when it gets SIGTERM; in a room the pid namespace ends with its first process.
    signal = "KILL" if bench.workshop.sandbox.kind.is_confined else "TERM"
    with bench.log.open("ab") as log:
        start = log.tell()
        try:
            with running(command, stdout=log, death_signal=signal) as process:
                status = watched(process, room=room, deadline=deadline)
        except LimitPassed as passed:
            if bench.role is KernelRole.BASE:
                raise
            raise PatchFault(
                f"the patched kernel's build was stopped: {passed.message}",
                stage="build",
                hint="base was built within the same limits; look at what the patch does to Makefiles and scripts",
                evidence=Evidence(command=tuple(argv), last_lines=tail(read_log(bench.log, start)), log=bench.log),
            ) from passed
    if status != 0:
        raise blame(bench, argv, status=status, output=read_log(bench.log, start))


def blame(bench: Bench, argv: list[str], *, status: int, output: str) -> InfraError | PatchFault:
    """Return the error for a failed command: the machine's, base's (ours), or the patch's.

    Its message has the first error; its evidence the last lines and the log.
    """
    evidence = Evidence(command=tuple(argv), exit_status=status, last_lines=tail(output), log=bench.log)
    trouble = machine_trouble(output)
    if trouble:
        return InfraError(
            f"the {bench.role} kernel's build failed for want of this machine: {trouble}",
            hint="free disk space or memory, or lower the number of jobs",
            evidence=evidence,
        )
    said = first_error(output, source=bench.seen_source) or f"make ended with status {status}"
    if bench.role is KernelRole.BASE:
        return BrokenBase(
            f"base does not build: {said}",
            stage="build",
            hint="choose another base with --base; is the tree whole, and does it build with this compiler?",
            evidence=evidence,
        )
    return PatchFault(f"the patched kernel does not build: {said}", stage="build", evidence=evidence)


def read_log(log: Path, start: int = 0) -> str:
    """Return a log's text from byte ``start``; of a huge one (a stranger wrote it) the beginning and the end."""
    size = log.stat().st_size - start
    with log.open("rb") as handle:
        handle.seek(start)
        data = handle.read(_LOG_HEAD_BYTES)
        if size > _LOG_HEAD_BYTES:
            handle.seek(max(start + _LOG_HEAD_BYTES, start + size - _LOG_TAIL_BYTES))
            data += b"\n[...]\n" + handle.read()
    return data.decode("utf-8", "replace")


def plain_file(bench: Bench, name: str) -> Path:
    """Return the file ``name`` of the object tree, if a plain file is what it is.

    The build ran a stranger's code: a symbolic link, also on the way, could name a file of the user's.
    """
    path = bench.folders.objects / name
    if path.resolve() == bench.folders.objects.resolve() / name and path.is_file():
        return path
    message = f"the {bench.role} kernel's build succeeded, but {name} is not there or is no plain file"
    evidence = Evidence(log=bench.log)
    if bench.role is KernelRole.BASE:
        raise InfraError(message, evidence=evidence)
    raise PatchFault(message, stage="build", evidence=evidence)


def _most_of_memory_mib() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") * 9 // 10 >> 20


def lay_out_fragments(folder: Path, texts: tuple[str, ...]) -> None:
    """Write the fragments to ``folder`` under the names that the room's commands use."""
    make_folder(folder)
    for number, text in enumerate(texts):
        (folder / Path(fragment_path(number)).name).write_text(text)
