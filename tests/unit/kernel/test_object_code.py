"""Object code compared: real objects of the real compiler, and what builds say of base and patched."""

from __future__ import annotations

import struct
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.kernel.comparison import NOTE, archive_members, compare_objects
from orchestrator.kernel.elf import NotAnObject, ObjectFile, read_object
from orchestrator.kernel.object_code import CodeDifference, compare_objects_code, same_code_lines
from tests.unit.kernel.conftest import FakeLinux

# As the kernel does it (arch/x86/include/asm/bug.h): a place, a file, a line, flags.
BUG = r"""
#define BUG() asm volatile("1: ud2\n.pushsection __bug_table,\"aw\"\n2: .long 1b - .\n.long %c0 - .\n.word %c1\n" \
    ".word 7\n.popsection" :: "i" (__FILE__), "i" (__LINE__))
"""
SOURCE = (
    BUG
    + """
extern int other(int), more(const char *);
static int counter;
static __attribute__((noinline)) int helper(int x) { counter += x; return x * 3; }
int first(int x) { if (x > 7) BUG(); return helper(x) + other(x); }
int second(int x) { if (x < 0) BUG(); return helper(x) - more("text"); }
int third(int x) { return x ^ 5; }
"""
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("objects")


def compiled(folder: Path, source: str, *options: str) -> ObjectFile:
    return read_object(compiled_bytes(folder, source, *options))


def compiled_bytes(folder: Path, source: str, *options: str) -> bytes:
    (folder / "x.c").write_text(source)
    words = ["gcc", "-O2", "-fno-pic", "-fno-asynchronous-unwind-tables", *options, "-c", "x.c", "-o", "x.o"]
    subprocess.run(words, check=True, cwd=folder)
    return (folder / "x.o").read_bytes()


def difference(folder: Path, old: str, new: str, *options: str) -> CodeDifference | None:
    return compare_objects_code(
        compiled(folder, old, *options), compiled(folder, new, *options), lines_in_bug_table=True
    )


def test_compare_when_only_a_comment_moves_lines_then_it_is_the_same(folder: Path) -> None:
    longer = SOURCE.replace("static int counter;", "/* one\n * more\n */\nstatic int counter;")

    assert difference(folder, SOURCE, longer) is None
    assert compiled_bytes(folder, SOURCE) != compiled_bytes(folder, longer)


def test_compare_when_the_bug_table_has_no_lines_by_the_configuration_then_they_count(folder: Path) -> None:
    objects = [compiled(folder, text) for text in (SOURCE, f"\n{SOURCE}")]

    found = compare_objects_code(objects[0], objects[1], lines_in_bug_table=False)

    assert found == CodeDifference(functions=(), data=("section __bug_table",))


def test_compare_when_the_flags_beside_a_line_change_then_that_counts(folder: Path) -> None:
    found = difference(folder, SOURCE, SOURCE.replace(".word 7", ".word 8"))

    assert found == CodeDifference(functions=(), data=("section __bug_table",))


def test_compare_when_debug_information_differs_then_it_is_the_same(folder: Path) -> None:
    assert difference(folder, SOURCE, f"\n\n{SOURCE}", "-g") is None


def test_compare_when_one_function_changes_then_it_alone_is_named(folder: Path) -> None:
    found = difference(folder, SOURCE, SOURCE.replace("x ^ 5", "x ^ 6"))

    assert found == CodeDifference(functions=("third",), data=())


def test_compare_when_a_function_grows_then_those_that_are_pushed_along_are_not_named(folder: Path) -> None:
    grown = SOURCE.replace("counter += x; return x * 3;", "counter += x * other(x); return x * 3 - counter;")

    # Without this the compiler looks into the callee to see which registers its callers may use.
    found = difference(folder, SOURCE, grown, "-fno-ipa-ra")

    assert found == CodeDifference(functions=("helper",), data=())


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("return helper(x) + other(x)", "return helper(x) + third(x)", "first"),
        ('more("text")', 'more("test")', "second"),
        ("int third(int x)", "int thirds(int x)", "third"),
    ],
)
def test_compare_when_only_what_is_reached_changes_then_that_counts(
    folder: Path, old: str, new: str, named: str
) -> None:
    source = f"int third(int);\n{SOURCE}"

    found = difference(folder, source, source.replace(old, new), "-fno-inline")

    assert found is not None
    assert named in found.functions


def test_compare_when_data_changes_then_it_is_named(folder: Path) -> None:
    source = 'int table[4] = { 1, 2, 3, 4 };\nconst char *names[] = { "a", "b" };\n'

    assert difference(folder, source, source.replace("3", "5")) == CodeDifference(functions=(), data=("table",))
    assert difference(folder, source, source.replace('"b"', '"c"')) == CodeDifference(functions=(), data=("names",))


def test_compare_when_a_local_is_renamed_then_it_is_the_same_and_a_global_is_not(folder: Path) -> None:
    assert difference(folder, SOURCE, SOURCE.replace("counter", "tally")) is None
    assert difference(folder, SOURCE, SOURCE.replace("second", "zweite")) is not None


def test_compare_when_a_section_changes_its_kind_then_that_counts(folder: Path) -> None:
    assert difference(folder, "int a[4] = {0};\n", 'int a[4] __attribute__((section(".data"))) = {0};\n') is not None


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("int a; /* x */\nint b;", "int a;\n\n// y\nint b;", True),
        ("int  a;\n", "int\ta;", True),
        ("f(a,\n  b);", "f(a, b);", False),
        ('p("a /* b */");', 'p("a");', False),
        ('p("a  b");', 'p("a b");', False),
        ("c = '\"'; /* \" */ x();", "c = '\"'; /* other \" */ x();", True),
        ("c = '\"'; /* \" */ x();", "c = '\"'; /* \" */ y();", False),
        ("#define A 1 \\\n + 2\nA", "#define A 1  + 2\nA", True),
        ("a /* c */ b", "ab", False),
        ("// c \\\n int a;\nint b;", "int b;", True),
        ("// c\nint a;\nint b;", "int b;", False),
    ],
)
def test_same_code_lines_when_comments_and_blanks_differ_then_that_is_all_it_forgives(
    old: str, new: str, *, same: bool
) -> None:
    assert same_code_lines(old, new) is same


@settings(max_examples=200, derandomize=True, deadline=None, database=None)
@given(data=st.data())
def test_read_object_when_bytes_are_damaged_then_it_refuses_or_reads(folder: Path, data: st.DataObject) -> None:
    whole = _object(folder)
    at = data.draw(st.integers(0, len(whole) - 1))
    piece = data.draw(st.binary(min_size=1, max_size=8))
    cut = data.draw(st.integers(0, len(whole)))
    damaged = (whole[:at] + piece + whole[at + len(piece) :])[: cut if data.draw(st.booleans()) else None]

    try:
        found = read_object(damaged)
    except NotAnObject:
        return
    compare_objects_code(found, found, lines_in_bug_table=True)


def _object(folder: Path) -> bytes:
    file = folder / "whole.o"
    if not file.exists():
        file.write_bytes(compiled_bytes(folder, SOURCE))
    return file.read_bytes()


def test_read_object_when_there_is_no_section_of_names_then_it_refuses() -> None:
    header = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01", 1, 62, 1, 0, 0, 64, 0, 64, 0, 0, 64, 0, 9)

    with pytest.raises(NotAnObject):
        read_object(header)


def test_archive_members_when_names_are_long_then_all_are_there_in_order(tmp_path: Path) -> None:
    names = ["b.o", "a_name_that_is_longer_than_sixteen_bytes.o", "sub/c.o"]
    (tmp_path / "sub").mkdir()
    for name in names:
        (tmp_path / name).write_bytes(b"x" * 10)
    subprocess.run(["ar", "cDPrST", "vmlinux.a", *names], check=True, cwd=tmp_path)

    assert archive_members((tmp_path / "vmlinux.a").read_bytes()) == names


@pytest.mark.parametrize("length", range(3, 20))
def test_archive_members_when_a_name_has_any_length_then_it_is_read(tmp_path: Path, length: int) -> None:
    # With 15 characters (mm/memcontrol.o) ar fills the whole field, a slash at its end.
    names = [f"{'n' * (length - 2)}.o", "other.o"]
    for name in names:
        (tmp_path / name).write_bytes(b"x" * 10)
    subprocess.run(["ar", "cDPrST", "vmlinux.a", *names], check=True, cwd=tmp_path)
    assert archive_members((tmp_path / "vmlinux.a").read_bytes()) == names


def test_archive_members_when_it_is_no_thin_archive_then_there_are_none() -> None:
    assert archive_members(b"!<arch>\n" + b"x" * 100) == []


def test_build_when_only_a_comment_changes_then_the_builds_are_the_same_code(fake_linux: FakeLinux) -> None:
    base = fake_linux.build_base()
    patched = fake_linux.build_patched({"mm/zswap.c": f"/* a word */\n\n{fake_linux.read('mm/zswap.c')}"})

    found = compare_objects(base, patched)

    assert found is not None
    assert (found.same, found.compared) == (True, 1)
    assert "only comments and blanks differ" in found.reason


def test_build_when_code_changes_then_its_functions_are_named_also_from_the_cache(fake_linux: FakeLinux) -> None:
    base = fake_linux.build_base()
    text = fake_linux.read("mm/zswap.c").replace("return 1", "return 3")
    fake_linux.build_patched({"mm/zswap.c": text})
    patched = fake_linux.build_patched({"mm/zswap.c": text})

    found = compare_objects(base, patched)

    assert patched.cached
    assert found is not None
    assert not found.same
    assert found.changed_functions == ("zswap_store (mm/zswap.o)",)


def test_build_when_an_object_that_no_list_names_changes_then_it_is_not_the_same(fake_linux: FakeLinux) -> None:
    hidden = fake_linux.read("Makefile").replace("vmlinux.a mm/zswap.o mm/swap.o", "vmlinux.a mm/swap.o")
    fake_linux.base = fake_linux.commit({"Makefile": hidden})
    base = fake_linux.build_base()
    text = fake_linux.read("mm/zswap.c").replace("return 1", "return 3")
    patched = fake_linux.build_patched({"Makefile": hidden, "mm/zswap.c": text})

    found = compare_objects(base, patched)

    assert found is not None
    assert not found.same


def test_build_when_the_same_code_is_written_otherwise_then_it_is_the_same(fake_linux: FakeLinux) -> None:
    base = fake_linux.build_base()
    text = fake_linux.read("mm/zswap.c").replace("return 1", "return 2 - 1")
    patched = fake_linux.build_patched({"mm/zswap.c": text})

    found = compare_objects(base, patched)

    assert found is not None
    assert (found.same, found.reason) == (
        True,
        "1 object made anew, each with the same code and data but for line numbers",
    )


def test_build_when_the_order_of_objects_changes_then_it_is_not_the_same(fake_linux: FakeLinux) -> None:
    base = fake_linux.build_base()
    makefile = fake_linux.read("Makefile").replace("vmlinux.a mm/zswap.o mm/swap.o", "vmlinux.a mm/swap.o mm/zswap.o")
    patched = fake_linux.build_patched({"Makefile": makefile})

    found = compare_objects(base, patched)

    assert found is not None
    assert (found.same, found.reason) == (False, "other objects are linked, or in another order")


def test_build_when_it_is_not_known_what_is_linked_then_it_is_not_the_same(fake_linux: FakeLinux) -> None:
    makefile = fake_linux.read("Makefile").replace(
        "rm -f vmlinux.a && ar cDPrST vmlinux.a mm/zswap.o mm/swap.o", "true"
    )
    fake_linux.base = fake_linux.commit({"Makefile": makefile})
    base = fake_linux.build_base()
    patched = fake_linux.build_patched({"Makefile": makefile, "mm/zswap.c": f"\n{fake_linux.read('mm/zswap.c')}"})

    found = compare_objects(base, patched)

    assert found is not None
    assert not found.same


def test_compare_objects_when_nobody_compared_these_two_then_nothing_is_claimed(fake_linux: FakeLinux) -> None:
    base = fake_linux.build_base()
    patched = fake_linux.build_patched({"mm/zswap.c": f"\n{fake_linux.read('mm/zswap.c')}"})

    assert compare_objects(replace(base, key="0" * 64), patched) is None
    (patched.image.parent / NOTE).unlink()
    assert compare_objects(base, patched) is None
    assert compare_objects(base, base) is not None


def test_compare_when_only_the_number_of_a_unique_name_moves_then_it_is_not_named(folder: Path) -> None:
    info = '\nstatic const char __UNIQUE_ID_modinfo_%d[] __attribute__((used, section(".modinfo"))) = "license=x";\n'
    found = difference(folder, SOURCE + info % 7, SOURCE.replace("x ^ 5", "x ^ 6") + info % 9)

    assert found == CodeDifference(functions=("third",), data=())
