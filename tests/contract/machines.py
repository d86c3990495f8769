"""Machines for tests that need no kernel: the fake QEMU, and the real one with a guest of one page."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

from orchestrator.config.catalog import architecture, topologies
from orchestrator.machine.argv import Accelerator, MachineConfig
from orchestrator.model.kernel import Architecture

HERE = Path(__file__).parent

TINY_GUESTS = {
    "ready": {"SAYS_READY": 1, "FLOODS": 0, "REBOOTS": 0},
    "reboots": {"SAYS_READY": 1, "FLOODS": 0, "REBOOTS": 1},
    "silent": {"SAYS_READY": 0, "FLOODS": 0, "REBOOTS": 0},
    "floods": {"SAYS_READY": 1, "FLOODS": 1, "REBOOTS": 0},
}
"""The modes that are there with the real QEMU too, and what the guest is assembled with."""


def assemble_tiny_guests(folder: Path) -> Path:
    """Assemble a guest for each mode; return the folder that has them."""
    for mode, symbols in TINY_GUESTS.items():
        defines = [word for name, number in symbols.items() for word in ("--defsym", f"{name}={number}")]
        subprocess.run(["as", "--32", *defines, "-o", f"{mode}.o", HERE / "tiny_guest.S"], cwd=folder, check=True)
        # Multiboot wants its header in the first 8 KiB.
        link = ["ld", "-m", "elf_i386", "-Ttext=0x100000", "-o", mode, f"{mode}.o"]
        subprocess.run(link, cwd=folder, check=True)
    return folder


def fake_architecture(folder: Path, mode: str, *, port: int = 40022) -> Architecture:
    """Return an architecture whose QEMU is the fake one in ``mode``; its program lies in ``folder``."""
    program = folder / "fake-qemu"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -S -E {HERE / "fake_qemu.py"} {mode} {port} "$@"\n')
    program.chmod(0o755)
    return dataclasses.replace(architecture(), qemu=str(program))


def fake_machine(folder: Path, mode: str) -> MachineConfig:
    """Return a machine of the fake QEMU in ``mode``, with its files in ``folder``."""
    config = _config(folder, kernel=folder / "no-kernel")
    return dataclasses.replace(config, architecture=fake_architecture(folder, mode))


def real_machine(folder: Path, mode: str, *, guests: Path, sealed: bool = True) -> MachineConfig:
    """Return a machine of the real QEMU with the tiny guest for ``mode``; ``dies`` has no kernel to start."""
    return dataclasses.replace(_config(folder, kernel=guests / mode), sealed=sealed)


def _config(folder: Path, *, kernel: Path) -> MachineConfig:
    initrd = folder / "initrd"
    initrd.write_bytes(b"\0" * 512)
    return MachineConfig(
        architecture=architecture(),
        topology=topologies()["two-node"],
        kernel=kernel,
        initrd=initrd,
        console=folder / "console.log",
        qmp_fd=-1,
        sealed=True,
        accelerator=Accelerator.TCG,
    )
