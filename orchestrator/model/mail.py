"""Mails about a run: who wants which, and what is known beside the run's record when one is written."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Wish(StrEnum):
    """Which mails a list wants. Whatever it wants, what is INCONCLUSIVE or our ERROR is never sent to it."""

    NEVER = "never"
    ON_REQUEST = "on request"
    REGRESSIONS = "regressions only"
    EVERYTHING = "also no regressions"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListPolicy:
    """What a list wants. ``pattern`` is a glob over addresses; ``archive`` a link's beginning that takes a message id.

    ``moderated`` says that a mail to it lies in a folder of drafts until a person has approved it.
    """

    pattern: str
    wish: Wish = Wish.NEVER
    moderated: bool = True
    archive: str = ""


class Encryption(StrEnum):
    """How the connection to a mail server is encrypted."""

    STARTTLS = "starttls"
    TLS = "tls"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpSettings:
    """A mail server that takes mail from us. ``user`` "" is one that wants no password. ``authorities`` is a PEM file."""

    host: str
    port: int
    encryption: Encryption
    user: str = ""
    authorities: str = ""
    timeout_s: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class MailPolicy:
    """What is sent to whom. ``sender`` is ``Name <address>``, "" where nobody has said so.

    ``lists`` are asked in order; ``otherwise`` speaks for a list of which none of them does. ``excluded`` are globs over
    addresses that get no mail of ours. At most ``most`` mails leave in ``per_s`` seconds. ``stop`` says how to get no
    more of them. ``source`` names the file for messages.
    """

    sender: str = ""
    lists: tuple[ListPolicy, ...] = ()
    otherwise: ListPolicy = ListPolicy(pattern="*")
    excluded: tuple[str, ...] = ()
    most: int = 10
    per_s: float = 3600.0
    stop: str = ""
    drafts: str = ""
    smtp: SmtpSettings | None = None
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlierReport:
    """A mail of ours about an earlier version of the same series, which a server accepted: it reported a regression.

    ``scenario`` and ``topology`` are where; ``message_id`` has no angle brackets.
    """

    version: int
    message_id: str
    scenario: str
    topology: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """A commit of the series that is in a release: ``commit`` is its id, ``tag`` the first release that has it."""

    commit: str
    tag: str
