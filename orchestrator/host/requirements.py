"""What this host must have, why, and which package brings it; and how the missing ones are installed.

Package names are those of Debian 12 and 13 and Ubuntu 24.04, which agree.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import InfraError
from orchestrator.host import process
from orchestrator.host.deadline import Cancellation, Deadline

INSTALL_TIMEOUT_S = 1800.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """One thing that must be there. ``present`` looks for it; ``optional`` things only make us faster."""

    what: str
    package: str
    why: str
    present: Callable[[], bool]
    optional: bool = False


def _program(name: str) -> Callable[[], bool]:
    return lambda: process.find_program(name) is not None


def _static_libc() -> bool:
    if process.find_program("gcc") is None:
        return False
    path = Path(process.run(["gcc", "-print-file-name=libc.a"]).stdout.strip())
    return path.is_absolute() and path.exists()


def _header(name: str) -> Callable[[], bool]:
    folders = (Path("/usr/include"), Path("/usr/local/include"))
    return lambda: any((folder / name).exists() for folder in folders)


def _static_busybox() -> bool:
    program = process.find_program("busybox")
    # ldd says "not a dynamic executable", and fails, for a static one.
    return program is not None and "=>" not in process.run(["ldd", program]).stdout


def _git_send_email() -> bool:
    return process.find_program("git") is not None and process.run(["git", "send-email", "--dump-aliases"]).ok


def _perl_module(name: str) -> Callable[[], bool]:
    return lambda: process.find_program("perl") is not None and process.run(["perl", f"-M{name}", "-e", "1"]).ok


def _needed(what: str, package: str, why: str, present: Callable[[], bool] | None = None) -> Requirement:
    return Requirement(what=what, package=package, why=why, present=present or _program(what))


REQUIREMENTS: tuple[Requirement, ...] = (
    _needed("setpriv", "util-linux", "every process that we start dies with us"),
    _needed("git", "git", "trees and patches"),
    _needed("xz", "xz-utils", "unpacks kernel sources"),
    _needed("gcc", "gcc", "builds kernels and the guest's tools"),
    _needed("libc.a", "libc6-dev", "the guest's tools are static", _static_libc),
    Requirement(
        what="gcov",
        package="gcc",
        why="says which lines of a patch ran",
        present=_program("gcov"),
        optional=True,
    ),
    _needed("make", "make", "builds kernels"),
    _needed("flex", "flex", "Kconfig's scanner"),
    _needed("bison", "bison", "Kconfig's parser"),
    _needed("bc", "bc", "the kernel's build computes time constants with it"),
    _needed("libelf.h", "libelf-dev", "objtool, a part of the kernel's build", _header("libelf.h")),
    _needed("bwrap", "bubblewrap", "patches are built in a sandbox"),
    _needed("qemu-system-x86_64", "qemu-system-x86", "the machines"),
    _needed("static busybox", "busybox-static", "the guest's user space", _static_busybox),
    _needed("dropbear", "dropbear-bin", "the guest's SSH server"),
    Requirement(
        what="ccache",
        package="ccache",
        why="makes repeated builds faster",
        present=_program("ccache"),
        optional=True,
    ),
)

TEST_REQUIREMENTS: tuple[Requirement, ...] = (
    _needed("curl", "curl", "contrib/ci-run fetches links with it"),
    _needed("ssh", "openssh-client", "a stranger's client of the guests' SSH server"),
    _needed("ssh-keygen", "openssh-client", "reads the keys that are made here"),
    _needed("systemd-analyze", "systemd", "checks the units in contrib/systemd"),
    _needed("public-inbox-httpd", "public-inbox", "a mail archive on this machine, which the tests read through b4"),
    _needed("dovecot", "dovecot-imapd", "an IMAP server on this machine, which the tests of the watcher read"),
    _needed("git send-email", "git-email", "takes mails in the tests", _git_send_email),
    _needed("Mail::Address", "libmailtools-perl", "git send-email needs it", _perl_module("Mail::Address")),
    # Debian's names. Ubuntu has Chromium as a snap only, which comes with its driver: there these two are for the user.
    _needed("chromium", "chromium", "a real browser, in which the tests look at the pages"),
    _needed("chromedriver", "chromium-driver", "through it the tests drive the browser"),
)
"""What the project's own tests need beside that."""


def missing(requirements: Sequence[Requirement] = REQUIREMENTS) -> tuple[Requirement, ...]:
    """Return what is not there."""
    return tuple(requirement for requirement in requirements if not requirement.present())


def install(requirements: Sequence[Requirement], *, cancellation: Cancellation) -> None:
    """Install the packages of ``requirements`` with apt, by sudo when we are not root.

    Raises :class:`InfraError` with apt's words when it fails, or when there is no apt.
    """
    packages = sorted({requirement.package for requirement in requirements})
    if process.find_program("apt-get") is None:
        hint = f"install by hand what your system calls these: {', '.join(packages)}"
        raise InfraError("this machine has no apt-get", hint=hint)
    prefix = [] if os.geteuid() == 0 else ["sudo"]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    commands: list[list[str]] = [
        [*prefix, "apt-get", "-q", "update"],
        [*prefix, "apt-get", "-q", "install", "-y", "--no-install-recommends", *packages],
    ]
    for argv in commands:
        deadline = Deadline(INSTALL_TIMEOUT_S, what="apt-get", cancellation=cancellation)
        finished = process.run(argv, deadline=deadline, env=environment)
        if not finished.ok:
            raise InfraError("the packages could not be installed", evidence=finished.evidence())
