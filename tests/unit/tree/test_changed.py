"""What a series changes, by name: functions as git's own knowledge of C has them, and files."""

from __future__ import annotations

import difflib
from collections.abc import Callable

import pytest

from orchestrator.host.deadline import Cancellation
from orchestrator.model.tree import Trees
from orchestrator.tree.changed import changed_names
from tests.unit.tree.conftest import ZSWAP

TEXT = ZSWAP.read_text()


def names(trees: Trees) -> tuple[str, ...]:
    return changed_names(trees, cancellation=Cancellation())


def diff_of(old: str, new: str, path: str = "mm/zswap.c") -> str:
    """Return a diff without the functions that git writes behind ``@@``, as many diffs in mails are."""
    assert old != new
    return "".join(
        difflib.unified_diff(old.splitlines(keepends=True), new.splitlines(keepends=True), f"a/{path}", f"b/{path}")
    )


@pytest.mark.parametrize(
    ("old", "new", "function"),
    [
        ("++failures == MAX_RECLAIM_RETRIES", "++failures == 2", "shrink_worker"),
        ("\tnr_freeable = list_lru_shrink_count(", "\tnr_freeable = 1 + list_lru_shrink_count(", "zswap_shrinker_count"),
        # Behind a label at the margin, which is no function.
        ("\tzswap_pool_put(pool);\nput_objcg:\n\tobj_cgroup_put(objcg);", "\tzswap_pool_put(pool);\nput_objcg:", "zswap_store"),
        # The head itself.
        ("static void zswap_entry_free(", "static noinline void zswap_entry_free(", "zswap_entry_free"),
        ("static int __must_check zswap_pool_tryget(", "static int zswap_pool_tryget(", "zswap_pool_tryget"),
    ],
    ids=lambda each: each.strip()[:24],
)  # fmt: skip
def test_names_when_a_function_changes_then_it_is_named_and_the_file(
    apply: Callable[..., Trees], old: str, new: str, function: str
) -> None:
    assert TEXT.count(old) >= 1
    found = names(apply(diff_of(TEXT, TEXT.replace(old, new, 1))))
    assert function in found
    assert found[-1] == "mm/zswap.c"
    assert not {"put_objcg", "check_old"} & set(found)


def test_names_when_a_series_changes_several_places_then_each_once(apply: Callable[..., Trees]) -> None:
    new = TEXT.replace("++failures == MAX_RECLAIM_RETRIES", "++failures == 2").replace(
        "zswap_entry_free(entry);", "zswap_entry_free((entry));"
    )
    found = names(apply(diff_of(TEXT, new)))
    assert len(found) == len(set(found))
    assert {"shrink_worker", "zswap_invalidate", "zswap_load"} < set(found)


def test_names_when_a_file_is_new_then_its_functions(apply: Callable[..., Trees]) -> None:
    text = "--- /dev/null\n+++ b/mm/new.c\n@@ -0,0 +1,4 @@\n+static int made(int a)\n+{\n+\treturn called(a);\n+}\n"
    assert names(apply(text)) == ("made", "mm/new.c")


def test_names_when_only_data_changes_then_the_file_alone(apply: Callable[..., Trees]) -> None:
    new = TEXT.replace("static u64 zswap_pool_limit_hit;", "static u64 zswap_pool_limit_hit = 0;")
    assert names(apply(diff_of(TEXT, new))) == ("mm/zswap.c",)


def test_names_when_a_path_is_odd_then_it_is_told_as_it_is(apply: Callable[..., Trees]) -> None:
    assert names(apply('--- /dev/null\n+++ "b/mm/[\\303\\251] b.c"\n@@ -0,0 +1 @@\n+int a;\n')) == ("mm/[é] b.c",)
