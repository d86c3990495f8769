"""Patched that counts: which lines the series changed, and whose makefiles say that an object has counters."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from orchestrator.host.deadline import Cancellation
from orchestrator.model.tree import Trees
from orchestrator.tree.counted import counted_trees, patched_sources
from orchestrator.tree.git import Git
from tests.unit.tree.conftest import UserTree

ZERO = "--- a/mm/twins.c\n+++ b/mm/twins.c\n@@ -2,7 +2,8 @@\n {\n \tint x;\n \n-\tx = 0;\n+\tx = 1;\n+\tx = 2;\n \tx++;\n \treturn x;\n }\n"  # fmt: skip
NEW = "--- /dev/null\n+++ b/mm/new.c\n@@ -0,0 +1,3 @@\n+int a;\n+\n+int b;\n"
DOCS = "--- /dev/null\n+++ b/Documentation/new.c\n@@ -0,0 +1 @@\n+int a;\n"
REMOVES = (
    "--- a/mm/twins.c\n+++ b/mm/twins.c\n@@ -2,7 +2,6 @@\n {\n \tint x;\n \n-\tx = 0;\n \tx++;\n \treturn x;\n }\n"
)
RENAME = (
    "diff --git a/mm/twins.c b/mm/other.c\nsimilarity index 96%\nrename from mm/twins.c\nrename to mm/other.c\n"
    + ZERO.replace("b/mm/twins.c", "b/mm/other.c")
)


def changed(trees: Trees) -> dict[str, list[int]]:
    return {each.path: sorted(each.numbers) for each in patched_sources(trees, cancellation=Cancellation()).files}


def added(trees: Trees, new: Trees) -> list[str]:
    """Return the lines that ``new`` adds to patched, each with its file."""
    diff = Git(trees.source.repo, Cancellation()).check("diff", "--no-color", trees.patched_tree, new.patched_tree)
    found, path = [], ""
    for line in diff.splitlines():
        if line.startswith("+++ "):
            path = line.removeprefix("+++ b/")
        elif line[:1] in "+-" and not line.startswith("---"):
            found.append(f"{path}: {line}")
    return found


def counted(trees: Trees, *objects: str) -> tuple[list[str], dict[str, str]]:
    found = counted_trees(trees, objects, ("-x", "-y"), cancellation=Cancellation())
    return added(trees, found.trees), dict(found.refused)


def test_sources_when_a_series_adds_and_changes_lines_then_their_numbers_in_patched(
    apply: Callable[..., Trees],
) -> None:
    assert changed(apply(ZERO, NEW)) == {"mm/twins.c": [5, 6], "mm/new.c": [1, 2, 3]}


def test_sources_when_a_later_patch_moves_lines_then_numbers_are_the_last_ones(apply: Callable[..., Trees]) -> None:
    above = "--- a/mm/twins.c\n+++ b/mm/twins.c\n@@ -1,3 +1,4 @@\n+/* above */\n int f0(void)\n {\n \tint x;\n"
    assert changed(apply(ZERO, above)) == {"mm/twins.c": [1, 6, 7]}


def test_sources_when_only_lines_go_or_documents_change_then_none(apply: Callable[..., Trees]) -> None:
    assert changed(apply(REMOVES, DOCS)) == {}


def test_sources_when_code_cannot_count_then_it_is_named(apply: Callable[..., Trees]) -> None:
    assembly = NEW.replace("mm/new.c", "arch/x86/lib/new.S")
    sources = patched_sources(apply(ZERO, DOCS, assembly), cancellation=Cancellation())
    assert [each.path for each in sources.files] == ["mm/twins.c"]
    assert sources.others == ("Documentation/new.c", "arch/x86/lib/new.S")


def test_sources_when_a_file_is_renamed_then_only_what_is_new_in_it(apply: Callable[..., Trees]) -> None:
    assert changed(apply(RENAME)) == {"mm/other.c": [5, 6]}


def test_sources_when_a_name_is_hostile_then_it_is_that_file_and_no_other(apply: Callable[..., Trees]) -> None:
    name = "mm/a b;$(x)\\\"'é.c"
    quoted = '"b/mm/a b;$(x)\\\\\\"\'\\303\\251.c"'
    trees = apply(f"--- /dev/null\n+++ {quoted}\n@@ -0,0 +1 @@\n+int a;\n")
    assert changed(trees) == {name: [1]}
    lines, refused = counted(trees, name.removesuffix(".c") + ".o")
    assert lines == []
    assert list(refused.values()) == ["no makefile that could make it"]


def test_sources_when_text_is_no_utf8_then_it_is_read_all_the_same(
    on_tree: Callable[..., Trees], user_tree: UserTree
) -> None:
    (user_tree.folder / "mm" / "latin.c").write_bytes(b"int \xe9;\n")
    assert changed(on_tree({}, ZERO)) == {"mm/twins.c": [5, 6]}


def test_counted_when_objects_are_asked_for_then_their_makefiles_alone_say_so(apply: Callable[..., Trees]) -> None:
    trees = apply(ZERO)
    lines, refused = counted(trees, "mm/zswap.o", "mm/twins.o")
    assert lines == ["mm/Makefile: +CFLAGS_zswap.o += -x -y", "mm/Makefile: +CFLAGS_twins.o += -x -y"]
    assert refused == {}


def test_counted_when_a_parents_makefile_makes_the_object_then_the_line_is_there(
    on_tree: Callable[..., Trees],
) -> None:
    trees = on_tree({"mm/deep/er/a.c": "int a;\n"}, ZERO)
    assert counted(trees, "mm/deep/er/a.o")[0] == ["mm/Makefile: +CFLAGS_deep/er/a.o += -x -y"]


@pytest.mark.parametrize(
    "says", ["GCOV_PROFILE := n", "GCOV_PROFILE_twins.o = n", "  GCOV_PROFILE_twins.o	:= n # early"]
)
def test_counted_when_the_makefile_forbids_counters_then_refused(on_tree: Callable[..., Trees], says: str) -> None:
    trees = on_tree({"mm/Makefile": f"obj-y += twins.o\n{says}\n"}, ZERO)
    assert counted(trees, "mm/twins.o") == ([], {"mm/twins.o": "mm/Makefile forbids counters in it"})


def test_counted_when_another_object_is_forbidden_then_this_one_counts(
    on_tree: Callable[..., Trees],
) -> None:
    trees = on_tree(
        {"mm/Makefile": "obj-y += twins.o\nGCOV_PROFILE_my-twins.o := n\nGCOV_PROFILE_twinsXo := n\n"}, ZERO
    )
    assert counted(trees, "mm/twins.o")[1] == {}


def test_counted_when_no_makefile_is_on_the_way_then_refused(apply: Callable[..., Trees]) -> None:
    assert counted(apply(ZERO), "init.o", "no/where/a.o") == (
        [],
        {"init.o": "no makefile that could make it", "no/where/a.o": "no makefile that could make it"},
    )
