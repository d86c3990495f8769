"""RUN RECORD → each patch's diff with, beside its added lines, what became of them in the run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from orchestrator.errors import InputError
from orchestrator.model.coverage import CoveredLine, LineState
from orchestrator.model.diff import FileDiff, Hunk, is_hunk_header, read_diff
from orchestrator.model.run import RunRecord

STYLES = {LineState.EXECUTED: "ran", LineState.MISSED: "missed", LineState.NOT_COMPILED: "absent"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a diff: ``kind`` is a class of the style sheet, ``said`` what became of it, "" where there is nothing."""

    kind: str
    text: str
    said: str = ""
    state: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchView:
    """One patch: its subject, its lines (``left_out`` more are not shown), and where the diff comes from."""

    index: int
    subject: str
    source: str
    lines: tuple[Line, ...]
    left_out: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchesView:
    """All patches; ``loose`` are covered lines that stand in none of the diffs as they are shown."""

    patches: tuple[PatchView, ...]
    loose: tuple[CoveredLine, ...]


class _Ledger:
    """Hands each covered line out once, to the added line of a diff that it is: by path and text, then by place.

    Line numbers of an early patch are not those of the patched tree, and an archive may have folded white space: what
    both have is the words.
    """

    def __init__(self, lines: Iterable[CoveredLine]) -> None:
        self._left: defaultdict[tuple[str, str], list[CoveredLine]] = defaultdict(list)
        for line in lines:
            self._left[line.path, _words(line.text)].append(line)

    def take(self, path: str, text: str, near: int) -> CoveredLine | None:
        found = self._left.get((path, _words(text)))
        if not found:
            return None
        best = min(found, key=lambda line: abs(line.line - near))
        found.remove(best)
        return best

    def rest(self) -> tuple[CoveredLine, ...]:
        left = (line for lines in self._left.values() for line in lines)
        return tuple(sorted(left, key=lambda line: (line.path, line.line)))


def patches_view(record: RunRecord, diffs: Mapping[int, str], most: int) -> PatchesView:
    """Return the patches' diffs, as applied where the folder has them; at most ``most`` lines of all."""
    ledger = _Ledger(record.coverage.lines if record.coverage else ())
    shifts = _shifts(record)
    views = []
    room = most
    for patch in record.series.patches:
        applied = diffs.get(patch.index)
        lines = _lines(applied if applied is not None else patch.diff, ledger, {} if applied else shifts)
        if applied is not None:
            source = "as it was applied to base"
        else:
            source = "as the mail has it" + (", white space folded by an archive" if patch.lossy else "")
        shown = tuple(lines[:room])
        room -= len(shown)
        views.append(
            PatchView(
                index=patch.index, subject=patch.subject, source=source, lines=shown, left_out=len(lines) - len(shown)
            )
        )
    return PatchesView(patches=tuple(views), loose=ledger.rest())


def _shifts(record: RunRecord) -> Mapping[tuple[str, int], int]:
    return {(hunk.path, hunk.hunk): hunk.offset for patch in record.trees.applied for hunk in patch.hunks}


def _lines(diff: str, ledger: _Ledger, shifts: Mapping[tuple[str, int], int]) -> list[Line]:
    try:
        files = read_diff(diff)
    except InputError:
        files = ()
    if not files:
        return list(_lossy_lines(diff.rstrip("\n").split("\n"), ledger))
    return [line for file in files for line in _file_lines(file, ledger, shifts)]


def _lossy_lines(lines: Iterable[str], ledger: _Ledger) -> Iterable[Line]:
    """Yield the lines of a diff that is not what its headers say, as they are."""
    path, at, in_hunk = "", 0, False
    for text in lines:
        if text.startswith(("diff --git ", "--- a/", "+++ b/", "index ")) or (not in_hunk and not is_hunk_header(text)):
            path, in_hunk = (text[6:], False) if text.startswith("+++ b/") else (path, False)
            yield Line(kind="d-head", text=text)
        elif is_hunk_header(text):
            in_hunk, at = True, int(text.partition("+")[2].partition(" ")[0].partition(",")[0])
            yield Line(kind="d-hunk", text=text)
        else:
            yield _hunk_line(path, text, at, ledger)
            at += not text.startswith("-")


def _file_lines(file: FileDiff, ledger: _Ledger, shifts: Mapping[tuple[str, int], int]) -> Iterable[Line]:
    for header in file.headers:
        yield Line(kind="d-head", text=header)
    for hunk in file.hunks:
        yield Line(kind="d-hunk", text=hunk.header)
        yield from _hunk_lines(file.path, hunk, ledger, shifts.get((file.path, hunk.number), 0))


def _hunk_lines(path: str, hunk: Hunk, ledger: _Ledger, shift: int) -> Iterable[Line]:
    at = hunk.new_start + shift
    for text in hunk.lines:
        yield _hunk_line(path, text, at, ledger)
        at += not text.startswith(("-", "\\"))


def _hunk_line(path: str, text: str, at: int, ledger: _Ledger) -> Line:
    found = ledger.take(path, text[1:], at) if text.startswith("+") else None
    if found is not None:
        return Line(kind="d-add", text=text, said=_said(found), state=STYLES[found.state])
    return Line(kind={"+": "d-add", "-": "d-del"}.get(text[:1], "d-same"), text=text)


def _said(line: CoveredLine) -> str:
    if line.state is not LineState.EXECUTED:
        return "not run" if line.state is LineState.MISSED else "not built"
    return f"{_short(line.calls)}×" if line.calls else "ran"


def _short(number: int) -> str:
    for limit, word in ((10**12, "T"), (10**9, "G"), (10**6, "M"), (10**3, "k")):
        if number >= limit * (10 if word == "k" else 1):
            return f"{number / limit:.0f}{word}" if number >= 100 * limit else f"{number / limit:.3g}{word}"
    return str(number)


def _words(text: str) -> str:
    return "".join(text.split())
