"""The archive that a guest sends: a stranger's kernel may have had its hands in it."""

from __future__ import annotations

import contextlib
import gzip
import io
import tarfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.machine.ssh import MAXIMUM_FETCH, _unpacked

settings.register_profile("unpacking", derandomize=True, deadline=None, max_examples=100)
PROFILE = settings.get_profile("unpacking")


def archive(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for member, data in members:
            tar.addfile(member, io.BytesIO(data))
    return out.getvalue()


def member(name: str, size: int = 0, kind: bytes = tarfile.REGTYPE) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size = size
    info.type = kind
    return info


def test_archive_when_unpacked_then_only_regular_files_are_there() -> None:
    link = member("./link", kind=tarfile.SYMTYPE)
    link.linkname = "/etc/passwd"
    data = archive((member("./a", 1), b"1"), (link, b""), (member("./fifo", kind=tarfile.FIFOTYPE), b""))
    assert dict(_unpacked(data)) == {"a": b"1"}


def test_archive_when_it_is_packed_then_is_not_unpacked() -> None:
    with pytest.raises(tarfile.TarError):
        dict(_unpacked(gzip.compress(archive((member("a", 1), b"1")))))


def test_archive_when_it_claims_to_hold_more_than_may_be_fetched_then_is_refused() -> None:
    # A sparse file: nothing of it in the archive, and zeros without end when it is read.
    info = member("./bomb")
    info.pax_headers = {
        "GNU.sparse.major": "0",
        "GNU.sparse.minor": "1",
        "GNU.sparse.name": "bomb",
        "GNU.sparse.size": str(MAXIMUM_FETCH + 1),
        "GNU.sparse.map": "0,0",
    }
    with pytest.raises(tarfile.TarError, match="claims to hold"):
        dict(_unpacked(archive((info, b""))))


@settings(PROFILE)
@given(garbage=st.binary(min_size=1, max_size=40), place=st.integers(0, 1535))
def test_archive_when_any_part_is_overwritten_then_is_read_or_refused(garbage: bytes, place: int) -> None:
    data = bytearray(archive((member("./a", 5), b"12345")))
    data[place : place + len(garbage)] = garbage
    with contextlib.suppress(tarfile.TarError, ValueError, EOFError, OverflowError):
        dict(_unpacked(bytes(data)))
