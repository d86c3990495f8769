"""What kbuild makes of a tree, and commits that change how."""

from __future__ import annotations

from collections.abc import Callable

from orchestrator.host.deadline import Cancellation
from orchestrator.model.tree import Trees
from orchestrator.tree.kbuild import is_kernel_code, with_makefile_lines
from tests.unit.tree.test_perturb import ZSWAP_DIFF, changed


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


def test_kernel_code_when_it_runs_elsewhere_then_it_is_none() -> None:
    assert is_kernel_code("mm/zswap.c")
    assert is_kernel_code("include/linux/zswap.h")
    assert is_kernel_code("arch/x86/mm/init.c")
    for path in (
        "mm/Makefile", "mm/Kconfig", "tools/testing/selftests/a.c", "scripts/a.c", "arch/x86/boot/main.c",
        "arch/x86/entry/vdso/vgetcpu.c", "arch/x86/entry/vdso32/a.c", "arch/x86/lib/copy.S", "samples/a.c",
    ):  # fmt: skip
        assert not is_kernel_code(path)
