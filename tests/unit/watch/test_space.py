"""Disk space: a disk that gets full, and what is removed to make room."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.model.watch import Budgets
from orchestrator.watch import service
from orchestrator.watch.space import Pruner, size_of
from orchestrator.watch.state import State
from tests.command import REPOSITORY
from tests.watching import FakeRunner, patch, settings_for, watching


def on_a_disk_of(size: int, folder: Path) -> list[str]:
    """Return the words before a command that see a file system of ``size`` bytes at ``folder``, and nobody else does."""
    sandboxed = ["bwrap", "--dev-bind", "/", "/", "--size", str(size), "--tmpfs", str(folder)]
    if subprocess.run([*sandboxed, "true"], capture_output=True, check=False).returncode == 0:
        return sandboxed
    # In a chroot / is no mount that could be made a slave.
    mount = f'mount -t tmpfs -o size={size} small {folder} && exec "$@"'
    return ["unshare", "--mount", "--propagation", "unchanged", "sh", "-c", mount, "sh"]


def test_disk_when_it_gets_full_then_nothing_is_taken_nothing_is_lost_and_it_goes_on_when_there_is_room(
    tmp_path: Path,
) -> None:
    small, outside = tmp_path / "small", tmp_path / "outside"
    small.mkdir()
    outside.mkdir()
    argv = on_a_disk_of(16 << 20, small)

    done = subprocess.run(
        [*argv, sys.executable, "-m", "tests.filled", str(small), str(outside)],
        capture_output=True, text=True, timeout=300, check=False, cwd=REPOSITORY,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout)
    assert "no space" in found["events"]
    assert found["whole"] == "ok"
    assert found["tested"] < 41
    assert (found["after"], found["of"], found["runs"]) == (41, 41, 41)


def test_disk_when_less_is_free_than_wanted_then_nothing_is_taken_or_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "FULL_PAUSE_S", 0.0)
    free = 1
    monkeypatch.setattr(service, "free_mib", lambda _folder: free)
    wanted = dataclasses.replace(settings_for(tmp_path), budgets=Budgets(free_mib=10))
    with watching(tmp_path, wanted) as bench:
        bench.deliver(patch("alpha"))
        bench.settle()
        assert bench.entries() == []
        assert [event for event, _ in bench.events] == ["no space"]

        free = 100
        bench.settle()

        assert bench.states() == [State.SENT]


def artefacts(run: Path, size: int) -> None:
    """Make what a run leaves."""
    for name in ("base", "patched"):
        folder = run / "trials" / name
        folder.mkdir(parents=True)
        (folder / "result.json").write_text("{}")
        (folder / "console.log").write_bytes(b"x" * size)
    (run / "series").mkdir()
    (run / "series" / "0001-x.patch").write_text("diff")
    (run / "junit.xml").write_text("<testsuites/>")


def test_prune_when_there_is_too_much_then_the_oldest_artefacts_go_and_records_stay(tmp_path: Path) -> None:
    wanted = dataclasses.replace(settings_for(tmp_path), budgets=Budgets(free_mib=0, artefacts_mib=3))
    with watching(tmp_path, wanted) as bench:
        for name in ("one", "two", "three"):
            bench.deliver(patch(name))
            bench.settle()
        runs = [wanted.state / entry.run for entry in bench.entries()]
        for run in runs:
            artefacts(run, 1 << 20)

        gone = Pruner(bench.queue, wanted).prune()

        assert gone == [1, 2]
        assert [entry.pruned for entry in bench.entries()] == [True, True, False]
        assert not list(runs[0].rglob("console.log"))
        kept = {str(path.relative_to(runs[0])) for path in runs[0].rglob("*") if path.is_file()}
        assert kept == {
            "run.json", "plan.json", "junit.xml", "series/0001-x.patch", "trials/base/result.json", "trials/patched/result.json",
        }  # fmt: skip
        assert len(list(runs[2].rglob("console.log"))) == 2
        assert size_of(wanted.runs) < 4 << 20
        assert "removed to make room" in bench.queue.history(1)[-1]["text"]


def test_prune_when_a_series_is_open_then_its_artefacts_stay(tmp_path: Path) -> None:
    wanted = dataclasses.replace(settings_for(tmp_path), budgets=Budgets(free_mib=0, artefacts_mib=0))
    with watching(tmp_path, wanted, runner=FakeRunner(tmp_path / "runs.log", polls=10**6)) as bench:
        bench.deliver(patch("alpha"))
        for _ in range(5):
            bench.watcher.look_again()
            bench.watcher.round()

        assert Pruner(bench.queue, wanted).prune() == []


def test_prune_when_mails_are_old_then_their_text_goes_and_a_retry_says_so(tmp_path: Path) -> None:
    from orchestrator.watch.wishes import retry

    wanted = dataclasses.replace(settings_for(tmp_path), budgets=Budgets(free_mib=0, mail_days=-1.0))
    with watching(tmp_path, wanted, runner=FakeRunner(tmp_path / "runs.log", outcomes={"alpha": ["exit 2"]})) as bench:
        bench.deliver(patch("alpha"))
        bench.settle()
        Pruner(bench.queue, wanted).prune()
        retry(bench.queue, bench.entries()[0])
        bench.settle()

        assert (bench.states(), bench.entries()[0].reason) == ([State.REFUSED], "its mails are not kept any more")
        # The same mail again is still known.
        bench.deliver(patch("alpha"))
        bench.settle()
        assert len(bench.entries()) == 1
