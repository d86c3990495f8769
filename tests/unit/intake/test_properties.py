"""What holds for all mails: properties of the readers, tried on made-up ones."""

from __future__ import annotations

import dataclasses
import html
import mailbox
import tempfile
from email.message import Message
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.errors import InputError
from orchestrator.intake.assemble import assemble
from orchestrator.intake.dates import iso_utc
from orchestrator.intake.flowed import unflow, unstuff
from orchestrator.intake.headers import read_envelope
from orchestrator.intake.html import html_to_text
from orchestrator.intake.mbox import split_mbox
from orchestrator.intake.message import read_mails
from orchestrator.intake.page import read_page
from orchestrator.intake.subject import read_subject
from orchestrator.intake.threads import unique
from orchestrator.intake.topics import find_topics
from orchestrator.model.series import Form, Series
from tests.unit.intake.mails import DATA

LINES = st.lists(
    st.one_of(
        st.sampled_from(["From me to you", ">From me", "From a@b Mon Jun 29 10:00:00 2026", "", " x", ">> y", "-- ", "+", "-"]),
        st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=30),
    ),
    max_size=12,
)  # fmt: skip


@given(st.lists(LINES, min_size=1, max_size=4))
def test_split_mbox_when_the_standard_library_wrote_it_then_all_messages_come_back(bodies: list[list[str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mbox"
        box = mailbox.mbox(path)
        for body in bodies:
            message = Message()
            message["Subject"] = "x"
            # The library writes mboxo: a line that is quoted already cannot be told from one that it quotes.
            message.set_payload("".join(f"{line}\n" for line in body if not line.startswith(">From")))
            box.add(message)
        box.close()
        data = path.read_bytes()

    pieces = split_mbox(data)

    assert len(pieces) == len(bodies)
    for piece, body in zip(pieces, bodies, strict=True):
        expected = "".join(f"{line}\n" for line in body if not line.startswith(">From"))
        assert piece.decode().partition("\n\n")[2].rstrip("\n") == expected.rstrip("\n")


@given(st.binary(max_size=300))
def test_read_mails_when_any_bytes_then_something_comes_back(data: bytes) -> None:
    assert read_mails(data, what="x") is not None
    assert read_envelope(Message()) is not None


@given(LINES)
def test_unstuff_when_a_text_was_stuffed_then_it_comes_back(lines: list[str]) -> None:
    text = "\n".join(line for line in lines if not line.startswith(">"))
    stuffed = "\n".join(f" {line}" if line.startswith((" ", "From ")) else line for line in text.split("\n"))

    assert unstuff(stuffed) == text


@given(LINES)
def test_unflow_when_no_line_is_soft_then_none_is_joined(lines: list[str]) -> None:
    text = "\n".join(line.rstrip() for line in lines if not line.startswith((">", " ")))

    assert unflow(text) == text


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\xa0"), max_size=200))
def test_html_to_text_when_text_stands_in_pre_then_it_comes_back(text: str) -> None:
    page = f"<html><body><pre>\n{html.escape(text)}</pre></body></html>"

    try:
        expected = html.unescape(html.escape(text))
    except ValueError:
        return
    assert html_to_text(page).strip("\n") == expected.strip("\n")


@given(st.text(max_size=300))
def test_html_to_text_when_any_text_then_it_ends(text: str) -> None:
    html_to_text(text)


@given(st.text(max_size=400))
def test_read_page_when_any_text_then_no_patch_comes_of_none(text: str) -> None:
    assert all(not item.parts or "@@" in text or "diff --git" in text for item in read_page(text, title="x"))


@given(st.text(max_size=200))
def test_read_subject_when_any_text_then_its_numbers_are_small(text: str) -> None:
    subject = read_subject(text)

    assert 0 <= subject.version < 1000
    assert (subject.index or 0) < 100_000


@given(st.text(max_size=80))
def test_iso_utc_when_any_text_then_a_date_or_none(text: str) -> None:
    found = iso_utc(text)

    assert found is None or found.endswith("+00:00")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Mon, 29 Jun 2026 19:20:28 +0900", "2026-06-29T10:20:28+00:00"),
        ("Mon Jun 29 2026 - 20:21:31 EST", "2026-06-30T01:21:31+00:00"),
        ("2026-06-29 11:20:28", "2026-06-29T11:20:28+00:00"),
        ("2026-06-29  9:20 UTC", "2026-06-29T09:20:00+00:00"),
        ("Mon, 29 Jun 2026 19:20:28 +9999", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_iso_utc_when_archives_write_it_then_it_is_read(text: str, expected: str | None) -> None:
    assert iso_utc(text) == expected


THREAD = read_mails((DATA / "mail" / "replies-with-trailers.mbox").read_bytes(), what="thread")
VERSIONS = read_mails((DATA / "mail" / "versions-two.mbox").read_bytes(), what="versions")


def series_in(items: object) -> Series:
    kept, _ = unique(items)  # type: ignore[arg-type]
    (topic,) = find_topics(kept)
    return dataclasses.replace(assemble(topic, form=Form.MBOX, source="x"), to=(), cc=(), lists=(), notes=())


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.permutations(range(len(THREAD))))
def test_series_when_messages_come_in_any_order_then_it_is_the_same(order: list[int]) -> None:
    found = series_in([THREAD[at] for at in order])
    expected = series_in(THREAD)

    def bare(series: Series) -> Series:
        patches = tuple(
            dataclasses.replace(patch, trailers=tuple(sorted(patch.trailers, key=lambda each: each.value)))
            for patch in series.patches
        )
        return dataclasses.replace(series, patches=patches)

    assert bare(found) == bare(expected)


@given(st.permutations(range(len(VERSIONS))), st.sets(st.integers(0, len(VERSIONS) - 1)))
def test_series_when_messages_are_there_twice_in_any_order_then_it_is_the_same(
    order: list[int], again: set[int]
) -> None:
    found = series_in([VERSIONS[at] for at in [*order, *again]])

    assert found.patches == series_in(VERSIONS).patches
    assert found.version == 2


@given(st.sets(st.integers(0, 3), min_size=1))
def test_series_when_any_messages_are_missing_then_what_is_missing_is_named(kept: set[int]) -> None:
    alone = [item for item in THREAD if not item.envelope.subject.is_reply]
    items = [item for item in alone if item.envelope.subject.index in kept]
    if kept == {0}:
        assert find_topics(items) == ()
        return

    series = series_in(items)

    assert {patch.index for patch in series.patches} == kept - {0}
    assert set(series.missing) == {1, 2, 3} - kept


def test_assemble_when_the_version_is_not_there_then_it_says_which_are() -> None:
    (topic,) = find_topics(VERSIONS)

    with pytest.raises(InputError) as caught:
        assemble(topic, form=Form.MBOX, source="x", version=9)
    assert "there is v1, v2" in caught.value.describe()
