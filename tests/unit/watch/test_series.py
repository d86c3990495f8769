"""Which series the queue makes of the mails that come, and what becomes of each."""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from orchestrator.model.series import Series
from orchestrator.model.watch import Budgets, Completion, Filter, Incomplete, RunSettings
from orchestrator.watch import settle
from orchestrator.watch.clock import SteadyClock
from orchestrator.watch.filters import not_for_us
from orchestrator.watch.runner import Job
from orchestrator.watch.state import State
from tests.watching import AUTHOR, LIST_ID, Bench, FakeAttempt, FakeRunner, mail, patch, posting, settings_for, watching

QUIET_S = 60.0


class Hands:
    """Hands of a clock that a test moves: ``steady`` the monotonic one, ``wall`` the host's."""

    def __init__(self) -> None:
        self.steady = 1000.0
        self.wall = 1_800_000_000.0

    def clock(self) -> SteadyClock:
        return SteadyClock(monotonic=lambda: self.steady, wall_clock=lambda: self.wall)

    def pass_on(self, seconds: float) -> None:
        self.steady += seconds
        self.wall += seconds


@pytest.fixture
def hands() -> Hands:
    return Hands()


@pytest.fixture
def bench(tmp_path: Path, hands: Hands) -> Iterator[Bench]:
    with watching(tmp_path, clock=hands.clock()) as found:
        yield found


def test_series_when_all_parts_are_there_then_tested_and_answered_once(bench: Bench) -> None:
    bench.deliver(*posting("alpha", 3))

    bench.settle()

    (entry,) = bench.entries()
    assert (entry.state, entry.title, entry.total, entry.outcome) == (State.SENT, "alpha", 3, "PASS")
    assert bench.runs == ["start 1 1 quick"]
    assert bench.sent == ["1"]
    assert [line["state"] for line in bench.queue.history(1)] == [
        "seen", "complete", "planned", "running", "judged", "mail prepared", "sent",
    ]  # fmt: skip


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_series_when_parts_come_one_by_one_in_any_order_then_one_run(bench: Bench, order: tuple[int, ...]) -> None:
    parts = posting("alpha", 2)

    for place in order:
        assert bench.runs == []
        bench.deliver(parts[place])
        bench.settle()

    assert bench.runs == ["start 1 1 quick"]
    assert bench.entries()[-1].state is State.SENT


def test_series_when_a_part_is_missing_then_it_says_what_it_waits_for(bench: Bench) -> None:
    bench.deliver(*posting("alpha", 5)[:3])

    bench.settle()

    (entry,) = bench.entries()
    assert (entry.state, entry.waits_for) == (State.SEEN, "parts 3-5 of 5")


def test_series_when_the_cover_letter_is_late_then_waited_for(bench: Bench, hands: Hands) -> None:
    parts = posting("alpha", 2)
    bench.deliver(*parts[1:])
    bench.settle()
    assert bench.entries()[0].waits_for == "what it answers: <alpha.v1@example.org>"

    bench.deliver(parts[0])
    bench.settle()

    assert bench.entries()[0].title == "alpha"
    assert bench.runs == ["start 1 1 quick"]


def test_series_when_the_cover_letter_never_comes_then_tested_after_the_quiet_time(bench: Bench, hands: Hands) -> None:
    parts = posting("alpha", 2)
    bench.deliver(*parts[1:])
    bench.settle()
    hands.pass_on(QUIET_S + 1)
    bench.settle()
    assert bench.runs == ["start 1 1 quick"]

    bench.deliver(parts[0])
    bench.settle()

    assert bench.runs == ["start 1 1 quick"]
    assert bench.states() == [State.SENT]


def test_series_when_it_stays_incomplete_then_tested_as_it_is_and_said(bench: Bench, hands: Hands) -> None:
    bench.deliver(*posting("alpha", 3)[:3])
    bench.settle()

    hands.pass_on(QUIET_S + 1)
    bench.settle()

    assert bench.runs == ["start 1 1 quick partial"]
    assert any("without its parts 3" in line["text"] for line in bench.queue.history(1))


def test_series_when_the_missing_part_comes_after_the_verdict_then_the_whole_is_tested(
    bench: Bench, hands: Hands
) -> None:
    parts = posting("alpha", 3)
    bench.deliver(*parts[:3])
    bench.settle()
    hands.pass_on(QUIET_S + 1)
    bench.settle()

    bench.deliver(parts[3])
    bench.settle()

    assert bench.runs == ["start 1 1 quick partial", "start 2 1 quick"]


def test_series_when_incomplete_ones_are_to_be_parked_then_parked_until_the_part_comes(
    tmp_path: Path, hands: Hands
) -> None:
    wanted = settings_for(tmp_path, completion=Completion(quiet_s=QUIET_S, incomplete=Incomplete.PARK))
    with watching(tmp_path, wanted, clock=hands.clock()) as bench:
        parts = posting("alpha", 3)
        bench.deliver(*parts[:3])
        bench.settle()
        hands.pass_on(QUIET_S + 1)
        bench.settle()
        assert (bench.states(), bench.entries()[0].reason) == ([State.PARKED], "of 3 parts 3 did not come")

        bench.deliver(parts[3])
        bench.settle()

        assert bench.states() == [State.SENT]


def test_series_when_a_newer_version_comes_then_the_older_ones_work_is_cancelled(tmp_path: Path) -> None:
    with watching(tmp_path, runner=FakeRunner(tmp_path / "runs.log", polls=10**6)) as bench:
        bench.deliver(*posting("alpha", 2))
        for _ in range(5):
            bench.watcher.look_again()
            bench.watcher.round()
        assert bench.states() == [State.RUNNING]

        bench.deliver(*posting("alpha", 2, version=2))
        for _ in range(5):
            bench.watcher.look_again()
            bench.watcher.round()

        first, second = bench.entries()
        assert (first.state, first.replaced_by, first.reason) == (State.SUPERSEDED, 2, "v2 came: series 2")
        assert second.state is State.RUNNING
        assert ("stopped", {"series": 1, "state": "superseded"}) in bench.events


def test_series_when_an_older_version_comes_late_then_it_is_not_tested(bench: Bench) -> None:
    bench.deliver(*posting("alpha", 2, version=3))
    bench.settle()

    bench.deliver(*posting("alpha", 2, version=2))
    bench.settle()

    assert bench.states() == [State.SENT, State.SUPERSEDED]


def test_series_when_somebody_else_sends_a_newer_version_then_nothing_is_cancelled(bench: Bench) -> None:
    bench.deliver(*posting("alpha", 2), *posting("alpha", 2, version=9, author="Mal Lory <m@example.com>"))

    bench.settle()

    assert bench.states() == [State.SENT, State.SENT]


def test_series_when_it_comes_over_three_lists_then_tested_once(bench: Bench) -> None:
    for name in (LIST_ID, "linux-kernel.vger.kernel.org", "other.example.org"):
        bench.deliver(*posting("alpha", 2, list_id=name))
        bench.settle()

    assert bench.runs == ["start 1 1 quick"]
    assert bench.sent == ["1"]
    assert bench.queue.counters()["mails again"] == 6


def test_series_when_the_wanted_list_is_the_second_to_bring_it_then_tested(tmp_path: Path) -> None:
    with watching(tmp_path, settings_for(tmp_path, filter=Filter(lists=(LIST_ID,)))) as bench:
        bench.deliver(*posting("alpha", 2, list_id="other.example.org", to="other@example.org"))
        bench.settle()
        assert bench.entries() == []

        bench.deliver(*posting("alpha", 2))
        bench.settle()

        assert bench.states() == [State.SENT]


def test_series_when_it_is_sent_again_as_it_was_then_the_same(bench: Bench) -> None:
    bench.deliver(patch("alpha", message_id="one@example.org", text="x"))
    bench.settle()

    bench.deliver(patch("alpha", message_id="two@example.org", text="x", tag="PATCH RESEND"))
    bench.settle()

    assert bench.states() == [State.SENT, State.SAME]
    assert bench.entries()[1].reason == "the same changes as series 1"


def test_series_when_one_part_is_sent_again_in_answer_to_itself_then_the_whole_is_tested_with_it(
    bench: Bench, hands: Hands
) -> None:
    bench.deliver(*posting("alpha", 3))
    bench.settle()

    bench.deliver(
        patch("alpha part 2", 2, 3, message_id="again@example.org", answers="2.alpha.v1@example.org", text="mended")
    )
    bench.settle()
    hands.pass_on(QUIET_S + 1)
    bench.settle()

    assert bench.runs == ["start 1 1 quick", "start 2 1 quick"]
    ids = {message.id for message in bench.queue.messages(2)}
    assert {"again@example.org", "1.alpha.v1@example.org", "3.alpha.v1@example.org"} <= ids


def test_series_when_two_of_one_kind_have_no_threads_then_kept_apart_by_what_they_lack(bench: Bench) -> None:
    bench.deliver(patch("one", 1, 2, message_id="a1@example.org"), patch("two", 2, 2, message_id="a2@example.org"))

    bench.settle()

    assert bench.runs == ["start 1 1 quick"]


def test_series_when_one_id_comes_with_two_patches_then_refused(bench: Bench) -> None:
    first, second = posting("alpha", 2, cover=False)
    bench.deliver(first)
    bench.settle()

    bench.deliver(first.replace(b"int one", b"int two"), second)
    bench.settle()

    (entry,) = bench.entries()
    assert entry.state is State.REFUSED
    assert "came twice with different patches" in entry.reason
    assert bench.runs == []


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        (Filter(paths=("fs/*",)), "it touches none of the files wanted, only mm/zswap.c"),
        (Filter(tags=("mm-unstable",)), "its subject has none of the tags mm-unstable"),
        (Filter(without_tags=("RFC",)), "its subject has the tag RFC"),
        (Filter(authors=("*@kernel.org",)), "a@example.org is none of the authors wanted"),
        (Filter(without_authors=("a@*",)), "a@example.org is among the authors left out"),
    ],
)
def test_filter_when_a_series_is_not_for_us_then_filtered_with_the_reason(
    tmp_path: Path, wanted: Filter, why: str
) -> None:
    with watching(tmp_path, settings_for(tmp_path, filter=wanted)) as bench:
        bench.deliver(patch("alpha", tag="PATCH RFC"))
        bench.settle()

        (entry,) = bench.entries()
        assert (entry.state, entry.reason, bench.runs) == (State.FILTERED, why, [])


@pytest.mark.parametrize(("wanted", "why"), [(Filter(most_parts=2), "3 parts; 2 are"), (Filter(most_bytes=100), "KiB")])
def test_filter_when_a_series_is_too_large_then_refused(tmp_path: Path, wanted: Filter, why: str) -> None:
    with watching(tmp_path, settings_for(tmp_path, filter=wanted)) as bench:
        bench.deliver(*posting("alpha", 3))
        bench.settle()

        (entry,) = bench.entries()
        assert entry.state is State.REFUSED
        assert why in entry.reason


def test_run_when_the_fault_is_ours_then_tried_again_and_parked_without_a_mail(tmp_path: Path) -> None:
    runner = FakeRunner(tmp_path / "runs.log", outcomes={"alpha": ["ERROR"]})
    wanted = settings_for(tmp_path, run=RunSettings(linux="linux-7.2", backoff_s=0.001, attempts=3))
    with watching(tmp_path, wanted, runner=runner) as bench:
        bench.deliver(patch("alpha"), patch("beta"))
        bench.settle_until(lambda: bench.states() == [State.PARKED, State.SENT])

        alpha, beta = bench.entries()
        assert (alpha.state, alpha.reason) == (State.PARKED, "tried 3 times: It is ERROR.")
        assert [line for line in bench.runs if line.startswith("start 1")] == [f"start 1 {n} quick" for n in (1, 2, 3)]
        assert beta.state is State.SENT
        assert bench.sent == ["2"]


def test_run_when_the_second_attempt_succeeds_then_answered(tmp_path: Path) -> None:
    runner = FakeRunner(tmp_path / "runs.log", outcomes={"alpha": ["exit 3", "REGRESSION"]})
    with watching(tmp_path, runner=runner) as bench:
        bench.deliver(patch("alpha"))
        bench.settle_until(lambda: bench.states() == [State.SENT])

        assert (bench.states(), bench.entries()[0].outcome, bench.sent) == ([State.SENT], "REGRESSION", ["1"])


def test_run_when_it_waits_after_a_fault_then_the_pause_grows_and_is_said(tmp_path: Path, hands: Hands) -> None:
    runner = FakeRunner(tmp_path / "runs.log", outcomes={"alpha": ["exit 3"]})
    wanted = settings_for(tmp_path, run=RunSettings(linux="x", backoff_s=100, attempts=9, longest_backoff_s=300))
    with watching(tmp_path, wanted, runner=runner, clock=hands.clock()) as bench:
        bench.deliver(patch("alpha"))
        pauses = []
        for _ in range(4):
            bench.settle()
            (entry,) = bench.entries()
            assert entry.state is State.PLANNED
            pauses.append(entry.waits_for)
            hands.pass_on(301)
        assert pauses == [f"{s} s after a fault of ours" for s in (100, 200, 300, 300)]
        assert "something was wrong" in bench.entries()[0].reason


def test_run_when_the_input_cannot_be_used_then_refused_and_nobody_is_told(tmp_path: Path) -> None:
    runner = FakeRunner(tmp_path / "runs.log", outcomes={"alpha": ["exit 2"]})
    with watching(tmp_path, runner=runner) as bench:
        bench.deliver(patch("alpha"))
        bench.settle()

        assert (bench.states(), bench.entries()[0].reason, bench.sent) == ([State.REFUSED], "something was wrong", [])


def test_run_when_it_is_inconclusive_then_no_reply_where_the_sending_side_wants_none(tmp_path: Path) -> None:
    runner = FakeRunner(tmp_path / "runs.log", outcomes={"alpha": ["INCONCLUSIVE"]})
    with watching(tmp_path, runner=runner) as bench:
        bench.deliver(patch("alpha"))
        bench.settle()

        (entry,) = bench.entries()
        assert (entry.state, entry.reason, bench.sent) == (State.DONE, "no mail: verdict INCONCLUSIVE", [])


def test_run_when_it_takes_longer_than_a_series_may_then_parked(tmp_path: Path, hands: Hands) -> None:
    wanted = settings_for(tmp_path, budgets=Budgets(free_mib=0, series_s=100.0))
    with watching(
        tmp_path, wanted, runner=FakeRunner(tmp_path / "runs.log", polls=10**6), clock=hands.clock()
    ) as bench:
        bench.deliver(patch("alpha"))
        for _ in range(5):
            bench.watcher.look_again()
            bench.watcher.round()
        hands.pass_on(101)
        bench.settle()

        assert (bench.states(), bench.entries()[0].reason) == ([State.PARKED], "it took more than 100 s")


def test_budget_when_the_days_runs_are_used_up_then_the_others_wait_and_say_so(tmp_path: Path, hands: Hands) -> None:
    wanted = settings_for(tmp_path, budgets=Budgets(free_mib=0, runs_a_day=2))
    with watching(tmp_path, wanted, clock=hands.clock()) as bench:
        bench.deliver(patch("one"), patch("two"), patch("three"))
        bench.settle()
        assert bench.states() == [State.SENT, State.SENT, State.PLANNED]
        assert bench.entries()[2].waits_for == "the budget of 2 runs a day"

        # A host's clock that jumps by a year changes nothing.
        hands.wall += 365 * 86400
        bench.settle()
        assert bench.states()[2] is State.PLANNED
        hands.wall -= 2 * 365 * 86400
        hands.pass_on(43201)
        bench.settle()

        assert bench.states() == [State.SENT] * 3


@pytest.mark.parametrize("jump", [-(10**8), 10**8])
def test_clock_when_the_hosts_jumps_then_the_quiet_time_is_not_shorter_or_longer(
    bench: Bench, hands: Hands, jump: float
) -> None:
    bench.deliver(*posting("alpha", 3)[:3])
    bench.settle()

    hands.wall += jump
    hands.pass_on(QUIET_S / 2)
    bench.settle()
    assert bench.states() == [State.SEEN]
    hands.pass_on(QUIET_S / 2 + 1)
    bench.settle()

    assert bench.states() == [State.SENT]


@pytest.mark.parametrize(
    "headers",
    ["Auto-Submitted: auto-replied\n", "X-Autoreply: yes\n", "Precedence: auto_reply\n", "Return-Path: <>\n"],
)
def test_automatic_mail_when_it_carries_a_patch_or_a_command_then_nothing_happens(bench: Bench, headers: str) -> None:
    bench.deliver(
        patch("alpha", headers=headers),
        mail(subject="Re: x", body="#orchestrator test", message_id="r@example.org", headers=headers),
    )

    bench.settle()

    assert (bench.entries(), bench.queue.counters()) == ([], {"mails automatic": 2})


def test_spam_when_it_comes_then_only_counted(bench: Bench) -> None:
    noise = random.Random(7)
    for number in range(30):
        bench.deliver(
            noise.randbytes(400),
            b"Subject: [PATCH] buy\n\n" + noise.randbytes(200),
            b"",
            b"\n\n\n",
            b"From: \xff\n\n\x00",
        )
        bench.deliver(mail(subject="[PATCH 1/999999] x" * 50, body="<html>" * 99, message_id=f"{number}@spam.example"))

    bench.settle()

    assert bench.runs == []
    assert not any(entry.state is State.COMPLETE for entry in bench.entries())


def test_threads_when_a_mail_refers_to_two_series_then_neither_takes_the_others_parts(bench: Bench) -> None:
    one, two = posting("alpha", 2), posting("beta", 2)
    bench.deliver(*one[:2], *two[:2])
    bench.settle()
    joining = mail(
        subject="Re: both", body="x", message_id="j@example.org",
        headers="References: <alpha.v1@example.org> <beta.v1@example.org>\n",
    )  # fmt: skip
    bench.deliver(joining)
    bench.settle()

    bench.deliver(one[2], two[2])
    bench.settle()

    assert sorted(entry.title for entry in bench.entries() if entry.state is State.SENT) == ["alpha", "beta"]


@settings(max_examples=20, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(st.data())
def test_series_when_mails_come_in_any_order_and_more_than_once_then_each_is_tested_once(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    names = ["alpha", "beta", "gamma"]
    mails = [
        each for name in names for each in posting(name, data.draw(st.integers(1, 4)), cover=data.draw(st.booleans()))
    ]
    order = data.draw(st.permutations(mails))
    again = data.draw(st.lists(st.sampled_from(mails), max_size=4))
    with watching(tmp_path_factory.mktemp("any"), clock=Hands().clock()) as bench:
        for each in [*order, *again]:
            bench.deliver(each)
            if data.draw(st.booleans()):
                bench.settle()
        bench.settle()

        tested = [entry for entry in bench.entries() if entry.state is State.SENT]
        assert len(tested) == len(bench.runs) == len(bench.sent) == 3
        assert {entry.title.split()[0] for entry in tested} == set(names)


def test_author_when_addresses_are_written_otherwise_then_the_same_sender(bench: Bench) -> None:
    bench.deliver(*posting("alpha", 2, author="A Uthor <A@Example.org>")[:2])
    bench.deliver(posting("alpha", 2, author=AUTHOR)[2])

    bench.settle()

    assert bench.runs == ["start 1 1 quick"]


def test_series_when_the_same_patch_is_a_new_version_then_tested_as_that(bench: Bench) -> None:
    bench.deliver(patch("alpha", text="x"))
    bench.settle()

    bench.deliver(patch("alpha", text="x", version=2))
    bench.settle()

    assert bench.states() == [State.SENT, State.SENT]


def test_series_when_it_has_no_threads_and_a_cover_letter_then_they_come_together(bench: Bench) -> None:
    bench.deliver(*posting("alpha", 3, threads=False))

    bench.settle()

    assert bench.runs in (["start 1 1 quick"], ["start 2 1 quick"])
    tested = next(entry for entry in bench.entries() if entry.state is State.SENT)
    assert "alpha.v1@example.org" in {message.id for message in bench.queue.messages(tested.id)}


def test_series_when_a_small_fix_answers_it_in_the_same_thread_then_both_are_tested(tmp_path: Path) -> None:
    with watching(tmp_path, runner=FakeRunner(tmp_path / "runs.log", polls=3)) as bench:
        bench.deliver(*posting("alpha", 2, version=3))
        bench.watcher.look_again()
        bench.watcher.round()
        bench.deliver(patch("fix build", answers="2.alpha.v3@example.org"))
        bench.settle()

        assert bench.states() == [State.SENT, State.SENT]


@pytest.mark.parametrize(
    "header",
    [
        b"Subject: [PATCH] =?utf-7?Q?+2AA-?=",
        b"Subject: [PATCH] a\x00b",
        b"Subject: [PATCH] \xff\xfe",
        b"Message-ID: <a\x00b@example.org>",
        b"Message-ID: <\xff\xff@example.org>",
        b"Message-ID: <--results=/etc@example.org>",
        b"From: =?utf-7?Q?+2AA-?= <a@example.org>",
        b"From: \x1b[31m@\xff",
        b"List-Id: <\xff.\x00>",
        b"References: " + b"<x@y> " * 5000,
    ],
)
def test_series_when_a_header_is_hostile_then_the_mails_behind_it_are_tested_all_the_same(
    bench: Bench, header: bytes
) -> None:
    name = header.partition(b":")[0]
    bench.deliver(re.sub(b"(?m)^" + name + b": .*$", lambda _match: header, patch("alpha")), patch("beta"))

    bench.settle()

    assert [entry.state for entry in bench.entries() if entry.title == "beta"] == [State.SENT]
    assert not [fields for event, fields in bench.events if event == "unreadable"]


def test_series_when_we_stumble_over_it_then_it_is_parked_and_the_others_are_tested(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stumbling(series: Series, wanted: Filter) -> str:
        if series.title == "alpha":
            raise RecursionError("deep")
        return not_for_us(series, wanted)

    monkeypatch.setattr(settle, "not_for_us", stumbling)
    bench.deliver(patch("alpha"), patch("beta"))
    bench.settle()

    assert bench.states() == [State.PARKED, State.SENT]
    assert "RecursionError: deep" in bench.entries()[0].reason


def test_run_when_it_cannot_be_started_then_our_fault(tmp_path: Path) -> None:
    class Broken(FakeRunner):
        def start(self, job: Job) -> FakeAttempt:
            if b"alpha" in next(job.mails.iterdir()).read_bytes():
                raise OSError(12, "Cannot allocate memory")
            return super().start(job)

    with watching(tmp_path, runner=Broken(tmp_path / "runs.log")) as bench:
        bench.deliver(patch("alpha"), patch("beta"))
        bench.settle_until(lambda: bench.states() == [State.PARKED, State.SENT])

        assert bench.states() == [State.PARKED, State.SENT]
        assert "Cannot allocate memory" in bench.entries()[0].reason
