"""Mail handed to the real git send-email, which hands it to a real server on this machine."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from orchestrator.errors import UserError
from orchestrator.host.deadline import Cancellation
from orchestrator.mail.git_send_email import GitSendEmail
from orchestrator.mail.ledger import State
from orchestrator.mail.transport import Answer
from tests.mail_server import Server, mail_server
from tests.unit.mail.builders import outgoing, prepared
from tests.unit.report.mails import parsed


@pytest.fixture(autouse=True)
def no_users_git(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A git configuration of the test's own, empty."""
    path = tmp_path / "gitconfig"
    path.write_text("[user]\n\tname = Jo Tester\n\temail = jo@test.example.org\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(path))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    return path


def send(*options: str) -> tuple[Answer, bool]:
    said: list[bool] = []
    way = GitSendEmail(options=options)
    answer = way.send(outgoing(prepared()), sending=lambda: said.append(True), cancellation=Cancellation())
    return answer, bool(said)


def via(server: Server) -> tuple[str, ...]:
    return ("--smtp-server=127.0.0.1", f"--smtp-server-port={server.port}")


def test_send_when_git_takes_it_then_the_message_arrives_with_its_id_and_to_nobody_else(tmp_path: Path) -> None:
    mail = prepared()
    with mail_server(tmp_path, starttls=False) as server:
        answer, began = send(*via(server))

    assert (answer.state, began) == (State.ACCEPTED, True), answer.says
    (envelope,) = server.taken
    assert set(envelope.rcpt_tos) == {address.address for address in mail.recipients.everybody}
    assert isinstance(envelope.content, bytes)
    read, written = parsed(envelope.content), parsed(mail.data)
    for field in ("Message-ID", "In-Reply-To", "References", "Auto-Submitted", "Subject", "From", "To", "Cc"):
        assert read[field] == written[field], field
    assert read.get_content().replace("\r\n", "\n").rstrip("\n") == mail.text.rstrip("\n")


def test_send_when_the_dry_run_fails_then_refused_before_anything(tmp_path: Path) -> None:
    answer, began = send("--no-such-option")
    assert (answer.state, began) == (State.REFUSED, False)


def test_send_when_git_fails_in_the_middle_then_nobody_knows(tmp_path: Path) -> None:
    with mail_server(tmp_path, starttls=False, fault="message") as server:
        answer, began = send(*via(server))
    assert (answer.state, began) == (State.UNKNOWN, True)
    assert server.taken == []


def test_send_when_there_is_no_git_then_the_user_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # setpriv is what we start everything by.
    for name in ("setpriv", "prlimit"):
        (tmp_path / name).symlink_to(f"/usr/bin/{name}")
        assert stat.S_ISREG((tmp_path / name).stat().st_mode)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("orchestrator.host.process.find_program", lambda *_args, **_more: None)
    with pytest.raises(UserError, match="git is not installed"):
        send()
