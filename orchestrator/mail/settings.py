"""Who the user is and which mail server he uses: from mail.toml, else from git's configuration (user.*, sendemail.*).

The password comes from the environment, the system's keyring, git's configuration or git's credential helpers, in this
order, and is held only for the time of one mail. It is never written anywhere and never in a command's words.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import os
from collections.abc import Mapping

from orchestrator.errors import UserError
from orchestrator.host import process
from orchestrator.host.deadline import Cancellation, Deadline
from orchestrator.mail.drafts import Drafts
from orchestrator.mail.git_send_email import GitSendEmail
from orchestrator.mail.places import NAME, drafts_folder
from orchestrator.mail.smtp import SmtpTransport
from orchestrator.mail.transport import Transport
from orchestrator.model.mail import Encryption, MailPolicy, SmtpSettings

PASSWORD = "ORCHESTRATOR_SMTP_PASSWORD"  # noqa: S105 - the name of a variable
GIT_TIMEOUT_S = 30.0
WAYS = ("smtp", "git", "drafts")
_HOW = "write [smtp] into mail.toml, or set git's sendemail.smtpServer; or hand mails to git: --via git"


def with_sender(policy: MailPolicy, *, cancellation: Cancellation) -> MailPolicy:
    """Return the policy with who sends: its own word, else git's ``sendemail.from`` or ``user.name`` and ``user.email``."""
    if policy.sender:
        return policy
    known = _git_config("^(sendemail[.]from|user[.](name|email))$", cancellation)
    sender = known.get("sendemail.from", "")
    if not sender and known.get("user.email"):
        name, address = known.get("user.name", ""), known["user.email"]
        sender = f'"{name}" <{address}>' if name and '"' not in name else address
    return dataclasses.replace(policy, sender=sender)


def transport_named(way: str, policy: MailPolicy, *, cancellation: Cancellation) -> Transport:
    """Return a way for mails: ``smtp``, ``git`` or ``drafts``. Raises :class:`UserError` for one that is not set up."""
    match way:
        case "smtp":
            return _smtp(policy, cancellation)
        case "git":
            return GitSendEmail()
        case "drafts":
            return Drafts(folder=drafts_folder(policy))
        case _:
            raise UserError(f"there is no way {way!r} for mails", hint=f"one of: {', '.join(WAYS)}")


def _smtp(policy: MailPolicy, cancellation: Cancellation) -> SmtpTransport:
    of_git = _git_config(r"^sendemail[.]", cancellation)
    settings = policy.smtp or smtp_of_git(of_git)
    if not settings.user:
        return SmtpTransport(settings=settings)
    password = (
        os.environ.get(PASSWORD)
        or _of_keyring(settings)
        or (of_git.get("sendemail.smtppass", "") if policy.smtp is None else "")
        or _of_helpers(settings, cancellation)
    )
    if not password:
        raise UserError(
            f"there is no password for {settings.user} at {settings.host}",
            hint=f"set {PASSWORD}, or: keyring set {NAME} {settings.user}@{settings.host}",
        )
    return SmtpTransport(settings=settings, password=password)


def smtp_of_git(known: Mapping[str, str]) -> SmtpSettings:
    """Return the mail server of git's configuration (git-send-email(1)); names in lower case."""
    host = known.get("sendemail.smtpserver", "")
    if not host:
        raise UserError("no mail server is known", hint=_HOW)
    if "/" in host:
        raise UserError(f"git's mail server {host!r} is a program, which is git's to run", hint="--via git")
    said = known.get("sendemail.smtpencryption", "").lower()
    encryption = {"tls": Encryption.STARTTLS, "ssl": Encryption.TLS}.get(said, Encryption.NONE)
    user = known.get("sendemail.smtpuser", "")
    if encryption is Encryption.NONE and (user or host not in {"localhost", "127.0.0.1", "::1"}):
        raise UserError(
            f"git's configuration asks for no encryption to {host}", hint="git config sendemail.smtpEncryption tls"
        )
    port = known.get("sendemail.smtpserverport", "") or {Encryption.TLS: "465", Encryption.STARTTLS: "587"}.get(
        encryption, "25"
    )
    if not port.isascii() or not port.isdigit() or not 0 < int(port[:6]) < 65536:
        raise UserError(f"git's sendemail.smtpServerPort is {port!r}, which is no port")
    return SmtpSettings(
        host=host,
        port=int(port),
        encryption=encryption,
        user=user,
        authorities=known.get("sendemail.smtpsslcertpath", ""),
    )


def _git_config(pattern: str, cancellation: Cancellation) -> dict[str, str]:
    """Return git's settings that fit, the last word of each; names in lower case. {} where there is no git."""
    if process.find_program("git") is None:
        return {}
    deadline = Deadline(GIT_TIMEOUT_S, what="git config", cancellation=cancellation)
    said = process.run(["git", "config", "--null", "--get-regexp", pattern], deadline=deadline)
    found: dict[str, str] = {}
    for entry in said.stdout.split("\0"):
        name, _, value = entry.partition("\n")
        if name:
            found[name.lower()] = value.strip()
    return found


def _of_keyring(settings: SmtpSettings) -> str:
    """Return the password in the system's keyring, "" where there is none or no keyring (an optional package)."""
    with contextlib.suppress(ImportError):
        keyring = importlib.import_module("keyring")
        errors = importlib.import_module("keyring.errors")
        with contextlib.suppress(errors.KeyringError, RuntimeError, OSError):
            return keyring.get_password(NAME, f"{settings.user}@{settings.host}") or ""
    return ""


def _of_helpers(settings: SmtpSettings, cancellation: Cancellation) -> str:
    """Return what git's credential helpers know, as git send-email asks them; nobody is asked on a terminal."""
    if process.find_program("git") is None:
        return ""
    asked = f"protocol=smtp\nhost={settings.host}:{settings.port}\nusername={settings.user}\n\n"
    environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "true", "SSH_ASKPASS": "true"}
    deadline = Deadline(GIT_TIMEOUT_S, what="git credential", cancellation=cancellation)
    said = process.run(["git", "credential", "fill"], stdin=asked, env=environment, deadline=deadline)
    lines = said.stdout.splitlines() if said.ok else []
    return next((line.partition("=")[2] for line in lines if line.startswith("password=")), "")
