"""What readers make of an input: one item a message, with the patches in it. Assembly knows nothing else."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.errors import InputError
from orchestrator.intake.body import Body
from orchestrator.intake.subject import Subject


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """What a message says of itself. Message ids have no angle brackets; ``parents`` are the nearest first.

    ``author`` is the From header, ``address`` its address in lower case; ``sent`` is the date in ISO 8601, UTC.
    ``whole_subject`` is the Subject header with its brackets, ``answers_to`` the Reply-To header; ``automatic`` is how
    one sees that a program sent it, "" where a person did.
    """

    subject: Subject
    author: str = ""
    address: str = ""
    date: str | None = None
    sent: str | None = None
    message_id: str | None = None
    parents: tuple[str, ...] = ()
    to: tuple[str, ...] = ()
    cc: tuple[str, ...] = ()
    lists: tuple[str, ...] = ()
    whole_subject: str = ""
    answers_to: tuple[str, ...] = ()
    automatic: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One patch as a reader found it; ``text`` is all its text, ``notes`` what the user should know of it."""

    subject: Subject
    author: str
    date: str | None
    text: str
    body: Body
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One message, page or file: its own text, and the patches that stand in it as its own.

    ``quoted`` are patches that it only quotes: they count when there is nothing better. ``fault`` is why a patch in it
    cannot be read, ``quote_fault`` why one that it quotes cannot. ``local`` says that it comes from git on this machine, or is a bare diff: it has no thread, and what
    lies beside it belongs to it. ``raw`` is the message as it was sent, for its signatures.
    """

    envelope: Envelope
    text: str
    parts: tuple[Part, ...] = ()
    quoted: tuple[Part, ...] = ()
    fault: InputError | None = None
    quote_fault: InputError | None = None
    local: bool = False
    raw: bytes | None = None
    notes: tuple[str, ...] = ()

    @property
    def carries_patch(self) -> bool:
        """Whether it is there for its patch: answers and cover letters are not, whatever stands in them."""
        subject = self.envelope.subject
        return bool(self.parts or self.fault) and not subject.is_reply and subject.index != 0

    @property
    def is_cover(self) -> bool:
        """Whether it is part 0 of a series."""
        return self.envelope.subject.is_cover
