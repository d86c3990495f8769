"""Recovery of lossy hunks: the review mail against the real file, and every way it can go wrong."""

from __future__ import annotations

import re

import pytest

from orchestrator.errors import InputError
from orchestrator.model.diff import FileDiff, read_diff
from orchestrator.model.tree import Quality
from orchestrator.tree.recover import Recovered, recover_file
from tests.unit.tree.conftest import DATA, ZSWAP

BASE = ZSWAP.read_text()
MAIL = DATA / "mail" / "re-patch-v5-2-6-mm-zswap-support-batch-writeback.txt"


def mail_diff() -> FileDiff:
    """Return the review mail's diff without its quote marks and the reviewer's words."""
    lines = [line[1:].removeprefix(" ") for line in MAIL.read_text().splitlines() if line.startswith(">")]
    (file,) = read_diff("\n".join(lines) + "\n", lossy=True)
    return file


def recover(diff: str, base: str, *, lossy: bool = True) -> Recovered:
    head = "" if diff.startswith(("---", "diff")) else "--- a/mm/x.c\n+++ b/mm/x.c\n"
    (file,) = read_diff(head + diff, lossy=lossy)
    return recover_file(base, file, lossy=lossy)


def refused(diff: str, base: str) -> str:
    with pytest.raises(InputError) as caught:
        recover(diff, base)
    return caught.value.describe()


def test_recover_when_the_review_mail_then_the_file_is_the_authors() -> None:
    recovered = recover_file(BASE, mail_diff(), lossy=True)

    expected = DATA / "trees" / "linux-7.2" / "zswap-batch-writeback.c"
    assert recovered.text == expected.read_text()


def test_recover_when_the_review_mail_then_the_diffstat_is_the_mails() -> None:
    recovered = recover_file(BASE, mail_diff(), lossy=True)

    import difflib

    assert recovered.text is not None
    changed = [
        line
        for line in difflib.unified_diff(BASE.splitlines(), recovered.text.splitlines(), n=0, lineterm="")
        if not line.startswith(("---", "+++", "@@"))
    ]
    assert sum(line.startswith("+") for line in changed) - sum(line.startswith("-") for line in changed) == 49


def test_recover_when_the_review_mail_then_one_context_line_is_fuzz() -> None:
    placements = recover_file(BASE, mail_diff(), lossy=True).placements

    assert [(place.hunk, place.fuzz) for place in placements if place.fuzz] == [(10, 1)]
    tenth = placements[9]
    assert (tenth.path, tenth.hunk, tenth.line, tenth.offset) == ("mm/zswap.c", 10, 1383, -11)
    assert (tenth.quality, tenth.fuzz, tenth.missed) == (Quality.FUZZ, 1, ("}",))
    assert tenth.score < min(place.score for place in placements if not place.fuzz)
    assert {place.quality for place in placements if not place.fuzz} == {Quality.WHITESPACE}


def test_recover_when_a_context_line_looks_added_then_the_base_decides() -> None:
    base = "int f(void)\n{\n\tint a;\n\n\t++a;\n\treturn a;\n}\n"
    diff = "@@ -3,5 +3,5 @@\nint a;\n\n++a;\n- return a;\n+ return -a;\n}\n"

    assert recover(diff, base).text == base.replace("return a", "return -a")


def test_recover_when_a_context_line_looks_removed_then_the_base_decides() -> None:
    base = "int a[] = {\n\t1,\n\t-1,\n\t2,\n\t3,\n};\n"
    diff = "@@ -2,4 +2,4 @@\n1,\n-1,\n- 2,\n+ 4,\n3,\n"

    assert recover(diff, base).text == base.replace("\t2,", "\t4,")


def test_recover_when_the_added_line_is_in_the_base_as_well_then_two_readings_are_refused() -> None:
    base = "int f(void)\n{\n\tx;\n\t+a;\n\ty;\n\t+a;\n\tz;\n}\n"
    diff = "@@ -3,4 +3,5 @@\nx;\n+a;\n+a;\ny;\n+a;\nz;\n"

    assert "fits" in refused(diff, base)


def test_recover_when_a_footer_follows_a_flipped_line_then_it_is_left_out() -> None:
    base = "int f(void)\n{\n\tint a;\n\n\t++a;\n\treturn a;\n}\n"
    diff = "@@ -3,5 +3,5 @@\nint a;\n\n++a;\n- return a;\n+ return -a;\n}\n--\n2.34.1\n"

    assert recover(diff, base).text == base.replace("return a", "return -a")


@pytest.mark.parametrize(
    ("added", "expected"),
    [
        ("+ if (a) {\n+ b();\n+ }\n", "\tif (a) {\n\t\tb();\n\t}\n"),
        ("+ if (a)\n+ b();\n+ else\n+ c();\n", "\tif (a)\n\t\tb();\n\telse\n\t\tc();\n"),
        ("+ for (;;)\n+ if (a)\n+ b();\n+ c();\n", "\tfor (;;)\n\t\tif (a)\n\t\t\tb();\n\tc();\n"),
        (
            "+ switch (a) {\n+ case 1:\n+ b();\n+ break;\n+ default:\n+ c();\n+ }\n",
            "\tswitch (a) {\n\tcase 1:\n\t\tb();\n\t\tbreak;\n\tdefault:\n\t\tc();\n\t}\n",
        ),
        ("+ call(one,\n+ two);\n", "\tcall(one,\n\t     two);\n"),
        ("+ call(\n+ two);\n", "\tcall(\n\t\ttwo);\n"),
        ("+ /*\n+ * Why.\n+ */\n", "\t/*\n\t * Why.\n\t */\n"),
        ("+out:\n+ b();\n", "out:\n\tb();\n"),
        ("+#ifdef X\n+ b();\n+#endif\n", "#ifdef X\n\tb();\n#endif\n"),
        ("+ do {\n+ b();\n+ } while (a);\n", "\tdo {\n\t\tb();\n\t} while (a);\n"),
        ("+ list_for_each_entry(p, q, r)\n+ b();\n", "\tlist_for_each_entry(p, q, r)\n\t\tb();\n"),
        (
            "+ struct s s = {\n+ .a = 1,\n+ .b = {\n+ 2,\n+ },\n+ };\n",
            "\tstruct s s = {\n\t\t.a = 1,\n\t\t.b = {\n\t\t\t2,\n\t\t},\n\t};\n",
        ),
        ('+ b("{ ( /*", \'"\');\n+ c();\n', '\tb("{ ( /*", \'"\');\n\tc();\n'),
    ],
)
def test_recover_when_lines_are_added_then_they_are_indented_as_the_kernel_does(added: str, expected: str) -> None:
    base = "int f(void)\n{\n\tint x;\n\n\tlast(x);\n}\n"
    count = added.count("\n")
    diff = f"@@ -3,4 +3,{4 + count} @@\nint x;\n\n{added}last(x);\n}}\n"

    assert recover(diff, base).text == f"int f(void)\n{{\n\tint x;\n\n{expected}\tlast(x);\n}}\n"


def test_recover_when_the_replaced_line_has_a_style_of_its_own_then_it_is_kept() -> None:
    base = "int f(void)\n{\n\tint x;\n\n\tx = call(a, b,\n\t\told);\n\treturn x;\n}\n"
    diff = "@@ -4,4 +4,4 @@\n\nx = call(a, b,\n- old);\n+ new_one);\nreturn x;\n"

    assert recover(diff, base).text == base.replace("old", "new_one")


def test_recover_when_code_moves_into_a_block_then_it_is_indented_again() -> None:
    base = "int f(void)\n{\n\tint x;\n\n\tcall();\n\treturn x;\n}\n"
    diff = "@@ -3,4 +3,5 @@\nint x;\n\n- call();\n+ if (x)\n+ call();\nreturn x;\n"

    assert recover(diff, base).text == base.replace("\tcall();", "\tif (x)\n\t\tcall();")


def test_recover_when_a_new_file_then_it_is_indented_from_nothing() -> None:
    diff = "diff --git a/n.c b/n.c\nnew file mode 100644\n--- /dev/null\n+++ b/n.c\n@@ -0,0 +1,4 @@\n"
    diff += "+int f(void)\n+{\n+ return 0;\n+}\n"
    (file,) = read_diff(diff, lossy=True)

    assert recover_file(None, file, lossy=True).text == "int f(void)\n{\n\treturn 0;\n}\n"


def test_recover_when_indentation_has_a_meaning_then_it_refuses_to_guess() -> None:
    diff = "--- a/Makefile\n+++ b/Makefile\n@@ -1,3 +1,4 @@\nall:\necho a\n+ echo b\necho c\n"

    with pytest.raises(InputError, match="in such a file it has a meaning"):
        recover(diff, "all:\n\techo a\n\techo c\n")


def test_recover_when_all_of_a_makefile_is_at_the_margin_then_there_is_nothing_to_guess() -> None:
    diff = "--- a/Makefile\n+++ b/Makefile\n@@ -1,3 +1,4 @@\nobj-y += a.o\n+obj-y += n.o\nobj-y += b.o\nobj-y += c.o\n"

    assert recover(diff, "obj-y += a.o\nobj-y += b.o\nobj-y += c.o\n").text == (
        "obj-y += a.o\nobj-y += n.o\nobj-y += b.o\nobj-y += c.o\n"
    )


@pytest.mark.parametrize(
    ("before", "added"),
    [
        ("obj-y += a.o", "+ obj-y += n.o"),
        ("obj-y += a.o", "+n.o m.o \\"),
        ("all:", "+X=1 echo b"),
    ],
)
def test_recover_when_a_line_of_a_makefile_may_have_been_indented_then_it_refuses_to_guess(
    before: str, added: str
) -> None:
    diff = f"--- a/Makefile\n+++ b/Makefile\n@@ -1,3 +1,4 @@\n{before}\n{added}\nobj-y += b.o\nobj-y += c.o\n"

    with pytest.raises(InputError, match="in such a file it has a meaning"):
        recover(diff, f"{before}\nobj-y += b.o\nobj-y += c.o\n")


def test_recover_when_two_places_fit_then_the_candidates_are_listed() -> None:
    base = "\ta(1);\n\tb(2);\n\tc(3);\n" * 2
    said = refused("@@ -40,3 +40,3 @@\na(1);\n- b(2);\n+ b(4);\nc(3);\n", base)

    assert "fits equally well at 2 places: lines 1, 4" in said


def test_recover_when_a_neighbour_leaves_one_place_then_order_decides() -> None:
    base = "".join(f"\t{line}(0);\n" for line in ("a", "b", "c", "x", "y", "z", "a", "b", "c"))
    diff = "@@ -4,3 +4,3 @@\nx(0);\n- y(0);\n+ y(1);\nz(0);\n@@ -40,3 +40,3 @@\na(0);\n- b(0);\n+ b(1);\nc(0);\n"

    text = recover(diff, base).text

    assert text is not None
    assert re.sub(r"\s", "", text) == "a(0);b(0);c(0);x(0);y(1);z(0);a(0);b(1);c(0);"


def test_recover_when_fuzz_leaves_a_near_tie_then_it_refuses() -> None:
    base = "\ta(1);\n\tb(2);\n\tc(3);\n\td(4);\n" * 2
    diff = "@@ -1,5 +1,5 @@\nother();\na(1);\n- b(2);\n+ b(5);\nc(3);\nd(4);\n"

    assert "fits equally well at 2 places" in refused(diff, base)


def test_recover_when_a_removed_line_is_not_there_then_it_fits_nowhere() -> None:
    base = "int a(void);\nint b(void);\nint c(void);\n"

    said = refused("@@ -1,3 +1,2 @@\nint a(void);\n-int z(void);\nint c(void);\n", base)

    assert "fits nowhere in the base; nearest is line 1, where 2 of its 3 old lines are" in said


def test_recover_when_too_much_context_is_foreign_then_it_refuses() -> None:
    base = "int a(void);\nint b(void);\nint c(void);\n"

    assert "fits nowhere" in refused("@@ -1,4 +1,5 @@\nx1;\nx2;\nx3;\n+n;\nint a(void);\n", base)


@pytest.mark.parametrize(
    ("diff", "expected"),
    [
        ("@@ -1,2 +1,3 @@\nint a;\nint b;\n+int c;\n", "int a;\nint b;\nint c;\n"),
        ("@@ -1,2 +1,3 @@\n+int c;\nint a;\nint b;\n", "int c;\nint a;\nint b;\n"),
        ("@@ -1,2 +1,1 @@\nint a;\n-int b;\n", "int a;\n"),
    ],
)
def test_recover_when_at_the_files_ends_then_it_fits(diff: str, expected: str) -> None:
    assert recover(diff, "int a;\nint b;\n").text == expected


def test_recover_when_context_ends_the_hunk_file_but_not_the_base_then_it_refuses() -> None:
    assert "fits nowhere" in refused("@@ -1,2 +1,3 @@\nint a;\nint b;\n+int c;\n", "int a;\nint b;\nint d;\n")


def test_recover_when_the_last_line_has_no_feed_then_it_stays_so() -> None:
    assert recover("@@ -1,2 +1,2 @@\n-int a;\n+int c;\nint b;\n", "int a;\nint b;").text == "int c;\nint b;"
