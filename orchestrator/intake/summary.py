"""One line for each series that an input holds. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.intake.reader import Survey
from orchestrator.intake.threads import Posting, Topic


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """A series as a line of a list. ``parts`` are those that are there of ``total``; ``sent`` is ISO 8601, UTC."""

    number: int
    title: str
    version: int
    versions: tuple[int, ...]
    parts: int
    total: int
    sender: str
    sent: str | None
    message_id: str | None


def summaries(found: Survey) -> tuple[Summary, ...]:
    """Return a line for each topic, about its newest posting, in the order of :func:`pick_topic`'s numbers."""
    return tuple(_summary(number, topic) for number, topic in enumerate(found.topics, start=1))


def _summary(number: int, topic: Topic) -> Summary:
    posting: Posting = topic.postings[-1]
    envelope = posting.first.envelope
    subjects = [part.subject for item in posting.items for part in item.parts]
    indexes = {subject.index for subject in subjects}
    numbered = None not in indexes
    totals = [subject.total or 0 for subject in subjects]
    return Summary(
        number=number,
        title=envelope.subject.title,
        version=posting.version,
        versions=topic.versions,
        parts=len(indexes) if numbered else len(subjects),
        total=max(totals, default=0) if numbered else len(subjects),
        sender=envelope.author,
        sent=envelope.sent,
        message_id=envelope.message_id,
    )
