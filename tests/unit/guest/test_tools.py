"""Compiling the guest's tools: once for each content, and with the compiler's words when it fails."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from orchestrator.errors import Cancelled, InfraError
from orchestrator.guest.tools import compiled_tools
from orchestrator.host.deadline import Cancellation

MAIN = '#include "answer.h"\nint main(void) { return answer(); }\n'


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A tree with one program and one common file."""
    folder = tmp_path / "src"
    for name, text in {
        "common/answer.h": "int answer(void);\n",
        "common/answer.c": '#include "answer.h"\nint answer(void) { return 42; }\n',
        "tool/main.c": MAIN,
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


@pytest.fixture
def compilations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that gets a line for each time gcc links a program: a gcc stands before the real one in PATH."""
    log = tmp_path / "gcc.log"
    log.touch()
    folder = tmp_path / "bin"
    folder.mkdir()
    script = folder / "gcc"
    path = os.environ["PATH"]
    script.write_text(f'#!/bin/sh\ncase "$*" in *-o*) echo "$*" >>{log} ;; esac\nPATH={path} exec gcc "$@"\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{path}")
    return log


def compiled(source: Path, cache: Path) -> Mapping[str, bytes]:
    return compiled_tools(source, cache=cache, cancellation=Cancellation())


def test_tools_when_compiled_then_each_folder_but_common_is_a_program(source: Path, tmp_path: Path) -> None:
    tools = compiled(source, tmp_path / "cache")
    assert {name: data[:4] for name, data in tools.items()} == {"tool": b"\x7fELF"}


def test_tools_when_asked_for_twice_then_are_compiled_once(source: Path, tmp_path: Path, compilations: Path) -> None:
    compiled(source, tmp_path / "cache")
    compiled(source, tmp_path / "cache")
    assert len(compilations.read_text().splitlines()) == 1


def test_tools_when_a_common_header_changes_then_are_compiled_again(
    source: Path, tmp_path: Path, compilations: Path
) -> None:
    compiled(source, tmp_path / "cache")
    (source / "common" / "answer.h").write_text("int answer(void); /* changed */\n")
    compiled(source, tmp_path / "cache")
    assert len(compilations.read_text().splitlines()) == 2


def test_tools_when_compiled_in_another_place_then_have_the_same_bytes(source: Path, tmp_path: Path) -> None:
    here = compiled(source, tmp_path / "cache")
    elsewhere = source.rename(tmp_path / "elsewhere")
    assert compiled(elsewhere, tmp_path / "other-cache") == here


def test_tools_when_one_does_not_compile_then_the_error_has_the_compilers_words(source: Path, tmp_path: Path) -> None:
    (source / "tool" / "main.c").write_text(MAIN + "int broken(void) { return no_such_thing; }\n")
    with pytest.raises(InfraError) as caught:
        compiled(source, tmp_path / "cache")
    assert "tool/main.c:3" in caught.value.describe()
    assert "no_such_thing" in caught.value.describe()


def test_tools_when_one_does_not_compile_then_nothing_is_left_in_the_cache(source: Path, tmp_path: Path) -> None:
    (source / "tool" / "main.c").write_text("int main(void) { return; }\n")
    with pytest.raises(InfraError):
        compiled(source, tmp_path / "cache")
    assert [path for path in (tmp_path / "cache").rglob("*") if path.is_file()] == []


def test_tools_when_the_run_is_cancelled_then_compiling_ends_with_it(source: Path, tmp_path: Path) -> None:
    cancellation = Cancellation()
    cancellation.cancel()
    # A program that takes gcc long enough to be interrupted, on any machine.
    body = "#define A(x) x x x x x x x x x x\nint main(void) { volatile int i = 0; A(A(A(A(A(i++;))))) return i; }\n"
    (source / "tool" / "main.c").write_text(body)
    with pytest.raises(Cancelled):
        compiled_tools(source, cache=tmp_path / "cache", cancellation=cancellation)
