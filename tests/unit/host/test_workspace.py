"""Locks, publishing, space and keys."""

from __future__ import annotations

import hashlib
import multiprocessing
import stat
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.errors import InfraError, TimedOut
from orchestrator.host.deadline import Deadline
from orchestrator.host.workspace import (
    cache_root,
    content_key,
    file_sha256,
    locked,
    make_folder,
    publish_text,
    published_file,
    published_folder,
    require_space,
    scratch_folder,
)


def soon() -> Deadline:
    return Deadline(0.3, what="the lock")


def patient() -> Deadline:
    return Deadline(30, what="the lock")


def _lock_and_die(path: Path) -> None:
    # Never left: the process ends with the lock in its hands.
    locked(path, patient()).__enter__()


def test_locked_when_held_by_another_thread_then_waits(tmp_path: Path) -> None:
    with locked(tmp_path / "lock", soon()):
        caught: list[BaseException] = []

        def other() -> None:
            try:
                with locked(tmp_path / "lock", soon()):
                    pass
            except TimedOut as error:
                caught.append(error)

        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert len(caught) == 1
    with locked(tmp_path / "lock", soon()):
        pass


def test_locked_when_holder_died_then_is_free(tmp_path: Path) -> None:
    process = multiprocessing.get_context("spawn").Process(target=_lock_and_die, args=(tmp_path / "lock",))
    process.start()
    process.join()
    with locked(tmp_path / "lock", patient()):
        pass


def test_publish_text_when_done_then_is_readable_by_others_and_nothing_is_beside(tmp_path: Path) -> None:
    publish_text(tmp_path / "deep" / "file", "text")
    assert (tmp_path / "deep" / "file").read_text() == "text"
    assert stat.S_IMODE((tmp_path / "deep" / "file").stat().st_mode) == 0o644
    assert len(list((tmp_path / "deep").iterdir())) == 1


def test_published_file_when_block_raises_then_old_file_stays_and_nothing_is_beside(tmp_path: Path) -> None:
    publish_text(tmp_path / "file", "old")
    with pytest.raises(KeyError), published_file(tmp_path / "file") as beside:  # noqa: PT012
        beside.write_text("half")
        raise KeyError
    assert (tmp_path / "file").read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_published_folder_when_block_raises_then_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(KeyError), published_folder(tmp_path / "folder") as beside:  # noqa: PT012
        (beside / "x").write_text("x")
        raise KeyError
    assert list(tmp_path.iterdir()) == []


def test_published_folder_when_another_was_first_then_theirs_stays(tmp_path: Path) -> None:
    with published_folder(tmp_path / "folder") as beside:
        (beside / "whose").write_text("ours")
        (tmp_path / "folder").mkdir()
        (tmp_path / "folder" / "whose").write_text("theirs")
    assert (tmp_path / "folder" / "whose").read_text() == "theirs"
    assert len(list(tmp_path.iterdir())) == 1


def test_require_space_when_too_little_then_names_folder_and_numbers(tmp_path: Path) -> None:
    require_space(tmp_path, 1, purpose="a test")
    with pytest.raises(InfraError, match=rf"a test needs {1 << 40} MiB in {tmp_path}"):
        require_space(tmp_path, 1 << 40, purpose="a test")


def test_make_folder_when_a_file_is_in_the_way_then_says_why(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InfraError, match="cannot make the folder"):
        make_folder(tmp_path / "file" / "folder")


def test_cache_root_when_xdg_is_set_then_is_below_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_root() == tmp_path / "mm-patch-orchestrator"
    assert cache_root().is_dir()


def test_scratch_folder_when_left_then_is_gone() -> None:
    with scratch_folder("test") as folder:
        (folder / "x").write_text("x")
    assert not folder.exists()


def test_file_sha256_when_read_then_is_hashlibs(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"abc" * 100_000)
    assert file_sha256(tmp_path / "x") == hashlib.sha256(b"abc" * 100_000).hexdigest()


@given(st.lists(st.binary(max_size=8), max_size=5), st.lists(st.binary(max_size=8), max_size=5))
def test_content_key_when_parts_differ_then_keys_differ(one: list[bytes], other: list[bytes]) -> None:
    assert (content_key(*one) == content_key(*other)) == (one == other)
