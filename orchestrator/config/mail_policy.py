"""The mail policy: which mails go to which list, from the catalog and the user's own file; and the user's templates."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError, field_validator, model_validator

from orchestrator.config.locations import PACKAGE
from orchestrator.config.toml_files import Strict, explain, read_text, read_toml
from orchestrator.model.mail import Encryption, ListPolicy, MailPolicy, SmtpSettings, Wish

CATALOG = PACKAGE / "config" / "catalog"
FILE = "mail.toml"
TEMPLATES = "templates"
_PORTS = {Encryption.STARTTLS: 587, Encryption.TLS: 465, Encryption.NONE: 25}
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
Glob = Annotated[str, Field(min_length=1, max_length=254, pattern=r"^[\x21-\x7e]+$")]


class ListTable(Strict):
    """What one list gets, or by default every list."""

    send: Annotated[Wish, Field(strict=False)]
    moderated: bool = True
    archive: Annotated[str, Field(pattern=r"^(https?://[\x21-\x7e]+)?$", max_length=200)] = ""


class LimitsTable(Strict):
    """How many mails may leave."""

    mails: Annotated[int, Field(ge=0, le=10_000)]
    seconds: Annotated[float, Field(gt=0, le=31_536_000, strict=False)]


class SenderTable(Strict):
    """Who writes. ``drafts`` is a Maildir."""

    address: Annotated[str, Field(alias="from", max_length=500)] = ""
    stop: Annotated[str, Field(max_length=500)] = ""
    exclude: Annotated[list[Glob], Field(default_factory=list, max_length=1000)]
    drafts: str = ""


class SmtpTable(Strict):
    """The user's mail server."""

    host: Annotated[str, Field(pattern=r"^[A-Za-z0-9.:_-]{1,253}$")]
    encryption: Annotated[Encryption, Field(strict=False)] = Encryption.STARTTLS
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    user: Annotated[str, Field(max_length=200)] = ""
    authorities: str = ""
    timeout: Annotated[float, Field(gt=0, le=600, strict=False)] = 60.0

    @model_validator(mode="after")
    def _no_secrets_in_the_open(self) -> SmtpTable:
        """Refuse a password on a connection that anybody can read, and such a connection beyond this machine."""
        if self.encryption is Encryption.NONE and (self.user or self.host not in _LOOPBACK):
            raise ValueError("encryption 'none' is for a mail server on this machine that wants no password")
        return self


class MailFile(Strict):
    """The file."""

    default: ListTable | None = None
    limits: LimitsTable | None = None
    sender: SenderTable | None = None
    smtp: SmtpTable | None = None
    lists: Annotated[dict[str, ListTable], Field(default_factory=dict, max_length=1000)]

    @field_validator("lists")
    @classmethod
    def _addresses(cls, lists: dict[str, ListTable]) -> dict[str, ListTable]:
        """Refuse what is no address: a list's id has no @ and would never fit one."""
        if wrong := [name for name in lists if "@" not in name or not TypeAdapter(Glob).validate_python(name)]:
            raise ValueError(
                f"{wrong[0]!r} is no address of a list (linux-mm@kvack.org, or a pattern: *@vger.kernel.org)"
            )
        return lists


def user_folder() -> Path:
    """Return the user's configuration folder: ``$XDG_CONFIG_HOME/mm-patch-orchestrator``."""
    base = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(base) / "mm-patch-orchestrator"


def mail_policy(own: Path | None = None) -> MailPolicy:
    """Return the policy: the file ``own`` (the user's usual one if None) over the catalog's.

    Raises :class:`UserError` with all mistakes of a file, or when ``own`` is given and not there.
    """
    path = user_folder() / FILE if own is None else own
    theirs = _read(path) if own is not None or path.exists() else MailFile.model_validate({})
    ours = _read(CATALOG / FILE)
    default, limits = theirs.default or ours.default, theirs.limits or ours.limits
    assert default is not None and limits is not None  # noqa: S101, PT018 - the catalog has both
    sender = theirs.sender or SenderTable.model_validate({})
    lists = {**theirs.lists, **{name: table for name, table in ours.lists.items() if name not in theirs.lists}}
    return MailPolicy(
        sender=sender.address,
        lists=tuple(_entry(name, table) for name, table in lists.items()),
        otherwise=_entry("*", default),
        excluded=tuple(sender.exclude),
        most=limits.mails,
        per_s=limits.seconds,
        stop=sender.stop,
        drafts=sender.drafts,
        smtp=None if theirs.smtp is None else _smtp(theirs.smtp),
        source=str(path),
    )


def user_templates(folder: Path | None = None) -> Mapping[str, str]:
    """Return the user's templates by their names (``mail.txt``); {} where there are none. Raises :class:`UserError`."""
    place = (user_folder() if folder is None else folder) / TEMPLATES
    return {path.name: read_text(path) for path in sorted(place.glob("*.txt")) if path.is_file()}


def _entry(pattern: str, table: ListTable) -> ListPolicy:
    return ListPolicy(pattern=pattern, wish=table.send, moderated=table.moderated, archive=table.archive)


def _smtp(table: SmtpTable) -> SmtpSettings:
    return SmtpSettings(
        host=table.host,
        port=table.port or _PORTS[table.encryption],
        encryption=table.encryption,
        user=table.user,
        authorities=table.authorities,
        timeout_s=table.timeout,
    )


def _read(path: Path) -> MailFile:
    try:
        return MailFile.model_validate(read_toml(path))
    except ValidationError as error:
        raise explain(path, error) from error
