"""Subjects."""

from __future__ import annotations

import pytest

from orchestrator.intake.subject import read_subject


@pytest.mark.parametrize(
    ("text", "title", "version", "index", "total"),
    [
        ("[PATCH] mm: x", "mm: x", 1, None, None),
        ("Re: [PATCH v5 2/6] mm/zswap: y", "mm/zswap: y", 5, 2, 6),
        ("[RFC PATCH v2 03/12 mm-unstable] z", "z", 2, 3, 12),
        ("[linux-next] [PATCH, RESEND, V3 1/1] [sic] w", "w", 3, 1, 1),
        ("Re: Re: Fwd: [RFC 1/2] a [b] c", "a [b] c", 1, 1, 2),
        ("[PATCH 1/2]\n folded  title", "folded title", 1, 1, 2),
    ],
)
def test_read_subject_when_tagged_then_version_and_part_are_known(
    text: str, title: str, version: int, index: int | None, total: int | None
) -> None:
    subject = read_subject(text)

    assert (subject.title, subject.version, subject.index, subject.total) == (title, version, index, total)
    assert subject.is_patch


def test_read_subject_when_no_patch_then_it_is_none() -> None:
    assert not read_subject("Re: lunch").is_patch
