"""Who gets a mail, and what speaks against sending it."""

from __future__ import annotations

import dataclasses

import pytest

from orchestrator.errors import UserError
from orchestrator.mail.prepare import NOBODY, series_key
from orchestrator.model.mail import ListPolicy, MailPolicy, Wish
from orchestrator.model.run import RunRecord
from orchestrator.model.series import Message
from orchestrator.report.mail.headers import is_address, read_address
from tests.unit.mail.builders import prepared
from tests.unit.report.mails import POLICY, message, recorded, with_message

MM = "linux-mm@kvack.org"


def policy(wish: Wish, *, moderated: bool = False) -> MailPolicy:
    entry = ListPolicy(pattern=MM, wish=wish, moderated=moderated)
    return dataclasses.replace(POLICY, lists=(entry,), otherwise=ListPolicy(pattern="*", wish=Wish.NEVER))


@pytest.mark.parametrize(
    ("wish", "run", "requested", "sent"),
    [
        (Wish.NEVER, "regression", True, False),
        (Wish.ON_REQUEST, "regression", False, False),
        (Wish.ON_REQUEST, "regression", True, True),
        (Wish.ON_REQUEST, "pass", True, True),
        (Wish.REGRESSIONS, "regression", False, True),
        (Wish.REGRESSIONS, "pass", False, False),
        (Wish.REGRESSIONS, "changed", False, False),
        (Wish.REGRESSIONS, "pass", True, True),
        (Wish.EVERYTHING, "pass", False, True),
        (Wish.EVERYTHING, "changed", False, True),
        (Wish.EVERYTHING, "inconclusive", True, False),
        (Wish.EVERYTHING, "our-error", True, False),
    ],
)
def test_list_gets_what_it_wants(
    wish: Wish,
    run: str,
    requested: bool,  # noqa: FBT001
    sent: bool,  # noqa: FBT001
) -> None:
    mail = prepared(run, policy(wish), requested=requested)
    addresses = [address.address for address in mail.recipients.everybody]
    assert (mail.objections == ()) is sent
    assert (MM in addresses) is sent
    # The other list of this mail has no entry, and the default is never.
    assert "linux-kernel@vger.kernel.org" not in addresses


def test_recipients_are_the_author_and_whom_the_mail_went_to_once_each() -> None:
    found = with_message(
        recorded("regression"),
        message(
            "[PATCH] x", cc=(MM, "LINUX-MM@kvack.org", "Hao <HAO@lixiang.example.org>", "jo@test.example.org", "b@c")
        ),
    )
    mail = prepared(record=found)
    assert [str(address) for address in mail.recipients.to] == ["Hao Jia <hao@lixiang.example.org>"]
    assert [address.address for address in mail.recipients.cc] == [
        "akpm@linux-foundation.org", "yosry@kernel.example.org", MM,
    ]  # fmt: skip
    assert set(mail.notes) >= {"jo@test.example.org: ourselves", "b@c: no address"}


def test_recipients_when_the_patch_is_anothers_then_its_author_as_well() -> None:
    found = recorded("regression")
    patches = tuple(
        dataclasses.replace(each, author="Second Author <second@example.org>") for each in found.series.patches
    )
    found = dataclasses.replace(found, series=dataclasses.replace(found.series, patches=patches))
    assert "second@example.org" in [address.address for address in prepared(record=found).recipients.to]


def test_recipients_when_answers_are_wanted_elsewhere_then_there() -> None:
    found = with_message(recorded("regression"), message("[PATCH] x", answers_to=("list@example.org",)))
    assert [address.address for address in prepared(record=found).recipients.to] == ["list@example.org"]


def test_recipients_when_excluded_then_not() -> None:
    mail = prepared(
        policy=dataclasses.replace(POLICY, excluded=("*@linux-foundation.org",)), without=("Yosry@kernel.example.org",)
    )
    addresses = [address.address for address in mail.recipients.everybody]
    assert "akpm@linux-foundation.org" not in addresses
    assert "yosry@kernel.example.org" not in addresses
    assert "akpm@linux-foundation.org: excluded by the policy" in mail.notes


@pytest.mark.parametrize(
    ("target", "says"),
    [
        (message("[PATCH] x", automatic="Auto-Submitted: auto-generated"), "sent by a program"),
        (message("[PATCH] x", message_id="1.a.mm-patch-orchestrator@other.example.org"), "one of ours"),
        (message("Re: x", sender="Jo <JO@test.example.org>"), "our own address"),
        (message("[PATCH] x", message_id=None), "no message id"),
        (message("[PATCH] x", message_id="a b@c"), "no message id"),
        (message("[PATCH] x", cc=(), to=("a@example.org",)), "sent to no list"),
        (message("[PATCH] x", cc=(), to=("linux-kernel@vger.kernel.org",)), ""),
        (message("[PATCH] x", sender="someone", cc=(MM,)), ""),
    ],
)
def test_objections(target: Message, says: str) -> None:
    mail = prepared(record=with_message(recorded("regression"), target))
    assert says in " ".join(mail.objections)
    if not says:
        assert mail.objections in {(), ("there is nobody to send it to",)}


def test_objections_when_the_series_came_in_no_mail_then_only_to_oneself() -> None:
    found = with_message(recorded("regression"))
    assert "came in no mail" in prepared(record=found).objections[0]
    own = prepared(record=found, to=("me@example.org",))
    assert (own.objections, own.moderated) == ((), False)


def test_objections_when_nobody_is_the_sender_then_so() -> None:
    mail = prepared(policy=dataclasses.replace(POLICY, sender=""))
    assert mail.sender is NOBODY
    assert "nobody has said who sends it" in mail.objections[0]
    with pytest.raises(UserError, match="the sender"):
        prepared(policy=dataclasses.replace(POLICY, sender="not an address"))


def test_moderation_when_any_list_wants_it_then_it_is() -> None:
    assert prepared(policy=policy(Wish.EVERYTHING, moderated=True)).moderated
    assert not prepared(policy=policy(Wish.EVERYTHING)).moderated
    assert MailPolicy().otherwise.moderated


def test_series_key_when_another_version_then_the_same_and_else_not() -> None:
    series = recorded("regression").series
    later = dataclasses.replace(series, title=f"[PATCH v6] {series.title.upper()}", version=6)
    assert series_key(series) == series_key(later) != series_key(dataclasses.replace(series, title="another"))
    with_id = dataclasses.replace(series, change_id="20260629-x-1234abcd:v1")
    assert series_key(with_id) == series_key(dataclasses.replace(with_id, change_id="20260629-x-1234abcd:v2"))


@pytest.mark.parametrize(
    "text",
    ["", "a", "a@", "@b.example", "a b@example.org", "a@exa mple.org", "a@b", "a@xxxxxxxxx.com", "jiahao1@xxxxxxxxxxx",
     "a@-b.org", "a..b@example.org", "ü@example.org", "a@example.org\r\nBcc: x@example.org", "a" * 65 + "@example.org",
     "a@" + "b." * 130 + "org", "undisclosed-recipients:;", "a@example.org>, <b@example.org"],
)  # fmt: skip
def test_address_when_it_is_none_then_not_taken_for_one(text: str) -> None:
    assert not is_address(text)
    found = read_address(text)
    assert found is None or is_address(found.address)


def test_reading_a_record_does_not_change_it() -> None:
    found: RunRecord = recorded("regression")
    prepared(record=found)
    assert found == recorded("regression")
