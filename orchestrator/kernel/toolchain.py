"""The programs that make a kernel, and their versions, which are part of a build's key."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import MissingProgram
from orchestrator.host.process import check, find_program, require_program
from orchestrator.host.sandbox import ROOM_PATH

NEEDED = {
    "make": "to build kernels",
    "gcc": "to compile kernels",
    "ld": "to link kernels (package binutils)",
    "flex": "by the kernel's configuration programs",
    "bison": "by the kernel's configuration programs",
    "bc": "by the kernel's build",
    "perl": "by the kernel's build",
    "awk": "by the kernel's build",
    "cp": "to copy object trees",
    "git": "to check out sources",
}
"""The programs a build needs, and why."""

_GELF_HEADER = Path("/usr/include/gelf.h")


@dataclass(frozen=True, slots=True, kw_only=True)
class Toolchain:
    """``identity`` names compiler, linker and make with their versions in one line; ``ccache`` says that it is there.

    ccache is not part of the identity: it changes how long a build takes, never what comes out.
    """

    identity: str
    ccache: bool

    @property
    def compiler(self) -> str:
        """The value of make's CC."""
        return "ccache gcc" if self.ccache else "gcc"


def find_toolchain() -> Toolchain:
    """Look at what is installed; :class:`MissingProgram` names what is not and why it is needed."""
    for program, purpose in NEEDED.items():
        require_program(program, purpose=purpose)
    if not _GELF_HEADER.exists():
        raise MissingProgram("libelf's header (package libelf-dev)", purpose="by the kernel's objtool")
    versions = [_version(program) for program in ("gcc", "ld", "make")]
    return Toolchain(identity="; ".join(versions), ccache=find_program("ccache") is not None)


def _version(program: str) -> str:
    """Return the first line of ``--version``, as the program of the sandbox's PATH says it."""
    return check([program, "--version"], env={"PATH": ROOM_PATH, "LC_ALL": "C"}).splitlines()[0].strip()
