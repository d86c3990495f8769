"""Unified diffs as values: files, hunks and lines, and the two ways to read them from text.

Intake reads a diff to check it, trees read it to apply it; neither may import the other, so the reading lives here.
The strict reading takes every line at its word. The lossy one is for text whose white space an archive folded: there a
line that begins with ``+`` or ``-`` may be a context line that lost its indentation (``++attempts;``), so only the
hunk headers' counts say how many lines are what, and the base file decides which (:mod:`orchestrator.tree.readings`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from orchestrator.errors import Evidence, InputError

NO_NEWLINE = "\\ No newline"
DEV_NULL = "/dev/null"

SPARE_LINES = 16
"""So many lines behind the last that fits the counts are kept with a lossy hunk."""

_HUNK = re.compile(r"@@ -([0-9]{1,9})(?:,([0-9]{1,9}))? \+([0-9]{1,9})(?:,([0-9]{1,9}))? @@")
_GIT = "diff --git "
_BINARY = re.compile(r"GIT binary patch|Binary files .* differ$")
_INDEX = re.compile(r"index ([0-9a-f]{4,64})\.\.[0-9a-f]{4,64}(?: ([0-7]{6}))?$")
_HEADER = re.compile(
    r"index |--- |\+\+\+ |old mode |new mode |deleted file mode |new file mode |copy (from|to) |rename (from|to) "
    r"|similarity index |dissimilarity index "
)
_OCTAL = re.compile(r"\\([0-7]{3}|.)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hunk:
    """One hunk. ``lines`` are as found, marks included; ``number`` counts from 1 within its file.

    In a lossy diff ``lines`` may hold a few lines more than belong to the hunk: see :meth:`flips`.
    """

    number: int
    header: str
    old_start: int
    old_count: int
    new_start: int
    new_count: int
    lines: tuple[str, ...] = ()

    def flips(self, length: int) -> tuple[int, int] | None:
        """Return how many ``+`` and ``-`` lines of the first ``length`` lines must be context for the counts to fit.

        None when no choice fits. With p plus, m minus and z other lines, and f flipped lines of either kind, old lines
        are z + m + f(+) and new lines z + p + f(-).
        """
        if length < max(self.old_count, self.new_count):
            # Every old and every new line is one of them: there is no need to count, which would make it quadratic.
            return None
        plus, minus, other = self.tally(length)
        from_plus, from_minus = self.old_count - other - minus, self.new_count - other - plus
        return (from_plus, from_minus) if 0 <= from_plus <= plus and 0 <= from_minus <= minus else None

    def tally(self, length: int) -> tuple[int, int, int]:
        """Return how many of the first ``length`` lines begin with ``+``, with ``-``, and with anything else."""
        counted = [line for line in self.lines[:length] if not line.startswith(NO_NEWLINE)]
        plus = sum(line.startswith("+") for line in counted)
        minus = sum(line.startswith("-") for line in counted)
        return plus, minus, len(counted) - plus - minus


@dataclass(frozen=True, slots=True, kw_only=True)
class FileDiff:
    """What a patch does to one file. ``old_path`` is None for a new file, ``new_path`` for a removed one.

    ``headers`` are the lines before the first hunk, as found; ``old_blob`` is the abbreviated id of an ``index`` line;
    ``new_mode`` is set where the patch says a mode.
    """

    old_path: str | None
    new_path: str | None
    headers: tuple[str, ...]
    hunks: tuple[Hunk, ...] = ()
    old_blob: str | None = None
    new_mode: str | None = None

    @property
    def path(self) -> str:
        """The path to call it by."""
        return self.new_path or self.old_path or "?"

    def render(self) -> str:
        """Return it as diff text again."""
        lines = [*self.headers]
        for hunk in self.hunks:
            lines += [hunk.header, *hunk.lines]
        return "\n".join(lines) + "\n"


def render_diff(files: Sequence[FileDiff]) -> str:
    """Return files as the text of one diff."""
    return "".join(file.render() for file in files)


def starts_diff(lines: Sequence[str], at: int) -> bool:
    """Whether the diff of a file begins at ``lines[at]``."""
    if lines[at].startswith(_GIT):
        return True
    if not lines[at].startswith("--- "):
        return False
    after = lines[at + 1 : at + 3]
    return len(after) == 2 and after[0].startswith("+++ ") and is_hunk_header(after[1])


def is_hunk_header(line: str) -> bool:
    """Whether ``line`` begins a hunk."""
    return _HUNK.match(line) is not None


def read_diff(text: str, *, lossy: bool = False) -> tuple[FileDiff, ...]:
    """Return the files of a diff in ``text``; text before, between and after them is left out.

    Raises :class:`InputError`, naming file and hunk, when a hunk is not what its header says, a path leads out of the
    tree, or the change is binary.
    """
    lines = text.split("\n")
    files: list[FileDiff] = []
    at = 0
    while at < len(lines):
        if starts_diff(lines, at):
            file, at = _read_file(lines, at, lossy=lossy)
            files.append(file)
        else:
            at += 1
    return tuple(files)


def _read_file(lines: Sequence[str], at: int, *, lossy: bool) -> tuple[FileDiff, int]:
    """Return the file whose diff begins at ``lines[at]`` and where it ends."""
    headers = [lines[at]]
    at += 1
    while at < len(lines) and _HEADER.match(lines[at]):
        if headers[-1].startswith("+++ "):
            break
        headers.append(lines[at])
        at += 1
    file = _describe_file(headers)
    if at < len(lines) and _BINARY.match(lines[at]):
        raise InputError(f"{file.path}: a binary patch is not supported", hint="send the change to a text file")
    hunks: list[Hunk] = []
    while at < len(lines) and is_hunk_header(lines[at]):
        take = _take_lossy if lossy else _take_strict
        hunk, at = take(_read_header(lines[at], len(hunks) + 1), lines, at + 1, path=file.path)
        hunks.append(hunk)
        # Text between two hunks of a page is a reply.
        while lossy and at < len(lines) and not is_hunk_header(lines[at]) and not starts_diff(lines, at):
            at += 1
    if not hunks and any(header.startswith("+++ ") for header in headers):
        raise InputError(f"{file.path}: the diff ends before its first hunk")
    return replace(file, hunks=tuple(hunks)), at


def _read_header(line: str, number: int) -> Hunk:
    """Return a hunk without lines from its header."""
    match = _HUNK.match(line)
    assert match is not None  # noqa: S101 - the caller looked
    old_start, old_count, new_start, new_count = match.groups()
    return Hunk(
        number=number,
        header=line,
        old_start=int(old_start),
        old_count=1 if old_count is None else int(old_count),
        new_start=int(new_start),
        new_count=1 if new_count is None else int(new_count),
    )


def _take_strict(hunk: Hunk, lines: Sequence[str], at: int, *, path: str) -> tuple[Hunk, int]:
    """Give ``hunk`` its lines from ``lines[at]`` on, each counted as its mark says; return where it ends."""
    first, old, new = at, 0, 0
    while (old < hunk.old_count or new < hunk.new_count) and at < len(lines):
        mark = lines[at][:1]
        # Mailers strip trailing blanks, so an empty line is an empty context line; git reads it so, too. The piece
        # after the text's last line feed is no line.
        if mark not in {" ", "+", "-", "\\", ""} or (mark == "" and at == len(lines) - 1):
            break
        old += mark in {" ", "-", ""}
        new += mark in {" ", "+", ""}
        at += 1
    if old != hunk.old_count or new != hunk.new_count:
        raise _misfit(hunk, path, found=(old, new), stopped_at=_text_at(lines, at))
    while at < len(lines) and lines[at].startswith(NO_NEWLINE):
        at += 1
    if at < len(lines) and _goes_on(lines, at):
        raise _misfit(hunk, path, found=None, stopped_at=lines[at])
    return replace(hunk, lines=tuple(lines[first:at])), at


def _goes_on(lines: Sequence[str], at: int) -> bool:
    """Whether ``lines[at]``, behind a hunk that is complete, looks like a further line of it."""
    line = lines[at]
    if line.rstrip() in {"", "--", "---"} or starts_diff(lines, at):
        return False
    return line.startswith(("+", "-", " ", "\t"))


def _take_lossy(hunk: Hunk, lines: Sequence[str], at: int, *, path: str) -> tuple[Hunk, int]:
    """Give ``hunk`` the longest run of lines from ``lines[at]`` on for which some reading fits its counts."""
    end = at
    most = hunk.old_count + hunk.new_count + SPARE_LINES
    while end < len(lines) and end - at < most and not is_hunk_header(lines[end]) and not starts_diff(lines, end):
        end += 1
    if end == len(lines) and end > at and lines[-1] == "":
        end -= 1
    whole = replace(hunk, lines=tuple(lines[at:end]))
    length = _longest_fit(whole)
    if length or _has_too_many(whole):
        # What stands behind may belong to it: a page that wraps long lines, or a reply between them, has lines more.
        kept = min(len(whole.lines), (length or len(whole.lines)) + SPARE_LINES)
        return replace(hunk, lines=whole.lines[:kept]), at + (length or kept)
    plus, minus, other = whole.tally(len(whole.lines))
    raise _misfit(hunk, path, found=(other + minus, other + plus), stopped_at=_text_at(lines, end))


def _has_too_many(hunk: Hunk) -> bool:
    """Whether a hunk for whose lines no choice fits has all its changes, and more lines without a mark than it should."""
    plus, minus, other = hunk.tally(len(hunk.lines))
    return plus - minus == hunk.new_count - hunk.old_count and other + minus > hunk.old_count


def _longest_fit(hunk: Hunk) -> int:
    """Return the greatest number of lines for which :meth:`Hunk.flips` finds a choice, 0 for none; in linear time."""
    plus = minus = other = best = 0
    for length, line in enumerate(hunk.lines, start=1):
        if not line.startswith(NO_NEWLINE):
            plus += line.startswith("+")
            minus += line.startswith("-")
            other += not line.startswith(("+", "-"))
        if 0 <= hunk.old_count - other - minus <= plus and 0 <= hunk.new_count - other - plus <= minus:
            best = length
    return best


def _text_at(lines: Sequence[str], at: int) -> str | None:
    """Return the line at which a hunk broke off, None where nothing comes any more."""
    return lines[at] if any(line.strip() for line in lines[at:]) else None


def _misfit(hunk: Hunk, path: str, *, found: tuple[int, int] | None, stopped_at: str | None) -> InputError:
    """Return the error for a hunk whose lines do not fit its counts; ``found`` None says that there are too many."""
    header = f"its header says {hunk.old_count} old and {hunk.new_count} new lines"
    place = f"{path}: hunk {hunk.number}"
    if found is None:
        return InputError(f"{place} has more lines than its counts say: {header}, then comes {stopped_at!r}")
    lines = f"{header}, but there are {found[0]} old and {found[1]} new lines"
    if stopped_at is None:
        message = f"{place} is truncated: {lines} before the end"
    else:
        message = f"{place} does not fit its counts: {lines} before {stopped_at!r}"
    return InputError(
        message,
        hint="get the patch again, as raw mail if there is one (an archive may have cut it)",
        evidence=Evidence(last_lines=(hunk.header,)),
    )


def _describe_file(headers: Sequence[str]) -> FileDiff:
    """Return a file without hunks from its header lines; raises :class:`InputError` for unsafe ones."""
    named = {key: line[len(key) :] for line in headers for key in _NAMING if line.startswith(key)}
    old_name, new_name = _git_names(headers[0])
    old = _path_of(named["--- "]) if "--- " in named else old_name
    new = _path_of(named["+++ "]) if "+++ " in named else new_name
    old = check_path(_unquote(named["rename from "])) if "rename from " in named else old
    new = check_path(_unquote(named["rename to "])) if "rename to " in named else new
    index = next((match for line in headers if (match := _INDEX.match(line))), None)
    mode = named.get("new file mode ") or named.get("new mode ")
    modes = {mode, named.get("old mode "), named.get("deleted file mode "), index and index.group(2)}
    path = new or old or "?"
    if "160000" in modes:
        raise InputError(f"{path}: a submodule change is not supported")
    if "copy from " in named:
        raise InputError(f"{path}: a copy is not supported", hint="make the patch without -C")
    return FileDiff(
        old_path=None if "new file mode " in named else old,
        new_path=None if "deleted file mode " in named else new,
        headers=tuple(headers),
        old_blob=index.group(1) if index else None,
        new_mode=mode,
    )


_NAMING = (
    "--- ",
    "+++ ",
    "rename from ",
    "rename to ",
    "copy from ",
    "new file mode ",
    "deleted file mode ",
    "old mode ",
    "new mode ",
)


def _git_names(line: str) -> tuple[str | None, str | None]:
    """Return the two paths of a ``diff --git`` line (None, None when it is no such line).

    The line has no separator but a blank; where a path holds blanks both halves are the same path, so the middle is it.
    """
    if not line.startswith(_GIT):
        return None, None
    rest = line[len(_GIT) :].rstrip()
    words = re.findall(r'"(?:\\.|[^"\\])*"|\S+', rest)
    if len(words) != 2:
        middle = len(rest) // 2
        words = [rest[:middle], rest[middle + 1 :]]
    return _path_of(words[0]), _path_of(words[1])


def _path_of(name: str) -> str | None:
    """Return the path inside the tree that a name like ``a/mm/zswap.c`` means, None for /dev/null.

    Raises :class:`InputError` when it is no path inside the tree.
    """
    bare = _unquote(name.partition("\t")[0].rstrip())
    if bare == DEV_NULL:
        return None
    if bare.startswith("/"):
        raise InputError(f"unsafe path {bare!r}: it is absolute", hint="make the patch with git diff")
    check_path(bare)
    return bare.partition("/")[2] or bare


def check_path(path: str) -> str:
    """Return ``path`` if it stays inside the tree and out of .git; :class:`InputError` else."""
    parts = path.split("/")
    if path.startswith("/"):
        raise InputError(f"unsafe path {path!r}: it is absolute")
    if ".." in parts:
        raise InputError(f"unsafe path {path!r}: it leads out of the tree")
    if any(part.lower().rstrip(". ").partition("~")[0].partition(":")[0] == ".git" for part in parts):
        raise InputError(f"unsafe path {path!r}: it leads into .git")
    if any(part in {"", "."} for part in parts) or any(ord(char) < 32 for char in path):
        raise InputError(f"unsafe path {path!r}: it is not a plain relative path")
    return path


def _unquote(name: str) -> str:
    """Return a name without git's C-style quotes."""
    if not (len(name) > 1 and name.startswith('"') and name.endswith('"')):
        return name
    plain = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}

    def replaced(match: re.Match[str]) -> str:
        code = match.group(1)
        return chr(int(code, 8)) if len(code) == 3 else plain.get(code, code)

    return _OCTAL.sub(replaced, name[1:-1]).encode("latin-1", "replace").decode("utf-8", "surrogateescape")
