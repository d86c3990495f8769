"""What a watcher is told to do: its sources, filters, budgets, who may ask. Made from watch.toml by ``config``."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path


class SourceKind(StrEnum):
    """Where mails come from."""

    PUBLIC_INBOX = "public-inbox"
    MAILDIR = "maildir"
    IMAP = "imap"
    FOLDER = "folder"


class Tls(StrEnum):
    """How a connection is protected."""

    IMPLICIT = "implicit"
    STARTTLS = "starttls"
    NONE = "none"


class Incomplete(StrEnum):
    """What becomes of a series whose parts did not all come within the quiet time."""

    TEST = "test"
    PARK = "park"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImapServer:
    """An IMAP server. ``password_file`` holds the password alone; "" as user: no login (PREAUTH)."""

    host: str
    port: int
    tls: Tls = Tls.IMPLICIT
    user: str = ""
    password_file: Path | None = None
    mailbox: str = "INBOX"
    ca_file: Path | None = None
    idle_s: float = 540.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSettings:
    """One source. ``path`` is a mirror, Maildir or folder; ``list_id`` what its mails count as sent to.

    ``poll_s`` seconds pass between two looks; ``since_days`` is how old a mail may be when the source is first read;
    ``update`` is a command that brings a mirror up to date before each look, () when somebody else does.
    """

    name: str
    kind: SourceKind
    path: Path = field(default_factory=Path)
    imap: ImapServer | None = None
    list_id: str = ""
    poll_s: float = 60.0
    since_days: float = 7.0
    update: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which series are tested unasked; an empty field asks nothing.

    ``lists`` are list ids; ``paths`` are globs of touched files, one match is enough; ``tags`` are words of the subject's
    brackets of which one must be there, ``without_tags`` those of which none may; ``authors`` and ``without_authors`` are
    globs of addresses; ``most_parts`` and ``most_bytes`` (of all diffs) bound a series.
    """

    lists: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    without_tags: tuple[str, ...] = ()
    authors: tuple[str, ...] = ()
    without_authors: tuple[str, ...] = ()
    most_parts: int = 50
    most_bytes: int = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Requests:
    """Who may ask for a test by mail. ``senders`` are addresses; ``addresses`` our own; ``a_day`` for each sender.

    ``keys`` is a folder of DKIM keys (see ``orchestrator test --keys``); None: name servers are asked.
    """

    senders: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()
    keys: Path | None = None
    a_day: int = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """When a series counts as complete: when its parts are there, or ``quiet_s`` after the last of them came."""

    quiet_s: float = 3600.0
    incomplete: Incomplete = Incomplete.TEST


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """How a series is tested: options of ``orchestrator test``, how many at once, and how often ours is tried again.

    ``backoff_s`` is the pause before the second attempt; it doubles up to ``longest_backoff_s``.
    """

    linux: str
    profile: str = "quick"
    command: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    at_once: int = 1
    attempts: int = 4
    backoff_s: float = 300.0
    longest_backoff_s: float = 6 * 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Budgets:
    """Limits: seconds a series, runs a day, MiB that must stay free, MiB of old artefacts, days that mails are kept."""

    series_s: float = 4 * 3600.0
    runs_a_day: int = 50
    free_mib: int = 4096
    artefacts_mib: int = 20480
    mail_days: float = 60.0
    largest_mail: int = 16 << 20


class MailMode(StrEnum):
    """What becomes of a reply that is prepared."""

    NONE = "none"
    DRAFTS = "drafts"
    SEND = "send"


@dataclass(frozen=True, slots=True, kw_only=True)
class MailSettings:
    """Replies: ``mode``, and the settings file of the sending side (see docs/mail.md)."""

    mode: MailMode = MailMode.DRAFTS
    drafts: Path | None = None
    config: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthSettings:
    """``metrics_port`` is a port on loopback for Prometheus, 0 for none."""

    metrics_port: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchSettings:
    """All of watch.toml. ``state`` is the folder of queue, runs and lock."""

    state: Path
    sources: tuple[SourceSettings, ...]
    run: RunSettings
    filter: Filter = field(default_factory=Filter)
    requests: Requests = field(default_factory=Requests)
    completion: Completion = field(default_factory=Completion)
    budgets: Budgets = field(default_factory=Budgets)
    mail: MailSettings = field(default_factory=MailSettings)
    health: HealthSettings = field(default_factory=HealthSettings)

    @property
    def queue(self) -> Path:
        """Where the queue is."""
        return self.state / "queue.sqlite3"

    @property
    def runs(self) -> Path:
        """Where runs are recorded: ``<series>/<attempt>/<run-id>``."""
        return self.state / "runs"
