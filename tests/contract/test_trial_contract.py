"""One trial over a whole machine: the fake QEMU and a real SSH server, with the record of a real guest to fetch."""

from __future__ import annotations

import dataclasses
import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.errors import Cancelled, MissingProgram
from orchestrator.host.deadline import Cancellation
from orchestrator.machine.keys import make_keys
from orchestrator.model.trial import Status, TrialResult
from orchestrator.trial.outcome import digest_of
from orchestrator.trial.request import TrialRequest
from orchestrator.trial.runner import run_trial
from tests.contract.dropbear_guest import DropbearGuest, running_dropbear
from tests.contract.machines import fake_architecture
from tests.unit.trial.recorded import check_of, real_files, request


@pytest.fixture
def guest(tmp_path: Path, home_shim: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DropbearGuest]:
    """A server that has the real record in its results folder."""
    home = tmp_path / "home"
    home.mkdir()
    with running_dropbear(home, make_keys(), home_shim) as server:
        monkeypatch.setattr("orchestrator.trial.runner.RESULTS", server.place(real_files()))
        yield server


def on_a_fake(tmp_path: Path, mode: str, *, port: int = 40022, timeout_s: float = 60.0) -> TrialRequest:
    wanted = request(tmp_path / "trial")
    scenario = dataclasses.replace(wanted.scenario, timeout_s=timeout_s)
    return dataclasses.replace(wanted, architecture=fake_architecture(tmp_path, mode, port=port), scenario=scenario)


def collected(tmp_path: Path, guest: DropbearGuest) -> TrialResult:
    wanted = dataclasses.replace(on_a_fake(tmp_path, "ready", port=guest.port), keys=guest.keys)
    return run_trial(wanted, cancellation=Cancellation()).result


def test_trial_when_the_guest_recorded_all_of_it_then_passes_with_its_metrics(
    tmp_path: Path, guest: DropbearGuest
) -> None:
    result = collected(tmp_path, guest)
    assert (result.status, result.metrics["zswpwb"], result.digest) == (Status.PASS, 8962, digest_of(real_files()))


def test_trial_when_it_is_over_then_its_folder_has_the_record(tmp_path: Path, guest: DropbearGuest) -> None:
    collected(tmp_path, guest)
    folder = tmp_path / "trial"
    assert {path.name for path in folder.iterdir()} >= {"argv.txt", "console.log", "guest"}
    assert {path.name: path.read_bytes() for path in (folder / "guest").iterdir()} == real_files()


def test_trial_when_the_guest_has_another_host_key_then_its_machine_is_lost(
    tmp_path: Path, guest: DropbearGuest
) -> None:
    guest.keys = dataclasses.replace(guest.keys, host_public=make_keys().host_public)
    result = collected(tmp_path, guest)
    assert (result.status, check_of(result, "machine").fingerprint) == (Status.ERROR, "LostMachine")


@pytest.mark.parametrize("name", ["../outside", "/tmp/outside-of-the-trial", "a/../../outside"])
def test_trial_when_the_guest_sends_a_name_that_leads_out_then_its_machine_is_lost(
    name: str, tmp_path: Path, guest: DropbearGuest, monkeypatch: pytest.MonkeyPatch
) -> None:
    evil = tarfile.TarInfo(name)
    evil.size = 4
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        tar.addfile(evil, io.BytesIO(b"evil"))
    (guest.folder / "evil.tar").write_bytes(out.getvalue())
    # Instead of a folder: what the guest's tar is made to say.
    monkeypatch.setattr("orchestrator.trial.runner.RESULTS", f"/ -T /dev/null >&2; cat {guest.folder}/evil.tar; :")
    result = collected(tmp_path, guest)
    assert (result.status, "leads out of the record" in result.message) == (Status.ERROR, True)


@pytest.mark.parametrize(("mode", "kind"), [("dies", "LostMachine"), ("reboots", "GuestEnded"), ("silent", "timeout")])
def test_trial_when_its_machine_is_lost_then_the_result_says_how(mode: str, kind: str, tmp_path: Path) -> None:
    timeout_s = 0.5 if mode == "silent" else 60.0
    result = run_trial(on_a_fake(tmp_path, mode, timeout_s=timeout_s), cancellation=Cancellation()).result
    assert (result.status, check_of(result, "machine").fingerprint) == (Status.ERROR, kind)


def test_trial_when_its_guest_is_lost_and_still_there_then_what_it_does_is_kept(tmp_path: Path) -> None:
    result = run_trial(on_a_fake(tmp_path, "silent", timeout_s=0.3), cancellation=Cancellation()).result
    kept = (tmp_path / "trial" / "hang.txt").read_text().splitlines()
    assert check_of(result, "machine").detail == tuple(kept)
    assert kept[0] == "look 1 of 2:"


def test_trial_when_its_machine_ended_then_there_is_nothing_to_look_at(tmp_path: Path) -> None:
    (tmp_path / "trial").mkdir()
    (tmp_path / "trial" / "hang.txt").write_text("of another attempt")
    run_trial(on_a_fake(tmp_path, "reboots"), cancellation=Cancellation())
    assert not (tmp_path / "trial" / "hang.txt").exists()


def test_trial_when_cancelled_then_ends_as_cancelled(tmp_path: Path) -> None:
    cancellation = Cancellation()
    cancellation.cancel()
    with pytest.raises(Cancelled):
        run_trial(on_a_fake(tmp_path, "silent"), cancellation=cancellation)


def test_trial_when_qemu_is_not_there_then_that_is_raised_and_no_result(tmp_path: Path) -> None:
    wanted = on_a_fake(tmp_path, "ready")
    (tmp_path / "fake-qemu").unlink()
    with pytest.raises(MissingProgram):
        run_trial(wanted, cancellation=Cancellation())


def test_trial_when_run_again_then_the_old_console_is_gone(tmp_path: Path) -> None:
    (tmp_path / "trial").mkdir()
    (tmp_path / "trial" / "console.log").write_text("[    0.100000] orchestrator: sealed-end\n")
    result = run_trial(on_a_fake(tmp_path, "silent", timeout_s=0.3), cancellation=Cancellation()).result
    assert result.console_tail == ()
