"""Which postings the messages of an input make, and which of them are versions of one series. Pure."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from datetime import datetime

from orchestrator.intake.hints import change_id, earlier_versions, message_id_in
from orchestrator.intake.item import Item
from orchestrator.intake.threads import Links, Posting, Topic

CLOSE_S = 3 * 24 * 3600
"""Parts of one posting that have no thread are sent within this time of each other."""


def find_topics(items: Sequence[Item]) -> tuple[Topic, ...]:
    """Return the topics among ``items``, each message once, in the order of their first patch."""
    threads = _threads(items)
    postings = _merge_scattered(_postings(items, threads))
    topics = _group(postings, threads)
    _give_answers(topics, items, threads)
    return tuple(topics)


def node(item: Item) -> Hashable:
    """Return what stands for ``item`` in the thread: its message id, else itself."""
    return item.envelope.message_id or id(item)


def _threads(items: Iterable[Item]) -> Links:
    links = Links()
    for item in items:
        for parent in item.envelope.parents:
            links.join(node(item), parent)
    return links


def _postings(items: Sequence[Item], threads: Links) -> list[Posting]:
    """Return the patches by what was sent at once, as far as threads tell it, with their cover letters."""
    found: dict[Hashable, Posting] = {}
    for item in items:
        if item.carries_patch:
            key = _posting_key(item, threads)
            posting = found.setdefault(key, Posting(version=item.envelope.subject.version, items=[]))
            posting.items.append(item)
    covers: dict[Hashable, Posting] = {}
    for item in items:
        if item.is_cover:
            posting = found.get(_posting_key(item, threads)) or covers.setdefault(
                _posting_key(item, threads), Posting(version=item.envelope.subject.version, items=[])
            )
            posting.cover = posting.cover or item
            if posting.cover is not item:
                posting.second_covers.append(item)
    return [*found.values(), *(cover for cover in covers.values() if not cover.items)]


def _posting_key(item: Item, threads: Links) -> Hashable:
    subject = item.envelope.subject
    if item.local:
        return ("local", subject.version)
    thread = threads.root(node(item))
    if subject.index is not None:
        return ("numbered", thread, subject.version, item.envelope.address, "RESEND" in _tags(item))
    return ("single", thread, subject.version, item.envelope.address, subject.key)


def _tags(item: Item) -> set[str]:
    return {tag.upper() for tag in item.envelope.subject.tags}


def _merge_scattered(postings: list[Posting]) -> list[Posting]:
    """Join postings of one version whose parts were found in different threads: of one sender first, then of any."""
    for same_sender in (True, False):
        done: list[Posting] = []
        torn: dict[tuple[int, int], list[Posting]] = {}
        for posting in postings:
            if not posting.numbered:
                done.append(posting)
                continue
            alike = torn.setdefault((posting.version, _total(posting)), [])
            fits = [other for other in alike if _complete_each_other(other, posting, same_sender=same_sender)]
            if len(fits) == 1 or (fits and same_sender):
                fits[0].items += posting.items
                fits[0].cover = fits[0].cover or posting.cover
            else:
                done.append(posting)
                alike.append(posting)
        postings = done
    return [posting for posting in postings if posting.items]


def _complete_each_other(one: Posting, other: Posting, *, same_sender: bool) -> bool:
    """Whether two postings of one version and total are parts of one that was torn apart: no part is in both."""
    if one.indexes & other.indexes:
        return False
    if same_sender and not one.senders & other.senders:
        return False
    if not same_sender and one.cover and other.cover:
        return False
    whole = len(one.indexes | other.indexes) <= _total(one) + 1
    return whole and not _answers_part(one, other) and _close(one, other)


def _answers_part(one: Posting, other: Posting) -> bool:
    """Whether one is sent in answer to a part of the other: that is a re-roll."""
    ids = [{item.envelope.message_id for item in posting.items} for posting in (one, other)]
    return any(
        parent in ids[1 - at]
        for at, posting in enumerate((one, other))
        for item in posting.items
        for parent in item.envelope.parents[:1]
    )


def _total(posting: Posting) -> int:
    return max((item.envelope.subject.total or 0 for item in posting.messages), default=0)


def _close(one: Posting, other: Posting) -> bool:
    times = [
        [datetime.fromisoformat(item.envelope.sent).timestamp() for item in posting.messages if item.envelope.sent]
        for posting in (one, other)
    ]
    return not all(times) or min(abs(a - b) for a in times[0] for b in times[1][:1]) <= CLOSE_S


def _group(postings: Sequence[Posting], threads: Links) -> list[Topic]:
    """Return the postings by topic, in the order of the input; within a topic by version, then date."""
    links = Links()
    whose = {node(item): posting for posting in postings for item in posting.messages}
    for posting in postings:
        for key in _topic_keys(posting, threads):
            links.join(id(posting), key)
        for message_id in _linked(posting):
            other = whose.get(message_id)
            if other is not None and posting.senders & other.senders:
                links.join(id(posting), id(other))
    topics: dict[Hashable, list[Posting]] = {}
    for posting in postings:
        topics.setdefault(links.root(id(posting)), []).append(posting)
    return [
        Topic(postings=sorted(group, key=lambda posting: (posting.version, posting.sent)), answers=[])
        for group in topics.values()
    ]


def _topic_keys(posting: Posting, threads: Links) -> Iterable[Hashable]:
    """Yield what postings of one topic have in common."""
    first = posting.first
    subject = first.envelope.subject
    if first.local:
        yield ("local",)
    sender = first.envelope.address
    if posting.cover or subject.index in {None, 1}:
        yield ("title", sender, subject.key)
    if posting.numbered:
        yield ("thread", threads.root(node(first)), sender)
    for item in posting.messages:
        if found := change_id(item.text):
            yield ("change-id", found)


def _linked(posting: Posting) -> Iterable[Hashable]:
    """Yield the messages that the head of a posting answers directly or links to as earlier versions."""
    first = posting.first
    for earlier in earlier_versions(first.text):
        yield message_id_in(earlier.link)
    if not posting.numbered:
        yield from first.envelope.parents[:1]


def _give_answers(topics: Sequence[Topic], items: Iterable[Item], threads: Links) -> None:
    """Give each topic the messages of its threads that are no part of it."""
    mine = {id(item) for topic in topics for posting in topic.postings for item in posting.messages}
    by_thread: dict[Hashable, Topic] = {}
    for topic in topics:
        for posting in topic.postings:
            for item in posting.messages:
                by_thread.setdefault(threads.root(node(item)), topic)
    for item in items:
        found = by_thread.get(threads.root(node(item)))
        if found is not None and id(item) not in mine:
            found.answers.append(item)
