"""A small deterministic writer of initramfs archives: the same entries give the same bytes, and no root is needed.

The format is "newc" of the kernel's Documentation/driver-api/early-userspace/buffer-format.rst. Owners are 0, times
are 0, inode numbers count from 1 in the order of the sorted paths. Several archives may stand behind one another:
the kernel unpacks them in order (init/initramfs.c, unpack_to_rootfs).
"""

from __future__ import annotations

import stat
from collections.abc import Iterable
from dataclasses import dataclass

ALIGNMENT = 4
TRAILER = "TRAILER!!!"
BLOCK = 512
"""An archive is padded to this, so that another one can follow it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One file, folder, link or device of an archive; ``path`` is relative to the root and has no leading slash.

    ``mode`` holds type and permission bits as in stat(2); ``device`` is (major, minor) of a device node.
    """

    path: str
    mode: int
    data: bytes = b""
    device: tuple[int, int] = (0, 0)


def file(path: str, data: bytes, *, executable: bool = False, private: bool = False) -> Entry:
    """Return a regular file; ``private`` ones are 0600, as dropbear wants its keys."""
    permissions = 0o600 if private else 0o755 if executable else 0o644
    return Entry(path=path, mode=stat.S_IFREG | permissions, data=data)


def folder(path: str, *, permissions: int = 0o755) -> Entry:
    """Return a folder."""
    return Entry(path=path, mode=stat.S_IFDIR | permissions)


def link(path: str, target: str) -> Entry:
    """Return a symbolic link to ``target``."""
    return Entry(path=path, mode=stat.S_IFLNK | 0o777, data=target.encode())


def character_device(path: str, major: int, minor: int) -> Entry:
    """Return a character device node; the archive may hold it though we may not make one here."""
    return Entry(path=path, mode=stat.S_IFCHR | 0o600, device=(major, minor))


def write_archive(entries: Iterable[Entry]) -> bytes:
    """Return the archive. Parent folders that are not among the entries are added; a path given twice is an error."""
    by_path: dict[str, Entry] = {}
    for entry in entries:
        if entry.path in by_path:
            raise ValueError(f"{entry.path} stands twice in the archive")
        by_path[entry.path] = entry
    for path in list(by_path):
        parts = path.split("/")
        for depth in range(1, len(parts)):
            parent = "/".join(parts[:depth])
            by_path.setdefault(parent, folder(parent))
    out = bytearray()
    for inode, path in enumerate(sorted(by_path), start=1):
        _append(out, by_path[path], inode)
    _append(out, Entry(path=TRAILER, mode=0), 0)
    out += b"\0" * (-len(out) % BLOCK)
    return bytes(out)


def _append(out: bytearray, entry: Entry, inode: int) -> None:
    name = entry.path.encode() + b"\0"
    links = 2 if stat.S_ISDIR(entry.mode) else 1
    major, minor = entry.device
    fields = (inode, entry.mode, 0, 0, links, 0, len(entry.data), 0, 0, major, minor, len(name), 0)
    out += b"070701" + b"".join(b"%08X" % value for value in fields)
    out += name
    out += b"\0" * (-len(out) % ALIGNMENT)
    out += entry.data
    out += b"\0" * (-len(out) % ALIGNMENT)
