"""The guest image: the initramfs that every trial of a run shares. The same inputs give the same bytes.

It holds busybox, dropbear with the libraries it needs, our static tools and ``guest_scripts/``. What differs between
trials is in the payload, a second archive behind this one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import InfraError
from orchestrator.guest import cpio
from orchestrator.guest.tools import compiled_tools
from orchestrator.host import process, workspace
from orchestrator.host.deadline import Cancellation

LIBRARY = re.compile(r"(?:=>\s+)?(/\S+)\s+\(0x")
GUEST_FILES = ("lib.sh", "trial", "live")


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestImage:
    """The archive's bytes and their SHA-256, which is part of every trial's key."""

    data: bytes
    key: str


def build_guest_image(scripts: Path, *, cache: Path, cancellation: Cancellation) -> GuestImage:
    """Return the image made from ``scripts`` (``guest_scripts/``) and the host's busybox and dropbear.

    Raises ``MissingProgram`` when one of them is not installed.
    """
    tools = compiled_tools(scripts / "src", cache=cache, cancellation=cancellation)
    entries = [*_skeleton(), *_busybox(), *_dropbear()]
    entries.append(cpio.file("init", (scripts / "init").read_bytes(), executable=True))
    entries += [cpio.file(f"guest/{name}", (scripts / name).read_bytes(), executable=True) for name in GUEST_FILES]
    entries += [cpio.file(f"guest/bin/{name}", data, executable=True) for name, data in sorted(tools.items())]
    data = cpio.write_archive(entries)
    return GuestImage(data=data, key=workspace.content_key(data))


def _skeleton() -> Iterator[cpio.Entry]:
    yield from (cpio.folder(name) for name in ("proc", "sys", "run", "tmp", "results", "sbin", "usr/bin", "usr/sbin"))
    yield cpio.folder("root", permissions=0o700)
    yield cpio.character_device("dev/console", 5, 1)
    yield cpio.character_device("dev/null", 1, 3)
    yield cpio.file("etc/passwd", b"root:x:0:0:root:/root:/bin/sh\n")
    yield cpio.file("etc/group", b"root:x:0:\n")
    yield cpio.file("etc/shells", b"/bin/sh\n")


def _busybox() -> Iterator[cpio.Entry]:
    program = process.require_program("busybox", purpose="as the guest's user space (package busybox-static)")
    if LIBRARY.search(process.run(["ldd", program]).stdout):
        raise InfraError(
            f"{program} is not statically linked", hint="install busybox-static: orchestrator doctor --fix"
        )
    yield cpio.file("bin/busybox", program.read_bytes(), executable=True)
    applets = process.check([program, "--list"]).split()
    yield from (cpio.link(f"bin/{applet}", "busybox") for applet in applets if applet != "busybox")


def _dropbear() -> Iterator[cpio.Entry]:
    program = process.require_program("dropbear", purpose="as the guest's SSH server (package dropbear-bin)")
    yield cpio.file("usr/sbin/dropbear", program.read_bytes(), executable=True)
    for library in sorted(set(LIBRARY.findall(process.check(["ldd", program])))):
        # The path that the loader looks for, with the content behind the links.
        yield cpio.file(library.lstrip("/"), Path(library).resolve().read_bytes(), executable=True)
