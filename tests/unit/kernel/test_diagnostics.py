"""What a build's output says."""

from __future__ import annotations

import pytest

from orchestrator.kernel.diagnostics import first_error, machine_trouble, new_warnings, parse_warnings


@pytest.mark.parametrize(
    "line",
    [
        "/src/mm/zswap.c:1:1: fatal error: error writing to /obj/mm/zswap.s: No space left on device",
        "/usr/bin/ld: final link failed: No space left on device",
        "{standard input}: Fatal error: can't write 12 bytes to section .text of mm/zswap.o: No space left on device",
        "cp: error writing 'vmlinux': No space left on device",
        "gcc: fatal error: Killed signal terminated program cc1",
        "gcc: internal compiler error: Killed (program cc1)",
        "make[3]: *** [scripts/Makefile.build:289: mm/zswap.o] Killed",
        "cc1: out of memory allocating 65536 bytes after a total of 1 bytes",
        "make: vfork: Resource temporarily unavailable",
        "sh: 1: fork: Cannot allocate memory",
    ],
)
def test_machine_trouble_when_machine_failed_then_says_what(line: str) -> None:
    assert machine_trouble(f"  CC      mm/swap.o\n{line}\nmake: *** [Makefile:2: all] Error 2\n")


@pytest.mark.parametrize(
    "line",
    [
        "/src/mm/zswap.c:3:2: error: #error No space left on device",
        "/src/mm/zswap.c:3:2: error: 'b' undeclared",
        "make[3]: *** [scripts/Makefile.build:289: mm/zswap.o] Error 1",
        "  CC      mm/out_of_memory.o",
    ],
)
def test_machine_trouble_when_source_is_wrong_then_is_empty(line: str) -> None:
    assert machine_trouble(line) == ""


def test_first_error_when_make_and_compiler_complain_then_is_compilers_without_our_folder() -> None:
    text = "make[1]: *** No rule\n/src/mm/zswap.c:9:3: error: 'b' undeclared\n/src/mm/zswap.c:10:3: error: later\n"
    assert first_error(text, source="/src") == "mm/zswap.c:9:3: error: 'b' undeclared"


def test_first_error_when_linking_fails_then_is_linkers() -> None:
    text = "  LD vmlinux\nld: mm/zswap.o: in function `f': undefined reference to `g'\nmake: *** [x] Error 1\n"
    assert "undefined reference to `g'" in first_error(text, source="/src")


def test_first_error_when_a_makefile_stops_make_then_is_its_words() -> None:
    text = (
        "make: Entering directory '/src'\nMakefile:1: *** this tree is broken.  Stop.\nmake: Leaving directory '/src'\n"
    )
    assert first_error(text, source="/src") == "Makefile:1: *** this tree is broken.  Stop."


def test_new_warnings_when_only_lines_moved_then_there_are_none() -> None:
    base = parse_warnings("/src/mm/a.c:3:2: warning: unused variable 'x' [-Wunused]\n", source="/src")
    patched = parse_warnings("/src/mm/a.c:9:2: warning: unused variable 'x' [-Wunused]\n", source="/src")
    assert new_warnings(patched, base) == ()


def test_parse_warnings_when_repeated_then_each_once_and_tools_too() -> None:
    line = "/src/mm/a.c:3:2: warning: unused\n"
    text = line + line + "vmlinux.o: warning: objtool: f+0x1: unreachable\n  CC mm/warning.o\n"
    text += "WARNING: Value requested for CONFIG_BROKEN_ON_SMP not in final .config\n"
    assert [warned.path for warned in parse_warnings(text, source="/src")] == ["mm/a.c", ""]
