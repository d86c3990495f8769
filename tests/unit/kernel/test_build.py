"""The build path, on the fake Linux tree, in the real sandbox."""

from __future__ import annotations

import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.errors import Cancelled, InfraError, PatchFault, UserError
from orchestrator.host.deadline import Cancellation
from orchestrator.host.sandbox import NO_SANDBOX
from orchestrator.host.steps import StepEvent, Steps
from orchestrator.kernel.build import build_kernel
from orchestrator.kernel.objects import BaseObjects
from orchestrator.model.kernel import KernelRole
from tests.unit.kernel.conftest import FakeLinux

OTHER_ZSWAP = "int zswap_store(void)\n{\n\treturn 77;\n}\n"


def log_of(fake: FakeLinux, key: str) -> str:
    return (fake.workshop.cache / "builds" / key / "build.log").read_text()


def test_build_base_when_cold_then_has_image_release_and_config(fake_linux: FakeLinux) -> None:
    built = fake_linux.build_base()
    assert not built.cached
    assert built.release == "7.2.0-fake"
    assert b"2001-01-01 orchestrator" in built.image.read_bytes()
    assert "CONFIG_NR_CPUS=16" in (built.image.parent / "config").read_text()
    assert built.sandboxed


def test_build_base_when_compiler_warns_then_warning_is_listed(fake_linux: FakeLinux) -> None:
    assert fake_linux.build_base().warnings == ("mm/swap.c:3: warning: unused variable ‘unused’ [-Wunused-variable]".replace("‘", "'").replace("’", "'"),)  # fmt: skip


def test_build_when_in_cache_then_needs_neither_sources_nor_make(fake_linux: FakeLinux) -> None:
    first = fake_linux.build_base()
    request = fake_linux.request(KernelRole.BASE, fake_linux.base)
    shutil.rmtree(fake_linux.workshop.cache / "worktrees")
    shutil.rmtree(fake_linux.workshop.cache / "objects")
    shutil.rmtree(fake_linux.repo)
    again = build_kernel(request, fake_linux.workshop, steps=Steps(), cancellation=Cancellation())
    assert again.cached
    assert again.image_sha256 == first.image_sha256


def test_build_when_cached_image_is_damaged_then_is_built_again(fake_linux: FakeLinux) -> None:
    first = fake_linux.build_base()
    first.image.write_bytes(b"flipped")
    again = fake_linux.build_base()
    assert not again.cached
    assert again.image_sha256 == first.image_sha256


def test_build_patched_when_one_file_changes_then_only_that_is_compiled(fake_linux: FakeLinux) -> None:
    fake_linux.build_base()
    built = fake_linux.build_patched({"mm/zswap.c": OTHER_ZSWAP})
    assert "CC      mm/zswap.o" in log_of(fake_linux, built.key)
    assert "mm/swap.o" not in log_of(fake_linux, built.key)


def test_build_patched_when_base_warned_before_then_only_new_warnings_count(fake_linux: FakeLinux) -> None:
    fake_linux.build_base()
    changed = "int added;\n" + fake_linux.read("mm/swap.c").replace("return 2", "int b; return 3")
    built = fake_linux.build_patched({"mm/swap.c": changed})
    assert [text.partition(": ")[2] for text in built.warnings] == ["warning: unused variable 'b' [-Wunused-variable]"]


def test_build_patched_when_tree_is_base_then_is_base_from_cache(fake_linux: FakeLinux) -> None:
    base = fake_linux.build_base()
    patched = fake_linux.build_patched({})
    assert patched.cached
    assert patched.key == base.key
    assert patched.warnings == ()


def test_build_patched_when_base_was_never_built_then_base_is_built_first(fake_linux: FakeLinux) -> None:
    built = fake_linux.build_patched({"mm/zswap.c": OTHER_ZSWAP})
    assert built.role is KernelRole.PATCHED
    assert fake_linux.build_base().cached


def test_build_patched_when_it_poisons_objects_then_next_build_is_clean(fake_linux: FakeLinux) -> None:
    fake_linux.build_base()
    poison = (
        fake_linux.read("mm/rules.mk") + "\n$(shell echo poison > $(O)/mm/swap.o; touch -d 2090-01-01 $(O)/mm/swap.o)\n"
    )
    evil = fake_linux.build_patched({"mm/rules.mk": poison})
    assert b"poison" in evil.image.read_bytes()
    honest = fake_linux.build_patched({"mm/zswap.c": OTHER_ZSWAP})
    assert b"poison" not in honest.image.read_bytes()


def test_build_patched_when_it_writes_to_sources_then_fails_and_sources_stay(fake_linux: FakeLinux) -> None:
    fake_linux.build_base()
    with pytest.raises(PatchFault, match="does not build"):
        fake_linux.build_patched({"mm/rules.mk": "vmlinux: x\nx:\n\techo int evil; > /src/mm/swap.c\n"})
    (swap,) = (fake_linux.workshop.cache / "worktrees").glob("*/tree/mm/swap.c")
    assert swap.read_text() == fake_linux.read("mm/swap.c")


def test_build_patched_when_done_in_different_order_then_image_is_the_same(
    fake_linux: FakeLinux, tmp_path: Path
) -> None:
    fake_linux.build_patched({"mm/swap.c": "int swap_free(void)\n{\n\treturn 5;\n}\n", "mm/new.c": "int x;\n"})
    late = fake_linux.build_patched({"mm/zswap.c": OTHER_ZSWAP})
    fake_linux.workshop = replace(fake_linux.workshop, cache=tmp_path / "another")
    early = fake_linux.build_patched({"mm/zswap.c": OTHER_ZSWAP})
    assert not early.cached
    assert late.image_sha256 == early.image_sha256


def test_build_patched_when_compile_fails_then_is_patchs_fault_with_first_error_and_log(fake_linux: FakeLinux) -> None:
    fake_linux.build_base()
    with pytest.raises(PatchFault, match=r"mm/zswap\.c:2:\d+: error: ") as caught:
        fake_linux.build_patched({"mm/zswap.c": "int a;\nint zswap_store(void) { return b; }\n"})
    assert caught.value.stage == "build"
    assert caught.value.evidence.log is not None
    assert "error:" in caught.value.evidence.log.read_text()
    assert caught.value.evidence.last_lines


def test_build_base_when_compile_fails_then_is_infra_error(fake_linux: FakeLinux) -> None:
    fake_linux.base = fake_linux.commit({"mm/zswap.c": "nonsense\n"})
    with pytest.raises(InfraError, match=r"base does not build: mm/zswap\.c:1"):
        fake_linux.build_base()


def test_build_patched_when_disk_is_full_then_is_infra_error(fake_linux: FakeLinux) -> None:
    fake_linux.build_base()
    said = "fatal error: error writing to /obj/mm/zswap.o: No space left on device"
    rules = f"vmlinux: full\nfull:\n\t@echo 'mm/zswap.c:1:1: {said}' >&2; false\n"
    with pytest.raises(InfraError, match="the disk is full"):
        fake_linux.build_patched({"mm/rules.mk": rules})


def test_build_base_when_symbol_is_lost_then_is_infra_error_naming_it(fake_linux: FakeLinux) -> None:
    fake_linux.fragment.write_text("CONFIG_ZSWAP=y\nCONFIG_GONE=y\n")
    with pytest.raises(InfraError, match="CONFIG_GONE") as caught:
        fake_linux.build_base()
    assert "CONFIG_GONE=y (test.config:2) became nothing" in caught.value.describe()


def test_build_patched_when_patch_drops_symbol_then_is_patchs_fault(fake_linux: FakeLinux) -> None:
    fake_linux.build_base()
    with pytest.raises(PatchFault, match="CONFIG_ZSWAP"):
        fake_linux.build_patched({"Kconfig": "CONFIG_SMP\nCONFIG_NR_CPUS\n"})


def test_build_patched_when_image_is_a_link_to_host_file_then_is_refused(fake_linux: FakeLinux) -> None:
    fake_linux.build_base()
    makefile = fake_linux.read("Makefile").replace("@cat $^ > $(O)/vmlinux", "@ln -sf /etc/passwd $(O)/vmlinux")
    makefile = makefile.replace('\t@echo "$$KBUILD_BUILD_TIMESTAMP $$KBUILD_BUILD_USER" >> $(O)/vmlinux\n', "")
    with pytest.raises(PatchFault, match="no plain file"):
        fake_linux.build_patched({"Makefile": makefile})


def test_build_when_tree_is_no_linux_then_is_user_error(fake_linux: FakeLinux) -> None:
    fake_linux.git("rm", "-r", "-q", "--cached", "scripts")
    fake_linux.git("commit", "-q", "-m", "x")
    fake_linux.base = fake_linux.git("rev-parse", "HEAD")
    with pytest.raises(UserError, match="no Linux tree"):
        fake_linux.build_base()


def test_build_when_cancelled_in_make_then_no_process_is_left_and_copy_is_gone(fake_linux: FakeLinux) -> None:
    fake_linux.build_base()

    def cancel_soon(event: StepEvent) -> None:
        if event.text == "compiling":
            threading.Timer(0.5, fake_linux.cancellation.cancel).start()

    fake_linux.on_event = cancel_soon
    with pytest.raises(Cancelled):
        fake_linux.build_patched({"mm/rules.mk": "vmlinux: x\nx:\n\tsetsid sleep 98765.4321 & sleep 98765.4321\n"})
    commands = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    assert not [command for command in commands if b"98765.4321" in command]
    (folder,) = (fake_linux.workshop.cache / "objects").iterdir()
    base = BaseObjects(folder=folder)
    for parent in (folder, *Path("/dev/shm").glob("mm-patch-orchestrator-*")):
        assert not list(parent.glob(f"{base.copy_prefix}*"))


def test_build_base_when_another_run_builds_the_same_then_its_build_is_taken(fake_linux: FakeLinux) -> None:
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: fake_linux.build_base(), range(2))
    # A build that was made anew would have taken another time.
    assert first.seconds == second.seconds


def test_build_base_when_interrupted_then_goes_on_with_what_is_there(fake_linux: FakeLinux) -> None:
    rules = (
        fake_linux.read("mm/rules.mk")
        + "$(O)/mm/swap.o: slow\nslow:\n\t@sleep $$(cat $(O)/wait 2>/dev/null || echo 0)\n"
    )
    fake_linux.base = fake_linux.commit({"mm/rules.mk": rules})
    fake_linux.cancellation.cancel()
    with pytest.raises(Cancelled):
        fake_linux.build_base()
    fake_linux.cancellation = type(fake_linux.cancellation)()
    assert not fake_linux.build_base().cached


def test_build_without_sandbox_when_asked_then_same_image_and_says_so(fake_linux: FakeLinux) -> None:
    confined = fake_linux.build_base()
    fake_linux.workshop = replace(fake_linux.workshop, sandbox=NO_SANDBOX)
    free = fake_linux.build_base()
    assert not free.sandboxed
    assert free.key != confined.key
    assert fake_linux.build_patched({"mm/zswap.c": OTHER_ZSWAP}).image_sha256 != free.image_sha256


def test_build_patched_when_memory_is_short_then_copy_lies_in_cache_and_leftovers_are_swept(
    fake_linux: FakeLinux, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.kernel.objects._IN_MEMORY_MIB", 1 << 40)
    fake_linux.build_base()
    (folder,) = (fake_linux.workshop.cache / "objects").iterdir()
    left = folder / f"{BaseObjects(folder=folder).copy_prefix}killed"
    (left / "tree").mkdir(parents=True)
    fake_linux.build_patched({"mm/zswap.c": OTHER_ZSWAP})
    assert not left.exists()


def test_build_patched_when_ccache_is_there_then_it_can_neither_see_nor_change_its_folder(
    fake_linux: FakeLinux,
) -> None:
    toolchain = replace(fake_linux.workshop.toolchain, ccache=True)
    fake_linux.workshop = replace(fake_linux.workshop, toolchain=toolchain)
    fake_linux.build_base()
    store = fake_linux.workshop.cache / "ccache"
    before = sorted(path for path in store.rglob("*") if path.is_file())
    assert before
    fake_linux.build_patched({"mm/zswap.c": OTHER_ZSWAP})
    assert sorted(path for path in store.rglob("*") if path.is_file()) == before
