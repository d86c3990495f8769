"""Counters from the build to the lines: a small program instead of a kernel, its memory instead of a guest's."""

from __future__ import annotations

import dataclasses
import json
import subprocess
from pathlib import Path

import pytest

from orchestrator.errors import InfraError, MissingProgram
from orchestrator.host.deadline import Cancellation
from orchestrator.host.sandbox import NO_SANDBOX, Sandbox
from orchestrator.kernel import gcov as gcov_module
from orchestrator.kernel.counters import COUNTERS, FLAGS, Counted, counters_note, kept_lines, read_counters
from orchestrator.kernel.gcov import counts_in, line_counts, ranges_of, require_gcov, summed
from orchestrator.kernel.making import Bench, Folders, Workshop, run_in_room
from orchestrator.kernel.toolchain import Toolchain
from orchestrator.model.kernel import KernelRole
from orchestrator.model.memory import MemoryPiece
from tests.unit.kernel.conftest import ARCHITECTURE

HEADER = "static inline int half(int x)\n{\n\treturn x / 2;\n}\n"
SOURCE = """\
#include "half.h"

static int odd(int x)
{
	return 3 * x + 1;
}

int step(int x)
{
#ifdef OFF
	x = 0;
#endif
	if (x % 2)
		return odd(x);
	return half(x);
}

int never(int x)
{
	return x - 1;
}
"""
MAIN = """\
#include <stdio.h>
#include <stdlib.h>
int step(int x);
int main(int argc, char **argv)
{
	int calls = atoi(argv[1]);

	for (int i = 0; i < calls; i++)
		step(2);
	for (int i = 2; i + 1 < argc; i += 2)
		fwrite((void *)strtoul(argv[i], NULL, 0), 1, atoi(argv[i + 1]), stdout);
	return 0;
}
"""
MAKEFILE = "%.i:\n\tcd $(O) && $(CPP) -I$(CURDIR)/mm $(CURDIR)/$*.c -o $@\n"


@pytest.fixture(params=["in a room", "without a sandbox"])
def bench(tmp_path: Path, sandbox: Sandbox, request: pytest.FixtureRequest) -> Bench:
    """A bench on which a program was just built of mm/collatz.c, with counters, and of a file without."""
    folders = Folders(source=tmp_path / "src", objects=tmp_path / "obj", fragments=tmp_path / "fragments")
    for folder in (folders.source / "mm", folders.objects / "mm", folders.fragments):
        folder.mkdir(parents=True)
    for name, text in (("collatz.c", SOURCE), ("half.h", HEADER), ("main.c", MAIN)):
        (folders.source / "mm" / name).write_text(text)
    (folders.source / "Makefile").write_text(MAKEFILE)
    made = Bench(
        workshop=Workshop(
            repo=tmp_path / "repo",
            cache=tmp_path / "cache",
            sandbox=sandbox if request.param == "in a room" else NO_SANDBOX,
            toolchain=Toolchain(identity="test", ccache=False),
            jobs=1,
        ),
        architecture=ARCHITECTURE,
        role=KernelRole.PATCHED,
        folders=folders,
        log=tmp_path / "make.log",
        cancellation=Cancellation(),
    )
    source = f"{made.seen_source}/mm"
    compiled = f"gcc -Os -fno-pie {' '.join(FLAGS)} -c {source}/collatz.c -o mm/collatz.o"
    run_in_room(made, ["sh", "-c", f"{compiled} && gcc -static -no-pie {source}/main.c mm/collatz.o -o vmlinux"])
    return made


@pytest.fixture
def counted(bench: Bench, tmp_path: Path) -> Counted:
    (tmp_path / COUNTERS).write_text(counters_note(bench, ("mm/collatz.o", "mm/absent.o")))
    found = read_counters(tmp_path)
    assert found is not None
    return found


def memory_after(bench: Bench, counted: Counted, calls: int) -> tuple[MemoryPiece, ...]:
    """Run the program and return its memory where the counters are: its addresses are those of its image."""
    ranges = ranges_of(counted)
    words = [str(word) for each in ranges for word in (each.start, each.size)]
    said = subprocess.run([bench.folders.objects / "vmlinux", str(calls), *words], check=True, capture_output=True)
    pieces, at = [], 0
    for each in ranges:
        pieces.append(MemoryPiece(start=each.start, data=said.stdout[at : at + each.size]))
        at += each.size
    assert at == len(said.stdout)
    return tuple(pieces)


def lines_after(bench: Bench, counted: Counted, calls: int) -> dict[int, int]:
    counts = counts_in(counted, memory_after(bench, counted, calls))
    found = line_counts(counted, counts, sandbox=bench.workshop.sandbox, cancellation=Cancellation())
    assert found["mm/half.h"][3] == calls
    return dict(found["mm/collatz.c"])


def test_counters_when_a_program_ran_then_its_lines_ran_so_often(bench: Bench, counted: Counted) -> None:
    lines = lines_after(bench, counted, 7)
    assert lines[13] == 7
    assert lines[5] == lines[14] == 0
    assert lines[20] == 0
    assert 11 not in lines


def test_counters_when_nothing_ran_then_every_line_has_none(bench: Bench, counted: Counted) -> None:
    assert set(lines_after(bench, counted, 0).values()) == {0}


def test_counters_of_two_trials_are_added_up(bench: Bench, counted: Counted) -> None:
    counts = summed([counts_in(counted, memory_after(bench, counted, calls)) for calls in (2, 3)])
    found = line_counts(counted, counts, sandbox=bench.workshop.sandbox, cancellation=Cancellation())
    assert found["mm/collatz.c"][13] == 5


def test_counted_when_an_object_was_not_compiled_then_it_is_absent(counted: Counted) -> None:
    assert counted.absent == ("mm/absent.o",)
    assert [each.name for each in counted.objects] == ["mm/collatz.o"]


def test_counted_when_the_preprocessor_drops_a_line_then_it_is_not_kept(counted: Counted) -> None:
    kept = {number for first, last in counted.kept["mm/collatz.c"] for number in range(first, last + 1)}
    assert {5, 13, 14, 15, 20} <= kept
    assert 11 not in kept
    assert "mm/half.h" in counted.kept


def test_memory_when_it_is_another_kernels_then_refused(bench: Bench, counted: Counted) -> None:
    pieces = memory_after(bench, counted, 3)
    shifted = [dataclasses.replace(piece, start=piece.start + 8) for piece in pieces]
    zeros = [dataclasses.replace(piece, data=bytes(len(piece.data))) for piece in pieces]
    for wrong in (shifted, zeros, []):
        with pytest.raises(InfraError, match=r"does not hold the counters of mm/collatz\.o"):
            counts_in(counted, wrong)


def test_notes_when_they_are_of_another_source_then_the_object_is_a_problem(
    bench: Bench, counted: Counted, tmp_path: Path
) -> None:
    other = SOURCE.replace("x - 1", "x > 4 ? x : step(x)")
    (bench.folders.source / "mm" / "collatz.c").write_text(other)
    run_in_room(bench, ["sh", "-c", f"gcc -Os {' '.join(FLAGS)} -c {bench.seen_source}/mm/collatz.c -o mm/collatz.o"])
    notes = (bench.folders.objects / "mm" / "collatz.gcno").read_bytes()
    changed = dataclasses.replace(counted, objects=(dataclasses.replace(counted.objects[0], notes=notes),))
    with pytest.raises(InfraError, match="does not hold the counters"):
        counts_in(changed, memory_after(bench, counted, 3))
    damaged = dataclasses.replace(counted, objects=(dataclasses.replace(counted.objects[0], notes=b"x" * 40),))
    with pytest.raises(InfraError, match="cannot be read"):
        counts_in(damaged, memory_after(bench, counted, 3))


def test_lines_when_gcov_is_of_another_version_then_said_so_and_no_zero(bench: Bench, counted: Counted) -> None:
    each = counted.objects[0]
    other = each.notes[:4] + int.from_bytes(b"B92*", "big").to_bytes(4, "little") + each.notes[8:]
    broken = dataclasses.replace(counted, objects=(dataclasses.replace(each, notes=other),))
    with pytest.raises(InfraError, match=r"gcov says nothing of mm/collatz\.o: "):
        line_counts(broken, {}, sandbox=bench.workshop.sandbox, cancellation=Cancellation())


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"source": 1}', '{"segments": [[1]], "symbols": [], "objects": []}', "\x00", "[" * 5000]
)
def test_read_counters_when_damaged_then_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / COUNTERS).write_text(text)
    assert read_counters(tmp_path) is None
    assert read_counters(tmp_path / "nowhere") is None


def test_counted_when_two_objects_have_one_name_then_neither_is_read(bench: Bench, tmp_path: Path) -> None:
    data = json.loads(counters_note(bench, ("mm/collatz.o",)))
    data["objects"].append({**data["objects"][0], "name": "fs/collatz.o"})
    (tmp_path / COUNTERS).write_text(json.dumps(data))
    found = read_counters(tmp_path)
    assert found is not None
    assert found.objects == ()
    assert found.unreadable == ("mm/collatz.o", "fs/collatz.o")


def test_ranges_when_there_are_more_counters_than_could_be_then_refused(counted: Counted) -> None:
    each = counted.objects[0]
    huge = dataclasses.replace(each.counters[0], count=1 << 40)
    with pytest.raises(InfraError, match="more counters"):
        ranges_of(dataclasses.replace(counted, objects=(dataclasses.replace(each, counters=(huge,)),)))


def test_kept_lines_when_paths_lead_elsewhere_then_left_out() -> None:
    text = (
        '# 1 "/src/mm/a.c"\nx\n\ny\n# 7 "/usr/include/a.h" 1\nz\n# 9 "/src/mm/a.c" 2\nw\n#define A\n# 1 "<built-in>"\nv'
    )
    assert kept_lines(text, source="/src") == {"mm/a.c": [1, 3, 9, 10]}


def test_gcov_when_it_is_missing_or_of_an_old_gcc_then_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    gcc = Toolchain(identity="gcc (Debian 12.2.0-14) 12.2.0; GNU ld 2.40; GNU Make 4.3", ccache=False)
    require_gcov(gcc)
    with pytest.raises(InfraError, match="gcc 12 or later"):
        require_gcov(dataclasses.replace(gcc, identity="gcc (Debian 10.2.1-6) 10.2.1; GNU ld"))
    with pytest.raises(InfraError, match="gcc 12 or later"):
        require_gcov(dataclasses.replace(gcc, identity="clang version seventeen; x"))
    monkeypatch.setattr(gcov_module, "find_program", lambda *_, **__: None)
    with pytest.raises(MissingProgram, match="gcov"):
        require_gcov(gcc)
