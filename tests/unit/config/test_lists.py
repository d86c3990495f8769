"""The lists' map: the catalog's table, and the user's additions to it."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.config.lists import mailing_lists, user_file
from orchestrator.errors import UserError


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    file = user_file()
    file.parent.mkdir()
    return file


def test_mailing_lists_when_nothing_is_added_then_mm_goes_to_its_own_branches_first() -> None:
    (mm,) = (entry for entry in mailing_lists() if entry.list_id == "linux-mm.kvack.org")

    assert mm.branches[:3] == ("mm-unstable", "mm-new", "mm-stable")
    assert mm.branches.index("linux-next/master") < mm.branches.index("master")


def test_mailing_lists_when_the_user_adds_and_replaces_then_his_come_first(own: Path) -> None:
    own.write_text('["Linux-MM.kvack.org"]\nbranches = ["mine"]\n["other.example.org"]\nbranches = ["a", "next-*"]\n')

    found = {entry.list_id: entry.branches for entry in mailing_lists()}

    assert list(found)[:2] == ["linux-mm.kvack.org", "other.example.org"]
    assert found["linux-mm.kvack.org"] == ("mine",)
    assert "cgroups.vger.kernel.org" in found


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('["a.b"]\nbranches = []\n', "lists.toml:2: a.b.branches"),
        (
            '["a.b"]\nbranches = ["x", "--upload-pack=x"]\n',
            "lists.toml:2: a.b.branches.1: '--upload-pack=x' is no name",
        ),
        ('["a.b"]\nbranches = ["a..b"]\n', "is no name of a branch"),
        ('["a.b"]\nbranches = ["master"]\nurl = "x"\n', "lists.toml:3: a.b.url"),
        ("branches = [\n", "is not valid TOML"),
    ],
)
def test_mailing_lists_when_the_file_is_wrong_then_line_and_mistake_are_named(own: Path, text: str, says: str) -> None:
    own.write_text(text)

    with pytest.raises(UserError) as caught:
        mailing_lists()
    assert says in caught.value.message
