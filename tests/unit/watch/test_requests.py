"""Who may ask for a test by mail, and what happens then: real DKIM signatures, with keys from a folder."""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import dkim
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from orchestrator.intake.trust import Keys, from_folder
from orchestrator.model.watch import Filter, Requests
from orchestrator.watch import requests
from orchestrator.watch.clock import SteadyClock
from orchestrator.watch.requests import why_not
from orchestrator.watch.state import State
from tests.watching import Bench, FakeRunner, mail, patch, posting, settings_for, watching

BOSS = "The Boss <boss@kernel.example>"
OUR_OWN = "bot@tests.example"
HEADERS = [b"from", b"subject", b"date", b"message-id", b"in-reply-to", b"references", b"to"]


@dataclass(frozen=True)
class Signer:
    """Signs for a domain, and the folder with its key."""

    folder: Path
    private: bytes

    def sign(
        self, raw: bytes, *, domain: str = "kernel.example", headers: list[bytes] = HEADERS, length: bool = False
    ) -> bytes:
        there = [name for name in headers if b"\n" + name + b":" in b"\n" + raw.lower()]
        return dkim.sign(raw, b"s1", domain.encode(), self.private, include_headers=there, length=length) + raw  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Signer:
    folder = tmp_path_factory.mktemp("keys")
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    for domain in ("kernel.example", "evil.example", "example"):
        (folder / f"s1._domainkey.{domain}").write_bytes(b"v=DKIM1; k=rsa; p=" + base64.b64encode(public))
    return Signer(folder, private)


def wanted(signer: Signer) -> Requests:
    return Requests(
        senders=("boss@kernel.example",), addresses=(OUR_OWN,), profiles=("quick", "full"), keys=signer.folder, a_day=3
    )


@pytest.fixture
def bench(tmp_path: Path, signer: Signer) -> Iterator[Bench]:
    asked = dataclasses.replace(settings_for(tmp_path), requests=wanted(signer), filter=Filter(paths=("mm/other.c",)))
    with watching(tmp_path, asked) as found:
        yield found


def ask(
    answers: str,
    body: str = "#orchestrator test\n",
    *,
    number: int = 1,
    author: str = BOSS,
    to: str = "mm@lists.example.org",
) -> bytes:
    return mail(
        subject="Re: [PATCH 0/2] alpha", body=body, message_id=f"ask{number}@kernel.example", answers=answers, author=author,
        to=to, list_id="",
    )  # fmt: skip


def requests_of(bench: Bench) -> list[tuple[str, str]]:
    return [
        (row["state"], row["reason"]) for row in bench.queue.db.rows("SELECT state, reason FROM request ORDER BY rowid")
    ]


def test_request_when_a_signed_reply_asks_then_a_series_that_was_not_for_us_is_tested(
    bench: Bench, signer: Signer
) -> None:
    bench.deliver(*posting("alpha", 2))
    bench.settle()
    assert bench.states() == [State.FILTERED]

    bench.deliver(signer.sign(ask("alpha.v1@example.org", "> quoted\n\n#orchestrator test full\n\nThanks\n")))
    bench.settle()

    assert requests_of(bench) == [("granted", "")]
    assert bench.states() == [State.FILTERED, State.SENT]
    assert bench.runs == ["start 2 1 full"]
    assert bench.entries()[1].asked_by == "boss@kernel.example"


def test_request_when_it_comes_before_the_series_then_it_waits_for_it(bench: Bench, signer: Signer) -> None:
    bench.deliver(signer.sign(ask("alpha.v1@example.org")))
    bench.settle()
    assert requests_of(bench) == [("waiting", "waits for the series that it answers")]

    bench.deliver(*posting("alpha", 2))
    bench.settle()

    assert [line.split()[2:] for line in bench.runs] == [["1", "quick"]]
    assert State.SENT in bench.states()


def test_request_when_it_comes_twice_then_one_test(bench: Bench, signer: Signer) -> None:
    bench.deliver(*posting("alpha", 2))
    asked = signer.sign(ask("1.alpha.v1@example.org"))
    for _ in range(3):
        bench.deliver(asked)
        bench.settle()

    assert len(bench.runs) == 1


def test_request_when_a_patch_is_sent_to_our_own_address_then_it_is_tested(bench: Bench, signer: Signer) -> None:
    for each in posting("alpha", 2, author=BOSS, to=OUR_OWN, list_id=""):
        bench.deliver(signer.sign(each))
    bench.settle()

    assert [line.split()[3] for line in bench.runs] == ["quick"]
    assert [entry.state for entry in bench.entries()].count(State.SENT) == 1


def test_request_when_a_series_is_sent_to_us_at_once_then_one_test_of_it(bench: Bench, signer: Signer) -> None:
    bench.deliver(*(signer.sign(each) for each in posting("alpha", 2, author=BOSS, to=OUR_OWN, list_id="")))
    bench.settle()

    assert len(bench.runs) == 1


def test_request_when_a_verdict_is_there_already_then_tested_anew(tmp_path: Path, signer: Signer) -> None:
    asked = dataclasses.replace(settings_for(tmp_path), requests=wanted(signer))
    with watching(tmp_path, asked) as bench:
        bench.deliver(*posting("alpha", 2))
        bench.settle()
        bench.deliver(signer.sign(ask("2.alpha.v1@example.org", "#orchestrator test full")))
        bench.settle()

        assert bench.runs == ["start 1 1 quick", "start 2 1 full"]


def test_request_when_a_newer_version_comes_then_what_was_asked_for_is_tested_all_the_same(
    tmp_path: Path, signer: Signer
) -> None:
    asked = dataclasses.replace(settings_for(tmp_path), requests=wanted(signer))
    with watching(tmp_path, asked, runner=FakeRunner(tmp_path / "runs.log", polls=5)) as bench:
        bench.deliver(*posting("alpha", 2), signer.sign(ask("alpha.v1@example.org")))
        bench.watcher.look_again()
        bench.watcher.round()
        bench.deliver(*posting("alpha", 2, version=2))
        bench.settle()

        assert bench.states() == [State.SENT, State.SENT]


def test_request_when_the_profile_may_not_be_asked_for_then_refused(bench: Bench, signer: Signer) -> None:
    bench.deliver(*posting("alpha", 2), signer.sign(ask("alpha.v1@example.org", "#orchestrator test endless")))
    bench.settle()

    assert requests_of(bench) == [("refused", "the profile 'endless' may not be asked for")]
    assert bench.runs == []


def test_request_when_there_are_too_many_in_a_day_then_refused(bench: Bench, signer: Signer) -> None:
    bench.deliver(*posting("alpha", 2))
    for number in range(5):
        bench.deliver(signer.sign(ask("alpha.v1@example.org", number=number)))
        bench.settle()

    assert [state for state, _ in requests_of(bench)] == ["granted"] * 3 + ["refused"] * 2
    assert requests_of(bench)[-1][1] == "boss@kernel.example has asked 3 times in a day"


def test_request_when_the_command_is_only_quoted_then_nothing(bench: Bench, signer: Signer) -> None:
    bench.deliver(*posting("alpha", 2), signer.sign(ask("alpha.v1@example.org", "> #orchestrator test\n\nNo.\n")))
    bench.settle()

    assert requests_of(bench) == []


Damage = Callable[[Signer], bytes]
CASES: list[tuple[str, Damage, str]] = [
    ("unsigned", lambda _signer: ask("x@y"), "boss@kernel.example is not proven: no DKIM signature"),
    ("somebody", lambda signer: signer.sign(ask("x@y", author="M <m@kernel.example>")), "m@kernel.example may not ask"),
    ("other domain", lambda signer: signer.sign(ask("x@y"), domain="evil.example"), "signed by evil.example, not by"),
    (
        "changed",
        lambda signer: signer.sign(ask("x@y")).replace(b"#orchestrator test", b"#orchestrator  test"),
        "DKIM bad",
    ),
    ("no key", lambda signer: signer.sign(ask("x@y"), domain="unknown.example"), "DKIM not checked: no key"),
    (
        "thread not signed",
        lambda signer: signer.sign(ask("x@y"), headers=[b"from", b"subject", b"date", b"message-id"]),
        "does not cover in-reply-to, references",
    ),
    ("id not signed", lambda signer: signer.sign(ask("x@y"), headers=HEADERS[:3]), "does not cover message-id"),
    ("beginning only", lambda signer: signer.sign(ask("x@y"), length=True), "covers only a part of the text"),
    ("two senders", lambda signer: b"From: x@evil.example\n" + signer.sign(ask("x@y")), "it has 2 From headers"),
]


@pytest.mark.parametrize(
    ("damage", "why"), [(damage, why) for _, damage, why in CASES], ids=[name for name, _, _ in CASES]
)
def test_request_when_the_sender_is_not_proven_then_refused_and_nothing_runs(
    bench: Bench, signer: Signer, damage: Damage, why: str
) -> None:
    bench.deliver(*posting("alpha", 2), damage(signer))
    bench.settle()

    ((state, said),) = requests_of(bench)
    assert (state, bench.runs) == ("refused", [])
    assert why in said


def test_why_not_when_the_signature_is_of_the_domain_above_then_good(signer: Signer) -> None:
    asked = Requests(senders=("boss@kernel.example",))

    assert why_not(signer.sign(ask("x@y"), domain="example"), asked, Keys(lookup=from_folder(signer.folder))) == ""


def test_own_mail_when_it_comes_back_over_the_list_then_nothing(bench: Bench, signer: Signer) -> None:
    bench.deliver(*posting("alpha", 2), ask("alpha.v1@example.org", author=f"Bot <{OUR_OWN}>"))
    bench.deliver(patch("beta", author=f"Bot <{OUR_OWN}>"))
    bench.settle()

    assert requests_of(bench) == []
    assert bench.queue.counters()["mails own"] == 2


def test_request_when_no_name_server_answers_then_asked_again_later(
    tmp_path: Path, signer: Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = dataclasses.replace(wanted(signer), keys=None)
    answers = False
    times = 0

    def lookup(name: str) -> bytes | None:
        nonlocal times
        times += 1
        if not answers:
            raise OSError("no network")
        return from_folder(signer.folder)(name)

    monkeypatch.setattr(requests, "from_dns", lookup)
    hands = [1000.0]
    clock = SteadyClock(monotonic=lambda: hands[0], wall_clock=lambda: 0.0)
    with watching(tmp_path, dataclasses.replace(settings_for(tmp_path), requests=asked), clock=clock) as bench:
        bench.deliver(*posting("alpha", 2, path="fs/x.c"), signer.sign(ask("alpha.v1@example.org")))
        bench.settle()
        assert requests_of(bench) == [("unchecked", "no name server answers for boss@kernel.example's signature")]
        assert times == 1

        answers = True
        hands[0] += requests.PAUSE_S + 1
        bench.settle()

        assert requests_of(bench) == [("granted", "")]


def test_request_when_it_is_sent_to_an_address_that_ends_like_ours_then_it_is_none(
    bench: Bench, signer: Signer
) -> None:
    bench.deliver(signer.sign(patch("alpha", author=BOSS, to=f"ro{OUR_OWN}", list_id="")))
    bench.settle()

    assert requests_of(bench) == []
