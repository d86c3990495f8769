"""The compiler's files for counters: read and written, against the real gcc and gcov."""

from __future__ import annotations

import json
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.kernel.counters import FLAGS
from orchestrator.kernel.gcov_files import MOST_COUNT, NotNotes, compiler_major, data_file, read_notes

SOURCE = "int one(int x)\n{\n\tif (x)\n\t\treturn 1;\n\treturn 2;\n}\n\nint two(void)\n{\n\treturn one(3);\n}\n"


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a.c, compiled as the kernel's changed objects are."""
    folder = tmp_path_factory.mktemp("notes")
    (folder / "a.c").write_text(SOURCE)
    subprocess.run(["gcc", "-Os", *FLAGS, "-c", "a.c", "-o", "a.o"], cwd=folder, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def notes(compiled: Path) -> bytes:
    return (compiled / "a.gcno").read_bytes()


def gcov(folder: Path, data: bytes) -> tuple[dict[int, int], str]:
    """Return what gcov says of each line, and what it complains of."""
    (folder / "a.gcda").write_bytes(data)
    done = subprocess.run(
        ["gcov", "--json-format", "--stdout", "a.gcda"], cwd=folder, capture_output=True, text=True, check=True
    )
    lines = json.loads(done.stdout)["files"][0]["lines"]
    return {line["line_number"]: line["count"] for line in lines}, done.stderr


def test_notes_when_gcc_wrote_them_then_they_name_its_functions(notes: bytes) -> None:
    found = read_notes(notes)
    assert sorted(function.name for function in found.functions) == ["one", "two"]
    assert len({function.identity for function in found.functions}) == 2
    assert compiler_major(found.version) >= 12


def test_data_file_when_gcov_reads_it_then_lines_have_its_counts(compiled: Path, notes: bytes) -> None:
    found = read_notes(notes)
    one = next(function for function in found.functions if function.name == "one")
    two = next(function for function in found.functions if function.name == "two")
    # Counters are of arcs off the spanning tree (gcc/profile.cc): of "one" its entry and one way of the condition.
    lines, said = gcov(compiled, data_file(found, {one.identity: (7, 4), two.identity: (9,)}))
    assert said == ""
    assert lines[10] == 9
    assert lines[3] == 7
    assert {lines[4], lines[5]} == {3, 4}


def test_data_file_when_a_function_is_not_in_it_then_it_never_ran(compiled: Path, notes: bytes) -> None:
    lines, said = gcov(compiled, data_file(read_notes(notes), {}))
    assert set(lines.values()) == {0}
    assert said == ""


def test_data_file_when_a_count_is_impossible_then_gcov_still_counts_upwards(compiled: Path, notes: bytes) -> None:
    found = read_notes(notes)
    two = next(function for function in found.functions if function.name == "two")
    lines, _ = gcov(compiled, data_file(found, {two.identity: (2**64 - 1,)}))
    assert lines[10] == MOST_COUNT


def test_notes_when_of_an_older_gcc_or_something_else_then_refused(notes: bytes) -> None:
    older = notes[:4] + struct.pack("<I", int.from_bytes(b"B02*", "big")) + notes[8:]
    for data, says in ((b"", "damaged"), (b"\x7fELF" + bytes(60), "does not begin"), (older, "before gcc 12")):
        with pytest.raises(NotNotes, match=says):
            read_notes(data)


def test_notes_when_cut_off_anywhere_then_refused_or_fewer_functions(notes: bytes) -> None:
    whole = read_notes(notes).functions
    for length in range(len(notes)):
        try:
            assert len(read_notes(notes[:length]).functions) <= len(whole)
        except NotNotes:
            continue


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(data=st.data())
def test_notes_when_bytes_are_changed_then_read_or_refused_and_nothing_else(notes: bytes, data: st.DataObject) -> None:
    changed = bytearray(notes)
    for at in data.draw(st.lists(st.integers(8, len(notes) - 1), max_size=6)):
        changed[at] = data.draw(st.integers(0, 255))
    try:
        data_file(read_notes(bytes(changed)), {})
    except NotNotes:
        return
