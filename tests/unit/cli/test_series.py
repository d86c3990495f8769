"""``orchestrator series``, run as a user runs it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.command import COMMAND, REPOSITORY

MAILS = REPOSITORY / "tests" / "data" / "mail"


def series(*words: str | Path, given: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    argv = [*COMMAND, "series", "--offline", *(str(word) for word in words)]
    environment = {**os.environ, "COLUMNS": "140"}
    return subprocess.run(argv, input=given, capture_output=True, timeout=120, check=False, env=environment)


def shown(*words: str | Path, given: bytes | None = None) -> str:
    done = series(*words, given=given)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def read(*words: str | Path, given: bytes | None = None) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(shown("--json", *words, given=given))
    return loaded


def test_series_when_a_thread_then_parts_answers_and_hints_are_shown() -> None:
    text = shown(MAILS / "replies-with-trailers.mbox")

    assert text.startswith("v2  mm: zswap: say how much was scanned\n")
    assert "  2/3  mm: zswap: count scanned entries in shrink_memcg()\n       mm/zswap.c  +2 -0\n" in text
    assert "Reviewed-by: Yosry Ahmed <yosry@example.net>" in text
    assert "by Jürgen Größe <juergen@example.com>" in text
    assert "base-commit 6a98118f7750; 3 blob ids" in text
    assert "v1: https://lore.kernel.org/r/20260628.1-0-aiko@example.org" in text
    assert text.count("signature") == 1
    assert "  signatures  none" in text


def test_series_when_a_title_has_terminal_escapes_then_none_reaches_the_terminal() -> None:
    done = series(MAILS / "subject-terminal-escapes.eml")

    assert b"\x1b" not in done.stdout
    assert "\u202e" not in done.stdout.decode()
    assert "\\x1b]0;owned\\x07 add\\x202e a \\x9bcounter" in done.stdout.decode()


def test_series_when_a_refused_title_has_escapes_then_the_error_is_harmless(tmp_path: Path) -> None:
    mail = (MAILS / "subject-terminal-escapes.eml").read_bytes()
    path = tmp_path / "cut.eml"
    path.write_bytes(mail[: mail.index(b"+static u64")])

    done = series(path)

    assert done.returncode == 2
    assert b"\x1b" not in done.stderr


def test_series_when_standard_input_then_it_is_read() -> None:
    found = read("-", given=(MAILS / "thread-with-cover.mbox").read_bytes())

    assert (found["series"]["total"], found["series"]["source"]) == (3, "-")


def test_series_when_several_files_are_given_then_they_are_one_input() -> None:
    folder = MAILS / "folder-of-format-patch"

    found = read(*(folder / f"000{nr}-part.patch" for nr in (3, 1, 2)))["series"]

    assert (found["form"], found["missing"]) == ("list of files", [])
    assert [patch["index"] for patch in found["patches"]] == [1, 2, 3]


def test_series_when_it_holds_several_then_they_are_listed_and_one_can_be_picked() -> None:
    text = shown(MAILS / "two-series.mbox")

    assert "1  2026-06-29  2      3  mm: zswap: say how much was scanned" in text
    assert "2 series: --pick NUMBER shows one" in text
    assert shown(MAILS / "two-series.mbox", "--pick", "2").startswith("Documentation: zswap: say more\n")
    assert [line["total"] for line in read(MAILS / "two-series.mbox")["list"]] == [3, 1]


def test_series_when_parts_are_missing_then_they_are_named_and_it_is_shown_all_the_same() -> None:
    assert "2 of 3; 2 is missing (--partial goes on without)" in shown(MAILS / "part-missing.mbox")


def test_series_when_one_message_of_six_then_it_says_that_it_is_what_is_tested() -> None:
    text = shown(MAILS / "re-patch-v5-2-6-mm-zswap-support-batch-writeback.txt")

    assert "1 of 6; 1, 3-6 are missing (the input is this one message, so it is what will be tested)" in text


def test_series_when_an_old_version_is_wanted_then_it_is_shown() -> None:
    assert not shown(MAILS / "versions-two.mbox", "--version", "1").startswith("v2")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "which patches?"),
        (["/nonexistent"], "No such file"),
        (["--git", "--output=/tmp/x"], "is no range of commits"),
        ([str(MAILS / "two-series.mbox"), "--pick", "nothing"], "none of the 2 series"),
        ([str(MAILS / "thread-with-cover.mbox"), "--require-signature"], "has no good signature: no signature"),
        ([str(MAILS / "symlink-out.patch")], "leads out of the tree"),
    ],
)
def test_series_when_it_cannot_be_used_then_exit_2_and_no_traceback(words: list[str], said: str) -> None:
    done = series(*words)

    assert done.returncode == 2
    assert said in done.stderr.decode()
    assert b"Traceback" not in done.stderr


def test_series_when_a_tree_is_given_then_base_and_application_are_shown(tmp_path: Path) -> None:
    tree = tmp_path / "linux"
    for name in ("Makefile", "Kbuild", "scripts/kconfig/merge_config.sh"):
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("VERSION = 7\nPATCHLEVEL = 2\n" if name == "Makefile" else "\n")
    (tree / "mm").mkdir()
    (tree / "mm" / "zswap.c").write_text((REPOSITORY / "tests/data/trees/linux-7.2/mm/zswap.c").read_text())
    git = ["git", "-C", str(tree), "-c", "user.name=A", "-c", "user.email=a@example.org"]
    for words in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "-m", "linux"]):
        subprocess.run([*git, *words], check=True)

    text = shown(MAILS / "thread-with-cover.mbox", "--linux", tree)
    found = read(MAILS / "thread-with-cover.mbox", "--linux", tree)

    assert "Base  7.2" in text
    assert "git am: 1 file changed, 2 insertions(+), 0 deletions(-)" in text
    assert [done["rung"] for done in found["applied"]] == ["git am"] * 3
    assert found["base"]["way"] == "blob ids"
