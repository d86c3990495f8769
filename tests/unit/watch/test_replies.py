"""Replies by the real sending side: a mail server on loopback, drafts, the ledger."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.errors import InfraError, UserError
from orchestrator.host.deadline import Cancellation
from orchestrator.model.watch import MailMode, MailSettings, RunSettings, WatchSettings
from orchestrator.store.run_json import render_run
from orchestrator.watch.outbox import Delivered, Fate, Outbox, Prepared, Verdictful
from orchestrator.watch.replies import MailOutbox, outbox_of
from orchestrator.watch.state import State
from tests.mail_server import Server, mail_server
from tests.unit.report.mails import recorded
from tests.watching import FakeOutbox, FakeRunner, patch, watching


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    (tmp_path / "server").mkdir()
    with mail_server(tmp_path / "server", starttls=False) as running:
        yield running


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    return tmp_path / "home"


def outbox(folder: Path, server: Server, *, mode: MailMode = MailMode.SEND, moderated: bool = False) -> MailOutbox:
    config = folder / "mail.toml"
    config.write_text(f"""
[sender]
from = "Bot <bot@tests.example>"
drafts = "{folder}/drafts"
[smtp]
host = "127.0.0.1"
port = {server.port}
encryption = "none"
[lists."linux-mm@kvack.org"]
send = "also no regressions"
moderated = {str(moderated).lower()}
[lists."linux-kernel@vger.kernel.org"]
send = "regressions only"
moderated = {str(moderated).lower()}
""")
    return MailOutbox(MailSettings(mode=mode, config=config), Cancellation())


def judged(folder: Path, name: str = "regression", *, requested: bool = False) -> Verdictful:
    run = folder / "runs" / name
    run.mkdir(parents=True, exist_ok=True)
    (run / "plan.json").write_text("{}")
    (run / "run.json").write_text(render_run(recorded(name)))
    return Verdictful(series=1, run=run, requested=requested)


def drafts_in(folder: Path) -> list[Path]:
    return [path for path in (folder / "drafts").rglob("*") if path.is_file()]


def test_reply_when_the_policy_lets_it_go_then_sent_once_however_often_it_is_asked_for(
    tmp_path: Path, server: Server
) -> None:
    out, verdict = outbox(tmp_path, server), judged(tmp_path)

    prepared = out.prepare(verdict)
    fates = [out.deliver(verdict).fate for _ in range(3)]

    assert prepared.silence == ""
    assert fates == [Fate.SENT] * 3
    assert len(server.taken) == 1
    assert b"In-Reply-To: <20260629112028.1-" in server.contents[0]


def test_reply_when_the_policy_moderates_then_a_draft(tmp_path: Path, server: Server) -> None:
    out, verdict = outbox(tmp_path, server, moderated=True), judged(tmp_path)

    for _ in range(2):
        assert out.deliver(verdict).fate is Fate.DRAFT

    assert (len(server.taken), len(drafts_in(tmp_path))) == (0, 1)


def test_reply_when_the_watcher_is_set_to_drafts_then_a_draft_though_the_policy_would_send(
    tmp_path: Path, server: Server
) -> None:
    out = outbox(tmp_path, server, mode=MailMode.DRAFTS)

    assert out.deliver(judged(tmp_path)).fate is Fate.DRAFT
    assert server.taken == []


@pytest.mark.parametrize("name", ["inconclusive", "our-error"])
def test_reply_when_the_verdict_is_ours_to_put_right_then_silence(tmp_path: Path, server: Server, name: str) -> None:
    prepared = outbox(tmp_path, server).prepare(judged(tmp_path, name))

    assert "no list is told" in prepared.silence


def test_reply_when_the_server_is_away_then_our_fault_and_sent_when_it_is_back(tmp_path: Path, server: Server) -> None:
    away = outbox(tmp_path, Server(port=1, authorities=tmp_path))
    verdict = judged(tmp_path)
    assert away.deliver(verdict).fate is Fate.REFUSED

    assert outbox(tmp_path, server).deliver(verdict).fate is Fate.SENT
    assert len(server.taken) == 1


def test_reply_when_the_record_is_gone_then_our_fault(tmp_path: Path, server: Server) -> None:
    verdict = judged(tmp_path)
    (verdict.run / "run.json").unlink()

    with pytest.raises(InfraError, match="the reply cannot be made"):
        outbox(tmp_path, server).prepare(verdict)


def test_outbox_when_the_policy_cannot_be_read_then_the_watcher_does_not_begin(tmp_path: Path) -> None:
    (tmp_path / "mail.toml").write_text("[sender]\nfrom = 7\n")
    settings = WatchSettings(
        state=tmp_path, sources=(), run=RunSettings(linux="x"), mail=MailSettings(config=tmp_path / "mail.toml")
    )

    with pytest.raises(UserError, match=r"mail\.toml"):
        outbox_of(settings, Cancellation())


class Failing:
    """A sending side that has a fault of its own at first."""

    def __init__(self, inner: Outbox) -> None:
        self.inner, self.left = inner, 3

    def prepare(self, verdict: Verdictful) -> Prepared:
        self.left -= 1
        if self.left > 0:
            raise InfraError("no disk") if self.left == 1 else ValueError("a hostile record")
        return self.inner.prepare(verdict)

    def deliver(self, verdict: Verdictful) -> Delivered:
        return self.inner.deliver(verdict)


def test_watcher_when_a_reply_cannot_be_made_at_first_then_it_is_tried_again(tmp_path: Path) -> None:
    with watching(tmp_path, outbox=Failing(FakeOutbox(tmp_path / "out"))) as bench:
        bench.deliver(patch("alpha"))
        bench.settle_until(lambda: bench.states() == [State.SENT])

        assert (bench.states(), bench.sent) == ([State.SENT], ["1"])
        assert [event for event, _ in bench.events].count("reply fault") == 2


def test_watcher_when_it_is_a_draft_then_it_waits_for_a_person_and_is_not_asked_for_again(tmp_path: Path) -> None:
    with watching(
        tmp_path, outbox=FakeOutbox(tmp_path / "out", draft=True), runner=FakeRunner(tmp_path / "runs.log")
    ) as bench:
        bench.deliver(patch("alpha"))
        for _ in range(3):
            bench.settle()

        (entry,) = bench.entries()
        assert (entry.state, entry.waits_for) == (State.PREPARED, "a person")
        assert [event for event, _ in bench.events].count("delivered") == 1


class Refused(FakeOutbox):
    """A sending side whose server refuses."""

    def deliver(self, judged: Verdictful) -> Delivered:
        return Delivered(fate=Fate.REFUSED, says=f"550 {judged.series}")


def test_watcher_when_the_server_refuses_then_tried_some_times_and_left_to_a_person(tmp_path: Path) -> None:
    with watching(tmp_path, outbox=Refused(tmp_path / "out")) as bench:
        bench.deliver(patch("alpha"))
        bench.settle_until(lambda: bench.entries()[0].waits_for != "")

        (entry,) = bench.entries()
        assert (entry.state, entry.waits_for, entry.reason) == (State.PREPARED, "a person", "550 1")
        assert [event for event, _ in bench.events].count("delivered") == 4
