"""Bad input: a clear error each, never a wrong patch."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from orchestrator.errors import InputError
from orchestrator.intake import document
from orchestrator.intake.reader import read_series
from tests.unit.intake.mails import DIFF, REVIEW, patch_mail


def refused(path: Path) -> str:
    """Return what the error about ``path`` says in whole."""
    with pytest.raises(InputError) as caught:
        read_series(path)
    return caught.value.describe()


def refused_text(folder: Path, text: str | bytes) -> str:
    path = folder / "input.txt"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return refused(path)


def test_read_series_when_the_file_is_missing_then_it_says_so(tmp_path: Path) -> None:
    assert "No such file" in refused(tmp_path / "nothing")


def test_read_series_when_the_file_is_empty_then_it_says_so(tmp_path: Path) -> None:
    assert "it is empty" in refused_text(tmp_path, "")


def test_read_series_when_text_without_a_patch_then_it_says_what_was_found(tmp_path: Path) -> None:
    said = refused_text(tmp_path, "Dear all,\nno patch here.\n")

    assert "25 bytes of text in 2 lines, no diff and no mail header" in said
    assert "it begins: Dear all," in said


def test_read_series_when_mails_without_a_patch_then_their_subjects_are_said(tmp_path: Path) -> None:
    assert "1 mail without a diff: 'all of it'" in refused_text(
        tmp_path, "From: A <a@example.org>\nSubject: [PATCH 0/3] all of it\n\nCover.\n"
    )


def test_read_series_when_the_last_hunk_is_truncated_then_file_hunk_and_lines_are_named(tmp_path: Path) -> None:
    said = refused_text(tmp_path, patch_mail(diff="\n".join(DIFF.split("\n")[:8]) + "\n", tail=""))

    assert "mm/demo.c: hunk 1" in said
    assert "says 5 old and 6 new lines, but there are 4 old and 3 new lines before the end" in said


def test_read_series_when_the_page_is_cut_then_file_and_hunk_are_named(tmp_path: Path) -> None:
    text = REVIEW.read_text()
    cut = text[: text.index("> + struct zswap_shrink_walk_arg *walk_arg")]

    assert "mm/zswap.c: hunk 2 is truncated" in refused_text(tmp_path, cut)


def test_read_series_when_counts_do_not_fit_then_it_refuses(tmp_path: Path) -> None:
    assert "does not fit its counts" in refused_text(tmp_path, patch_mail(diff=DIFF.replace("-1,5 +1,6", "-1,7 +1,8")))


def test_read_series_when_a_hunk_has_more_lines_than_counted_then_it_refuses(tmp_path: Path) -> None:
    assert "more lines than its counts say" in refused_text(tmp_path, DIFF.replace("-1,5 +1,6", "-1,3 +1,4"))


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("b/../../etc/passwd", "leads out of the tree"),
        ("/etc/passwd", "absolute"),
        ("b/.git/hooks/pre-commit", "leads into .git"),
        ("b/mm/.GIT/config", "leads into .git"),
        ('"b/mm/../../x"', "leads out of the tree"),
        ("b//etc", "not a plain relative path"),
    ],
)
def test_read_series_when_a_path_is_unsafe_then_it_refuses(tmp_path: Path, path: str, reason: str) -> None:
    diff = DIFF.replace("+++ b/mm/demo.c", f"+++ {path}").replace("diff --git a/mm/demo.c b/mm/demo.c\n", "")

    said = refused_text(tmp_path, patch_mail(diff=diff))

    assert "unsafe path" in said
    assert reason in said


def test_read_series_when_a_rename_leads_out_then_it_refuses(tmp_path: Path) -> None:
    diff = "diff --git a/mm/a.c b/mm/b.c\nsimilarity index 100%\nrename from mm/a.c\nrename to ../b.c\n"

    assert "unsafe path" in refused_text(tmp_path, patch_mail(diff=diff))


@pytest.mark.parametrize("line", ["GIT binary patch\nliteral 3\n", "Binary files a/x.png and b/x.png differ\n"])
def test_read_series_when_the_patch_is_binary_then_it_refuses(tmp_path: Path, line: str) -> None:
    diff = f"diff --git a/x.png b/x.png\nindex 1111111..2222222 100644\n{line}"

    assert "binary patch" in refused_text(tmp_path, patch_mail(diff=diff))


def test_read_series_when_a_submodule_changes_then_it_refuses(tmp_path: Path) -> None:
    diff = DIFF.replace("2222222222 100644", "2222222222 160000")

    assert "submodule" in refused_text(tmp_path, patch_mail(diff=diff))


def test_read_series_when_the_diff_is_not_utf_8_then_line_and_byte_are_said(tmp_path: Path) -> None:
    said = refused_text(tmp_path, patch_mail(diff=DIFF.replace("one = 1", "\udcff")).encode("utf-8", "surrogateescape"))

    assert "not UTF-8: byte 0xff in line 9" in said


def test_read_series_when_only_the_message_is_not_utf_8_then_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "mail"
    path.write_bytes(patch_mail(message="Gr\udcf6\udcdfer").encode("utf-8", "surrogateescape"))

    assert read_series(path).patches[0].diff == DIFF.removesuffix("\n") + "\n"


def test_read_series_when_there_is_a_nul_byte_then_it_refuses(tmp_path: Path) -> None:
    assert "NUL byte at offset 3" in refused_text(tmp_path, b"abc\0def")


def test_read_series_when_the_file_is_huge_then_it_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "huge.mbox"
    with path.open("wb") as handle:
        # A hole: reading it would find NUL bytes, so the message tells that it was not read.
        handle.truncate(200 << 20)

    assert "has 200 MiB; the largest input is 64 MiB" in refused(path)


def test_read_series_when_a_folder_is_huge_in_sum_then_it_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.intake.sources.LARGEST", 1000)
    for name in ("1.patch", "2.patch"):
        (tmp_path / name).write_text(patch_mail())

    assert document.LARGEST > 1000
    assert "the largest input is" in refused(tmp_path)


def test_read_series_when_a_pipe_then_it_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    assert "neither a file nor a folder" in refused(tmp_path / "pipe")


def test_read_series_when_a_folder_has_no_patch_then_it_says_so(tmp_path: Path) -> None:
    assert "holds no patch" in refused(tmp_path)
