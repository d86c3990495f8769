"""The archive writer, read back by cpio(1) and by a small reader of our own."""

from __future__ import annotations

import stat
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.guest import cpio

settings.register_profile("cpio", derandomize=True, deadline=None)
PROFILE = settings.get_profile("cpio")

HEADER = 110

names = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=20).filter(
    lambda name: name not in {".", "..", cpio.TRAILER}
)
contents = st.binary(max_size=2000)


def files_below(root: str) -> st.SearchStrategy[list[cpio.Entry]]:
    # Folders and files have different first letters, so that no file is where another one's folder has to be.
    path = st.tuples(st.lists(names.map(lambda name: "d" + name), max_size=3), names.map(lambda name: "f" + name)).map(
        lambda parts: "/".join([root, *parts[0], parts[1]])
    )
    entry = st.builds(
        cpio.file, path, contents, executable=st.booleans(), private=st.booleans()
    )  # fmt: skip
    return st.lists(entry, max_size=8, unique_by=lambda each: each.path)


def read_back(data: bytes) -> Mapping[str, cpio.Entry]:
    """Return the entries of an archive, checking what the kernel's unpacker relies on."""
    out: dict[str, cpio.Entry] = {}
    at = 0
    while True:
        assert data[at : at + 6] == b"070701"
        fields = [int(data[at + 6 + 8 * field : at + 14 + 8 * field], 16) for field in range(13)]
        _, mode, uid, gid, _, mtime, size, _, _, major, minor, name_size, _ = fields
        assert (uid, gid, mtime) == (0, 0, 0)
        name = data[at + HEADER : at + HEADER + name_size]
        assert name.endswith(b"\0")
        at = (at + HEADER + name_size + 3) & ~3
        content = data[at : at + size]
        at = (at + size + 3) & ~3
        path = name[:-1].decode()
        if path == cpio.TRAILER:
            assert not data[at:].strip(b"\0")
            return out
        assert path not in out
        out[path] = cpio.Entry(path=path, mode=mode, data=content, device=(major, minor))


def listed_by_cpio(data: bytes) -> list[str]:
    done = subprocess.run(["busybox", "cpio", "-t"], input=data, capture_output=True, check=True)
    return done.stdout.decode().splitlines()


def test_archive_when_listed_by_cpio_then_all_paths_are_there_in_order() -> None:
    data = cpio.write_archive([cpio.file("etc/group", b"root:x:0:\n"), cpio.link("bin/sh", "busybox")])
    assert listed_by_cpio(data) == ["bin", "bin/sh", "etc", "etc/group"]


def test_archive_when_unpacked_by_cpio_then_contents_links_and_modes_are_the_entries(tmp_path: Path) -> None:
    entries = [
        cpio.file("a/script", b"#!/bin/sh\n", executable=True),
        cpio.file("a/key", b"secret", private=True),
        cpio.link("a/link", "script"),
    ]
    data = cpio.write_archive(entries)
    subprocess.run(["busybox", "cpio", "-i"], input=data, cwd=tmp_path, check=True, capture_output=True)
    unpacked = {path.name: path.lstat().st_mode for path in (tmp_path / "a").iterdir()}
    assert unpacked == {entry.path.removeprefix("a/"): entry.mode for entry in entries}
    assert (tmp_path / "a" / "link").read_bytes() == b"#!/bin/sh\n"


def test_archives_when_one_follows_another_then_cpio_finds_the_second_at_a_block_boundary() -> None:
    first = cpio.write_archive([cpio.file("one", b"1")])
    assert len(first) % cpio.BLOCK == 0


def test_archive_when_written_in_another_order_then_has_the_same_bytes() -> None:
    entries = [cpio.file("b", b"2"), cpio.folder("c"), cpio.file("a", b"1")]
    assert cpio.write_archive(entries) == cpio.write_archive(reversed(entries))


def test_archive_when_parents_are_missing_then_they_are_added_before_their_children() -> None:
    paths = list(read_back(cpio.write_archive([cpio.file("a/b/c", b"")])))
    assert paths == ["a", "a/b", "a/b/c"]


def test_archive_when_a_parent_is_given_then_its_own_mode_is_kept() -> None:
    found = read_back(cpio.write_archive([cpio.file("root/key", b""), cpio.folder("root", permissions=0o700)]))
    assert found["root"].mode == stat.S_IFDIR | 0o700


def test_archive_when_a_path_stands_twice_then_is_refused_with_the_path() -> None:
    with pytest.raises(ValueError, match="etc/passwd stands twice"):
        cpio.write_archive([cpio.file("etc/passwd", b""), cpio.file("etc/passwd", b"")])


def test_archive_when_it_holds_a_device_then_numbers_and_type_are_there() -> None:
    found = read_back(cpio.write_archive([cpio.character_device("dev/console", 5, 1)]))
    assert (found["dev/console"].device, stat.S_ISCHR(found["dev/console"].mode)) == ((5, 1), True)


@settings(PROFILE)
@given(entries=files_below("r"))
def test_archive_when_read_back_then_gives_the_entries_it_was_made_from(entries: list[cpio.Entry]) -> None:
    found = read_back(cpio.write_archive(entries))
    files = {path: entry for path, entry in found.items() if stat.S_ISREG(entry.mode)}
    assert files == {entry.path: entry for entry in entries}


@settings(PROFILE)
@given(entries=files_below("r"))
def test_archive_when_read_back_then_every_parent_comes_before_its_children(entries: list[cpio.Entry]) -> None:
    seen: set[str] = set()
    for path in read_back(cpio.write_archive(entries)):
        parent = path.rpartition("/")[0]
        assert not parent or parent in seen
        seen.add(path)
