"""INPUT → SERIES: what the rest of the program asks of intake."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field, replace
from pathlib import Path

from orchestrator.errors import Evidence, InputError, UserError
from orchestrator.host.deadline import Cancellation
from orchestrator.intake.assemble import assemble
from orchestrator.intake.git_range import read_range
from orchestrator.intake.item import Item
from orchestrator.intake.sources import Found, read_inputs
from orchestrator.intake.threads import Posting, Topic, unique
from orchestrator.intake.topics import find_topics
from orchestrator.intake.trust import Keys, check_signatures, require_signatures
from orchestrator.model.series import Series

LISTED = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the user asks for. ``inputs`` are paths, ``-``, message ids or links.

    ``pick`` chooses one of several series: its number in the list, a message id in it, or words of its title. ``keys`` None leaves signatures unchecked.
    """

    inputs: tuple[str, ...] = ()
    git_range: str | None = None
    tree: Path = field(default_factory=Path)
    version: int | None = None
    partial: bool = False
    pick: str | None = None
    require_signature: bool = False
    keys: Keys | None = None

    @property
    def source(self) -> str:
        """What the patches are read from, in words; files by their whole paths."""
        if self.git_range is not None:
            return f"{self.git_range} in {self.tree.resolve()}"
        return ", ".join(str(Path(word).resolve()) if Path(word).exists() else word for word in self.inputs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What an input holds: its topics, and all that a series of them needs; ``items`` has each message once."""

    topics: tuple[Topic, ...]
    found: Found
    items: tuple[Item, ...]
    source: str
    notes: tuple[str, ...] = ()


def read_series(*inputs: str | Path, wanted: Wanted | None = None, cancellation: Cancellation | None = None) -> Series:
    """Return the series in the inputs (those of ``wanted`` where it is given), fit to be tested.

    Raises :class:`InputError`: nothing usable there (with what was found instead), truncated, too large, not text,
    unsafe, several series and none picked, parts missing without ``partial``; :class:`UserError` for what was asked.
    """
    asked = wanted or Wanted(inputs=tuple(str(word) for word in inputs))
    return testable_series_of(survey(asked, cancellation=cancellation or Cancellation()), asked)


def testable_series_of(found: Survey, wanted: Wanted) -> Series:
    """Return the series that is wanted, as :func:`series_of`; one with missing parts only where that was asked for.

    Raises :class:`InputError` that names them.
    """
    series = series_of(found, wanted)
    if series.missing and not series.alone and not wanted.partial:
        raise InputError(
            f"of the {series.total} parts of {series.title!r} the input does not hold {spans(series.missing)}",
            hint="get the whole thread, or go on with what is there: --partial",
        )
    return series


def survey(wanted: Wanted, *, cancellation: Cancellation) -> Survey:
    """Return all that the inputs hold. Raises :class:`InputError` when that is no patch."""
    if wanted.git_range is not None:
        if wanted.inputs:
            raise UserError("--git takes the patches from a git tree: it goes with no other input")
        found = read_range(wanted.tree, wanted.git_range, cancellation=cancellation)
        source = f"{wanted.git_range} in {wanted.tree}"
    else:
        if not wanted.inputs:
            raise UserError("which patches? Give a mail, a folder, a message id, or --git RANGE")
        found = read_inputs(wanted.inputs, newer=wanted.version is None, cancellation=cancellation)
        source = ", ".join(wanted.inputs)
    items, notes = unique(found.items)
    topics = find_topics(items)
    if not topics:
        topics, said = _from_answers(items)
        notes += said
    if not topics:
        raise _no_patch(source, found)
    return Survey(topics=topics, found=found, items=tuple(items), source=source, notes=tuple(notes))


def series_of(found: Survey, wanted: Wanted) -> Series:
    """Return the series that is wanted, its signatures checked; missing parts are only named.

    Raises :class:`InputError` when there are several and none is picked, or when it cannot be put together.
    """
    topic = pick_topic(found, wanted.pick)
    series = assemble(
        topic,
        form=found.found.form,
        source=found.source,
        version=wanted.version,
        messages=len(found.items),
    )
    series = replace(series, notes=(*found.notes, *series.notes))
    series = check_signatures(series, found.items, wanted.keys)
    if wanted.require_signature:
        require_signatures(series)
    return series


def others_of(found: Survey, wanted: Wanted) -> tuple[Series, ...]:
    """Return the other series of the input, as far as they can be put together: what is wanted may build on them."""
    taken = pick_topic(found, wanted.pick)
    others = []
    for topic in found.topics:
        if topic is not taken:
            with contextlib.suppress(InputError):
                others.append(assemble(topic, form=found.found.form, source=found.source))
    return tuple(others)


def pick_topic(found: Survey, pick: str | None) -> Topic:
    """Return the topic that ``pick`` means; without it the only one, or the one of the message that was asked for."""
    topics = found.topics
    asked = pick or found.found.message_id
    if pick is not None and pick.isdecimal() and 1 <= int(pick[:9]) <= len(topics):
        return topics[int(pick) - 1]
    fits = [topic for topic in topics if asked is not None and _means(topic, asked)]
    if len(fits) == 1:
        return fits[0]
    if pick is not None and not fits:
        raise _several(topics, f"none of the {len(topics)} series is what --pick {pick!r} says")
    if len(topics) == 1:
        return topics[0]
    raise _several(fits or topics, f"the input holds {len(fits or topics)} series{' of that name' if fits else ''}")


def _means(topic: Topic, asked: str) -> bool:
    ids = {item.envelope.message_id for posting in topic.postings for item in posting.messages}
    ids |= {item.envelope.message_id for item in topic.answers}
    bare = asked.strip("<>")
    titles = [item.envelope.subject.title.lower() for posting in topic.postings for item in posting.messages]
    return bare in ids or ("@" not in bare and any(bare.lower() in title for title in titles))


def _several(topics: tuple[Topic, ...] | list[Topic], what: str) -> InputError:
    listed = [f"{nr}  {topic.title}" for nr, topic in enumerate(topics[:LISTED], start=1)]
    if len(topics) > LISTED:
        listed.append(f"... and {len(topics) - LISTED} more")
    return InputError(
        what,
        hint="orchestrator series lists them; choose with --pick NUMBER, a message id, or words of the title",
        evidence=Evidence(last_lines=tuple(listed)),
    )


def _from_answers(items: list[Item]) -> tuple[tuple[Topic, ...], list[str]]:
    """Return what there is when no message is there for its patch: diffs in answers, else patches that they quote."""
    notes: list[str] = []
    own = [item for item in items if item.parts]
    if own:
        notes.append("no message is a patch by its subject: the diffs in answers were taken")
    chosen = own or [replace(item, parts=item.quoted) for item in items if item.quoted]
    if not chosen:
        for item in items:
            if fault := item.fault or item.quote_fault:
                raise fault
        return (), []
    kept: dict[object, Item] = {}
    for item in chosen:
        subject = item.envelope.subject
        kept.setdefault((subject.key, subject.version, subject.index), item)
    if len(kept) < len(chosen):
        notes.append(f"{len(chosen)} answers bring a patch: of those about the same one the first was taken")
    groups: dict[object, list[Item]] = {}
    for item in kept.values():
        subject = item.envelope.subject
        key = (subject.version, subject.total) if subject.index else (subject.key, subject.version)
        groups.setdefault(key, []).append(item)
    topics = tuple(
        Topic(postings=[Posting(version=group[0].envelope.subject.version, items=group)], answers=[])
        for group in groups.values()
    )
    return topics, notes


def spans(numbers: tuple[int, ...]) -> str:
    """Return numbers in words: ``1, 3-6``."""
    out: list[list[int]] = []
    for number in numbers:
        if out and out[-1][-1] == number - 1:
            out[-1][1:] = [number]
        else:
            out.append([number])
    return ", ".join("-".join(str(end) for end in span) for span in out)


def _no_patch(source: str, found: Found) -> InputError:
    """Return the error that says what was found where a patch was looked for."""
    items = found.items
    size = sum(len(document.data) for document in found.documents)
    titles = [item.envelope.subject.title for item in items if item.envelope.subject.title]
    if not size:
        what = "it is empty"
    elif titles:
        shown = ", ".join(repr(title) for title in titles[:5]) + (", ..." if len(titles) > 5 else "")
        what = f"{len(items)} mail{'s' if len(items) != 1 else ''} without a diff: {shown}"
    else:
        lines = sum(item.text.count("\n") for item in items)
        what = f"{size} bytes of text in {lines} lines, no diff and no mail header"
    first = next((line for item in items for line in item.text.splitlines() if line.strip()), "")
    return InputError(
        f"no patch in {source}: {what}",
        hint="give the mail that carries the patch (a cover letter or an answer without the diff is not enough)",
        evidence=Evidence(last_lines=(f"it begins: {first[:100]}",) if first else ()),
    )
