"""The kernel's own tests, compiled out of the tree under test: static programs for the guest, kept in the cache.

Neither the kernel's build nor its headers are needed: the tests of ``cgroup/`` compile against libc alone. They are
compiled at -O0, for at -O2 gcc deletes what allocate_bytes() of test_zswap.c stores to memory and frees, and the test
then fails on a good kernel.

A test's source is a stranger's like the rest of the patch: it is compiled in the sandbox.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.errors import Evidence, InfraError, PatchFault, tail
from orchestrator.host.deadline import Cancellation, Deadline
from orchestrator.host.process import Finished, run
from orchestrator.host.sandbox import Bind, Room, sandboxed
from orchestrator.host.workspace import content_key, make_folder, publish_text, published_file, scratch_folder
from orchestrator.kernel.making import REPEATABLE, Workshop

FOLDER = "tools/testing/selftests"
"""Where the kernel has its tests."""

RECIPE = "selftest-1"
"""Goes up when the same sources would come out as another program."""

FLAGS = ("-O0", "-Wall", "-static", "-pthread", "-s", "-Wl,--build-id=none")

_SHARED = ("kselftest.h", "kselftest_harness.h", "clone3", "pidfd")
"""What tests of several folders include, where a version of Linux has it."""

_HELPERS = {"cgroup": ("cgroup/lib/cgroup_util.c", "cgroup/cgroup_util.c")}
"""What a folder's tests are linked with: the first one that is there (6.12 has no ``lib/``)."""

_INCLUDED = (".", "cgroup/lib/include")
_COMPILE_S = 120.0
_GIT_S = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Selftests:
    """``programs`` are ELF images by the name that was asked for; ``reasons`` says of each other name why it has none."""

    programs: Mapping[str, bytes] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)


def build_selftests(
    names: Iterable[str], *, commit: str, base_commit: str, workshop: Workshop, cancellation: Cancellation
) -> Selftests:
    """Return the tests ``names`` (as ``cgroup/test_zswap``) of ``commit``.

    A test that is not in ``commit``, or that base's does not compile either, has a reason instead. Raises
    :class:`PatchFault` (stage ``build``) for one that does not compile where base's does.
    """
    programs, reasons = {}, {}
    for name in names:
        built = _built(name, commit, workshop, cancellation)
        if isinstance(built, bytes):
            programs[name] = built
            continue
        if built.error and commit != base_commit and _compiles(name, base_commit, workshop, cancellation):
            raise PatchFault(
                f"the patched tree's test {name} does not compile: {built.error}",
                stage="build",
                evidence=Evidence(exit_status=1, last_lines=built.lines),
            )
        reasons[name] = built.describe()
    return Selftests(programs=programs, reasons=reasons)


@dataclass(frozen=True, slots=True, kw_only=True)
class _NotBuilt:
    """Why there is no program: ``error`` is the compiler's first one, empty where the tree does not have the test."""

    name: str
    error: str = ""
    lines: tuple[str, ...] = ()

    def describe(self) -> str:
        if not self.error:
            return f"this kernel's tree has no {FOLDER}/{self.name}.c"
        return f"this kernel's test {self.name} does not compile here: {self.error}"


def _compiles(name: str, commit: str, workshop: Workshop, cancellation: Cancellation) -> bool:
    return isinstance(_built(name, commit, workshop, cancellation), bytes)


def _built(name: str, commit: str, workshop: Workshop, cancellation: Cancellation) -> bytes | _NotBuilt:
    """Return the program, from the cache or compiled now."""
    folder = name.partition("/")[0]
    listed = _listed(commit, folder, workshop.repo, cancellation)
    source = f"{name}.c"
    if source not in listed:
        return _NotBuilt(name=name)
    helpers = [helper for helper in _HELPERS.get(folder, ()) if helper in listed][:1]
    key = content_key(
        RECIPE, name, _LINES, *FLAGS, workshop.toolchain.identity, workshop.sandbox.layout,
        *(part for path, blob in sorted(listed.items()) for part in (path, blob)),
    )  # fmt: skip
    target = workshop.cache / "selftests" / key / Path(name).name
    if not target.is_file():
        with scratch_folder("selftests") as scratch:
            _extract(commit, folder, workshop.repo, scratch / "src", cancellation)
            finished = _compile([source, *helpers], scratch, workshop, cancellation)
            program = scratch / "out" / "program"
            if not finished.ok or program.is_symlink() or not program.is_file():
                said = finished.stderr or finished.stdout
                return _NotBuilt(name=name, error=_first_error(said), lines=tail(said))
            with published_file(target) as beside:
                beside.write_bytes(program.read_bytes())
    return target.read_bytes()


_LINES = """\
#include <stdio.h>
__attribute__((constructor)) static void write_line_by_line(void) { setvbuf(stdout, NULL, _IOLBF, 0); }
"""
"""Linked with each: what a program holds back for a file, each child that it forks writes once more (6.12 and before)."""


def _compile(sources: list[str], scratch: Path, workshop: Workshop, cancellation: Cancellation) -> Finished:
    # Words relative to the source folder: neither messages nor the program name a folder of this machine's.
    argv = ["gcc", *FLAGS, *(f"-I{folder}" for folder in _INCLUDED), "-o", "/out/program", *sources, "/out/lines.c"]
    publish_text(make_folder(scratch / "out") / "lines.c", _LINES)
    room = Room(
        read_only=(Bind(outside=scratch / "src" / FOLDER, inside="/src"),),
        writable=(Bind(outside=make_folder(scratch / "out"), inside="/out"),),
        env=REPEATABLE,
        cwd="/src",
    )
    deadline = Deadline(_COMPILE_S, what=f"compiling {sources[0]}", cancellation=cancellation)
    return run(sandboxed(argv, sandbox=workshop.sandbox, room=room), deadline=deadline)


def _first_error(said: str) -> str:
    lines = said.splitlines()
    return next((line for line in lines if "error:" in line or "undefined reference" in line), "gcc failed")


def _listed(commit: str, folder: str, repo: Path, cancellation: Cancellation) -> dict[str, str]:
    """Return the files that a test of ``folder`` may need, below :data:`FOLDER`, with their blobs' ids."""
    paths = [f"{FOLDER}/{path}" for path in (folder, *_SHARED)]
    text = _git(repo, ["ls-tree", "-r", "-z", "--full-tree", commit, "--", *paths], cancellation)
    found = {}
    for entry in text.split("\0"):
        described, _, path = entry.partition("\t")
        if path:
            found[path.removeprefix(f"{FOLDER}/")] = described
    return found


def _extract(commit: str, folder: str, repo: Path, target: Path, cancellation: Cancellation) -> None:
    """Write the files of :func:`_listed` below ``target``."""
    make_folder(target)
    listed = _listed(commit, folder, repo, cancellation)
    tops = sorted({path.partition("/")[0] for path in listed})
    archive = target.parent / "selftests.tar"
    _git(
        repo,
        ["archive", "--format=tar", "-o", str(archive), commit, *(f"{FOLDER}/{top}" for top in tops)],
        cancellation,
    )
    deadline = Deadline(_GIT_S, what="unpacking the kernel's tests", cancellation=cancellation)
    unpacked = run(["tar", "-x", "-f", archive, "-C", target], deadline=deadline)
    if not unpacked.ok:
        raise InfraError("cannot unpack the kernel's tests", evidence=unpacked.evidence())


def _git(repo: Path, argv: list[str], cancellation: Cancellation) -> str:
    env = {
        "PATH": os.environ.get("PATH", os.defpath),
        "GIT_DIR": str(repo),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_COUNT": "1",
        # The cache may belong to another user than the one who runs us (a container's root, say).
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": "*",
    }
    deadline = Deadline(_GIT_S, what=f"git {argv[0]}", cancellation=cancellation)
    finished = run(["git", *argv], deadline=deadline, env=env)
    if not finished.ok:
        raise InfraError(f"git {argv[0]} failed on our own copy of the sources", evidence=finished.evidence())
    return finished.stdout
