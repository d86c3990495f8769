"""A file with a patch's hunks put in by content instead of by position and white space. Pure: values in, values out.

Every hunk's context and removed lines are matched with white space folded; the file's own lines stay as they are, so
its white space comes back by itself. Added lines of a lossy patch get the indentation that their place calls for
(:mod:`orchestrator.tree.indent`), or that of the line which they replace where that one has a style of its own.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from orchestrator.errors import Evidence
from orchestrator.model.diff import NO_NEWLINE, FileDiff, Hunk
from orchestrator.model.tree import HunkPlacement, Quality
from orchestrator.tree.indent import Tracker, blanks, column_of
from orchestrator.tree.margin import stand_at_margin
from orchestrator.tree.mend import NARROWEST, Known, hides_a_piece, may_go_on, mended_versions
from orchestrator.tree.place import Misfits, Place, Text, occurrences, place_hunks
from orchestrator.tree.readings import Kind, Line, Reading, fold, possible_readings, strict_reading
from orchestrator.tree.report import DoesNotApply, explain_misfit
from orchestrator.tree.score import LEAST_HUNK, score_hunk

C_SUFFIXES = (".c", ".h", ".S", ".lds", ".y", ".l")
"""Files whose indentation is only style. Elsewhere (make, Python) it has a meaning, and a guess could change it."""

SIMILAR = 0.6


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """A file's new text, None where the patch removes the file, and where each hunk went.

    ``sizes`` are the hunks' numbers of lines, the weights of their scores.
    """

    text: str | None
    placements: tuple[HunkPlacement, ...]
    sizes: tuple[int, ...] = ()


def recover_file(base: str | None, diff: FileDiff, *, lossy: bool, exact: bool = False) -> Recovered:
    """Return what ``diff`` makes of the text ``base`` (None: there is no such file).

    ``exact`` says that ``base`` is the very file the patch was made from, so the hunks' line numbers are right.
    Raises :class:`DoesNotApply` naming the hunk when it fits nowhere or at several places, with those places.
    """
    if base is None and diff.old_path is not None:
        raise DoesNotApply(f"{diff.path}: the base has no such file")
    if base is not None and diff.old_path is None:
        raise DoesNotApply(f"{diff.path}: the patch adds this file, but the base has one")
    lines, ends_with_feed = _split(base or "")
    known = Known(lines)
    text = Text(lines)
    readings = [(hunk, _readings(hunk, known, text, lossy=lossy)) for hunk in diff.hunks]
    if base is None:
        return _new_file(diff, [tuple(ways) for _, ways in readings], lossy=lossy)
    try:
        places = place_hunks(text, [(hunk, tuple(ways)) for hunk, ways in readings], exact=exact)
    except Misfits as misfits:
        raise explain_misfit(misfits.why, lines, diff=diff, lossy=lossy) from misfits
    for place, (hunk, ways) in zip(places, readings, strict=True):
        if lossy:
            _refuse_pieces(diff, place, hunk.lines[ways[place.reading] :], lines)
    _refuse_guessing(diff, places, lines, lossy=lossy)
    new = list(_Writer(lines, lossy=lossy, in_c=diff.path.endswith(C_SUFFIXES)).write(places))
    if diff.new_path is None and new:
        raise DoesNotApply(f"{diff.path}: the patch removes this file, but the base's has {len(new)} other lines")
    if lossy and diff.new_path is not None:
        _refuse_open_ends(diff, lines, new)
    feed = _ends_with_feed(places, len(lines), before=ends_with_feed)
    return Recovered(
        text=None if diff.new_path is None else "\n".join(new) + ("\n" if feed and new else ""),
        placements=tuple(_placement(diff, place, lines, lossy=lossy) for place in places),
        sizes=tuple(len(place.reading) for place in places),
    )


def is_present(base: str | None, diff: FileDiff, *, lossy: bool) -> bool:
    """Whether the text ``base`` is what ``diff`` would make of another one, white space aside."""
    if base is None or diff.new_path is None:
        return base is None and diff.new_path is None
    lines, _ = _split(base)
    known = Known(lines)
    text = Text(lines)
    for hunk in diff.hunks:
        readings = possible_readings(hunk, known.whole) if lossy else (strict_reading(hunk),)
        if not any(_stands(text, reading) for reading in readings):
            return False
    return bool(diff.hunks)


def _stands(text: Text, reading: Reading) -> bool:
    """Whether what a reading makes is there, once, and what it changes is not."""
    old = [fold(line.text) for line in reading if line.is_old]
    new = [fold(line.text) for line in reading if line.kind is not Kind.REMOVED]
    return old != new and len(occurrences(text, new)) == 1 and not occurrences(text, old)


def _readings(hunk: Hunk, known: Known, text: Text, *, lossy: bool) -> dict[Reading, int]:
    """Return all readings of a hunk, as it stands and as it was before its page wrapped, cut or filled it.

    With each comes how many of the page's lines it takes. What was mended has to be in the file as a whole: fuzz on top
    would be a guess at a guess.
    """
    if not lossy:
        return {strict_reading(hunk): len(hunk.lines)}
    found = {reading: len(reading) for reading in possible_readings(hunk, known.whole)}
    for version in mended_versions(hunk, known):
        for reading in possible_readings(version.hunk, known.whole, mended=version.at, whole=True):
            if occurrences(text, [fold(line.text) for line in reading if line.is_old]):
                found.setdefault(reading, version.ends[-1])
    return found


def _refuse_pieces(diff: FileDiff, place: Place, behind: Sequence[str], lines: Sequence[str]) -> None:
    """Refuse where lines of the hunk may have been taken for something else; ``behind`` are those that it did not take.

    That is an added line's rest for context, or somebody's words for added lines.
    """
    name = f"{diff.path}: hunk {place.hunk.number} ({place.hunk.header})"
    hint = "get the patch again, as raw mail"
    left_over = _left_over(place, behind, lines)
    if left_over is not None and left_over.startswith(("+", "-")):
        raise DoesNotApply(f"{name}: its counts leave out {left_over!r}; what stands between its lines?", hint=hint)
    at = hides_a_piece(place.reading, place.missed_at)
    if at is None and _goes_on_behind(place.reading, behind):
        at = len(place.reading) - 1
    if at is None and left_over is not None:
        at = _wrapped_line(place.reading)
    if at is not None:
        text = place.reading[at].text.strip()
        raise DoesNotApply(
            f"{name}: the line behind the added line {text!r} may be its rest, wrapped by the page", hint=hint
        )


def _goes_on_behind(reading: Reading, behind: Sequence[str]) -> bool:
    """Whether what stands right behind a hunk may be the rest of the added line that ends it."""
    is_rest = bool(behind) and behind[0].strip() not in {"", "--"} and not behind[0].startswith(NO_NEWLINE)
    return is_rest and reading[-1].kind is Kind.ADDED and may_go_on(f"+{reading[-1].text}", behind[0])


def _wrapped_line(reading: Reading) -> int | None:
    """Return the number of an added line that may have been wrapped, None where none may."""
    for nr, (line, behind) in enumerate(itertools.pairwise(reading)):
        is_pair = line.kind is Kind.ADDED and behind.kind is Kind.CONTEXT
        if is_pair and may_go_on(f"+{line.text}", behind.text):
            return nr
    return None


def _left_over(place: Place, behind: Sequence[str], lines: Sequence[str]) -> str | None:
    """Return a line behind the hunk that seems to be its own: with a mark, or the file's next line; None where none does.

    Right behind it every such line counts; further off those with a mark, where the hunk holds what the file does not have.
    """
    marked = [line for line in behind if line.startswith(("+", "-")) and line.rstrip() not in {"--", "---"}]
    if marked and (place.missed or behind[0] == marked[0]):
        return marked[0]
    is_next = bool(behind and behind[0].strip() and place.end < len(lines))
    return behind[0] if is_next and fold(behind[0]) == fold(lines[place.end]) else None


def _refuse_open_ends(diff: FileDiff, old: Sequence[str], new: Sequence[str]) -> None:
    """Refuse where the longest line of the page is an added one, and with it brackets stay open: it was cut."""
    lengths = [(len(line), line.startswith("+")) for hunk in diff.hunks for line in hunk.lines]
    widest = max((length for length, _ in lengths), default=0)
    if widest < NARROWEST or not any(length == widest and is_added for length, is_added in lengths):
        return
    if diff.path.endswith(C_SUFFIXES) and _open_at_end(old) != _open_at_end(new):
        raise DoesNotApply(
            f"{diff.path}: with this patch brackets stay open, and the page may have cut its longest line",
            hint="get the patch again, as raw mail",
        )


def _open_at_end(lines: Sequence[str]) -> tuple[int, bool]:
    tracker = Tracker()
    for line in lines:
        tracker.feed(line)
    return len(tracker.levels), tracker.comment is not None


def _split(text: str) -> tuple[list[str], bool]:
    """Return a text's lines and whether the last one ends with a line feed."""
    if not text:
        return [], True
    return text.removesuffix("\n").split("\n"), text.endswith("\n")


def _ends_with_feed(places: Sequence[Place], length: int, *, before: bool) -> bool:
    """Whether the new file ends with a line feed: as the patch says where it touches the end, else as before."""
    if not places or places[-1].end < length:
        return before
    kept = [line for line in places[-1].reading if line.kind is not Kind.REMOVED]
    marked = any(line.ends_file for line in places[-1].reading)
    return not kept[-1].ends_file if marked and kept else before


def _new_file(diff: FileDiff, readings: Sequence[Sequence[Reading]], *, lossy: bool) -> Recovered:
    """Return a file that the patch adds: there is nothing to be matched, and nothing may be asked for."""
    added: list[Line] = []
    for hunk, ways in zip(diff.hunks, readings, strict=True):
        if len(ways) != 1 or any(line.is_old for line in ways[0]):
            raise DoesNotApply(f"{diff.path}: hunk {hunk.number} of a new file has lines that are not added")
        if lossy and _goes_on_behind(ways[0], hunk.lines[len(ways[0]) :]):
            raise DoesNotApply(
                f"{diff.path}: the last line of hunk {hunk.number} may go on in the next, wrapped by the page"
            )
        added += ways[0]
    if lossy and added and not diff.path.endswith(C_SUFFIXES):
        raise _meaningful(diff)
    tracker = Tracker()
    lines = []
    for line in added:
        lines.append(_indented(line.text, tracker.predict(line.text.strip())) if lossy else line.text)
        tracker.feed(lines[-1])
    if lossy:
        _refuse_open_ends(diff, [], lines)
    feed = not (added and added[-1].ends_file)
    return Recovered(text="\n".join(lines) + ("\n" if feed and lines else ""), placements=())


def _refuse_guessing(diff: FileDiff, places: Sequence[Place], lines: Sequence[str], *, lossy: bool) -> None:
    """Refuse to guess the indentation of added lines where it has a meaning."""
    if not lossy or diff.path.endswith(C_SUFFIXES):
        return
    for place in places:
        around = [line for line in lines[max(0, place.start - 1) : place.end + 1] if line.strip()]
        added = [line.text for line in place.reading if line.kind is Kind.ADDED and line.text.strip()]
        if not stand_at_margin(added, around):
            raise _meaningful(diff)


def _meaningful(diff: FileDiff) -> DoesNotApply:
    return DoesNotApply(
        f"{diff.path}: the indentation of the added lines is lost, and in such a file it has a meaning",
        hint="get the raw mail; an archived page keeps too little of this patch",
    )


def _indented(text: str, column: int) -> str:
    """Return a lossy line with its indentation; one that kept a tab kept it all."""
    if text.startswith("\t"):
        return text.rstrip()
    bare = text.strip()
    return blanks(column) + bare if bare else ""


class _Writer:
    """Writes the new file line by line, following old and new text with a tracker each.

    Where the text is not ``in_c`` all is at column 0, or :func:`_refuse_guessing` would have refused.
    """

    def __init__(self, lines: Sequence[str], *, lossy: bool, in_c: bool) -> None:
        self.lines = lines
        self.lossy = lossy
        self.in_c = in_c
        self.old = Tracker()
        self.new = Tracker()

    def write(self, places: Sequence[Place]) -> Iterator[str]:
        """Yield the new file's lines with all hunks of ``places`` put in."""
        at = 0
        for place in places:
            self._skim(at, place.core_at)
            yield from self.lines[at : place.core_at]
            at = place.core_at
            for removed, added, kept in _clusters(place.core.of(place.reading)):
                donors = [self._remove(self.lines[at + nr]) for nr in range(len(removed))]
                at += len(removed)
                yield from self._add(added, removed, donors)
                for line in self.lines[at : at + kept]:
                    self._follow(line)
                    yield line
                at += kept
        yield from self.lines[at:]

    def _skim(self, start: int, end: int) -> None:
        """Follow the file's lines up to ``end``; from the last function's end, where nothing before matters."""
        if not self.lossy:
            return
        for at in range(end - 1, start, -1):
            if self.lines[at].startswith("}"):
                self.old, self.new, start = Tracker(), Tracker(), at + 1
                break
        for line in self.lines[start:end]:
            self._follow(line)

    def _follow(self, line: str) -> None:
        if self.lossy:
            self.old.feed(line)
            self.new.feed(line)

    def _remove(self, line: str) -> int | None:
        """Take a removed line; returns the column that it can pass on: None where it has the one foretold."""
        foretold = self.old.predict(line.strip())
        self.old.feed(line)
        return None if column_of(line) == foretold else column_of(line)

    def _add(self, added: Sequence[Line], removed: Sequence[Line], donors: Sequence[int | None]) -> Iterator[str]:
        """Yield added lines with their indentation."""
        pairs = _pairs(removed, added)
        for nr, line in enumerate(added):
            if self.lossy:
                foretold = self.new.predict(line.text.strip()) if self.in_c else 0
                passed_on = donors[pairs[nr]] if nr in pairs else None
                text = _indented(line.text, foretold if passed_on is None else passed_on)
                self.new.feed(text)
            else:
                text = line.text
            yield text


def _clusters(core: Sequence[Line]) -> Iterator[tuple[list[Line], list[Line], int]]:
    """Yield (removed, added, number of context lines behind them) over the core of a hunk."""
    at = 0
    while at < len(core):
        removed: list[Line] = []
        added: list[Line] = []
        kept = 0
        while at < len(core) and core[at].kind is not Kind.CONTEXT:
            # Removed lines behind added ones stand at another place: a cluster of their own.
            if core[at].kind is Kind.REMOVED and added:
                break
            (removed if core[at].kind is Kind.REMOVED else added).append(core[at])
            at += 1
        while at < len(core) and core[at].kind is Kind.CONTEXT:
            kept += 1
            at += 1
        yield removed, added, kept


def _pairs(removed: Sequence[Line], added: Sequence[Line]) -> dict[int, int]:
    """Return which removed line (value) each added one (key) replaces, by order where they are as many, else by text.

    A pair with the same text is none: the change was the white space itself.
    """
    old = [fold(line.text) for line in removed]
    new = [fold(line.text) for line in added]
    if len(old) == len(new):
        return {nr: nr for nr in range(len(new)) if old[nr] != new[nr]}
    pairs: dict[int, int] = {}
    first = 0
    for nr, text in enumerate(new):
        scored = [(SequenceMatcher(None, old[at], text, autojunk=False).ratio(), -at) for at in range(first, len(old))]
        score, at = max(scored, default=(0.0, 0))
        if score >= SIMILAR:
            first = 1 - at
            if old[-at] != text:
                pairs[nr] = -at
    return pairs


def _placement(diff: FileDiff, place: Place, lines: Sequence[str], *, lossy: bool) -> HunkPlacement:
    """Return the record of where a hunk went and how well it fitted; refuse one that hardly did."""
    score = score_hunk(place, lines, lossy=lossy)
    placement = HunkPlacement(
        path=diff.path,
        hunk=place.hunk.number,
        line=max(place.line, 1),
        offset=place.offset,
        quality=_quality(place, lines),
        fuzz=len(place.missed),
        missed=place.missed,
        recovered=sum(line.mended for line in place.reading),
        score=score,
    )
    if score < LEAST_HUNK:
        raise DoesNotApply(
            f"{diff.path}: hunk {place.hunk.number} ({place.hunk.header}) fits line {placement.line} with a score of "
            f"{score:.2f} only; from {LEAST_HUNK:.2f} on it would be believed",
            hint="get the patch again, as raw mail, or choose the base that it was made for with --base",
            evidence=Evidence(last_lines=("the best try:", *_tried(place))),
        )
    return placement


def _tried(place: Place) -> Iterator[str]:
    """Yield a hunk as it was read, with a question mark at what the file does not have."""
    marks = {Kind.CONTEXT: " ", Kind.ADDED: "+", Kind.REMOVED: "-"}
    for at, line in enumerate(place.reading):
        yield f"{'?' if at in place.missed_at else marks[line.kind]}{line.text}"


def _quality(place: Place, lines: Sequence[str]) -> Quality:
    if place.missed:
        return Quality.FUZZ
    old = [line.text for line in place.reading if line.is_old]
    return Quality.EXACT if old == list(lines[place.start : place.end]) else Quality.WHITESPACE
