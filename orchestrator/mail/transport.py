"""What carries a mail: a mail server, git send-email, or a folder of drafts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from orchestrator.host.deadline import Cancellation
from orchestrator.mail.ledger import State


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A message and its envelope (RFC 5321): ``data`` with line feeds, bare addresses. ``author`` is its From field."""

    data: bytes
    message_id: str
    sender: str
    author: str
    recipients: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What became of it, and in whose words: ACCEPTED, REFUSED (surely not accepted), UNKNOWN or DRAFTED."""

    state: State
    says: str


class Transport(Protocol):
    """A way for mails. ``leaves`` is whether a mail leaves this machine by it."""

    @property
    def name(self) -> str:
        """What it is called: with the server's name, for messages."""

    @property
    def leaves(self) -> bool:
        """Whether a mail leaves this machine."""

    def send(self, mail: Outgoing, *, sending: Callable[[], None], cancellation: Cancellation) -> Answer:
        """Carry the mail. ``sending`` is called right before the first octet by which it could be accepted.

        What others do is in the answer. Raises ``Cancelled`` before ``sending`` was called, and :class:`UserError` for
        settings that cannot be used.
        """
