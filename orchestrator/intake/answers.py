"""Answers in a thread: the trailers that they give, and to which message. They never change a patch. Pure."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from orchestrator.intake.hints import answer_trailers
from orchestrator.intake.item import Item
from orchestrator.intake.threads import Topic
from orchestrator.model.series import Trailer

MOST_STEPS = 1000


class Answers:
    """The trailers that the answers of ``topic`` give to ``items``, the messages of the chosen version."""

    def __init__(self, topic: Topic, items: Sequence[Item], notes: list[str]) -> None:
        self._found: dict[int, list[Trailer]] = {}
        mine = {item.envelope.message_id: item for item in items if item.envelope.message_id}
        everything = [*topic.answers, *(item for posting in topic.postings for item in posting.messages)]
        by_id: dict[Hashable, Item] = {item.envelope.message_id: item for item in everything}
        left_out = 0
        for answer in topic.answers:
            left_out += bool(answer.parts)
            given = answer_trailers(answer.text)
            target = _answered(answer, mine, by_id) if given else None
            if target is not None:
                self._found.setdefault(id(target), []).extend(_trailer(name, value, answer) for name, value in given)
        if left_out:
            notes.append(f"diffs in {left_out} answer{'s' if left_out != 1 else ''} were left out")
        _note_circles(everything, by_id, notes)

    def to(self, item: Item) -> tuple[Trailer, ...]:
        """Return the trailers given in answer to ``item``, each once, in the order of the input."""
        found: dict[tuple[str, str], Trailer] = {}
        for trailer in self._found.get(id(item), []):
            found.setdefault((trailer.name.lower(), trailer.value), trailer)
        return tuple(found.values())


def _trailer(name: str, value: str, answer: Item) -> Trailer:
    return Trailer(name=name, value=value, sender=answer.envelope.author, message_id=answer.envelope.message_id)


def _answered(
    answer: Item, mine: dict[str, Item], by_id: dict[Hashable, Item]
) -> Item | None:  # fmt: skip
    """Return the message of the chosen version that ``answer`` is about: the nearest one above it."""
    seen: set[str] = set()
    waiting = list(answer.envelope.parents[:1]) or []
    while waiting and len(seen) < MOST_STEPS:
        parent = waiting.pop()
        if parent in mine:
            return mine[parent]
        above = by_id.get(parent)
        if parent in seen or above is None:
            break
        seen.add(parent)
        waiting = list(above.envelope.parents[:1])
    # The message between is not in the input; References still name those above it.
    return next((mine[parent] for parent in answer.envelope.parents if parent in mine), None)


def _note_circles(items: Sequence[Item], by_id: dict[Hashable, Item], notes: list[str]) -> None:
    """Say when messages answer each other in a circle: then nobody knows what is about what."""
    done: set[Hashable] = set()
    for item in items:
        path: set[Hashable] = set()
        at: Item | None = item
        while at is not None and at.envelope.message_id not in done:
            key = at.envelope.message_id
            if key is None:
                break
            if key in path:
                notes.append(f"the messages around <{key}> answer each other in a circle")
                break
            path.add(key)
            at = by_id.get(at.envelope.parents[0]) if at.envelope.parents else None
        done |= path
