"""What the watcher tells of itself: log, systemd, Prometheus, doctor; and that there is only one."""

from __future__ import annotations

import dataclasses
import io
import json
import socket
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.errors import InfraError, UserError
from orchestrator.host.deadline import Cancellation
from orchestrator.model.watch import MailMode, MailSettings, RunSettings, SourceKind, SourceSettings
from orchestrator.watch.budget import DAY_S, Bucket
from orchestrator.watch.checkup import checkup
from orchestrator.watch.clock import LONGEST_PAUSE_S, SteadyClock
from orchestrator.watch.health import Log, Notifier, Numbers
from orchestrator.watch.service import only_one
from orchestrator.watch.state import State
from tests.watching import FakeRunner, patch, settings_for, watching


def test_log_when_a_subject_has_control_characters_then_one_line_of_json() -> None:
    stream = io.StringIO()

    Log(stream)("complete", title="x\n\x1b[31m\u202e{}", series=7)

    (line,) = stream.getvalue().splitlines()
    assert "\x1b" not in line
    assert json.loads(line)["title"] == "x\n\x1b[31m\u202e{}"


def test_log_when_its_reader_has_gone_then_nothing_happens() -> None:
    stream = io.StringIO()
    stream.close()

    Log(stream)("complete")


@pytest.fixture(params=["path", "abstract"])
def listener(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, socket.socket]]:
    name = str(tmp_path / "n") if request.param == "path" else f"@orchestrator-test-{tmp_path.name}-{id(request)}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(name if name[0] == "/" else "\0" + name[1:])
        channel.settimeout(10)
        yield name, channel


def test_notify_when_systemd_listens_then_it_hears_ready_watchdog_and_stopping(
    tmp_path: Path, listener: tuple[str, socket.socket]
) -> None:
    name, channel = listener
    cancellation = Cancellation()
    with watching(tmp_path, notifier=Notifier({"NOTIFY_SOCKET": name})) as bench:
        bench.watcher._cancellation = cancellation
        bench.deliver(patch("alpha"))
        bench.watcher.run(once=True)

    heard = []
    channel.setblocking(False)
    while True:
        try:
            heard.append(channel.recv(4096).decode())
        except BlockingIOError:
            break
    assert heard[0] == "READY=1"
    assert heard[1].startswith("WATCHDOG=1\nSTATUS=")
    assert heard[-1] == "STOPPING=1"


def test_notify_when_nobody_listens_then_nothing_happens(tmp_path: Path) -> None:
    for address in ("", "relative", str(tmp_path / "nobody")):
        Notifier({"NOTIFY_SOCKET": address}).ready()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_numbers_when_prometheus_asks_then_states_mails_and_verdicts(tmp_path: Path) -> None:
    port = free_port()
    numbers = Numbers(port)
    try:
        with watching(tmp_path, numbers=numbers) as bench:
            bench.deliver(patch("alpha"), patch("other", path="fs/x.c"))
            bench.settle()
            bench.watcher._shown = 0.0
            bench.watcher.round()
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
                lines = answer.read().decode().splitlines()
    finally:
        numbers.close()

    assert 'orchestrator_watch_series{state="sent"} 1.0' in lines
    assert 'orchestrator_watch_series{state="filtered"} 1.0' in lines
    assert 'orchestrator_watch_mails_total{what="part"} 2.0' in lines
    assert 'orchestrator_watch_verdicts_total{outcome="PASS"} 1.0' in lines
    assert 'orchestrator_watch_source_fault{source="mm"} 0.0' in lines
    assert "orchestrator_watch_taking 1.0" in lines


def test_numbers_when_the_port_is_taken_then_an_error_that_names_it() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(InfraError, match=f"127.0.0.1:{port}"):
            Numbers(port)


def test_only_one_when_another_watcher_runs_then_refused(tmp_path: Path) -> None:
    with only_one(tmp_path), pytest.raises(UserError, match="another watcher runs"), only_one(tmp_path):
        pass
    with only_one(tmp_path):
        pass


def test_checkup_when_all_is_well_then_nothing_grave(tmp_path: Path) -> None:
    wanted = dataclasses.replace(settings_for(tmp_path), mail=MailSettings(mode=MailMode.NONE))
    with watching(tmp_path, wanted) as bench:
        bench.deliver(patch("alpha"))
        bench.settle()

    found = {check.says: check for check in checkup(wanted, cancellation=Cancellation())}
    assert [says for says, check in found.items() if not check.well] == []
    assert "a watcher runs" in found
    assert "source mm can be read" in found


def test_checkup_when_things_are_wrong_then_each_is_named(tmp_path: Path) -> None:
    wanted = dataclasses.replace(
        settings_for(tmp_path),
        mail=MailSettings(mode=MailMode.NONE),
        run=RunSettings(linux=str(tmp_path / "no-tree"), attempts=1),
        sources=(SourceSettings(name="gone", kind=SourceKind.MAILDIR, path=tmp_path / "nowhere"),),
    )
    runner = FakeRunner(tmp_path / "runs.log", outcomes={"alpha": ["ERROR"]})
    with watching(tmp_path, dataclasses.replace(settings_for(tmp_path), run=wanted.run), runner=runner) as bench:
        bench.deliver(patch("alpha"))
        bench.settle()
        with bench.queue.db.transaction():
            bench.queue.set_meta("wall", "1")

    says = " | ".join(check.says for check in checkup(wanted, cancellation=Cancellation()) if not check.well)
    for words in (
        "no-tree is not there",
        "source gone: cannot read",
        "no watcher has done a round",
        "1 series are parked",
    ):
        assert words in says


def test_checkup_when_the_queue_is_damaged_then_said(tmp_path: Path) -> None:
    wanted = dataclasses.replace(settings_for(tmp_path), mail=MailSettings(mode=MailMode.NONE))
    wanted.state.mkdir()
    wanted.queue.write_bytes(b"no database at all" * 100)

    assert any(
        "not a database" in check.says for check in checkup(wanted, cancellation=Cancellation()) if not check.well
    )


@pytest.mark.parametrize(("pause", "passed"), [(100.0, 100.0), (-(10**9), 0.0), (10**9, LONGEST_PAUSE_S)])
def test_clock_when_we_were_away_then_the_pause_counts_within_reason(pause: float, passed: float) -> None:
    clock = SteadyClock(50.0, 1000.0, monotonic=lambda: 7.0, wall_clock=lambda: 1000.0 + pause)

    assert clock.now() == 50.0 + passed


def test_bucket_when_runs_are_taken_then_it_fills_again_in_a_day() -> None:
    bucket = Bucket.read("", full=4, now=0.0)
    for _ in range(4):
        assert bucket.may_start
        bucket = bucket.less()
    assert not bucket.may_start
    assert bucket.wait_s(4) == DAY_S / 4
    assert Bucket.read(bucket.text(), full=4, now=DAY_S / 4).may_start
    assert Bucket.read(bucket.text(), full=4, now=100 * DAY_S).left == 4


def test_source_when_it_fails_for_long_then_the_pauses_grow(tmp_path: Path) -> None:
    wanted = dataclasses.replace(
        settings_for(tmp_path),
        sources=(SourceSettings(name="x", kind=SourceKind.MAILDIR, path=tmp_path / "no", poll_s=1.0),),
    )
    with watching(tmp_path, wanted) as bench:
        for _ in range(12):
            bench.watcher.look_again()
            bench.watcher.round()

        pauses = [fields["pause_s"] for event, fields in bench.events if event == "source fault"]
        assert pauses == [2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 900.0, 900.0, 900.0]
        assert bench.states() == list[State]()


def test_notify_when_a_source_takes_long_then_the_watchdog_is_told_all_the_same(tmp_path: Path) -> None:
    told: list[str] = []

    class Told(Notifier):
        def beat(self, status: str) -> None:
            told.append(status)

    slow = SourceSettings(
        name="x", kind=SourceKind.PUBLIC_INBOX, path=tmp_path, poll_s=60, update=("sh", "-c", "sleep 1; exit 1")
    )
    with watching(tmp_path, dataclasses.replace(settings_for(tmp_path), sources=(slow,)), notifier=Told({})) as bench:
        bench.watcher.round()

    assert len(told) > 5
