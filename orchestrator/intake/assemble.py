"""A topic to a series: which version, its parts in order, what is missing, what was replaced. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from orchestrator.errors import InputError
from orchestrator.intake.answers import Answers
from orchestrator.intake.dates import iso_utc
from orchestrator.intake.hints import base_commit, change_id, earlier_versions, prerequisites
from orchestrator.intake.item import Envelope, Item, Part
from orchestrator.intake.subject import Subject
from orchestrator.intake.threads import Posting, Topic
from orchestrator.model.series import Form, Message, Patch, Series

MOST_PARTS = 1000
"""Parts of a series; the number is a stranger's, and a list is made of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Numbered:
    """A patch with its place in the series, and the message that it came in."""

    index: int
    total: int
    part: Part
    item: Item
    version: int

    @property
    def sender(self) -> str:
        """Who sent the patch: of a reply that quotes it, its author as far as is known."""
        return self.part.author if self.item.quoted else self.item.envelope.author

    @property
    def sent(self) -> str | None:
        """When it was sent, ISO 8601."""
        quoted = iso_utc(self.part.date) if self.item.quoted else None
        return quoted or self.item.envelope.sent


def assemble(topic: Topic, *, form: Form, source: str, version: int | None = None, messages: int = 0) -> Series:
    """Return the series that ``topic`` makes: ``version``, else its newest, in order.

    ``messages`` is how many the input has in all: one that is the only one is what to test, though it says 2/6.
    Raises :class:`InputError` when the version is not there, when two different patches claim to be the same part, or
    when a patch of it cannot be read.
    """
    notes: list[str] = []
    posting = _choose(topic, version, notes)
    ordered = _with_rerolls(topic, posting, notes)
    total = max(numbered.total for numbered in ordered)
    present = {numbered.index for numbered in ordered}
    head = _head(topic, posting)
    cover = head.cover
    items = [*([cover] if cover else []), *(numbered.item for numbered in ordered)]
    texts = [*([cover.text] if cover else []), *(numbered.part.text for numbered in ordered)]
    dates = [*([cover.envelope.sent] if cover else []), *(numbered.sent for numbered in ordered)]
    titles = [other.envelope.subject.title for other in head.second_covers]
    notes += [f"a second cover letter, {title!r}, was left out" for title in titles]
    answers = Answers(topic, items, notes)
    notes += _said_of_parts(ordered)
    return Series(
        title=cover.envelope.subject.title if cover else ordered[0].part.subject.title,
        version=posting.version,
        form=form,
        source=source,
        patches=tuple(_patch(numbered, total, posting.version, answers) for numbered in ordered),
        total=total,
        missing=tuple(index for index in range(1, total + 1) if index not in present),
        cover=cover.text if cover else None,
        base_commit=_first(base_commit, texts),
        message_ids=tuple(dict.fromkeys(item.envelope.message_id for item in items if item.envelope.message_id)),
        notes=tuple(dict.fromkeys(notes)),
        alone=messages == 1 and total > 1 and len(ordered) == 1,
        sender=cover.envelope.author if cover else ordered[0].sender,
        sent=min((sent for sent in dates if sent), default=None),
        to=_union([item.envelope.to for item in items]),
        cc=_union([item.envelope.cc for item in items]),
        lists=_union([item.envelope.lists for item in items]),
        tags=_union([item.envelope.subject.tags for item in items]),
        change_id=_first(change_id, texts),
        versions=topic.versions,
        earlier=tuple(dict.fromkeys(found for text in texts for found in earlier_versions(text))),
        prerequisites=prerequisites(texts),
        trailers=answers.to(cover) if cover else (),
        messages=tuple(
            _message(item.envelope, part)
            for part, item in [*([(0, cover)] if cover else []), *((each.index, each.item) for each in ordered)]
            if item.envelope.message_id or item.envelope.to
        ),
    )


def _message(envelope: Envelope, part: int) -> Message:
    return Message(
        part=part,
        subject=envelope.whole_subject,
        sender=envelope.author,
        message_id=envelope.message_id,
        references=tuple(reversed(envelope.parents)),
        to=envelope.to,
        cc=envelope.cc,
        answers_to=envelope.answers_to,
        automatic=envelope.automatic,
    )


def _first(find: Callable[[str], str | None], texts: Sequence[str]) -> str | None:
    return next((found for text in texts if (found := find(text))), None)


def _union(groups: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(entry for group in groups for entry in group))


def _said_of_parts(ordered: Sequence[_Numbered]) -> list[str]:
    """Return the parts' notes; one that several have once, with their number."""
    notes: dict[str, int] = {}
    for numbered in ordered:
        for note in (*numbered.part.notes, *numbered.item.notes):
            notes[note] = notes.get(note, 0) + 1
    return [note if count == 1 else f"{note} ({count} parts)" for note, count in notes.items()]


def _choose(topic: Topic, version: int | None, notes: list[str]) -> Posting:
    """Return the posting of ``version``, else of the newest version; the last one where there are several."""
    newest = topic.versions[-1]
    wanted = newest if version is None else version
    found = [posting for posting in topic.postings if posting.version == wanted]
    if not found:
        there = ", ".join(f"v{known}" for known in topic.versions)
        raise InputError(f"v{wanted} of {topic.title!r} is not in the input", hint=f"--version: there is {there}")
    if version is None and len(topic.versions) > 1:
        there = ", ".join(f"v{known}" for known in topic.versions)
        notes.append(f"versions {there} are there: v{newest} was taken")
    whole = [posting for posting in found if not _replaced_parts(topic, posting)] or found
    if len(whole) > 1:
        _require_same(whole[-2], whole[-1])
        notes.append(f"v{wanted} was sent {len(whole)} times: the last one was taken ({whole[-1].sent or 'no date'})")
    # A re-roll of single parts comes after what it re-rolls.
    rerolls = [posting for posting in found if posting not in whole]
    return rerolls[-1] if rerolls and rerolls[-1].sent >= whole[-1].sent else whole[-1]


def _require_same(one: Posting, other: Posting) -> None:
    """Refuse two postings of one version that are not the same, unless the later one says that it is a resend."""
    resent = any(tag.upper() == "RESEND" for item in other.messages for tag in item.envelope.subject.tags)
    if resent:
        return
    known = {item.envelope.subject.index: item for item in one.items}
    for item in other.items:
        old = known.get(item.envelope.subject.index)
        if old and [part.body.diff for part in old.parts] != [part.body.diff for part in item.parts]:
            subject = item.envelope.subject
            what = f"part {subject.index}/{subject.total}" if subject.index is not None else f"v{subject.version}"
            titles = f"{old.envelope.subject.title!r} and {subject.title!r}"
            raise InputError(f"two different patches claim to be {what}: {titles}", hint="give a file with one of them")


def _head(topic: Topic, posting: Posting) -> Posting:
    """Return the posting that has the cover letter: for a partial re-roll the one whose parts it replaces."""
    seen = {id(posting)}
    while (before := _replaced_parts(topic, posting)) is not None and id(before) not in seen and not posting.cover:
        seen.add(id(before))
        posting = before
    return posting


def _replaced_parts(topic: Topic, posting: Posting) -> Posting | None:
    """Return the posting of which ``posting`` sends some parts again, None when it stands for itself.

    It does when it has no cover letter, not all parts, and each of its messages answers one of the same number.
    """
    if posting.cover or not posting.numbered:
        return None
    for other in reversed(topic.postings):
        if other is posting or other.version > posting.version:
            continue
        parts = {item.envelope.message_id: item.envelope.subject for item in other.items}
        if len(posting.items) < len(other.items) and all(_answers_same_part(item, parts) for item in posting.items):
            return other
    return None


def _answers_same_part(item: Item, parts: Mapping[str | None, Subject]) -> bool:
    mine = item.envelope.subject
    for parent in item.envelope.parents:
        theirs = parts.get(parent)
        if theirs is not None:
            return (theirs.index, theirs.total) == (mine.index, mine.total)
    return False


def _with_rerolls(topic: Topic, posting: Posting, notes: list[str]) -> list[_Numbered]:
    """Return the parts of ``posting``, and of those that it re-rolls where it has none of its own."""
    ordered = _numbered(posting, notes)
    seen = {id(posting)}
    before = _replaced_parts(topic, posting)
    while before is not None and id(before) not in seen:
        seen.add(id(before))
        mine = {numbered.index for numbered in ordered}
        parts = ", ".join(str(index) for index in sorted(mine))
        notes.append(f"v{posting.version} sends only part {parts} again: the others are v{before.version}'s")
        ordered += [numbered for numbered in _numbered(before, notes) if numbered.index not in mine]
        posting, before = before, _replaced_parts(topic, before)
    return sorted(ordered, key=lambda numbered: numbered.index)


def _numbered(posting: Posting, notes: list[str]) -> list[_Numbered]:
    """Return the parts in order: by n/m where all have one, else as they came."""
    for item in posting.items:
        if item.fault is not None:
            raise item.fault
    pairs = [(item, part) for item in posting.items for part in item.parts]
    if any(part.subject.index is None or not part.subject.total for _, part in pairs):
        return [
            _Numbered(index=index, total=len(pairs), part=part, item=item, version=posting.version)
            for index, (item, part) in enumerate(pairs, start=1)
        ]
    totals = sorted({part.subject.total or 0 for _, part in pairs})
    if totals[-1] > MOST_PARTS:
        raise InputError(f"a series of {totals[-1]} parts is not supported: {MOST_PARTS} are the most")
    if len(totals) > 1:
        said = ", ".join(str(total) for total in totals)
        notes.append(f"the parts say that there are {said} of them: {totals[-1]} was taken")
    chosen: dict[int, tuple[Item, Part]] = {}
    for item, part in pairs:
        index = part.subject.index or 0
        if not 1 <= index <= totals[-1]:
            raise InputError(f"{part.subject.title!r} claims to be part {index} of {part.subject.total}")
        chosen[index] = _either(chosen.get(index), (item, part), f"part {index}/{totals[-1]}", notes)
    return [
        _Numbered(index=index, total=totals[-1], part=part, item=item, version=posting.version)
        for index, (item, part) in sorted(chosen.items())
    ]


def _either(known: tuple[Item, Part] | None, new: tuple[Item, Part], what: str, notes: list[str]) -> tuple[Item, Part]:
    """Return which of two patches that claim to be the same part is taken: the same, or one sent in answer to the other."""
    if known is None:
        return new
    (old_item, old), (new_item, part) = known, new
    if old.body.diff == part.body.diff:
        notes.append(f"{what} is there twice; once is enough")
        return known
    if old_item.envelope.message_id in new_item.envelope.parents:
        notes.append(f"{what} was sent again in answer to itself: the later one was taken")
        return new
    if new_item.envelope.message_id in old_item.envelope.parents:
        notes.append(f"{what} was sent again in answer to itself: the later one was taken")
        return known
    raise InputError(
        f"two different patches claim to be {what}: {old.subject.title!r} and {part.subject.title!r}",
        hint="give a file with one of them",
    )


def _patch(numbered: _Numbered, total: int, version: int, answers: Answers) -> Patch:
    part, envelope = numbered.part, numbered.item.envelope
    return Patch(
        index=numbered.index,
        total=total,
        subject=part.subject.title,
        author=part.author,
        date=part.date,
        message=part.body.message,
        diff=part.body.diff,
        lossy=part.body.lossy,
        stated=part.body.stated,
        message_id=envelope.message_id,
        sent=numbered.sent,
        from_version=numbered.version if numbered.version != version else None,
        blobs=part.body.blobs,
        specials=part.body.specials,
        trailers=answers.to(numbered.item),
    )
