"""Trials that were done: their records, and the guest's files beside them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.errors import InfraError
from orchestrator.model.trial import Status, TrialResult
from orchestrator.store.trial_cache import TrialCache
from orchestrator.store.trial_files import LARGEST, pack, unpack
from tests.unit.record_builder import BASE, spec, trial


def folder_with(path: Path, **files: bytes) -> Path:
    (path / "guest").mkdir(parents=True)
    for name, data in files.items():
        (path / "guest" / name).write_bytes(data)
    return path


def kept(tmp_path: Path, result: TrialResult) -> TrialCache:
    cache = TrialCache(tmp_path / "cache")
    cache.put(result)
    cache.keep_files(result.key, folder_with(tmp_path / "first", samples=b"1\n", dmesg=b"hello\n"))
    return cache


def test_cache_when_a_trial_is_answered_from_it_then_its_files_come_as_well(tmp_path: Path) -> None:
    result = trial(spec(BASE), {"zswpwb": 1})
    assert kept(tmp_path, result).bring_files(result.key, tmp_path / "second")
    found = {path.name: path.read_bytes() for path in (tmp_path / "second" / "guest").iterdir()}
    assert found == {"samples": b"1\n", "dmesg": b"hello\n"}


def test_cache_when_a_record_is_not_one_to_keep_then_its_files_are_not_kept(tmp_path: Path) -> None:
    result = trial(spec(BASE), status=Status.FAIL)
    assert not kept(tmp_path, result).bring_files(result.key, tmp_path / "second")
    assert not (tmp_path / "second").exists()


def test_cache_when_the_files_are_damaged_then_the_record_still_answers(tmp_path: Path) -> None:
    result = trial(spec(BASE), {"zswpwb": 1})
    cache = kept(tmp_path, result)
    (archive,) = (tmp_path / "cache").rglob("*.tar.gz")
    archive.write_bytes(archive.read_bytes()[:40])
    assert not cache.bring_files(result.key, tmp_path / "second")
    assert cache.find(result.key) is not None


def test_pack_when_the_files_are_the_same_then_so_are_the_bytes(tmp_path: Path) -> None:
    packed = [pack(folder_with(tmp_path / name, a=b"1", b=b"2")) for name in ("one", "two")]
    assert packed[0] == packed[1]


@given(data=st.binary(max_size=300))
@settings(max_examples=60, deadline=None)
def test_unpack_when_given_anything_then_only_its_own_error_comes(
    data: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with pytest.raises(InfraError):
        unpack(data, tmp_path_factory.mktemp("any"))


def test_unpack_when_a_name_leaves_the_folder_then_it_is_refused(tmp_path: Path) -> None:
    import gzip
    import io
    import tarfile

    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        entry = tarfile.TarInfo("../evil")
        entry.size = 1
        archive.addfile(entry, io.BytesIO(b"x"))
    with pytest.raises(InfraError, match="evil"):
        unpack(gzip.compress(buffer.getvalue()), tmp_path / "in")
    assert not (tmp_path / "evil").exists()


def test_unpack_when_it_is_a_bomb_then_it_is_refused(tmp_path: Path) -> None:
    import gzip

    with pytest.raises(InfraError, match="larger"):
        unpack(gzip.compress(bytes(LARGEST + 2)), tmp_path)
