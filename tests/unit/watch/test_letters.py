"""What a mail is to the watcher, whatever is in it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from orchestrator.watch.letters import is_made_id, read_letter
from tests.watching import mail, patch, posting

CORPUS = sorted((Path(__file__).parents[2] / "data" / "mail").glob("*.eml"))


def test_letter_when_it_is_a_patch_a_cover_letter_or_an_answer_then_told_apart() -> None:
    cover, first = posting("alpha", 2)[:2]
    answer = mail(
        subject="Re: [PATCH 1/2] x", body="> quoted\n\n#orchestrator test full\n", message_id="r@x", answers="p@x"
    )

    found = [read_letter(each, size=len(each)) for each in (cover, first, answer)]

    assert [(each.is_part, each.index) for each in found] == [(True, 0), (True, 1), (False, 1)]
    assert found[2].command is not None
    assert found[2].command.profile == "full"
    assert found[2].envelope.parents == ("p@x",)


@pytest.mark.parametrize(
    "body",
    [
        "> #orchestrator test",
        "please #orchestrator test",
        "#orchestrator testing",
        "#orchestrator test a b",
        " #orchestrator test",
    ],
)
def test_letter_when_the_command_is_not_a_line_of_its_own_then_none(body: str) -> None:
    raw = mail(subject="Re: x", body=body, message_id="r@x")

    assert read_letter(raw, size=len(raw)).command is None


def test_letter_when_it_has_no_message_id_then_one_of_its_content() -> None:
    raw = re.sub(rb"Message-ID: .*\n", b"", patch("alpha"))

    one, same, other = (read_letter(each, size=len(each)) for each in (raw, raw, raw.replace(b"alpha", b"beta")))

    assert is_made_id(one.message_id)
    assert one.message_id == same.message_id != other.message_id
    assert one.is_part


def test_letter_when_only_its_beginning_is_there_then_a_fault_with_the_size() -> None:
    raw = patch("alpha")

    found = read_letter(raw, size=200 << 20)

    assert (found.is_part, found.fault) == (True, "the mail has 200 MiB")


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_letter_when_it_is_of_the_corpus_then_read(path: Path) -> None:
    raw = path.read_bytes()

    found = read_letter(raw, size=len(raw))

    assert found.message_id


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400), st.integers(0, 2000), st.integers(0, 30))
@example(b"", 0, 0)
@example(b"From: a\x00b\nReferences: <a@b> <a@b>\nSubject: =?utf-8?B?/////w==?=\n\n", 0, 0)
def test_letter_when_bytes_are_damaged_then_no_exception(noise: bytes, at: int, cut: int) -> None:
    whole = posting("alpha", 2)[1]

    for raw in (noise, whole[:at] + noise + whole[at + cut :]):
        found = read_letter(raw, size=len(raw))
        assert 0 < len(found.message_id) <= 500
