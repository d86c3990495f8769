"""A perturbed base: base with the objects that a series touches compiled another way, and nothing else."""

from __future__ import annotations

from collections.abc import Callable

from orchestrator.host.deadline import Cancellation
from orchestrator.model.tree import Trees
from orchestrator.tree.git import Git
from orchestrator.tree.perturb import perturbed_base, with_makefile_lines
from tests.unit.tree.conftest import UserTree

ZSWAP_DIFF = "--- a/mm/twins.c\n+++ b/mm/twins.c\n@@ -2,7 +2,7 @@\n {\n \tint x;\n \n-\tx = 0;\n+\tx = 1;\n \tx++;\n \treturn x;\n }\n"  # fmt: skip
HEADER_DIFF = """--- /dev/null
+++ b/mm/new.h
@@ -0,0 +1 @@
+int x;
"""


def changed(trees: Trees, new: Trees) -> str:
    git = Git(trees.source.repo, Cancellation())
    return git.check("diff", "--no-color", trees.base.tree, new.patched_tree)


def test_perturbed_base_when_a_series_touches_a_c_file_then_only_its_object_is_compiled_otherwise(
    apply: Callable[..., Trees], user_tree: UserTree
) -> None:
    trees = apply(ZSWAP_DIFF)
    perturbed = perturbed_base(trees, cancellation=Cancellation())
    assert perturbed is not None
    assert perturbed.base == trees.base
    lines = [
        line for line in changed(trees, perturbed).splitlines() if line[:1] in "+-" and line[:3] not in {"+++", "---"}
    ]
    assert lines == ["+CFLAGS_twins.o += $(if $(CONFIG_CC_OPTIMIZE_FOR_SIZE),-O2,-Os)"]
    assert user_tree.git("status", "--porcelain") == ""


def test_perturbed_base_when_it_is_made_twice_then_it_is_the_same_commit(apply: Callable[..., Trees]) -> None:
    trees = apply(ZSWAP_DIFF)
    made = [perturbed_base(trees, cancellation=Cancellation()) for _ in range(2)]
    assert made[0] is not None
    assert made[0] == made[1]


def test_perturbed_base_when_no_c_file_of_base_is_touched_then_there_is_none(apply: Callable[..., Trees]) -> None:
    assert perturbed_base(apply(HEADER_DIFF), cancellation=Cancellation()) is None


def test_makefile_lines_when_they_stand_on_patched_then_the_series_is_below(apply: Callable[..., Trees]) -> None:
    trees = apply(ZSWAP_DIFF)
    new = with_makefile_lines(
        trees, {"mm": ["GCOV_PROFILE_twins.o := y"]}, on_patched=True, subject="counters", cancellation=Cancellation()
    )
    assert new is not None
    assert new.applied[:-1] == trees.applied
    diff = changed(trees, new)
    assert "+\tx = 1;" in diff
    assert "+GCOV_PROFILE_twins.o := y" in diff


def test_makefile_lines_when_a_folder_has_no_makefile_then_there_is_nothing(apply: Callable[..., Trees]) -> None:
    lines = {"no/such": ["x := y"]}
    assert (
        with_makefile_lines(apply(ZSWAP_DIFF), lines, on_patched=False, subject="s", cancellation=Cancellation())
        is None
    )
