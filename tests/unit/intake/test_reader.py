"""Forms of input: what each is taken for and what comes out."""

from __future__ import annotations

import base64
import quopri
from pathlib import Path

import pytest

from orchestrator.errors import InputError
from orchestrator.intake.reader import read_series
from orchestrator.model.diff import read_diff
from orchestrator.model.series import Diffstat, Form
from tests.unit.intake.mails import DATA, DIFF, REVIEW, patch_mail


def saved(folder: Path, text: str | bytes, name: str = "input.mbox") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_read_series_when_the_review_mail_then_its_one_patch_is_lossy_and_complete() -> None:
    series = read_series(REVIEW)

    (patch,) = series.patches
    assert (series.form, series.version, series.total, series.missing) == (Form.ARCHIVED_PAGE, 5, 6, (1, 3, 4, 5, 6))
    assert (patch.index, patch.lossy) == (2, True)
    assert patch.subject == "mm/zswap: Support batch writeback in shrink_memcg()"
    assert patch.author == "Hao Jia <jiahao1@xxxxxxxxxxx>"
    assert patch.date == "Mon, 29 Jun 2026 19:20:28 +0800"
    assert patch.stated == Diffstat(files=("mm/zswap.c",), insertions=69, deletions=20)
    assert patch.message.startswith("Currently, shrink_memcg() writes back at most one entry")
    assert patch.message.endswith("Signed-off-by: Hao Jia <jiahao1@xxxxxxxxxxx>")


def test_read_series_when_the_reviewer_writes_inside_a_hunk_then_his_words_are_left_out() -> None:
    diff = read_series(REVIEW).patches[0].diff

    assert "Why not just 1?" not in diff
    assert [len(file.hunks) for file in read_diff(diff, lossy=True)] == [11]


def test_read_series_when_a_format_patch_file_then_all_fields_are_there(tmp_path: Path) -> None:
    text = patch_mail(tag="PATCH v3", tail="base-commit: 0123456789abcdef0123456789abcdef01234567\n-- \n2.39.5\n")

    series = read_series(saved(tmp_path, text))

    (patch,) = series.patches
    assert (series.form, series.version, series.title) == (Form.FORMAT_PATCH, 3, "mm: demo")
    assert series.base_commit == "0123456789abcdef0123456789abcdef01234567"
    assert (patch.author, patch.lossy, patch.diff) == ("A Uthor <a@example.org>", False, DIFF.removesuffix("\n") + "\n")
    assert patch.message == "Because.\n\nSigned-off-by: A Uthor <a@example.org>"
    assert patch.stated == Diffstat(files=("mm/demo.c",), insertions=2, deletions=1)


def test_read_series_when_an_mbox_is_out_of_order_with_a_reply_then_the_patches_are_in_order(tmp_path: Path) -> None:
    reply = (
        "From r@example.org Tue Jun 30 10:00:00 2026\nFrom: R <r@example.org>\nSubject: Re: [PATCH 1/2] one\n\n"
        + "".join(f"> {line}\n" for line in DIFF.splitlines())
        + "Nice.\n\n"
    )
    cover = (
        "From a@example.org Tue Jun 30 09:00:00 2026\nFrom: A <a@example.org>\nSubject: [PATCH 0/2] both\n\nWhy.\n\n"
    )
    text = patch_mail(tag="PATCH 2/2", title="two", message_id="<2@x>") + reply + cover
    text += patch_mail(tag="PATCH 1/2", title="one", message_id="<1@x>")

    series = read_series(saved(tmp_path, text))

    assert (series.form, series.title, series.missing) == (Form.MBOX, "both", ())
    assert [(patch.index, patch.subject) for patch in series.patches] == [(1, "one"), (2, "two")]
    assert series.cover is not None
    assert series.cover.startswith("Why.")


def test_read_series_when_from_is_quoted_in_an_mbox_then_it_is_unquoted(tmp_path: Path) -> None:
    text = patch_mail(message=">From here on it is better.\n>>From there, too.")

    assert read_series(saved(tmp_path, text)).patches[0].message == "From here on it is better.\n>From there, too."


def test_read_series_when_two_versions_are_there_then_the_newest_is_taken_and_said(tmp_path: Path) -> None:
    text = patch_mail(tag="PATCH v1") + patch_mail(tag="PATCH v2", message="Better.")

    series = read_series(saved(tmp_path, text))

    assert (series.version, [patch.subject for patch in series.patches]) == (2, ["mm: demo"])
    assert series.notes == ("versions v1, v2 are there: v2 was taken",)


def test_read_series_when_a_part_is_there_twice_then_once_is_enough(tmp_path: Path) -> None:
    series = read_series(saved(tmp_path, patch_mail(tag="PATCH 1/2") * 2))

    assert (len(series.patches), series.missing) == (1, (2,))


def test_read_series_when_two_patches_claim_the_same_part_then_it_refuses(tmp_path: Path) -> None:
    other = patch_mail(tag="PATCH 1/2", diff=DIFF.replace("one", "two"))

    with pytest.raises(InputError, match="two different patches claim to be part 1/2"):
        read_series(saved(tmp_path, patch_mail(tag="PATCH 1/2") + other))


@pytest.mark.parametrize("encoding", ["base64", "quoted-printable"])
def test_read_series_when_a_mail_is_encoded_then_it_is_decoded(tmp_path: Path, encoding: str) -> None:
    head, _, body = patch_mail(separator=False).partition("\n\n")
    data = body.replace("\n", "\r\n").encode()
    coded = base64.encodebytes(data) if encoding == "base64" else quopri.encodestring(data)
    head += f"\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: {encoding}\n\n"

    assert read_series(saved(tmp_path, head.encode() + coded, "mail.eml")).patches[0].diff == DIFF


def test_read_series_when_a_mail_states_latin_1_then_it_is_read_as_that(tmp_path: Path) -> None:
    head, _, body = patch_mail(separator=False, message="Größer.").partition("\n\n")
    head += "\nMIME-Version: 1.0\nContent-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: 8bit\n\n"

    assert read_series(saved(tmp_path, head.encode() + body.encode("latin-1"))).patches[0].message == "Größer."


def test_read_series_when_a_folder_then_its_patches_are_taken_by_name(tmp_path: Path) -> None:
    saved(tmp_path, patch_mail(tag="PATCH 2/2", title="two"), "0002-two.patch")
    saved(tmp_path, patch_mail(tag="PATCH 1/2", title="one"), "0001-one.patch")
    saved(tmp_path, "not a patch", "README")

    series = read_series(tmp_path)

    assert (series.form, [patch.subject for patch in series.patches]) == (Form.DIRECTORY, ["one", "two"])


def test_read_series_when_a_folder_of_plain_diffs_then_they_are_numbered_by_name(tmp_path: Path) -> None:
    for name in ("b.diff", "a.diff"):
        saved(tmp_path, DIFF, name)

    assert [(patch.index, patch.subject) for patch in read_series(tmp_path).patches] == [(1, "a"), (2, "b")]


def test_read_series_when_a_plain_diff_then_the_file_name_is_its_subject() -> None:
    series = read_series(DATA / "mail" / "03-split-writeback-helper.diff")

    assert (series.form, series.title) == (Form.DIFF, "03-split-writeback-helper")
    assert series.patches[0].lossy is False


def test_read_series_when_a_reply_quotes_with_white_space_kept_then_it_is_not_lossy(tmp_path: Path) -> None:
    quoted = "".join(f"> {line}\n" for line in patch_mail(separator=False).partition("\n\n")[2].splitlines())
    page = f"Re: [PATCH] mm: demo\nFrom: R\n\nOn Mon, Jun 29, 2026 at 07:20:28PM +0800, A wrote:\n{quoted}"

    (patch,) = read_series(saved(tmp_path, page, "page.txt")).patches

    assert (patch.lossy, patch.diff, patch.author) == (False, DIFF.removesuffix("\n") + "\n", "A")


def test_read_series_when_the_reply_is_a_mail_then_the_quoted_patch_is_taken_and_said(tmp_path: Path) -> None:
    quoted = "".join(f"> {line}\n" for line in DIFF.splitlines())
    mail = f"From: R <r@example.org>\nSubject: Re: [PATCH 1/1] mm: demo\n\nA wrote:\n{quoted}Fine.\n"

    series = read_series(saved(tmp_path, mail))

    assert series.patches[0].diff == DIFF
    assert "reply that quotes it" in series.notes[0]


def test_read_series_when_a_page_is_not_quoted_then_its_patch_is_taken(tmp_path: Path) -> None:
    page = f"[PATCH 1/1] mm: demo\nFrom: A Uthor\nDate: Mon Jun 29 2026\n\nWhy.\n---\n{DIFF}--\n2.39\n\nNext thread\n"

    series = read_series(saved(tmp_path, page, "page.txt"))

    assert (series.form, series.title) == (Form.ARCHIVED_PAGE, "mm: demo")
    assert (series.patches[0].diff, series.patches[0].author) == (DIFF, "A Uthor")
