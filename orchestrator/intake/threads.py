"""Messages to topics: which belong together, over threads, versions and lists. Pure.

A *posting* is what was sent at once: the parts of one version of one series. A *topic* is all its versions. Threads
(In-Reply-To, References) decide first; where those are missing, subject, sender, version and numbers do. References are
a stranger's words: they may be missing, wrong, or go in a circle.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field, replace

from orchestrator.errors import InputError
from orchestrator.intake.item import Item


@dataclass(slots=True, kw_only=True)
class Posting:
    """Messages that were sent as one: patches in the order of the input, and the cover letter."""

    version: int
    items: list[Item]
    cover: Item | None = None
    second_covers: list[Item] = field(default_factory=list)

    @property
    def first(self) -> Item:
        """The message to call it by."""
        return self.cover or min(self.items, key=lambda item: item.envelope.subject.index or 0)

    @property
    def numbered(self) -> bool:
        """Whether its parts say which of how many they are."""
        return all(item.envelope.subject.index is not None for item in self.items)

    @property
    def indexes(self) -> set[int]:
        """The numbers of its parts; the cover letter has 0."""
        return {item.envelope.subject.index or 0 for item in self.items} | ({0} if self.cover else set())

    @property
    def senders(self) -> set[str]:
        """Who sent its messages."""
        return {item.envelope.address for item in self.messages}

    @property
    def messages(self) -> list[Item]:
        """Cover letter and patches."""
        return [*([self.cover] if self.cover else []), *self.items]

    @property
    def sent(self) -> str:
        """The date of its last message, ISO 8601; "" where none has one."""
        return max((item.envelope.sent or "" for item in self.items), default="")


@dataclass(slots=True, kw_only=True)
class Topic:
    """All postings of one series, by version and date, and the answers to them."""

    postings: list[Posting]
    answers: list[Item]

    @property
    def versions(self) -> tuple[int, ...]:
        """The versions that are there, each once."""
        return tuple(sorted({posting.version for posting in self.postings}))

    @property
    def title(self) -> str:
        """The newest posting's title."""
        return self.postings[-1].first.envelope.subject.title


class Links:
    """A union of things that belong together, by any keys that they share."""

    def __init__(self) -> None:
        self._parent: dict[Hashable, Hashable] = {}

    def root(self, key: Hashable) -> Hashable:
        """Return the key that stands for all that ``key`` is joined with."""
        parent = self._parent.setdefault(key, key)
        while parent != key:
            # Halving the path keeps every look-up short, however long the chain of references.
            self._parent[key] = key = self._parent[parent]
            parent = self._parent[key]
        return key

    def join(self, one: Hashable, other: Hashable) -> None:
        """Say that two things belong together."""
        self._parent[self.root(one)] = self.root(other)


def unique(items: Iterable[Item]) -> tuple[list[Item], list[str]]:
    """Return each message once, though several lists carried it, and notes on what was left out.

    A message id that is there again with another patch is a fault of that message: one of them is forged or damaged.
    """
    found: dict[str, Item] = {}
    out: list[str | Item] = []
    again = 0
    for item in items:
        key = item.envelope.message_id
        if key is None:
            out.append(item)
        elif key not in found:
            found[key] = item
            out.append(key)
        else:
            again += 1
            found[key] = _merged(found[key], item)
    notes = [f"{again} message{'s were' if again != 1 else ' was'} there more than once: taken once"] if again else []
    return [found[entry] if isinstance(entry, str) else entry for entry in out], notes


def _merged(one: Item, other: Item) -> Item:
    """Return one message that came twice; with a fault when it is not the same."""
    fault = one.fault
    if [part.body.diff for part in one.parts] != [part.body.diff for part in other.parts]:
        fault = InputError(
            f"the message id <{one.envelope.message_id}> is there twice with different patches "
            f"({one.envelope.subject.title!r}, {other.envelope.subject.title!r})",
            hint="one of them is damaged or forged: get the thread again from the archive",
        )
    lists = tuple(dict.fromkeys((*one.envelope.lists, *other.envelope.lists)))
    return replace(one, envelope=replace(one.envelope, lists=lists), fault=fault)
