"""From a record to a result: a real one, damaged ones, and digests."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.errors import InfraError, LostMachine, OrchestratorError, TimedOut
from orchestrator.model.samples import Probes, ProbeTotals
from orchestrator.model.trial import Status
from orchestrator.trial.outcome import Recorded, check_probes, digest_of, lost_result, result_of
from tests.unit.trial.recorded import check_of, judged, real_files, request

settings.register_profile("outcome", derandomize=True, deadline=None, max_examples=100)
PROFILE = settings.get_profile("outcome")

records = st.dictionaries(st.text(max_size=10), st.binary(max_size=50), min_size=1, max_size=5)

RECORDED = Recorded(files={}, console="one\ntwo\n", wall_s=3.5)


def probes_of(placed: dict[str, str], *, missed: int = 0, lost: int = 0) -> Probes:
    total = ProbeTotals(probe="a", group={}, calls=1, sums={}, histograms={}, missed=missed)
    return Probes(placed=placed, totals=(total,), lost=lost)


def test_result_when_the_record_is_real_then_passes() -> None:
    result = judged(real_files())
    assert (result.status, result.message) == (Status.PASS, "")


def test_result_when_the_record_is_real_then_has_the_guests_time() -> None:
    assert 10 < judged(real_files()).guest_s < 11


def test_result_when_the_topology_was_another_then_is_an_error_of_ours() -> None:
    result = judged(real_files(), topology="four-node")
    assert (result.status, "2 nodes instead of 4" in result.message) == (Status.ERROR, True)


@pytest.mark.parametrize(
    ("said", "status"), [(b"scanned\n", Status.PASS), (b"off\n", Status.SKIP), (b"\xff", Status.SKIP)]
)
def test_result_when_the_kernel_has_kmemleak_then_says_whether_leaks_were_looked_for(
    said: bytes, status: Status
) -> None:
    result = judged(real_files(kmemleak=said))
    assert (check_of(result, "kmemleak").status, result.status) == (status, Status.PASS)


def test_result_when_the_kernel_has_no_kmemleak_then_does_not_speak_of_it() -> None:
    assert not [check for check in judged(real_files()).checks if check.name == "kmemleak"]


def test_result_when_a_page_was_wrong_then_fails_though_other_things_went_wrong_too() -> None:
    bad = (
        b'{"bad_page":{"region":"flood","page":3,"address":"0x7f","offset":1,"expected":"aa","found":"bb",'
        b'"wrong_bytes":1}}\n'
    )
    files = real_files(mempress=real_files()["mempress"] + bad, exit_status=b"13\n")
    result = judged(files)
    assert (result.status, "at 0x7f" in result.message) == (Status.FAIL, True)


def test_result_when_a_page_of_one_of_many_processes_was_wrong_then_names_the_process() -> None:
    bad = b'{"bad_page":{"region":"load","page":3,"address":"0x7f","offset":1,"expected":"aa","found":"bb"}}\n'
    files = {**real_files(), "mempress.many.7": bad}
    assert "process many.7, load page 3 at 0x7f" in judged(files).message
    files = real_files(mempress=real_files()["mempress"] + bad)
    assert "process main, load page 3 at 0x7f" in judged(files).message


def test_result_when_the_trial_script_compared_files_then_wrong_bytes_are_the_kernels() -> None:
    bad = (
        b'{"bad_page":{"file":"doomed.3","page":3,"offset":1,"expected":"aa","found":"bb","wrong_bytes":1}}\n'
        b'{"op":"compare","file":"doomed.3","pages":128,"bad":1}\n'
    )
    result = judged(real_files(compared=bad, exit_status=b"1\n"))
    assert (result.status, check_of(result, "integrity").status) == (Status.FAIL, Status.FAIL)
    assert "file doomed.3, page 3, offset 1: expected aa, found bb" in result.message
    assert check_of(result, "workload").status is Status.PASS


def test_result_when_files_were_compared_and_right_then_passes_with_the_same_metrics() -> None:
    fine = b'{"op":"compare","file":"doomed.3","pages":128,"bad":0}\n'
    result = judged(real_files(compared=fine))
    assert (result.status, result.metrics) == (Status.PASS, judged(real_files()).metrics)


def test_result_when_the_workload_reached_nothing_then_is_an_error_in_the_scenarios_words() -> None:
    before, pressed = (real_files()["samples"].split(b"@sample ")[place] for place in (1, 2))
    samples = b"@sample " + before + b"@sample " + before.replace(b"before ", b"pressed ", 1)
    assert pressed != before
    result = judged(real_files(samples=samples))
    assert (result.status, "the workload did not reach zswap" in result.message) == (Status.ERROR, True)


@pytest.mark.parametrize(
    ("exit_status", "status"), [(b"10\n", Status.FAIL), (b"12\n", Status.FAIL), (b"13\n", Status.ERROR)]
)
def test_result_when_the_script_ended_early_then_its_exit_status_decides(exit_status: bytes, status: Status) -> None:
    assert judged(real_files(exit_status=exit_status, probes=None)).status is status


@pytest.mark.parametrize("said", [None, b"", b"zero\n", b"-1\n", b"9" * 5000])
def test_result_when_there_is_no_exit_status_then_is_an_error_of_ours(said: bytes | None) -> None:
    assert check_of(judged(real_files(exit_status=said)), "workload").status is Status.ERROR


@pytest.mark.parametrize("name", ["samples", "probes", "mempress", "compared", "topology"])
def test_result_when_a_record_is_damaged_then_is_an_error_of_ours(name: str) -> None:
    result = judged(real_files(**{name: b"\xff\xfe damaged\n"}))
    assert (result.status, check_of(result, "record").status) == (Status.ERROR, Status.ERROR)


@settings(PROFILE)
@given(
    files=st.dictionaries(
        st.sampled_from(["samples", "probes", "mempress", "topology", "exit_status", "trial.log"]),
        st.one_of(st.binary(max_size=100), st.just(b"")),
    )
)
def test_result_when_the_guest_sends_anything_then_is_a_result_and_no_pass(files: dict[str, bytes]) -> None:
    assert judged(files).status in {Status.ERROR, Status.FAIL}


def test_result_when_nothing_was_recorded_then_is_no_pass() -> None:
    assert judged({}).status is Status.ERROR


def test_result_when_the_trial_is_live_then_has_no_digest() -> None:
    sealed = request()
    live = dataclasses.replace(sealed, spec=dataclasses.replace(sealed.spec, sealed=False))
    assert result_of(live, Recorded(files=real_files(), console="", wall_s=1.0)).result.digest == ""


@settings(PROFILE)
@given(files=records)
def test_digest_when_files_come_in_another_order_then_is_the_same(files: dict[str, bytes]) -> None:
    assert digest_of(files) == digest_of(dict(reversed(files.items())))


@settings(PROFILE)
@given(files=records, data=st.data())
def test_digest_when_any_byte_changes_then_is_another(files: dict[str, bytes], data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(files)))
    content = bytearray(files[name] or b"\0")
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    assert digest_of(files) != digest_of({**files, name: bytes(content)})


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"a": b"1", "b": b"23"}, id="a byte moved to the next file"),
        pytest.param({"a": b"12", "c": b"3"}, id="another name"),
        pytest.param({"a": b"12"}, id="a file less"),
        pytest.param({"a": b"12", "b": b"3", "c": b""}, id="an empty file more"),
    ],
)
def test_digest_when_the_same_bytes_lie_in_other_files_then_is_another(other: dict[str, bytes]) -> None:
    assert digest_of({"a": b"12", "b": b"3"}) != digest_of(other)


@pytest.mark.parametrize(
    ("make", "kind"), [(TimedOut, "timeout"), (LostMachine, "LostMachine"), (InfraError, "InfraError")]
)
def test_lost_result_when_made_then_tells_what_kind_of_loss_it_was(
    make: Callable[[str], OrchestratorError], kind: str
) -> None:
    result = lost_result(request(), make("gone"), RECORDED)
    assert (result.status, check_of(result, "machine").fingerprint) == (Status.ERROR, kind)


def test_lost_result_when_made_then_keeps_the_consoles_end() -> None:
    assert lost_result(request(), LostMachine("gone"), RECORDED).console_tail == ("one", "two")


@pytest.mark.parametrize(
    ("probes", "status", "message"),
    [
        (probes_of({"a": "ok", "b": "ok"}), Status.PASS, "all placed, no event lost"),
        (probes_of({"a": "ok", "b": "no symbol"}), Status.PASS, "1 of 2 placed; no data: b: no symbol"),
        (probes_of({"a": "no symbol"}), Status.SKIP, "no data: a: no symbol"),
        (probes_of({"a": "ok"}, missed=3), Status.PASS, "1 of 1 placed; no data: a: 3 calls went by unseen"),
        (probes_of({"a": "ok"}, lost=2), Status.SKIP, "no data: 2 events were lost"),
    ],
)
def test_check_probes_when_some_give_no_data_then_the_rest_holds(probes: Probes, status: Status, message: str) -> None:
    check = check_probes(probes)
    assert (check.status, check.message) == (status, message)
