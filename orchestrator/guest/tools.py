"""The static tools of ``guest_scripts/src``: compiled once for each content, kept in the cache."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from orchestrator.errors import InfraError
from orchestrator.host import process, workspace
from orchestrator.host.deadline import Cancellation, Deadline

COMPILE_TIMEOUT_S = 300.0
FLAGS = ("-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-static", "-pthread", "-s", "-Wl,--build-id=none")
COMMON = "common"


def compiled_tools(source: Path, *, cache: Path, cancellation: Cancellation) -> Mapping[str, bytes]:
    """Return the programs under ``source`` (a folder each, linked with ``common/``) as name to ELF image.

    The key is the sources, the flags and the compiler; :class:`InfraError` with the compiler's words when it fails.
    """
    process.require_program("gcc", purpose="to compile the guest's tools")
    version = process.check(["gcc", "--version"]).splitlines()[0]
    programs = sorted(path.name for path in source.iterdir() if path.is_dir() and path.name != COMMON)
    tools = {}
    for program in programs:
        files = sorted([*(source / COMMON).glob("*.[ch]"), *(source / program).glob("*.[ch]")])
        contents = [part for path in files for part in (f"{path.parent.name}/{path.name}", path.read_bytes())]
        key = workspace.content_key(version, " ".join(FLAGS), *contents)
        target = cache / "tools" / key / program
        if not target.is_file():
            _compile(source, program, target, cancellation)
        tools[program] = target.read_bytes()
    return tools


def _compile(source: Path, program: str, target: Path, cancellation: Cancellation) -> None:
    sources = sorted([*(source / COMMON).glob("*.c"), *(source / program).glob("*.c")])
    with workspace.published_file(target) as beside:
        # Relative paths and a fixed working folder: the image must not depend on where the checkout lies.
        names = [path.relative_to(source) for path in sources]
        argv: list[str | Path] = ["gcc", *FLAGS, f"-I{COMMON}", "-o", beside, *names]
        deadline = Deadline(COMPILE_TIMEOUT_S, what=f"compiling {program}", cancellation=cancellation)
        finished = process.run(argv, deadline=deadline, cwd=source)
        if not finished.ok:
            raise InfraError(
                f"the guest's tool {program} does not compile",
                hint="libc6-dev (with libc.a) is needed: orchestrator doctor --fix",
                evidence=finished.evidence(),
            )
