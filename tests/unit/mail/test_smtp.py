"""Mail to a real server: encryption, logins, and every way in which it may fail; what is said of each is true."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from orchestrator.errors import Cancelled, UserError
from orchestrator.host.deadline import Cancellation
from orchestrator.mail.ledger import State
from orchestrator.mail.smtp import PATIENCE, SmtpTransport
from orchestrator.mail.transport import Answer, Outgoing
from orchestrator.model.mail import Encryption, SmtpSettings
from tests.mail_server import PASSWORD, REFUSED, USER, mail_server
from tests.unit.mail.builders import outgoing, prepared
from tests.unit.report.mails import parsed


def send(
    settings: SmtpSettings,
    mail: Outgoing | None = None,
    *,
    password: str = PASSWORD,
    cancellation: Cancellation | None = None,
) -> tuple[Answer, bool]:
    """Return the answer, and whether the transport said that it begins to send."""
    said: list[bool] = []
    transport = SmtpTransport(settings=settings, password=password)
    answer = transport.send(
        mail or outgoing(prepared()),
        sending=lambda: said.append(True),
        cancellation=cancellation or Cancellation(),
    )
    return answer, bool(said)


@pytest.mark.parametrize("encryption", [Encryption.STARTTLS, Encryption.TLS])
def test_send_when_encrypted_and_logged_in_then_it_arrives_as_it_was(tmp_path: Path, encryption: Encryption) -> None:
    mail = outgoing(prepared())
    with mail_server(tmp_path, tls=encryption is Encryption.TLS) as server:
        answer, began = send(server.settings(encryption), mail)

    assert (answer.state, began) == (State.ACCEPTED, True)
    assert answer.says == f"127.0.0.1:{server.port} accepted it: 250 taken"
    assert server.logins == [USER]
    (envelope,) = server.taken
    assert envelope.mail_from == mail.sender
    assert envelope.rcpt_tos == list(mail.recipients)
    assert server.contents[0].replace(b"\r\n", b"\n") == mail.data
    assert b"\n" not in server.contents[0].replace(b"\r\n", b"")
    assert parsed(server.contents[0])["Auto-Submitted"] == "auto-replied"


def test_send_when_lines_begin_with_dots_then_they_still_do(tmp_path: Path) -> None:
    data = b"Subject: x\n\n.\n..\n.x\n\n.\n"
    mail = dataclasses.replace(outgoing(prepared()), data=data)
    with mail_server(tmp_path) as server:
        answer, _ = send(server.settings(), mail)
    assert answer.state is State.ACCEPTED
    assert server.contents[0].replace(b"\r\n", b"\n") == data


def test_send_when_a_local_server_without_encryption_then_no_login(tmp_path: Path) -> None:
    with mail_server(tmp_path, starttls=False) as server:
        answer, _ = send(server.settings(Encryption.NONE, user=""))
    assert answer.state is State.ACCEPTED
    assert server.logins == []


REFUSALS = ["banner", "ehlo", "mail", "recipient", "cut at the recipient", "data", "message", "message, for now"]  # fmt: skip


@pytest.mark.parametrize("fault", REFUSALS)
def test_send_when_the_server_fails_before_it_has_all_then_refused(tmp_path: Path, fault: str) -> None:
    with mail_server(tmp_path, fault=fault) as server:
        answer, _ = send(server.settings())
    assert answer.state is State.REFUSED
    assert server.taken == []
    assert answer.says.isprintable()


def test_send_when_cut_in_the_middle_of_the_message_then_refused(tmp_path: Path) -> None:
    # More than the sockets between us hold, so that we see it before we have written all.
    mail = dataclasses.replace(outgoing(prepared()), data=b"Subject: x\n\n" + b"a line of a mail\n" * (1 << 20))
    with mail_server(tmp_path, fault="cut in the message") as server:
        answer, began = send(server.settings(), mail)
    assert (answer.state, began) == (State.REFUSED, True)
    assert "not all of it" in answer.says


def test_send_when_cut_in_a_message_that_was_written_at_once_then_never_accepted(tmp_path: Path) -> None:
    with mail_server(tmp_path, fault="cut in the message") as server:
        answer, _ = send(server.settings())
    assert answer.state in {State.REFUSED, State.UNKNOWN}


@pytest.mark.parametrize("fault", ["cut before the answer", "taken, then cut"])
def test_send_when_cut_after_the_whole_message_then_nobody_knows(tmp_path: Path, fault: str) -> None:
    with mail_server(tmp_path, fault=fault) as server:
        answer, began = send(server.settings())
    assert (answer.state, began) == (State.UNKNOWN, True)
    assert "did not answer" in answer.says


def test_send_when_the_answer_comes_after_the_timeout_then_nobody_knows_though_it_was_taken(tmp_path: Path) -> None:
    with mail_server(tmp_path, late_s=30) as server:
        answer, _ = send(server.settings(timeout=2.0 / PATIENCE))
        assert len(server.taken) == 1
    assert answer.state is State.UNKNOWN


def test_send_when_the_server_says_nothing_then_refused_after_the_timeout(tmp_path: Path) -> None:
    with mail_server(tmp_path, fault="hang at the banner") as server:
        answer, began = send(server.settings(timeout=0.3))
    assert (answer.state, began) == (State.REFUSED, False)


def test_send_when_one_recipient_is_refused_then_nobody_gets_it_and_it_says_who(tmp_path: Path) -> None:
    mail = outgoing(prepared())
    mail = dataclasses.replace(mail, recipients=(*mail.recipients, REFUSED))
    with mail_server(tmp_path) as server:
        answer, began = send(server.settings(), mail)
    assert (answer.state, began) == (State.REFUSED, False)
    assert REFUSED in answer.says
    assert "\x1b" not in answer.says
    assert server.taken == []


def test_send_when_the_password_is_wrong_then_refused(tmp_path: Path) -> None:
    with mail_server(tmp_path) as server:
        answer, began = send(server.settings(), password="wrong")
    assert (answer.state, began) == (State.REFUSED, False)
    assert server.taken == []
    assert "wrong" not in answer.says


@pytest.mark.parametrize("encryption", [Encryption.STARTTLS, Encryption.TLS])
def test_send_when_the_certificate_is_another_hosts_then_no_password_is_told(
    tmp_path: Path, encryption: Encryption
) -> None:
    with mail_server(tmp_path, tls=encryption is Encryption.TLS, name="mail.example.org") as server:
        answer, _ = send(server.settings(encryption))
    assert answer.state is State.REFUSED
    assert server.logins == []


def test_send_when_the_authority_is_unknown_then_no_password_is_told(tmp_path: Path) -> None:
    with mail_server(tmp_path) as server:
        answer, _ = send(dataclasses.replace(server.settings(), authorities=""))
    assert answer.state is State.REFUSED
    assert server.logins == []


def test_send_when_the_server_has_no_starttls_then_nothing_is_told(tmp_path: Path) -> None:
    with mail_server(tmp_path, starttls=False) as server:
        answer, _ = send(server.settings(Encryption.STARTTLS))
    assert answer.state is State.REFUSED
    assert (server.logins, server.taken) == ([], [])


def test_send_when_nobody_listens_then_refused(tmp_path: Path) -> None:
    with mail_server(tmp_path) as server:
        settings = server.settings()
    answer, began = send(settings)
    assert (answer.state, began) == (State.REFUSED, False)


def test_send_when_interrupted_before_the_message_then_it_is_not_sent(tmp_path: Path) -> None:
    cancellation = Cancellation()
    cancellation.cancel()
    with mail_server(tmp_path) as server:
        with pytest.raises(Cancelled):
            send(server.settings(), cancellation=cancellation)
        assert server.taken == []


@pytest.mark.parametrize("content", [None, b"no certificates"])
def test_send_when_the_file_of_authorities_is_none_then_the_user_is_told(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "none.pem"
    if content is not None:
        path.write_bytes(content)
    with mail_server(tmp_path / "server") as server, pytest.raises(UserError):
        send(dataclasses.replace(server.settings(), authorities=str(path)))
    assert server.logins == []
