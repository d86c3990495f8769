"""watch.toml → settings of the watcher. All mistakes at once, each with its line; unknown keys are refused."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from orchestrator.config.catalog import profiles
from orchestrator.config.paths import globs_of
from orchestrator.config.toml_files import Strict, explain, read_toml
from orchestrator.errors import UserError
from orchestrator.model.watch import (
    Budgets,
    Completion,
    Filter,
    HealthSettings,
    ImapServer,
    Incomplete,
    MailMode,
    MailSettings,
    Requests,
    RunSettings,
    SourceKind,
    SourceSettings,
    Tls,
    WatchSettings,
)

Words = Annotated[list[Annotated[str, Field(min_length=1)]], Field(default_factory=list)]
Seconds = Annotated[float, Field(gt=0, strict=False)]
Count = Annotated[int, Field(ge=1)]


class ImapTable(Strict):
    """``[sources.NAME.imap]``."""

    host: str
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    tls: Literal["implicit", "starttls", "none"] = "implicit"
    user: str = ""
    password_file: str = ""
    mailbox: str = "INBOX"
    ca_file: str = ""
    idle_s: Annotated[float, Field(gt=0, le=1740, strict=False)] = 540.0

    @model_validator(mode="after")
    def check_cleartext(self) -> ImapTable:
        """Refuse a password in the clear over a network."""
        if self.tls == "none" and not _is_loopback(self.host):
            raise ValueError("tls = 'none' is for this machine only: passwords and mails would be readable on the way")
        if bool(self.user) != bool(self.password_file):
            raise ValueError("user and password_file go together")
        return self


class SourceTable(Strict):
    """``[sources.NAME]``."""

    kind: Literal["public-inbox", "maildir", "imap", "folder"]
    path: str = ""
    imap: ImapTable | None = None
    list_id: str = ""
    poll_s: Seconds = 60.0
    since_days: Annotated[float, Field(ge=0, strict=False)] = 7.0
    update: Words

    @model_validator(mode="after")
    def check_place(self) -> SourceTable:
        """Refuse a source that says not, or twice, where it is."""
        if self.kind == "imap" and (self.imap is None or self.path):
            raise ValueError("a source of kind 'imap' has a table imap, and no path")
        if self.kind != "imap" and (self.imap is not None or not self.path):
            raise ValueError(f"a source of kind '{self.kind}' has a path, and no table imap")
        if self.update and self.kind != "public-inbox":
            raise ValueError("update brings a mirror up to date: only for kind 'public-inbox'")
        return self


class FilterTable(Strict):
    """``[filter]``."""

    lists: Words
    paths: Words
    tags: Words
    without_tags: Words
    authors: Words
    without_authors: Words
    most_parts: Annotated[int, Field(ge=1, le=1000)] = 50
    most_kib: Count = 1024

    @field_validator("paths")
    @classmethod
    def check_paths(cls, paths: list[str]) -> list[str]:
        """Refuse a name that is no set."""
        try:
            globs_of(paths)
        except UserError as error:
            raise ValueError(f"{error.message}: {error.hint}") from error
        return paths


class RequestsTable(Strict):
    """``[requests]``."""

    senders: Words
    addresses: Words
    profiles: Words
    keys: str = ""
    a_day: Count = 10

    @field_validator("profiles")
    @classmethod
    def check_profiles(cls, names: list[str]) -> list[str]:
        """Refuse a profile that is not there."""
        return [_known_profile(name) for name in names]


class CompletionTable(Strict):
    """``[completion]``."""

    quiet_s: Seconds = 3600.0
    incomplete: Literal["test", "park"] = "test"


class RunTable(Strict):
    """``[run]``."""

    linux: Annotated[str, Field(min_length=1)]
    profile: str = "quick"
    command: Words
    options: Words
    at_once: Annotated[int, Field(ge=1, le=64)] = 1
    attempts: Annotated[int, Field(ge=1, le=20)] = 4
    backoff_s: Seconds = 300.0
    longest_backoff_s: Seconds = 6 * 3600.0

    @field_validator("profile")
    @classmethod
    def check_profile(cls, name: str) -> str:
        """Refuse a profile that is not there."""
        return _known_profile(name)


class BudgetsTable(Strict):
    """``[budgets]``."""

    series_s: Seconds = 4 * 3600.0
    runs_a_day: Count = 50
    free_mib: Annotated[int, Field(ge=0)] = 4096
    artefacts_mib: Annotated[int, Field(ge=0)] = 20480
    mail_days: Seconds = 60.0
    largest_mail_mib: Annotated[int, Field(ge=1, le=16)] = 16


class MailTable(Strict):
    """``[mail]``."""

    mode: Literal["none", "drafts", "send"] = "drafts"
    drafts: str = ""
    config: str = ""


class HealthTable(Strict):
    """``[health]``."""

    metrics_port: Annotated[int, Field(ge=0, le=65535)] = 0


class WatchFile(Strict):
    """A watch.toml."""

    state: Annotated[str, Field(min_length=1)]
    sources: Annotated[dict[str, SourceTable], Field(min_length=1)]
    run: RunTable
    filter: Annotated[FilterTable, Field(default_factory=lambda: FilterTable.model_validate({}))]
    requests: Annotated[RequestsTable, Field(default_factory=lambda: RequestsTable.model_validate({}))]
    completion: Annotated[CompletionTable, Field(default_factory=CompletionTable)]
    budgets: Annotated[BudgetsTable, Field(default_factory=BudgetsTable)]
    mail: Annotated[MailTable, Field(default_factory=MailTable)]
    health: Annotated[HealthTable, Field(default_factory=HealthTable)]


def read_watch_settings(path: Path) -> WatchSettings:
    """Return the settings in the file ``path``; relative paths in it are relative to its folder.

    Raises :class:`UserError` with all mistakes, each with its line.
    """
    try:
        table = WatchFile.model_validate(read_toml(path))
    except ValidationError as error:
        raise explain(path, error) from error
    return _settings(table, path.resolve().parent)


def _settings(table: WatchFile, folder: Path) -> WatchSettings:
    wanted, asked, mail = table.filter, table.requests, table.mail
    return WatchSettings(
        state=_under(folder, table.state),
        sources=tuple(_source(name, each, folder) for name, each in table.sources.items()),
        run=RunSettings(
            **{
                **table.run.model_dump(),
                "linux": _tree(folder, table.run.linux),
                "command": tuple(table.run.command),
                "options": tuple(table.run.options),
            }
        ),
        filter=Filter(
            lists=tuple(word.lower().replace("@", ".") for word in wanted.lists),
            paths=globs_of(wanted.paths),
            tags=tuple(wanted.tags),
            without_tags=tuple(wanted.without_tags),
            authors=tuple(word.lower() for word in wanted.authors),
            without_authors=tuple(word.lower() for word in wanted.without_authors),
            most_parts=wanted.most_parts,
            most_bytes=wanted.most_kib << 10,
        ),
        requests=Requests(
            senders=tuple(word.lower() for word in asked.senders),
            addresses=tuple(word.lower() for word in asked.addresses),
            profiles=tuple(asked.profiles),
            keys=_under(folder, asked.keys) if asked.keys else None,
            a_day=asked.a_day,
        ),
        completion=Completion(quiet_s=table.completion.quiet_s, incomplete=Incomplete(table.completion.incomplete)),
        budgets=Budgets(
            **{name: value for name, value in table.budgets.model_dump().items() if name != "largest_mail_mib"},
            largest_mail=table.budgets.largest_mail_mib << 20,
        ),
        mail=MailSettings(
            mode=MailMode(mail.mode),
            drafts=_under(folder, mail.drafts) if mail.drafts else None,
            config=_under(folder, mail.config) if mail.config else None,
        ),
        health=HealthSettings(metrics_port=table.health.metrics_port),
    )


def _source(name: str, table: SourceTable, folder: Path) -> SourceSettings:
    server = None
    if table.imap is not None:
        imap = table.imap
        server = ImapServer(
            host=imap.host,
            port=imap.port or (993 if imap.tls == "implicit" else 143),
            tls=Tls(imap.tls),
            user=imap.user,
            password_file=_under(folder, imap.password_file) if imap.password_file else None,
            mailbox=imap.mailbox,
            ca_file=_under(folder, imap.ca_file) if imap.ca_file else None,
            idle_s=imap.idle_s,
        )
    return SourceSettings(
        name=name,
        kind=SourceKind(table.kind),
        path=_under(folder, table.path) if table.path else Path(),
        imap=server,
        list_id=table.list_id.lower().replace("@", "."),
        poll_s=table.poll_s,
        since_days=table.since_days,
        update=tuple(table.update),
    )


def _tree(folder: Path, word: str) -> str:
    """Return the tree's name, or its path where there is one."""
    path = _under(folder, word)
    return str(path) if "/" in word or path.is_dir() else word


def _under(folder: Path, word: str) -> Path:
    return folder / Path(word).expanduser()


def _known_profile(name: str) -> str:
    if name not in profiles():
        raise ValueError(f"there is no profile '{name}': one of {', '.join(sorted(profiles()))}")
    return name


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
