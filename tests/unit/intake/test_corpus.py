"""The corpus of tests/data/mail: what must come out of each input stands beside it (its README.md says how)."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import UserError
from orchestrator.intake.reader import Wanted, read_series
from orchestrator.model.series import Series
from tests.unit.intake.mails import DATA

FOLDER = DATA / "mail"
CASES = [
    pytest.param(path, case, id=f"{path.name.removesuffix('.expect.toml')}-{number}")
    for path in sorted(FOLDER.glob("*.expect.toml"))
    for number, case in enumerate(tomllib.loads(path.read_text())["case"], start=1)
]


def test_the_corpus_when_counted_then_nothing_was_lost() -> None:
    assert len(list(FOLDER.glob("*.expect.toml"))) >= 70


@pytest.mark.parametrize(("path", "case"), CASES)
def test_read_series_when_a_mail_of_the_corpus_then_what_is_expected_comes_out(
    path: Path, case: dict[str, Any]
) -> None:
    given = path.with_name(path.name.removesuffix(".expect.toml"))
    wanted = Wanted(inputs=(str(given),), **case.get("options", {}))
    if "error" in case:
        with pytest.raises(UserError) as caught:
            read_series(wanted=wanted)
        assert case["error"] in caught.value.describe()
        return
    series = read_series(wanted=wanted)
    found = {name: look(series) for name, look in LOOKS.items()}
    for name, expected in case.items():
        if name in CONTAINED:
            whole = "\n".join(found[CONTAINED[name]])
            for piece in [expected] if isinstance(expected, str) else expected:
                assert (piece in whole) is not name.endswith("_not"), f"{name}: {whole}"
        elif name == "diffs":
            assert [folded(text, lossy=found["lossy"]) for text in found["diffs"]] == [
                folded((FOLDER / "reference" / f"{ref}.diff").read_text(), lossy=found["lossy"]) for ref in expected
            ]
        elif name != "options":
            assert found[name] == expected, name


def folded(diff: str, *, lossy: bool) -> str:
    """Return a diff to compare: of a lossy one its text without white space, up to where the hunks end."""
    if not lossy:
        bare = re.sub(r"^(index |diff --git ).*\n", "", diff, flags=re.MULTILINE)
        # A blank context line may have lost its blank.
        return re.sub(r"^ $", "", bare, flags=re.MULTILINE).rstrip("\n")
    text = "".join(diff.split())
    return text.partition("--2.47.3")[0]


LOOKS: dict[str, Any] = {
    "form": lambda series: str(series.form),
    "title": lambda series: series.title,
    "version": lambda series: series.version,
    "total": lambda series: series.total,
    "parts": lambda series: [patch.index for patch in series.patches],
    "missing": lambda series: list(series.missing),
    "alone": lambda series: series.alone,
    "titles": lambda series: [patch.subject for patch in series.patches],
    "authors": lambda series: [patch.author for patch in series.patches],
    "dates": lambda series: [patch.date for patch in series.patches],
    "sent": lambda series: series.sent,
    "diffs": lambda series: [patch.diff for patch in series.patches],
    "lossy": lambda series: any(patch.lossy for patch in series.patches),
    "messages": lambda series: [patch.message for patch in series.patches],
    "ids": lambda series: list(series.message_ids),
    "lists": lambda series: list(series.lists),
    "tags": lambda series: list(series.tags),
    "base_commit": lambda series: series.base_commit,
    "change_id": lambda series: series.change_id,
    "earlier": lambda series: [f"{earlier.version} {earlier.link}" for earlier in series.earlier],
    "prerequisites": lambda series: [f"{each.kind} {each.value} {each.message_id or '-'}" for each in series.prerequisites],
    "specials": lambda series: [special for patch in series.patches for special in patch.specials],
    "trailers": lambda series: [f"{patch.index} {each.name}: {each.value}" for patch in series.patches for each in patch.trailers],
    "cover_trailers": lambda series: [f"{each.name}: {each.value}" for each in series.trailers],
    "notes": lambda series: list(series.notes),
}  # fmt: skip
"""What an expectation may name, and where it is found."""

CONTAINED = {"notes": "notes", "message": "messages", "message_not": "messages"}
"""Expectations that have to be in what is found, or not to be."""


def test_looks_when_a_series_is_read_then_each_finds_something() -> None:
    series: Series = read_series(FOLDER / "thread-with-cover.mbox")

    assert all(look(series) is not None for name, look in LOOKS.items() if name != "change_id")
