"""Parts to a series: which version, in which order, what is missing. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.errors import InputError
from orchestrator.intake.body import Body, base_commit
from orchestrator.intake.subject import Subject
from orchestrator.model.series import Form, Patch, Series


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One patch as a reader found it; ``text`` is all its text, ``note`` what the user should know of it."""

    subject: Subject
    author: str
    date: str | None
    message_id: str | None
    text: str
    body: Body
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cover:
    """A message without a patch: the cover letter, or a reply."""

    subject: Subject
    text: str
    message_id: str | None

    @property
    def is_cover_letter(self) -> bool:
        """Whether it is part 0 of a series."""
        return self.subject.index == 0 and not self.subject.is_reply


def assemble(found: Sequence[Part | Cover], *, form: Form, source: str) -> Series:
    """Return the series that ``found``, at least one part among it, makes: its newest version, in order.

    Raises :class:`InputError` when two different patches claim to be the same part.
    """
    notes: list[str] = []
    parts = _newest([item for item in found if isinstance(item, Part)], notes)
    ordered = _numbered(parts, notes)
    version = parts[0].subject.version
    cover = next(
        (
            item
            for item in found
            if isinstance(item, Cover) and item.is_cover_letter and item.subject.version == version
        ),
        None,
    )
    total = max(total for _, total, _ in ordered)
    present = {index for index, _, _ in ordered}
    texts = [part.text for _, _, part in ordered] + ([cover.text] if cover else [])
    ids = [cover.message_id if cover else None, *(part.message_id for _, _, part in ordered)]
    notes += [part.note for _, _, part in ordered if part.note]
    return Series(
        title=cover.subject.title if cover else ordered[0][2].subject.title,
        version=version,
        form=form,
        source=source,
        patches=tuple(_patch(index, total, part) for index, total, part in ordered),
        total=total,
        missing=tuple(index for index in range(1, total + 1) if index not in present),
        cover=cover.text if cover else None,
        base_commit=next((commit for text in texts if (commit := base_commit(text))), None),
        message_ids=tuple(found_id for found_id in ids if found_id),
        notes=tuple(notes),
    )


def _newest(parts: Sequence[Part], notes: list[str]) -> list[Part]:
    """Return the parts of the newest version."""
    newest = max(part.subject.version for part in parts)
    versions = sorted({part.subject.version for part in parts})
    if len(versions) > 1:
        notes.append(f"versions {', '.join(f'v{version}' for version in versions)} are there: v{newest} was taken")
    return [part for part in parts if part.subject.version == newest]


def _numbered(parts: Sequence[Part], notes: list[str]) -> list[tuple[int, int, Part]]:
    """Return (index, total, part) in order: by n/m where all have one, else as they came."""
    if any(part.subject.index is None or not part.subject.total for part in parts):
        return [(index, len(parts), part) for index, part in enumerate(parts, start=1)]
    total = max(part.subject.total or 0 for part in parts)
    chosen: dict[int, Part] = {}
    for part in parts:
        index = part.subject.index or 0
        if not 1 <= index <= total:
            raise InputError(f"{part.subject.title!r} claims to be part {index} of {part.subject.total}")
        other = chosen.setdefault(index, part)
        if other.body.diff != part.body.diff:
            raise InputError(
                f"two different patches claim to be part {index}/{total}: "
                f"{other.subject.title!r} and {part.subject.title!r}",
                hint="give a file with one of them",
            )
        if other is not part:
            notes.append(f"part {index}/{total} is there twice; once is enough")
    return [(index, total, chosen[index]) for index in sorted(chosen)]


def _patch(index: int, total: int, part: Part) -> Patch:
    return Patch(
        index=index,
        total=total,
        subject=part.subject.title,
        author=part.author,
        date=part.date,
        message=part.body.message,
        diff=part.body.diff,
        lossy=part.body.lossy,
        stated=part.body.stated,
        message_id=part.message_id,
    )
