"""A perturbed base: base with the objects that a series touches compiled another way, and nothing else."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from orchestrator.host.deadline import Cancellation
from orchestrator.model.tree import Trees
from orchestrator.tree.git import Git
from orchestrator.tree.perturb import perturbed_base
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


@pytest.mark.parametrize("path", ["tools/testing/a.c", "mm/a b.c"])
def test_perturbed_base_when_the_file_is_no_object_of_the_kernel_then_there_is_none(
    on_tree: Callable[..., Trees], path: str
) -> None:
    name = f'"b/{path}"' if " " in path else f"b/{path}"
    trees = on_tree(
        {path: "int a;\n"}, f"--- {name.replace('b/', 'a/', 1)}\n+++ {name}\n@@ -1 +1 @@\n-int a;\n+int b;\n"
    )
    assert perturbed_base(trees, cancellation=Cancellation()) is None


def test_perturbed_base_when_a_parents_makefile_makes_the_object_then_the_line_is_there(
    on_tree: Callable[..., Trees],
) -> None:
    path = "mm/deep/er/a.c"
    trees = on_tree({path: "int a;\n"}, f"--- a/{path}\n+++ b/{path}\n@@ -1 +1 @@\n-int a;\n+int b;\n")
    perturbed = perturbed_base(trees, cancellation=Cancellation())
    assert perturbed is not None
    assert "+CFLAGS_deep/er/a.o += " in changed(trees, perturbed)
