"""The ledger: what it remembers, across ends of ours at any moment, and what may be sent after that."""

from __future__ import annotations

import contextlib
import dataclasses
import sqlite3
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.errors import Cancelled, InfraError, UserError
from orchestrator.host.deadline import Cancellation
from orchestrator.mail.deliver import deliver
from orchestrator.mail.ledger import Ledger, State
from orchestrator.mail.prepare import MailKey, PreparedMail
from orchestrator.mail.transport import Answer
from orchestrator.model.mail import ListPolicy, Wish
from orchestrator.model.verdict import Outcome
from tests.unit.mail.builders import T0, Way, prepared
from tests.unit.report.mails import POLICY


def states(path: Path) -> list[State]:
    with Ledger.open(path) as ledger:
        return [attempt.state for attempt in ledger.attempts()]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "mail.sqlite"


def test_deliver_when_accepted_then_a_second_send_says_so_and_sends_nothing(path: Path) -> None:
    mail, way = prepared(), Way()
    with Ledger.open(path) as ledger:
        first = deliver(mail, way, ledger, policy=POLICY, now=T0)
        second = deliver(mail, way, ledger, policy=POLICY, now=T0 + 60)

    assert (first.state, first.done) == (State.ACCEPTED, True)
    assert (second.state, second.done) == (State.ACCEPTED, False)
    assert second.says == (
        f"a mail on v1 with the verdict REGRESSION was sent already, on 2026-11-23 12:00 UTC, as <{mail.message_id}>: "
        "--again sends another"
    )
    assert len(way.given) == 1
    assert states(path) == [State.ACCEPTED]


def test_deliver_when_another_run_of_the_same_version_and_verdict_then_it_is_the_same_mail(path: Path) -> None:
    mail, way = prepared(), Way()
    other = dataclasses.replace(mail, run_id="another", message_id="another@test.example.org")
    with Ledger.open(path) as ledger:
        deliver(mail, way, ledger, policy=POLICY, now=T0)
        assert not deliver(other, way, ledger, policy=POLICY, now=T0).done


def with_key(
    mail: PreparedMail,
    *,
    series: str | None = None,
    version: int | None = None,
    outcome: Outcome | None = None,
    audience: str | None = None,
) -> PreparedMail:
    old = mail.key
    key = MailKey(
        series=series or old.series,
        version=old.version if version is None else version,
        outcome=outcome or old.outcome,
        audience=audience or old.audience,
    )
    return dataclasses.replace(mail, key=key)


MAIL = prepared()


@pytest.mark.parametrize(
    "other",
    [
        with_key(MAIL, version=7),
        with_key(MAIL, outcome=Outcome.PASS),
        with_key(MAIL, audience="to jo"),
        with_key(MAIL, series="another"),
    ],
)
def test_deliver_when_anything_of_the_key_differs_then_it_is_another_mail(path: Path, other: PreparedMail) -> None:
    way = Way()
    with Ledger.open(path) as ledger:
        deliver(MAIL, way, ledger, policy=POLICY, now=T0)
        assert deliver(other, way, ledger, policy=POLICY, now=T0).done
    assert len(way.given) == 2


def test_deliver_when_refused_then_it_may_be_tried_again(path: Path) -> None:
    with Ledger.open(path) as ledger:
        refusal = Way(answer=Answer(state=State.REFUSED, says="554 spam"))
        assert deliver(prepared(), refusal, ledger, policy=POLICY, now=T0).state is State.REFUSED
        assert deliver(prepared(), Way(), ledger, policy=POLICY, now=T0).done
    assert states(path) == [State.REFUSED, State.ACCEPTED]


def test_deliver_when_nobody_knows_then_only_with_the_users_word(path: Path) -> None:
    with Ledger.open(path) as ledger:
        deliver(prepared(), Way(answer=Answer(state=State.UNKNOWN, says="no answer")), ledger, policy=POLICY, now=T0)
        second = deliver(prepared(), Way(), ledger, policy=POLICY, now=T0)
        assert (second.state, second.done) == (State.UNKNOWN, False)
        assert "may have been sent" in second.says
        assert "(no answer)" in second.says
        assert deliver(prepared(), Way(), ledger, policy=POLICY, now=T0, again=True).done
    assert states(path) == [State.UNKNOWN, State.ACCEPTED]


class Died(BaseException):
    """Our end, as far as the process can see it."""


def test_deliver_when_we_end_while_sending_then_unknown_and_not_again(path: Path) -> None:
    def die() -> None:
        raise Died

    with pytest.raises(Died), Ledger.open(path) as ledger:
        deliver(prepared(), Way(after=die), ledger, policy=POLICY, now=T0)
    assert states(path) == [State.SENDING]

    with Ledger.open(path) as ledger:
        second = deliver(prepared(), Way(), ledger, policy=POLICY, now=T0)
    assert (second.state, second.done) == (State.UNKNOWN, False)
    assert states(path) == [State.UNKNOWN]


def test_deliver_when_we_end_before_sending_then_it_may_be_sent(path: Path) -> None:
    def die() -> None:
        raise Died

    with pytest.raises(Died), Ledger.open(path) as ledger:
        deliver(prepared(), Way(before=die), ledger, policy=POLICY, now=T0)
    with Ledger.open(path) as ledger:
        assert deliver(prepared(), Way(), ledger, policy=POLICY, now=T0).done
    assert states(path) == [State.PREPARED, State.ACCEPTED]


def test_deliver_when_an_accepted_one_was_sent_again_and_we_ended_then_the_first_still_counts(path: Path) -> None:
    def die() -> None:
        raise Died

    with Ledger.open(path) as ledger:
        deliver(prepared(), Way(), ledger, policy=POLICY, now=T0)
    with pytest.raises(Died), Ledger.open(path) as ledger:
        deliver(prepared(), Way(before=die), ledger, policy=POLICY, now=T0, again=True)
    with Ledger.open(path) as ledger:
        assert not deliver(prepared(), Way(), ledger, policy=POLICY, now=T0).done


def test_deliver_when_interrupted_before_sending_then_refused_and_nothing_left(path: Path) -> None:
    cancellation = Cancellation()
    cancellation.cancel()
    way = Way()
    with Ledger.open(path) as ledger, pytest.raises(Cancelled):
        deliver(prepared(), way, ledger, policy=POLICY, now=T0, cancellation=cancellation)
    assert way.given == []
    assert set(states(path)) <= {State.REFUSED}


def test_deliver_when_the_ledger_cannot_be_written_then_nothing_is_sent(path: Path) -> None:
    way = Way()
    with Ledger.open(path) as ledger:
        blocker = sqlite3.connect(path)
        blocker.execute("DROP TABLE attempt")
        blocker.commit()
        blocker.close()
        with pytest.raises(InfraError, match="nothing is sent"):
            deliver(prepared(), way, ledger, policy=POLICY, now=T0)
    assert way.given == []


def test_deliver_when_the_ledger_cannot_be_told_that_it_was_accepted_then_the_truth_is_said(path: Path) -> None:
    def break_it() -> None:
        # Written to until the way is asked, and then no more: as a disk that is full.
        blocker = sqlite3.connect(path)
        blocker.execute("CREATE TRIGGER full BEFORE UPDATE ON attempt BEGIN SELECT RAISE(ABORT, 'disk full'); END")
        blocker.commit()
        blocker.close()

    with Ledger.open(path) as ledger, pytest.raises(InfraError) as caught:
        deliver(prepared(), Way(after=break_it), ledger, policy=POLICY, now=T0)
    assert "the mail was accepted (250 taken)" in caught.value.message
    assert "nothing is sent" not in caught.value.message
    assert states(path) == [State.SENDING]


@pytest.mark.parametrize("content", [b"this is no database" * 100, b"SQLite format 3\0" + b"\xff" * 4096])
def test_open_when_it_is_damaged_then_it_says_so(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(InfraError, match="nothing is sent"), Ledger.open(path):
        pass


def test_open_when_a_newer_one_wrote_it_then_it_says_so(path: Path) -> None:
    with Ledger.open(path):
        pass
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.commit()
    connection.close()
    with pytest.raises(UserError, match="newer"), Ledger.open(path):
        pass


def test_held_when_another_sends_then_it_says_so(path: Path) -> None:
    with (
        Ledger.open(path) as one,
        Ledger.open(path) as other,
        one.held(),
        pytest.raises(UserError, match="another orchestrator is sending"),
        other.held(wait_s=0.2),
    ):
        pass


def test_limit_when_it_is_reached_then_nothing_leaves_and_it_says_until_when(path: Path) -> None:
    policy = dataclasses.replace(POLICY, most=2, per_s=3600)
    way = Way()
    with Ledger.open(path) as ledger:
        for number in range(3):
            mail = with_key(MAIL, version=number)
            last = deliver(mail, way, ledger, policy=policy, now=T0 + number)
        assert (last.state, last.done) == (State.REFUSED, False)
        assert "the next may leave on 2026-11-23 13:00:00 UTC" in last.says
        assert deliver(mail, way, ledger, policy=policy, now=T0 + 3601).done
    assert len(way.given) == 3


def test_limit_when_it_is_none_at_all_then_nothing_leaves(path: Path) -> None:
    with Ledger.open(path) as ledger:
        found = deliver(prepared(), Way(), ledger, policy=dataclasses.replace(POLICY, most=0), now=T0)
    assert not found.done


def test_limit_when_it_only_goes_to_the_drafts_then_it_does_not_count(path: Path) -> None:
    drafts = Way(leaves=False, answer=Answer(state=State.DRAFTED, says="there"))
    with Ledger.open(path) as ledger:
        for _ in range(3):
            found = deliver(prepared(), drafts, ledger, policy=dataclasses.replace(POLICY, most=1), now=T0)
            assert found.done


def test_deliver_when_moderated_then_only_with_approval(path: Path) -> None:
    policy = dataclasses.replace(POLICY, lists=(ListPolicy(pattern="linux-mm@kvack.org", wish=Wish.EVERYTHING),))
    mail = prepared(policy=policy)
    assert mail.moderated
    with Ledger.open(path) as ledger:
        with pytest.raises(UserError, match="moderated"):
            deliver(mail, Way(), ledger, policy=policy, now=T0)
        assert deliver(mail, Way(leaves=False), ledger, policy=policy, now=T0).done
        assert deliver(mail, Way(), ledger, policy=policy, now=T0, approved=True, again=True).done


def test_deliver_when_something_speaks_against_it_then_never(path: Path) -> None:
    mail = prepared("inconclusive")
    with Ledger.open(path) as ledger, pytest.raises(UserError, match="INCONCLUSIVE"):
        deliver(mail, Way(), ledger, policy=POLICY, now=T0, approved=True, again=True)


def test_earlier_report_when_an_older_version_regressed_then_its_mail(path: Path) -> None:
    mail = prepared()
    older = dataclasses.replace(with_key(mail, version=4), message_id="old@test.example.org")
    with Ledger.open(path) as ledger:
        deliver(older, Way(answer=Answer(state=State.REFUSED, says="")), ledger, policy=POLICY, now=T0)
        assert ledger.earlier_report(mail.key.series, 5) is None
        deliver(older, Way(), ledger, policy=POLICY, now=T0)
        found = ledger.earlier_report(mail.key.series, 5)
        assert ledger.earlier_report(mail.key.series, 4) is None
    assert found is not None
    assert (found.version, found.message_id) == (4, "old@test.example.org")
    assert (found.scenario, found.topology) == ("churn", "one-node")


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["accepted", "refused", "unknown", "dies before", "dies after", "drafted"]), st.booleans()
    ),
    max_size=8,
)


# Each step is a transaction on the disk.
@settings(max_examples=40, deadline=None)
@given(steps=STEPS)
def test_ledger_whatever_happened_a_mail_that_may_have_arrived_is_sent_again_only_with_the_users_word(
    steps: list[tuple[str, bool]],
) -> None:
    def die() -> None:
        raise Died

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mail.sqlite"
        may_have_arrived, drafts = False, Way(leaves=False, answer=Answer(state=State.DRAFTED, says="there"))
        for what, again in steps:
            way = Way() if what != "drafted" else drafts
            if what in {"refused", "unknown"}:
                way.answer = Answer(state=State(what), says=what)
            way.before, way.after = (
                (die if what == "dies before" else way.before),
                (die if what == "dies after" else way.after),
            )
            given_before = len(way.given)
            with contextlib.suppress(Died), Ledger.open(path) as ledger:
                deliver(MAIL, way, ledger, policy=dataclasses.replace(POLICY, most=100), now=T0, again=again)
            was_given = len(way.given) > given_before
            if may_have_arrived and not again:
                assert not was_given
            elif what != "dies before":
                assert was_given
            may_have_arrived = may_have_arrived or (was_given and what in {"accepted", "unknown", "dies after"})
        with Ledger.open(path) as ledger:
            accepted = [attempt for attempt in ledger.attempts() if attempt.state is State.ACCEPTED]
        assert len(accepted) <= sum(what == "accepted" for what, _ in steps)
