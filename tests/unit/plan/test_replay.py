from __future__ import annotations

import dataclasses

from orchestrator.cli.replay import exit_status_of
from orchestrator.model.replay import Replay
from orchestrator.model.trial import Status, TrialResult
from orchestrator.replay import compared, differing_parts
from orchestrator.report.replay import replay_lines
from orchestrator.store.codec import decode, encode
from tests.unit.record_builder import A2_BASE, PATCHED, spec, trial

PARTS = {"QEMU": "QEMU 7.2", "compiler": "gcc 12", "CPU model": "max", "gate": "aa"}


def done(digest: str = "d1", **parts: str) -> TrialResult:
    return dataclasses.replace(trial(spec(PATCHED), A2_BASE), digest=digest, parts={**PARTS, **parts})


def of(now: TrialResult, recorded: TrialResult | None, *, before: str = "a", after: str = "a") -> Replay:
    files = [{"samples": f"{text}\n".encode()} for text in (before, after)]
    return compared("patched", now, recorded, before=files[0], after=files[1])


def said(replay: Replay) -> str:
    return "\n".join(replay_lines(replay))


def test_same_digest_repeats() -> None:
    replay = of(done(), done())
    assert replay.is_same is True
    assert exit_status_of(replay) == 0
    assert "repeats bit for bit" in said(replay)
    assert decode(Replay, encode(replay)) == replay


def test_another_digest_names_the_parts_of_the_key_that_are_others() -> None:
    replay = of(done("d2", QEMU="QEMU 9.0"), done(), before="zswpwb 1", after="zswpwb 2")
    assert replay.is_same is False
    assert exit_status_of(replay) == 1
    assert [(each.part, each.recorded, each.now) for each in replay.differs] == [("QEMU", "QEMU 7.2", "QEMU 9.0")]
    assert "QEMU is another one: recorded QEMU 7.2, now QEMU 9.0" in said(replay)
    assert "samples, line 1" in replay.first_difference
    assert replay.note == ""


def test_another_digest_of_the_same_parts_is_this_host_s_or_that_one_s() -> None:
    replay = of(done("d2"), done(), after="b")
    assert replay.differs == ()
    assert "has reached the guest" in replay.note


def test_keys_that_differ_in_nothing_that_has_a_name_are_told() -> None:
    assert "no name" in of(dataclasses.replace(done("d2"), key="k" * 64), done()).note


def test_record_of_an_earlier_version_names_no_parts() -> None:
    old = dataclasses.replace(done(), parts={})
    replay = of(done("d2"), old)
    assert replay.differs == ()
    assert "an earlier version wrote it" in replay.note
    assert differing_parts({}, PARTS) == ()


def test_part_that_only_one_of_the_two_has_differs() -> None:
    (only,) = differing_parts(PARTS, {**PARTS, "memory": "2"})
    assert (only.part, only.recorded, only.now) == ("memory", "", "2")


def test_parts_that_differ_where_the_digest_is_the_same_are_told_all_the_same() -> None:
    replay = of(done(gate="bb"), done())
    assert exit_status_of(replay) == 0
    assert "gate is another one" in said(replay)


def test_trial_without_a_record_has_nothing_to_be_compared_with() -> None:
    replay = of(done(), None)
    assert replay.is_same is None
    assert exit_status_of(replay) == 0
    assert "nothing to compare with" in said(replay)


def test_lost_trial_has_no_digest_and_its_status_is_compared() -> None:
    lost = dataclasses.replace(done(""), status=Status.ERROR, message="QEMU was killed")
    replay = of(lost, done())
    assert exit_status_of(replay) == 3
    assert "recorded was PASS, it is ERROR now" in said(replay)
    assert "the record has no digest" in of(done(), done("")).note


def test_live_trials_have_no_digest_to_compare() -> None:
    live = dataclasses.replace(done(), spec=dataclasses.replace(spec(PATCHED), sealed=False))
    replay = of(live, live)
    assert replay.is_same is None
    assert "repeats only roughly" in said(replay)


def test_files_that_are_gone_are_no_difference_of_the_guest_s() -> None:
    replay = compared("patched", done("d2"), done(), before={}, after={"samples": b"x\n"})
    assert "not there any more" in replay.first_difference
