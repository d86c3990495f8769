"""Which of a patch's lines ran, from what the compiler counted. Pure: sources and counts in, lines out.

A line's state comes from its own counter where it has one. Comments, the second line of a call and most jumps have none
and are not counted, nor are braces and declarations that set nothing. A statement may have none either: of a call that
is always inlined the compiler counts the lines of the header. It has then run as often as the statement beside it,
where none but plain statements stand between the two; where that is not so either, nobody knows, and it is listed as
such.

A statement is "not compiled" where the compiler has nothing of its file, where the preprocessor left it out, and where the
compiler dropped its whole function.

The sources are read as text, by the kernel's own style: a function's body is from a ``{`` in the first column to a ``}``
there. Of what is laid out otherwise fewer lines are known, and none wrongly.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from orchestrator.model.coverage import CoveredLine, LineState

LONGEST_TEXT = 200
"""So much of a line is kept for the reports."""

_LONGEST_LINE = 500
"""So much of a line is looked at: what is longer is no source that a person wrote."""

_NEAR = 20
"""So many lines are looked at for the rest of a statement, and for the statement beside it."""

_STATEMENT = re.compile(
    r"^(?:[\w>()*\[\]-][\w.>()*\[\]-]*\s*(?:[-+*/|&^%]|<<|>>)?=[^=]"
    r"|(?!static\b)(?:[A-Za-z_]\w*[\s*]+)+\w+(?:\[\w*\])?\s*=[^=]"
    r"|[A-Za-z_]\w*\s*\("
    r"|(?:\+\+|--)[(\w]"
    r"|[\w>()\[\]-][\w.>()\[\]-]*(?:\+\+|--);"
    r"|return\b[^;]*;)"
)
"""An assignment, a declaration that sets something, a call, a condition, an increment, a return.

A bare jump (``break;``) has no code of its own.
"""

_DECLARATION = re.compile(
    r"^(?:(?:const|static|volatile|unsigned|signed|struct|union|enum|register|extern)\s+)+\w[^=]*;"
)
_BARE_DECLARATION = re.compile(
    r"^(?!(?:return|goto|else|case)\b)(?:[A-Za-z_]\w*\s+)*[A-Za-z_]\w*[\s*]+\w+(?:\[[^\]]*\])*(?:\s*,\s*\**\w+(?:\[[^\]]*\])*)*\s*;$"
)
_BEHIND_CONDITION = re.compile(r"^(?:\}\s*)?(?:else\s+)?(?:if|for|while|list_for_each\w*|for_each\w*)\b.*\)$")
_BRANCHING = re.compile(
    r"^(?:if|else|for|while|do|switch|case|default|goto|break|continue|return)\b|\w*for_each\w*\s*\("
)
_LABEL = re.compile(r"^(?:\}|else\b|case\b|default\b|\w+\s*:(?!:))")
_ENDS = (";", "{", "}", ":")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedFile:
    """A file of patched: its whole ``text``, and the numbers (from 1) of the lines that the patch added or changed."""

    path: str
    text: str
    numbers: frozenset[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileCounts:
    """What the compiler knows of a file: ``counts`` by line, and which lines the preprocessor ``kept``."""

    counts: Mapping[int, int]
    kept: frozenset[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class LineStates:
    """The changed lines that are code, by path and number; ``unknown`` are statements of which nobody knows whether they ran."""

    lines: tuple[CoveredLine, ...]
    unknown: tuple[tuple[str, int], ...] = ()


def covered_lines(files: Sequence[ChangedFile], seen: Mapping[str, FileCounts]) -> LineStates:
    """Return what became of the changed lines. A file that is not in ``seen`` was not compiled."""
    lines: list[CoveredLine] = []
    unknown: list[tuple[str, int]] = []
    for file in sorted(files, key=lambda file: file.path):
        source, counts = _Source(file.text), seen.get(file.path)
        for number in sorted(number for number in file.numbers if 1 <= number <= source.last):
            calls = None if counts is None or source.is_no_code(number) else counts.counts.get(number)
            if calls is not None:
                lines.append(_line(file, source, number, calls))
            elif source.is_statement(number):
                if source.is_left_out(number, counts):
                    lines.append(_line(file, source, number, None))
                elif counts is not None and (calls := source.beside(number, counts.counts)) is not None:
                    lines.append(_line(file, source, number, calls))
                else:
                    unknown.append((file.path, number))
    return LineStates(lines=tuple(lines), unknown=tuple(unknown))


def has_code(file: ChangedFile) -> bool:
    """Whether any changed line of ``file`` could have a counter: it is in a function and is no comment, brace or blank."""
    source = _Source(file.text)
    return any(source.body_of(number) is not None and _is_code(source.code[number]) for number in file.numbers)


def _line(file: ChangedFile, source: _Source, number: int, calls: int | None) -> CoveredLine:
    """Return a line that ran ``calls`` times; None where it was not compiled."""
    state = LineState.NOT_COMPILED if calls is None else LineState.EXECUTED if calls else LineState.MISSED
    text = source.lines[number - 1].strip()[:LONGEST_TEXT]
    return CoveredLine(path=file.path, line=number, text=text, state=state, calls=calls or 0)


class _Source:
    """A C source as lines. ``code`` has each line (from 1) without comments, strings' content, and directives."""

    def __init__(self, text: str) -> None:
        self.lines = text.split("\n")
        self.last = len(self.lines)
        self.code = ["", *_without_comments(self.lines)]
        self._bodies = _bodies(self.code)
        self._dropped: dict[int, bool] = {}

    def body_of(self, number: int) -> range | None:
        """Return the lines of the function body that a line is in, None outside of functions."""
        return self._bodies.get(number)

    def is_no_code(self, number: int) -> bool:
        """Whether a line has no code of its own, counter or not.

        That is a brace (where a function ends, gcov has a counter for it) and a declaration that sets nothing (the kernel
        may have the compiler zero it).
        """
        words = self._words(number)
        return not _is_code(words) or _BARE_DECLARATION.match(words) is not None

    def is_statement(self, number: int) -> bool:
        """Whether a line begins a statement that should make code: not the rest of one, no declaration, no label, no jump."""
        if self.body_of(number) is None:
            return False
        line = self._words(number)
        if not _is_code(line) or _DECLARATION.match(line) or not self._begins(number):
            return False
        return _STATEMENT.match(line) is not None

    def is_left_out(self, number: int, seen: FileCounts | None) -> bool:
        """Whether a line without a counter is one of which no code was made."""
        body = self.body_of(number)
        if seen is None or number not in seen.kept:
            return True
        if body is None:
            return False
        if body.start not in self._dropped:
            self._dropped[body.start] = not any(other in seen.counts for other in body)
        return self._dropped[body.start]

    def beside(self, number: int, counts: Mapping[int, int]) -> int | None:
        """Return how often the nearest statement ran that runs exactly when this one does; None where there is none."""
        body = self.body_of(number)
        if body is None:
            return None
        statement = self._whole_statement(number, body)
        for at in statement:
            if at in counts:
                return counts[at]
        for at in range(number - 1, max(body.start, number - _NEAR) - 1, -1):
            if self._is_no_plain_statement(at):
                break
            if at in counts:
                return counts[at]
        for at in range(statement.stop, min(body.stop, statement.stop + _NEAR)):
            # A condition is come to as the statement before it is; what it leads to is not.
            if at in counts and not self._is_guarded(at) and not _LABEL.match(self._words(at)):
                return counts[at]
            if self._is_no_plain_statement(at):
                break
        return None

    def _is_no_plain_statement(self, number: int) -> bool:
        line = self._words(number)
        return line.endswith(("{", "}", ":")) or _BRANCHING.match(line) is not None or self._is_guarded(number)

    def _begins(self, number: int) -> bool:
        text = self._before(number)
        return text == "" or text.endswith((*_ENDS, "else")) or _BEHIND_CONDITION.match(text) is not None

    def _is_guarded(self, number: int) -> bool:
        """Whether a line stands behind a condition without a brace."""
        text = self._before(number)
        return text.endswith("else") or _BEHIND_CONDITION.match(text) is not None

    def _before(self, number: int) -> str:
        before = next((at for at in range(number - 1, -1, -1) if self.code[at].strip()), 0)
        return self._words(before)

    def _words(self, number: int) -> str:
        return self.code[number].strip()[:_LONGEST_LINE]

    def _whole_statement(self, number: int, body: range) -> range:
        """Return the lines of the statement that begins at ``number``: up to the first that ends one."""
        end = number
        while end + 1 in body and end - number < _NEAR and not self._words(end).endswith(_ENDS):
            end += 1
        return range(number, end + 1)


def _without_comments(lines: Sequence[str]) -> list[str]:
    """Return the lines with comments blank, strings empty, and preprocessor directives (with what continues them) blank."""
    out, in_comment, in_directive = [], False, False
    for line in lines:
        kept, in_comment = _strip(line, in_comment=in_comment)
        is_directive = in_directive or kept.lstrip().startswith("#")
        in_directive = is_directive and line.rstrip().endswith("\\")
        out.append("" if is_directive else kept.rstrip())
    return out


_TOKEN = re.compile(r"""//.*|/\*|"(?:\\.|[^"\\])*"?|'(?:\\.|[^'\\])*'?""")


def _strip(line: str, *, in_comment: bool) -> tuple[str, bool]:
    """Return a line without its comments, and whether it ends inside one."""
    out: list[str] = []
    at = 0
    while at < len(line):
        if in_comment:
            end = line.find("*/", at)
            if end < 0:
                return "".join(out), True
            at, in_comment = end + 2, False
            out.append(" ")
            continue
        match = _TOKEN.search(line, at)
        if match is None:
            out.append(line[at:])
            break
        out.append(line[at : match.start()])
        at = match.end()
        if match[0] == "/*":
            in_comment = True
        elif not match[0].startswith("//"):
            out.append('""')
    return "".join(out), in_comment


def _bodies(code: Sequence[str]) -> dict[int, range]:
    """Return the function body that each line is in: from a ``{`` in the first column to the next ``}`` there."""
    found: dict[int, range] = {}
    start = None
    for number, line in enumerate(code):
        if line.startswith("{") and start is None:
            start = number
        elif line.startswith("}"):
            if start is not None:
                body = range(start + 1, number)
                found |= dict.fromkeys(body, body)
            start = None
    return found


def _is_code(line: str) -> bool:
    return re.search(r"\w", line) is not None
