"""The real command against a real server: what is shown and asked, drafts and approval, and kill -9 at every step."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from orchestrator.mail.ledger import Ledger, State
from orchestrator.model.mail import Encryption
from orchestrator.store.run_json import render_run
from tests.command import COMMAND
from tests.mail_server import PASSWORD, Server, mail_server
from tests.unit.report.mails import RUNS, parsed, recorded

PATIENCE_S = 120.0


@dataclass
class User:
    """A user with a home of his own: his policy, his state, and a run that was recorded."""

    home: Path

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        return {
            **kept,
            "HOME": str(self.home),
            "XDG_CONFIG_HOME": str(self.home / "config"),
            "XDG_STATE_HOME": str(self.home / "state"),
            "ORCHESTRATOR_SMTP_PASSWORD": PASSWORD,
            "GIT_CONFIG_NOSYSTEM": "1",
        }

    @property
    def ledger(self) -> Path:
        return self.home / "state" / "mm-patch-orchestrator" / "mail.sqlite"

    @property
    def drafts(self) -> list[Path]:
        return sorted((self.home / "state" / "mm-patch-orchestrator" / "drafts" / "cur").glob("*"))

    def record(self, name: str = "regression") -> Path:
        path = self.home / f"{name}.json"
        path.write_text(render_run(recorded(name)))
        return path

    def writes_policy(self, server: Server | None, *, moderated: bool = False, lines: str = "") -> None:
        folder = self.home / "config" / "mm-patch-orchestrator"
        folder.mkdir(parents=True, exist_ok=True)
        smtp = ""
        if server is not None:
            settings = server.settings(Encryption.STARTTLS)
            smtp = (
                f'[smtp]\nhost = "{settings.host}"\nport = {settings.port}\nencryption = "starttls"\n'
                f'user = "{settings.user}"\nauthorities = "{settings.authorities}"\ntimeout = 30\n'
            )
        (folder / "mail.toml").write_text(
            '[sender]\nfrom = "Jo Tester <jo@test.example.org>"\n'
            f'[default]\nsend = "also no regressions"\nmoderated = {str(moderated).lower()}\n'
            f'[lists."linux-mm@kvack.org"]\nsend = "regressions only"\nmoderated = {str(moderated).lower()}\n'
            f'[lists."linux-kernel@vger.kernel.org"]\nsend = "never"\n{lines}{smtp}'
        )

    def runs(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        argv = [*COMMAND, *(str(word) for word in words)]
        return subprocess.run(
            argv, capture_output=True, text=True, timeout=PATIENCE_S, check=False, env=self.environment,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def states(self) -> list[State]:
        with Ledger.open(self.ledger) as ledger:
            return [attempt.state for attempt in ledger.attempts()]


@pytest.fixture
def user(tmp_path: Path) -> User:
    home = tmp_path / "home"
    home.mkdir()
    return User(home=home)


def test_mail_when_asked_then_it_is_written_and_nothing_else_happens(user: User) -> None:
    user.writes_policy(None)
    done = user.runs("mail", user.record())

    assert done.returncode == 0, done.stderr
    read = parsed(done.stdout.encode())
    assert read["To"] == "Hao Jia <hao@lixiang.example.org>"
    assert read["In-Reply-To"] == "<20260629112028.1-1-hao@lixiang.example.org>"
    assert "linux-kernel@vger.kernel.org: the list gets mails: never" in done.stderr
    assert not (user.home / "state").exists()


def test_send_when_yes_then_it_arrives_once(user: User, tmp_path: Path) -> None:
    run = user.record()
    with mail_server(tmp_path / "server") as server:
        user.writes_policy(server)
        first, second = user.runs("send", run, "--yes"), user.runs("send", run, "--yes")

    assert (first.returncode, second.returncode) == (0, 3), first.stderr
    assert "sent: 127.0.0.1:" in first.stdout
    assert "was sent already" in second.stderr
    (envelope,) = server.taken
    assert "linux-mm@kvack.org" in envelope.rcpt_tos
    assert "linux-kernel@vger.kernel.org" not in envelope.rcpt_tos
    assert PASSWORD not in first.stdout + first.stderr
    assert user.states() == [State.ACCEPTED]


def test_send_when_nobody_is_there_to_be_asked_then_not(user: User, tmp_path: Path) -> None:
    with mail_server(tmp_path / "server") as server:
        user.writes_policy(server)
        done = user.runs("send", user.record())
    assert done.returncode == 2
    assert "nobody is there to be asked" in done.stderr
    assert server.connections == 0


@pytest.mark.parametrize(("word", "sent"), [("y", 1), ("n", 0), ("", 0)])
def test_send_when_a_person_is_asked_then_his_word_counts(user: User, tmp_path: Path, word: str, sent: int) -> None:
    with mail_server(tmp_path / "server") as server:
        user.writes_policy(server)
        ours, theirs = pty.openpty()
        try:
            argv = [*COMMAND, "send", str(user.record())]
            process = subprocess.Popen(
                argv, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=user.environment
            )
            os.write(ours, f"{word}\n".encode())
            said, _ = process.communicate(timeout=PATIENCE_S)
        finally:
            os.close(ours)
            os.close(theirs)
    assert len(server.taken) == sent
    assert "Send it by 127.0.0.1:" in said
    assert "hao@lixiang.example.org" in said
    assert "Regression: with this patch" in said
    assert process.returncode == (0 if sent else 2)


def test_send_when_moderated_then_a_draft_and_what_the_person_made_of_it_is_sent(user: User, tmp_path: Path) -> None:
    run = user.record()
    with mail_server(tmp_path / "server") as server:
        user.writes_policy(server, moderated=True)
        unread = user.runs("send", run, "--yes", "--approved")
        drafted = user.runs("send", run, "--yes")
        again = user.runs("send", run, "--yes")
        assert server.connections == 0
        (draft,) = user.drafts
        text = (
            draft.read_text().replace("Regression: with", "Hello, with").replace("Cc: ", "Bcc: x@example.org\nCc: ", 1)
        )
        draft.write_text(text)
        sent = user.runs("send", run, "--yes", "--approved")
        after = user.runs("send", run, "--yes")

    assert (drafted.returncode, again.returncode, sent.returncode, after.returncode) == (0, 0, 0, 3), sent.stderr
    assert unread.returncode == 2
    assert "there is no draft of this mail" in unread.stderr
    assert "not sent yet: it waits for approval" in drafted.stdout
    assert "--approved" in drafted.stdout
    (envelope,) = server.taken
    (content,) = server.contents
    assert b"Hello, with this patch" in content
    assert b"Bcc" not in content
    assert "x@example.org" in envelope.rcpt_tos
    assert user.drafts == []
    assert user.states() == [State.DRAFTED, State.DRAFTED, State.ACCEPTED]


def test_send_when_a_draft_was_damaged_then_it_is_not_sent(user: User, tmp_path: Path) -> None:
    run = user.record()
    with mail_server(tmp_path / "server") as server:
        user.writes_policy(server, moderated=True)
        user.runs("send", run, "--yes")
        (draft,) = user.drafts
        whole = draft.read_text()
        for old, new, says in (
            ("To: Hao Jia <hao@lixiang.example.org>", "To: nobody", "no mail address"),
            ("From: Jo", "From: Joe <joe@example.org>\nX-Old: Jo", "not from"),
            ("Regression", "Régression", "not encoded"),
            ("Regression", "x" * 2000, "998"),
        ):
            draft.write_text(whole.replace(old, new, 1))
            done = user.runs("send", run, "--yes", "--approved")
            assert done.returncode == 2, done.stdout
            assert says in done.stderr
        assert server.connections == 0


def test_send_when_to_oneself_then_also_what_no_list_is_told(user: User, tmp_path: Path) -> None:
    run = user.record("inconclusive")
    with mail_server(tmp_path / "server") as server:
        user.writes_policy(server, moderated=True)
        public = user.runs("send", run, "--yes")
        own = user.runs("send", run, "--yes", "--to", "Me <me@example.org>")
        wrong = user.runs("send", run, "--yes", "--to", "me at example")
        to_list = user.runs("send", run, "--yes", "--to", "linux-mm@kvack.org")
    assert (public.returncode, own.returncode, wrong.returncode, to_list.returncode) == (2, 0, 2, 2), own.stderr
    assert "the verdict is INCONCLUSIVE" in public.stderr
    assert "no mail address" in wrong.stderr
    assert "no list is told what is INCONCLUSIVE" in to_list.stderr
    (envelope,) = server.taken
    assert envelope.rcpt_tos == ["me@example.org"]
    assert parsed(server.contents[0])["To"] == "Me <me@example.org>"


# What the server has when we are killed, and what a second send then does.
STEPS = [
    ("hang at the banner", 0, State.ACCEPTED),
    ("hang at mail", 0, State.ACCEPTED),
    ("hang at the recipient", 0, State.ACCEPTED),
    ("hang at data", 0, State.UNKNOWN),
    ("hang before the answer", 0, State.UNKNOWN),
    ("taken, then hang", 1, State.UNKNOWN),
    ("hang at quit", 1, State.UNKNOWN),
]


@pytest.mark.parametrize(("fault", "taken", "then"), STEPS)
def test_send_when_killed_then_never_twice_and_never_claimed(
    user: User, tmp_path: Path, fault: str, taken: int, then: State
) -> None:
    run = user.record()
    with mail_server(tmp_path / "one", fault=fault) as server:
        user.writes_policy(server)
        argv = [*COMMAND, "send", str(run), "--yes"]
        process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=user.environment)
        assert server.reached.wait(PATIENCE_S)
        os.kill(process.pid, signal.SIGKILL)
        process.wait(PATIENCE_S)
        assert State.ACCEPTED not in user.states()
        assert len(server.taken) == taken
    with mail_server(tmp_path / "other") as server:
        user.writes_policy(server)
        second = user.runs("send", run, "--yes")
        assert user.states()[-1] is then
        if then is State.ACCEPTED:
            assert second.returncode == 0, second.stderr
            assert len(server.taken) == 1
        else:
            assert second.returncode == 3
            assert "may have been sent" in second.stderr
            assert server.taken == []
            third = user.runs("send", run, "--yes", "--again")
            assert third.returncode == 0, third.stderr
            assert len(server.taken) == 1


def test_send_when_two_at_once_then_one_mail(user: User, tmp_path: Path) -> None:
    run = user.record()
    with mail_server(tmp_path / "server", late_s=1.0) as server:
        user.writes_policy(server)
        argv = [*COMMAND, "send", str(run), "--yes"]
        both = [
            subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=user.environment)
            for _ in range(2)
        ]
        ends = sorted(process.wait(PATIENCE_S) for process in both)
    assert ends == [0, 3]
    assert len(server.taken) == 1


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["no-such-run"], "no run"),
        (["{run}", "--via", "pigeon"], "no way 'pigeon'"),
        (["{run}", "--policy", "/nowhere/mail.toml"], "is not there"),
        (["{run}", "--introduced", "--upload-pack=x"], "no commit"),
    ],
)
def test_send_when_the_input_is_bad_then_words_and_no_traceback(user: User, words: list[str], says: str) -> None:
    user.writes_policy(None)
    done = user.runs("send", *(word.format(run=user.record()) for word in words), "--yes")
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_mail_when_the_run_is_not_finished_or_of_a_newer_version_then_it_is_said(user: User) -> None:
    user.writes_policy(None)
    unfinished = user.runs("mail", RUNS / "half-finished", "--output", user.home / "out.eml")
    assert unfinished.returncode == 0, unfinished.stderr
    assert unfinished.stdout == ""
    assert "This run is not finished" in parsed((user.home / "out.eml").read_bytes()).get_content()

    newer = user.home / "newer.json"
    newer.write_text((RUNS / "pass" / "run.json").read_text().replace('"schema_version": 1', '"schema_version": 99'))
    done = user.runs("mail", newer)
    assert done.returncode == 2
    assert "schema version 99" in done.stderr


def test_send_when_no_server_is_known_then_it_says_how_to_name_one(user: User) -> None:
    user.writes_policy(None)
    done = user.runs("send", user.record(), "--yes")
    assert done.returncode == 2
    assert "no mail server is known" in done.stderr
