"""Lossy hunks whose page wrapped or cut lines, or that somebody answered between the lines."""

from __future__ import annotations

import pytest

from orchestrator.errors import InputError
from orchestrator.model.diff import read_diff, render_diff
from orchestrator.tree.recover import Recovered, recover_file

LONG = (
    "\tif (zswap_check_limits() && zswap_entry_is_reclaimable(entry) && !zswap_is_being_shrunk(pool, entry->swpentry))"
)
BASE = f"int f(void)\n{{\n\tint x;\n\n{LONG}\n\t\treturn x;\n\tfinish(x);\n\treturn 0;\n}}\n"
FIRST, REST = LONG.strip()[:75].rsplit(" ", 1)[0], LONG.strip()[len(LONG.strip()[:75].rsplit(" ", 1)[0]) :].strip()


def recover(hunk: str, base: str = BASE) -> Recovered:
    (file,) = read_diff(f"--- a/mm/x.c\n+++ b/mm/x.c\n{hunk}", lossy=True)
    # What intake hands on is the diff rendered, and read a second time.
    (again,) = read_diff(render_diff([file]), lossy=True)
    assert again == file
    return recover_file(base, file, lossy=True)


def refused(hunk: str, base: str = BASE) -> str:
    with pytest.raises(InputError) as caught:
        recover(hunk, base)
    return caught.value.describe()


def test_recover_when_a_context_line_is_wrapped_then_it_is_joined_and_counted() -> None:
    done = recover(f"@@ -4,4 +4,5 @@\n\n{FIRST}\n{REST}\nreturn x;\n+ more(x);\nfinish(x);\n")

    assert done.text == BASE.replace("\tfinish", "\tmore(x);\n\tfinish")
    assert (done.placements[0].recovered, done.placements[0].fuzz) == (1, 0)


def test_recover_when_an_added_line_is_wrapped_as_the_file_shows_that_lines_are_then_it_is_joined() -> None:
    added = "call_with_a_very_long_name_indeed(entry->first_argument, e->second_argument);"
    page = f"@@ -4,5 +4,6 @@\n\n{FIRST}\n{REST}\nreturn x;\n+ {added[:56]}\n{added[57:]}\nfinish(x);\nreturn 0;\n"
    assert added[56] == " "

    done = recover(page)

    assert done.text == BASE.replace("\tfinish", f"\t{added}\n\tfinish")


def test_recover_when_nothing_shows_that_the_page_wraps_then_the_rest_of_an_added_line_is_not_guessed() -> None:
    page = "@@ -6,3 +6,4 @@\nreturn x;\n+ call_with_a_long_name(entry->first_argument, entry->second,\nentry->third);\nfinish(x);\nreturn 0;\n"

    assert "may be its rest, wrapped by the page" in refused(page)


def test_recover_when_the_page_cuts_context_then_the_file_completes_it() -> None:
    width = 80
    done = recover(f"@@ -4,4 +4,5 @@\n\n{LONG.strip()[:width]}\nreturn x;\n+ more(x);\nfinish(x);\n")

    assert done.text == BASE.replace("\tfinish", "\tmore(x);\n\tfinish")
    assert done.placements[0].recovered == 1


def test_recover_when_the_page_cuts_an_added_line_then_it_refuses() -> None:
    cut = "+ call(" + "a" * 200
    page = f"@@ -4,4 +4,5 @@\n\n{LONG.strip()[:80]}\nreturn x;\n{cut[:80]}\nfinish(x);\n"

    assert "the page cuts lines after 80 characters, and with them the added line" in refused(page)


def test_recover_when_the_longest_line_is_an_added_one_and_leaves_brackets_open_then_it_refuses() -> None:
    page = f"@@ -6,3 +6,4 @@\nreturn x;\n{('+ call(' + 'a' * 100)[:80]}\nfinish(x);\nreturn 0;\n"

    assert "the page may have cut its longest line" in refused(page)


@pytest.mark.parametrize("answer", ["Why?\n", "\nWhy is this here?\nI wonder.\n\n"])
def test_recover_when_somebody_answers_between_the_lines_then_the_counts_leave_it_out(answer: str) -> None:
    done = recover(f"@@ -6,3 +6,4 @@\nreturn x;\n{answer}+ more(x);\nfinish(x);\nreturn 0;\n")

    assert done.text == BASE.replace("\tfinish", "\tmore(x);\n\tfinish")
    assert done.placements[0].fuzz == 0


def test_recover_when_an_answer_looks_like_an_added_line_then_it_refuses() -> None:
    page = "@@ -6,3 +6,4 @@\nreturn x;\n+1 from me.\nfinish(x);\n+ more(x);\nreturn 0;\n"

    assert refused(page)


def test_recover_when_hardly_anything_is_as_the_file_has_it_then_the_best_try_is_shown() -> None:
    base = "".join(f"int line_{nr};\n" for nr in range(8))
    page = "@@ -3,4 +3,5 @@\nint strange;\nint other;\nint line_4;\n+int n;\nint line_5;\n"

    said = refused(page, base)

    assert "mm/x.c: hunk 1 (@@ -3,4 +3,5 @@) fits line 3 with a score of 0.58 only" in said
    assert "  | ?int strange;\n  | ?int other;\n  |  int line_4;\n  | +int n;" in said
