"""Starting, feeding and ending processes: with real ones, since that is what can go wrong."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from orchestrator.errors import Cancelled, InfraError, MissingProgram, TimedOut
from orchestrator.host.deadline import Cancellation, Deadline
from orchestrator.host.process import check, find_program, run, run_attached, running

PATIENCE_S = 30.0


def is_gone(pid: int) -> bool:
    """Wait until ``pid`` is no more (or a zombie that somebody else must reap)."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state in "ZX":
            return True
        time.sleep(0.02)
    return False


def wait_for_text(path: Path) -> str:
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        if path.exists() and path.read_text().endswith("\n"):
            return path.read_text()
        time.sleep(0.02)
    raise AssertionError(f"nothing in {path}")


def test_run_when_command_fails_then_gives_status_and_both_outputs() -> None:
    finished = run(["sh", "-c", "echo out; echo err >&2; exit 3"])
    assert (finished.exit_status, finished.stdout, finished.stderr, finished.ok) == (3, "out\n", "err\n", False)


def test_run_when_input_and_output_are_larger_than_pipes_then_neither_is_lost() -> None:
    text = "line of text\n" * 200_000
    assert run(["cat"], stdin=text).stdout == text


def test_run_when_output_is_no_utf8_then_is_replaced() -> None:
    assert run(["printf", r"a\377b"]).stdout == "a�b"


def test_run_when_slow_reader_outlasts_a_look_then_input_is_given_once() -> None:
    assert run(["sh", "-c", "sleep 0.4; cat"], stdin="once\n").stdout == "once\n"


def test_run_when_program_is_missing_then_says_which() -> None:
    with pytest.raises(MissingProgram, match="no-such-program is not installed"):
        run(["no-such-program"])


def test_run_when_deadline_passes_then_times_out_and_nothing_is_left(tmp_path: Path) -> None:
    with pytest.raises(TimedOut) as caught:
        run(["sh", "-c", f"echo $$ > {tmp_path}/pid; sleep 1000"], deadline=Deadline(1.0, what="a test"))
    assert caught.value.evidence.command[0] == "sh"
    assert is_gone(int(wait_for_text(tmp_path / "pid")))


def test_run_when_cancelled_then_ends_at_once() -> None:
    cancellation = Cancellation()
    threading.Timer(0.2, cancellation.cancel).start()
    with pytest.raises(Cancelled):
        run(["sleep", "1000"], deadline=Deadline(1000, what="a test", cancellation=cancellation))


def test_check_when_command_fails_then_error_has_its_last_words() -> None:
    with pytest.raises(InfraError) as caught:
        check(["sh", "-c", "echo bad luck >&2; exit 1"])
    assert caught.value.evidence.last_lines == ("bad luck",)


def test_running_when_child_ignores_sigterm_then_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestrator.host.process.TERMINATE_S", 0.2)
    with running(["sh", "-c", "trap '' TERM; while :; do sleep 0.05; done"]) as process:
        time.sleep(0.2)
    assert process.exit_status == -signal.SIGKILL


def test_running_when_leader_ended_then_its_group_is_ended_too(tmp_path: Path) -> None:
    with running(["sh", "-c", f"sleep 1000 & echo $! > {tmp_path}/pid"]) as process:
        process.wait(Deadline(PATIENCE_S, what="a test"))
    assert is_gone(int(wait_for_text(tmp_path / "pid")))


def test_running_when_block_raises_then_child_is_ended() -> None:
    with pytest.raises(KeyError), running(["sleep", "1000"]) as process:
        raise KeyError
    assert process.exit_status is not None


def test_running_when_we_are_killed_then_child_dies(tmp_path: Path) -> None:
    code = (
        "import sys, time; from orchestrator.host.process import running\n"
        f"with running(['sh', '-c', 'echo $$ > {tmp_path}/pid; exec sleep 1000']): time.sleep(1000)"
    )
    with subprocess.Popen([sys.executable, "-c", code]) as us:
        child = int(wait_for_text(tmp_path / "pid"))
        us.kill()
    assert is_gone(child)


def test_running_when_program_is_only_in_sbin_then_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    in_sbin = next(path for path in Path("/usr/sbin").iterdir() if not Path("/usr/bin", path.name).exists() and os.access(path, os.X_OK))  # fmt: skip
    assert find_program(in_sbin.name) is not None
    (tmp_path / "only-here").write_text("#!/bin/sh\necho found\n")
    (tmp_path / "only-here").chmod(0o755)
    assert run(["only-here"], env={"PATH": f"{tmp_path}:/usr/bin:/bin"}).stdout == "found\n"


def test_find_program_when_path_is_a_folder_then_finds_nothing(tmp_path: Path) -> None:
    assert find_program(tmp_path) is None


def test_running_when_a_file_grows_past_its_bound_then_the_child_is_ended(tmp_path: Path) -> None:
    target = tmp_path / "flood"
    with running(["dd", "if=/dev/zero", f"of={target}", "bs=4096"], file_bytes=1 << 16) as child:
        assert child.wait(Deadline(30, what="dd")) != 0
    assert target.stat().st_size == 1 << 16


def test_attached_when_it_ends_then_its_status_is_returned() -> None:
    assert run_attached(["sh", "-c", "exit 9"], cancellation=Cancellation()) == 9


def test_attached_when_it_runs_then_is_in_our_process_group(tmp_path: Path) -> None:
    out = tmp_path / "group"
    argv = ["sh", "-c", "awk '{print $5}' /proc/$$/stat >$0", str(out)]
    assert run_attached(argv, cancellation=Cancellation()) == 0
    assert int(out.read_text()) == os.getpgrp()


def test_attached_when_the_user_stops_us_then_it_is_gone(tmp_path: Path) -> None:
    pid, cancellation = tmp_path / "pid", Cancellation()
    argv = ["sh", "-c", "echo $$ >$0; exec sleep 100", str(pid)]

    def stop() -> None:
        wait_for_text(pid)
        cancellation.cancel()

    thread = threading.Thread(target=stop)
    thread.start()
    with pytest.raises(Cancelled):
        run_attached(argv, cancellation=cancellation)
    thread.join()
    assert is_gone(int(pid.read_text()))


def test_attached_when_the_program_is_not_there_then_says_so() -> None:
    with pytest.raises(MissingProgram):
        run_attached(["no-such-program-anywhere"], cancellation=Cancellation())
