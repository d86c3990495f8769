"""Who sends and by which server: the policy's word, git's configuration, and where a password is looked for."""

from __future__ import annotations

import subprocess
from pathlib import Path

import keyring
import pytest

from orchestrator.errors import UserError
from orchestrator.host.deadline import Cancellation
from orchestrator.mail.drafts import Drafts
from orchestrator.mail.git_send_email import GitSendEmail
from orchestrator.mail.settings import PASSWORD, smtp_of_git, transport_named, with_sender
from orchestrator.mail.smtp import SmtpTransport
from orchestrator.model.mail import Encryption, MailPolicy, SmtpSettings

OWN = SmtpSettings(host="mail.example.org", port=587, encryption=Encryption.STARTTLS, user="jo")


@pytest.fixture(autouse=True)
def git_config(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    path = tmp_path / "gitconfig"
    path.write_text("")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(path))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.delenv(PASSWORD, raising=False)
    monkeypatch.chdir(tmp_path)
    # No keyring of the user's, whatever is installed here.
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    return path


def put(path: Path, *settings: str) -> None:
    for setting in settings:
        name, _, value = setting.partition("=")
        subprocess.run(["git", "config", "--file", str(path), name, value], check=True)


def smtp(policy: MailPolicy | None = None) -> SmtpTransport:
    found = transport_named("smtp", policy or MailPolicy(), cancellation=Cancellation())
    assert isinstance(found, SmtpTransport)
    return found


def sender(policy: MailPolicy | None = None) -> str:
    return with_sender(policy or MailPolicy(), cancellation=Cancellation()).sender


def test_sender_when_the_policy_has_none_then_gits(git_config: Path) -> None:
    assert sender() == ""
    put(git_config, "user.name=Jürgen, the Tester", "user.email=jg@example.org")
    assert sender() == '"Jürgen, the Tester" <jg@example.org>'
    put(git_config, "sendemail.from=Jo <jo@example.org>")
    assert sender() == "Jo <jo@example.org>"
    assert sender(MailPolicy(sender="A <a@example.org>")) == "A <a@example.org>"


@pytest.mark.parametrize(
    ("said", "encryption", "port"),
    [("tls", Encryption.STARTTLS, 587), ("ssl", Encryption.TLS, 465)],
)
def test_smtp_when_git_has_it_then_gits_words_in_ours(said: str, encryption: Encryption, port: int) -> None:
    found = smtp_of_git({"sendemail.smtpserver": "mail.example.org", "sendemail.smtpencryption": said})
    assert (found.encryption, found.port) == (encryption, port)


def test_smtp_when_git_has_a_password_then_it_is_taken(git_config: Path) -> None:
    put(
        git_config,
        "sendemail.smtpServer=mail.example.org",
        "sendemail.smtpEncryption=tls",
        "sendemail.smtpServerPort=2587",
        "sendemail.smtpUser=jo",
        "sendemail.smtpPass=of git",
    )
    found = smtp()
    assert (found.settings.port, found.settings.user, found.password) == (2587, "jo", "of git")


def test_password_when_it_is_in_several_places_then_the_environment_first(
    git_config: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    helper = tmp_path / "helper"
    helper.write_text('#!/bin/sh\n[ "$1" = get ] && echo password=of a helper\n')
    helper.chmod(0o755)
    put(git_config, f"credential.helper={helper}")
    policy = MailPolicy(smtp=OWN)
    assert smtp(policy).password == "of a helper"
    monkeypatch.setattr(keyring, "get_password", lambda service, user: f"{service} {user}")
    assert smtp(policy).password == "mm-patch-orchestrator jo@mail.example.org"
    monkeypatch.setenv(PASSWORD, "of the environment")
    assert smtp(policy).password == "of the environment"


def test_password_when_there_is_none_then_it_says_where_to_put_it() -> None:
    with pytest.raises(UserError, match="no password for jo") as caught:
        smtp(MailPolicy(smtp=OWN))
    assert PASSWORD in caught.value.hint


@pytest.mark.parametrize(
    ("known", "says"),
    [
        ({}, "no mail server is known"),
        ({"sendemail.smtpserver": "/usr/sbin/sendmail"}, "a program"),
        ({"sendemail.smtpserver": "mail.example.org"}, "no encryption"),
        ({"sendemail.smtpserver": "localhost", "sendemail.smtpuser": "jo"}, "no encryption"),
        ({"sendemail.smtpserver": "localhost", "sendemail.smtpserverport": "99999"}, "no port"),
        ({"sendemail.smtpserver": "localhost", "sendemail.smtpserverport": "²"}, "no port"),
    ],
)
def test_smtp_when_git_has_what_cannot_be_used_then_the_user_is_told(known: dict[str, str], says: str) -> None:
    with pytest.raises(UserError, match=says):
        smtp_of_git(known)


def test_ways_by_name(tmp_path: Path) -> None:
    assert transport_named("git", MailPolicy(), cancellation=Cancellation()) == GitSendEmail()
    found = transport_named("drafts", MailPolicy(drafts=str(tmp_path / "d")), cancellation=Cancellation())
    assert found == Drafts(folder=tmp_path / "d")
    with pytest.raises(UserError, match="pigeon"):
        transport_named("pigeon", MailPolicy(), cancellation=Cancellation())
