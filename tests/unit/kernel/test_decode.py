"""Frames to file and line, on the fake Linux tree, in the real sandbox."""

from __future__ import annotations

import shutil
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.host.deadline import Cancellation
from orchestrator.kernel.decode import Decoder, Place, places_in, with_places
from orchestrator.model.kernel import KernelRole
from tests.unit.kernel.conftest import FakeLinux

LOGS = Path(__file__).parents[2] / "data" / "kernel-log"

PATCHED_ZSWAP = """int swap_nr;

static inline int twice(int nr)
{
	return nr * 2;
}

int zswap_store(void)
{
	swap_nr = 7;
	return twice(swap_nr);
}
"""


def decoder(fake: FakeLinux, role: KernelRole, commit: str) -> Decoder:
    return Decoder(request=fake.request(role, commit), workshop=fake.workshop, cancellation=Cancellation())


def test_places_of_a_real_report_then_those_that_the_unwinder_is_sure_of() -> None:
    lines = (LOGS / "real-7.2-debug-lru-del-skipped.txt").read_text().splitlines()
    places = places_in(line[15:] for line in lines)
    assert places[0] == Place(function="__list_add_valid_or_report", offset=0x15D, size=0x1A0)
    assert Place(function="zswap_store", offset=0x1723, size=0x22B0, returns=True) in places
    assert not any(place.function == "zswap_memcg_offline_cleanup" for place in places)


def test_with_places_then_only_what_is_known_is_added() -> None:
    lines = (" zswap_load+0x5/0x10", " ? zswap_load+0x5/0x10", "RIP: 0010:zswap_load+0x5/0x10", "zswap_load+0x5/0x10")
    known = {Place(function="zswap_load", offset=5, size=16, returns=True): "mm/zswap.c:7"}
    assert with_places(lines, known) == (" zswap_load+0x5/0x10 (mm/zswap.c:7)", *lines[1:])


@given(st.lists(st.text()))
def test_places_of_any_text_never_fail_and_without_answers_the_lines_stay(lines: list[str]) -> None:
    assert with_places(lines, {}) == tuple(lines)
    assert all(place.offset >= 0 for place in places_in([*lines, *(f" {line}+0x1/0x2" for line in lines)]))


def test_decode_of_base_then_file_and_line(fake_linux: FakeLinux) -> None:
    fake_linux.build_base()
    said = decoder(fake_linux, KernelRole.BASE, fake_linux.base).decode(["RIP: 0010:zswap_store+0x4/0x10"])
    assert said == ("RIP: 0010:zswap_store+0x4/0x10 (mm/zswap.c:3)",)


def test_decode_of_patched_when_the_patch_changed_the_function_then_the_patched_line(fake_linux: FakeLinux) -> None:
    commit = fake_linux.commit({"mm/zswap.c": PATCHED_ZSWAP})
    fake_linux.build(KernelRole.PATCHED, commit)
    (said,) = decoder(fake_linux, KernelRole.PATCHED, commit).decode(["RIP: 0010:zswap_store+0x4/0x20"])
    assert said == "RIP: 0010:zswap_store+0x4/0x20 (mm/zswap.c:10)"


def test_decode_when_the_function_has_another_size_then_says_nothing(fake_linux: FakeLinux) -> None:
    fake_linux.build_base()
    lines = ("RIP: 0010:zswap_store+0x4/0x4000", " no_such_function+0x1/0x2", " ? zswap_store+0x4/0x10")
    at = decoder(fake_linux, KernelRole.BASE, fake_linux.base)
    assert (at.decode(lines), at.problem) == (lines, "")


def test_decode_when_asked_again_then_nothing_is_compiled_again(fake_linux: FakeLinux) -> None:
    fake_linux.build_base()
    at = decoder(fake_linux, KernelRole.BASE, fake_linux.base)
    first = at.decode(["RIP: 0010:zswap_store+0x4/0x10"])
    shutil.rmtree(fake_linux.workshop.cache / "objects")
    assert at.decode(["RIP: 0010:zswap_store+0x4/0x10"]) == first


def test_decode_when_bases_objects_are_gone_then_the_lines_stay_and_the_reason_is_said(fake_linux: FakeLinux) -> None:
    fake_linux.build_base()
    shutil.rmtree(fake_linux.workshop.cache / "objects")
    at = decoder(fake_linux, KernelRole.BASE, fake_linux.base)
    assert at.decode(["RIP: 0010:zswap_store+0x4/0x10"]) == ("RIP: 0010:zswap_store+0x4/0x10",)
    assert "object tree" in at.problem


def test_decode_leaves_bases_objects_as_they_were(fake_linux: FakeLinux) -> None:
    fake_linux.build_base()
    (objects,) = (fake_linux.workshop.cache / "objects").glob("*/tree/mm")
    before = (objects / "zswap.o").read_bytes()
    decoder(fake_linux, KernelRole.BASE, fake_linux.base).decode(["RIP: 0010:zswap_store+0x4/0x10"])
    assert (objects / "zswap.o").read_bytes() == before
