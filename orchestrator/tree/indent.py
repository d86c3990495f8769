"""The indentation of C in the kernel's style, told from the lines before. Pure.

A :class:`Tracker` is fed the lines of a file in order, each with the indentation it really has, and says at any time
which column the next line would begin at: tabs for blocks, alignment behind an open bracket, `` * `` in comments, the
column of the switch for a case, column 0 for a label. Lines that exist are the master: every one that is fed corrects
what was believed, so files with a style of their own are followed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

TAB = 8

_CONTROL = re.compile(r"(?:\}\s*)?(?:else\b|do\b|if\b|for\b|while\b|switch\b|\w*for_each\w*|scoped_guard\b)")
_LABEL = re.compile(r"[A-Za-z_]\w*\s*:(?!:)\s*(?:/\*.*\*/\s*)?$")
_CASE = re.compile(r"(?:case\b.*|default\s*):(?!:)")
_TOP = re.compile(r"[A-Za-z_}]")


@dataclass(slots=True)
class _Level:
    """What is open: the file itself, or a bracket. Columns count from 0.

    ``home`` is where the statement that opened it begins, ``align`` the column behind an opening parenthesis (None
    where nothing follows it), ``body`` where its lines were seen to begin, ``statement`` where the unfinished statement
    in it began, ``tail`` where that one's last continuation began, ``controls`` the conditions that still wait for
    their one statement, ``closed`` those that just got it, for an ``else``.
    """

    kind: str
    home: int
    align: int | None = None
    listing: bool = False
    body: int | None = None
    statement: int | None = None
    head: str = ""
    tail: int | None = None
    controls: list[int] = field(default_factory=list)
    closed: list[int] = field(default_factory=list)


def column_of(line: str) -> int:
    """Return the column at which the text of ``line`` begins."""
    return len(line[: len(line) - len(line.lstrip())].expandtabs(TAB))


def blanks(column: int) -> str:
    """Return the white space that leads to ``column``: tabs as far as they go, blanks for the rest."""
    return "\t" * (column // TAB) + " " * (column % TAB)


class Tracker:
    """Follows the nesting of a C file line by line."""

    def __init__(self) -> None:
        self.levels = [_Level("file", -TAB)]
        self.comment: int | None = None
        self.star: int | None = None
        self.directive: int | None = None

    def predict(self, text: str) -> int:
        """Return the column at which a line with ``text`` (no leading white space) would begin now."""
        if self.comment is not None:
            if text.startswith("*"):
                return self.comment + 1 if self.star is None else self.star
            return self.comment + 3
        if self.directive is not None:
            return self.directive or TAB
        if text.startswith("#"):
            return 0
        level = self.levels[-1]
        if text[:1] in {")", "}", "]"} and len(self.levels) > 1:
            return level.home
        if level.kind in "([":
            return self._in_bracket(level)
        if level.statement is not None:
            return level.statement if text.startswith("{") else self._continued(level)
        if level.kind == "{" and not level.listing and _LABEL.match(text) and not text.startswith("default"):
            return 0
        if _CASE.match(text):
            return level.home
        if text.startswith("else") and level.closed:
            return level.closed[-1]
        if level.controls:
            return level.controls[-1] + (0 if text.startswith("{") else TAB)
        return level.home + TAB if level.body is None else level.body

    @staticmethod
    def _in_bracket(level: _Level) -> int:
        if level.body is not None:
            return level.body
        return level.home + TAB if level.align is None else level.align

    @staticmethod
    def _continued(level: _Level) -> int:
        assert level.statement is not None  # noqa: S101 - the caller looked
        return level.statement + TAB if level.tail is None else level.tail

    def feed(self, line: str) -> None:
        """Take ``line``, as it stands in the file, into account."""
        text = line.strip()
        column = column_of(line)
        if not text:
            self.directive = None
            return
        if self.comment is None and (self.directive is not None or text.startswith("#")):
            self.directive = (column if self.directive is not None else 0) if text.endswith("\\") else None
            return
        if self.comment is None:
            self._begin(text, column)
            self.star = None
        elif text.startswith("*"):
            self.star = column
        self._scan(line, column)

    def _begin(self, text: str, column: int) -> None:
        """Note where a line of code begins, before its characters are looked at."""
        if column == 0 and _TOP.match(text) and not _LABEL.match(text) and self.levels[-1].kind in {"{", "file"}:
            # Nothing but a function or its end begins at column 0: whatever #if left open is over.
            if text.startswith("}"):
                del self.levels[2:]
            elif len(self.levels) > 1 and self.levels[-1].statement is None:
                del self.levels[1:]
        level = self.levels[-1]
        comment = text.startswith(("/*", "//"))
        if level.kind in "([":
            if text[0] not in ")]":
                level.body = column
        elif level.statement is not None:
            if not text.startswith(("{", "}")) and not comment:
                level.tail = column
        elif not comment or level.body is None:
            special = text[0] in "{}" or _LABEL.match(text) or _CASE.match(text) or text.startswith("else")
            if not special and not level.controls:
                level.body = column

    def _scan(self, line: str, column: int) -> None:
        """Walk over the characters of a line: brackets, comments, strings, and how it ends."""
        shown = line.expandtabs(TAB)
        at = column
        last = ""
        text = shown.strip()
        while at < len(shown):
            if self.comment is not None:
                end = shown.find("*/", at)
                if end < 0:
                    return
                self.comment, at = None, end + 2
                continue
            char = shown[at]
            if shown.startswith("//", at):
                break
            if shown.startswith("/*", at):
                self.comment = at
                at += 2
            elif char in "\"'":
                at = _string_end(shown, at)
                self._significant(column, text)
                last = char
            else:
                if not char.isspace():
                    self._character(char, shown, at, column=column, last=last, text=text)
                    last = char
                at += 1
        if last:
            self._end_line(last, text)

    def _significant(self, column: int, text: str) -> None:
        """Begin a statement if none is open."""
        level = self.levels[-1]
        if level.kind not in "([" and level.statement is None:
            level.statement, level.head, level.tail = column, text, None

    def _character(self, char: str, shown: str, at: int, *, column: int, last: str, text: str) -> None:
        if char in "([{":
            level = self.levels[-1]
            if char != "{" or level.controls == [] or level.statement is not None:
                self._significant(column, text)
            home = column if level.statement is None else level.statement
            listing = char == "{" and (last in set("=,({") or level.head.startswith(("enum", "typedef enum")))
            rest = shown[at + 1 :].strip()
            align = at + 1 if char != "{" and rest else None
            self.levels.append(_Level(char, home, align=align, listing=listing))
        elif char in ")]}":
            if len(self.levels) > 1:
                closed = self.levels.pop()
                if char == "}" and not closed.listing:
                    self._finish()
        elif (char == ";" and self.levels[-1].kind not in "([") or (char == "," and self.levels[-1].listing):
            self._finish()
        else:
            self._significant(column, text)

    def _finish(self) -> None:
        """End the statement of the innermost block, and with it the conditions that waited for it."""
        level = self.levels[-1]
        level.closed, level.controls = level.controls, []
        if level.statement is not None and not level.closed:
            level.closed = [level.statement]
        level.statement, level.head, level.tail = None, "", None

    def _end_line(self, last: str, text: str) -> None:
        """See whether a line's end completes something that has no semicolon: a condition, a label."""
        level = self.levels[-1]
        if level.statement is None or level.kind in "([":
            return
        if last == ":" and (_LABEL.match(level.head) or _CASE.match(level.head)):
            level.statement, level.head, level.tail = None, "", None
        elif len(self.levels) > 1 and _CONTROL.match(level.head) and (last == ")" or text.endswith(("else", "do"))):
            level.controls = [*level.controls, level.statement]
            level.statement, level.head, level.tail = None, "", None


def _string_end(shown: str, at: int) -> int:
    """Return where the string or character that begins at ``at`` ends; the line's end when it does not."""
    quote = shown[at]
    at += 1
    while at < len(shown) and shown[at] != quote:
        at += 2 if shown[at] == "\\" else 1
    return at + 1
