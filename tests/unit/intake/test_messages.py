"""The mails of a series as one answers them: threads, answers, and which of them a program sent."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.host.deadline import Cancellation
from orchestrator.intake.message import read_mail
from orchestrator.intake.reader import Wanted, series_of, survey
from orchestrator.model.series import Series

MAILS = Path(__file__).parents[2] / "data" / "mail"


def read(path: Path) -> Series:
    wanted = Wanted(
        inputs=(str(path),), git_range=None, tree=Path(), version=None, partial=True, pick=None,
        require_signature=False, keys=None,
    )  # fmt: skip
    found = series_of(survey(wanted, cancellation=Cancellation()), wanted)
    return found[0] if isinstance(found, tuple) else found


def automatic(head: str) -> str:
    (item,) = read_mail(f"From: a@example.org\nSubject: x\n{head}\n\nhello\n".encode(), what="x")
    return item.envelope.automatic


def test_messages_when_a_series_then_the_cover_letter_first_and_all_that_an_answer_needs() -> None:
    cover, first, *others = read(MAILS / "versions-two.mbox").messages
    assert (cover.part, cover.subject) == (0, "[PATCH v2 0/3] mm: zswap: say how much was scanned")
    assert (cover.message_id, cover.references) == ("20260629.2-0-aiko@example.org", ())
    assert first.references == ("20260629.2-0-aiko@example.org",)
    assert [message.part for message in others] == [2, 3]
    assert cover.to == ("Andrew Morton <akpm@linux-foundation.org>",)
    assert cover.cc == ("linux-mm@kvack.org", "Yosry Ahmed <yosry@example.net>")
    assert {message.automatic for message in (cover, first, *others)} == {""}


def test_messages_when_a_diff_or_a_page_without_ids_then_none() -> None:
    assert read(MAILS / "diff-crlf.diff").messages == ()
    assert read(MAILS / "re-patch-v5-2-6-mm-zswap-support-batch-writeback.txt").messages == ()


def test_references_when_a_long_thread_then_the_oldest_first() -> None:
    head = "References: <1@a> <2@a> <3@a>\nIn-Reply-To: <3@a>\nMessage-ID: <4@a>\nReply-To: b@example.org"
    (item,) = read_mail(f"From: a@example.org\nSubject: x\n{head}\n\nhello\n".encode(), what="x")
    assert tuple(reversed(item.envelope.parents)) == ("1@a", "2@a", "3@a")
    assert item.envelope.answers_to == ("b@example.org",)


@pytest.mark.parametrize(
    ("head", "said"),
    [
        ("Auto-Submitted: auto-generated", "Auto-Submitted: auto-generated"),
        ("auto-submitted: AUTO-REPLIED; owner=x", "Auto-Submitted: AUTO-REPLIED; owner=x"),
        ("Auto-Submitted: no", ""),
        ("Auto-Submitted: No ; x=y", ""),
        ("Return-Path: <>", "Return-Path: <>"),
        ("Return-Path: <a@example.org>", ""),
        ("Precedence: bulk", "Precedence: bulk"),
        ("Precedence: list", "Precedence: list"),
        # What a list's manager says of everything that passes it.
        ("Precedence: bulk\nList-Id: <linux-mm.kvack.org>", ""),
        ("Precedence: list\nList-Unsubscribe: <mailto:x@example.org>", ""),
        ("Precedence: auto_reply\nList-Id: <linux-mm.kvack.org>", "Precedence: auto_reply"),
        ("Precedence: first-class", ""),
        ("X-Other: 1", ""),
    ],
)
def test_automatic_when_a_program_sent_it(head: str, said: str) -> None:
    assert automatic(head) == said
