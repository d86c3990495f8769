"""What a build's output says: its first error, its warnings, and whether the machine and not the source was at fault.

Pure: text in, values out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

# A stranger's #error may say anything, so these are bound to the words with which programs report the machine's troubles.
_MACHINE = (
    (re.compile(r"No space left on device$"), "the disk is full"),
    (re.compile(r"Disk quota exceeded$"), "the disk quota is used up"),
    (re.compile(r"Input/output error$"), "the disk failed"),
    (re.compile(r"fatal error: Killed signal terminated program \S+$"), "the compiler was killed (out of memory?)"),
    (re.compile(r"internal compiler error: Killed\b"), "the compiler was killed (out of memory?)"),
    (re.compile(r"^(make\[\d+\]|make): \*\*\* \[.*\] Killed$"), "a program was killed (out of memory?)"),
    (re.compile(r"^\S*(cc1|as|ld|gcc): (virtual memory exhausted|out of memory)"), "memory ran out"),
    (re.compile(r"(fork|vfork|clone|posix_spawn).*: (Resource temporarily unavailable|Cannot allocate memory)"), "no process could be started"),
)  # fmt: skip
_SOURCE_WORDS = re.compile(r"(error|warning): #(error|warning)\b|\bnote: ")

_COMPILER_ERROR = re.compile(r"^\S+:\d+(:\d+)?: (fatal )?error: ")
_OTHER_ERROR = re.compile(
    r"undefined reference to|: multiple definition of|^ld: |^error: |: error: |\*\*\* No rule to make target|recipe for target"
)
_MAKE_ERROR = re.compile(r"^(make(\[\d+\])?|\S+:\d+): \*\*\* ")

_WARNING = re.compile(r"^(?P<path>[^\s:]+):(?P<line>\d+):(\d+:)? warning: (?P<text>.*)$")
_TOOL_WARNING = re.compile(r"^(\S+: ){1,2}warning: |^WARNING: modpost: ")


@dataclass(frozen=True, slots=True, order=True, kw_only=True)
class Warned:
    """One compiler warning: the file relative to the source, the line (0: none), and what is said."""

    path: str
    line: int
    text: str

    def describe(self) -> str:
        """Return it as the compiler prints it."""
        return f"{self.path}:{self.line}: warning: {self.text}" if self.path else self.text

    @property
    def identity(self) -> tuple[str, str]:
        """What stays the same when lines above it come and go."""
        return self.path, self.text


def machine_trouble(text: str) -> str:
    """Return what was wrong with the machine, in words; empty when the output does not say so."""
    for line in text.splitlines():
        if _SOURCE_WORDS.search(line):
            continue
        for pattern, meaning in _MACHINE:
            if pattern.search(line.rstrip()):
                return meaning
    return ""


def first_error(text: str, *, source: str) -> str:
    """Return the first error: the compiler's if there is one, else a tool's, else make's; empty when there is none.

    ``source`` is the source folder's name in the messages; file names are given without it.
    """
    lines = [line.rstrip() for line in text.splitlines()]
    for pattern in (_COMPILER_ERROR, _OTHER_ERROR, _MAKE_ERROR):
        for line in lines:
            if pattern.search(line):
                return _relative(line, source)
    return ""


def parse_warnings(text: str, *, source: str) -> tuple[Warned, ...]:
    """Return the warnings in order, each once; ``source`` as in :func:`first_error`."""
    found: dict[Warned, None] = {}
    for raw in text.splitlines():
        line = _relative(raw.rstrip(), source)
        match = _WARNING.match(line)
        if match:
            found[Warned(path=match["path"], line=int(match["line"]), text=match["text"])] = None
        elif _TOOL_WARNING.match(line):
            found[Warned(path="", line=0, text=line)] = None
    return tuple(found)


def new_warnings(patched: Iterable[Warned], base: Iterable[Warned]) -> tuple[Warned, ...]:
    """Return the warnings that base does not have; a line number alone makes none new."""
    known = {warned.identity for warned in base}
    return tuple(warned for warned in patched if warned.identity not in known)


def _relative(line: str, source: str) -> str:
    return re.sub(rf"(?<![^\s(:]){re.escape(source)}/", "", line)
