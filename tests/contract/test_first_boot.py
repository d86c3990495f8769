"""Base's first boot over a whole machine, the fake QEMU: what is remembered, and whose fault it is when it fails."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from orchestrator.config import locations
from orchestrator.config.catalog import topologies
from orchestrator.errors import BrokenBase, LostMachine, TimedOut
from orchestrator.first_boot import FirstBoot, check_base_boots
from orchestrator.guest.image import GuestImage
from orchestrator.host.deadline import Cancellation
from orchestrator.host.steps import Phase, StepEvent, Steps
from tests.contract.machines import fake_architecture
from tests.unit.record_builder import BASE, build


def boot_in(tmp_path: Path, mode: str) -> FirstBoot:
    kernel = tmp_path / "vmlinux"
    kernel.write_bytes(b"")
    return FirstBoot(
        build=dataclasses.replace(build(BASE), image=kernel),
        architecture=fake_architecture(tmp_path, mode),
        topology=topologies()["two-node"],
        image=GuestImage(data=b"image", key="i" * 64),
        scripts=locations.guest_scripts_folder(),
        qemu="7.2.22",
    )


def check(boot: FirstBoot, tmp_path: Path) -> list[StepEvent]:
    events: list[StepEvent] = []
    check_base_boots(boot, cache=tmp_path / "cache", steps=Steps(events.append), cancellation=Cancellation())
    return events


def said(events: list[StepEvent]) -> list[str]:
    return [event.text for event in events if event.phase is Phase.NOTE]


def test_first_boot_when_it_comes_up_then_it_is_remembered_and_not_done_again(tmp_path: Path) -> None:
    boot = boot_in(tmp_path, "ready")
    assert said(check(boot, tmp_path)) == ["base comes up"]
    fake_architecture(tmp_path, "dies")
    assert said(check(boot, tmp_path)) == ["base came up in an earlier run"]


def test_first_boot_when_anything_that_bears_on_it_differs_then_its_key_does(tmp_path: Path) -> None:
    boot = boot_in(tmp_path, "ready")
    others = [
        dataclasses.replace(boot, build=dataclasses.replace(boot.build, image_sha256="5" * 64)),
        dataclasses.replace(boot, topology=topologies()["one-node"]),
        dataclasses.replace(boot, image=GuestImage(data=b"x", key="x" * 64)),
        dataclasses.replace(boot, qemu="8.0.0"),
        dataclasses.replace(boot, architecture=dataclasses.replace(boot.architecture, parameters=("slub_debug=P",))),
    ]
    assert len({boot.key, *(other.key for other in others)}) == 6
    elsewhere = dataclasses.replace(boot, build=dataclasses.replace(boot.build, image=Path("/elsewhere")))
    assert elsewhere.key == boot.key


def test_first_boot_when_the_kernel_panics_then_base_is_broken_and_its_word_is_told_each_time(tmp_path: Path) -> None:
    boot = boot_in(tmp_path, "panics")
    for _ in range(2):
        with pytest.raises(BrokenBase, match=r"base does not boot: 7\.2\.12") as caught:
            check(boot, tmp_path)
        assert caught.value.stage == "boot"
        assert "Kernel panic - not syncing: VFS" in caught.value.message
        assert any("Kernel panic" in line for line in caught.value.evidence.last_lines)


def test_first_boot_when_the_kernel_begins_and_is_not_up_in_time_twice_then_base_is_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.first_boot.READY_S", 1.0)
    with pytest.raises(BrokenBase, match="not up within 1 s, twice") as caught:
        check(boot_in(tmp_path, "stuck"), tmp_path)
    assert caught.value.evidence.last_lines == ("[    0.000000] Linux version 7.2.12 (fake)",)


@pytest.mark.parametrize(("mode", "kind"), [("dies", LostMachine), ("silent", TimedOut)])
def test_first_boot_when_qemu_fails_or_the_kernel_never_spoke_then_it_is_ours_and_not_bases(
    mode: str, kind: type[Exception], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.first_boot.READY_S", 1.0)
    events: list[StepEvent] = []
    with pytest.raises(kind):
        check_base_boots(
            boot_in(tmp_path, mode), cache=tmp_path / "cache", steps=Steps(events.append), cancellation=Cancellation()
        )
    assert sum("once more" in text for text in said(events)) == 1
    assert not (tmp_path / "cache" / "boots").exists()
