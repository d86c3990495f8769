"""Which accelerator a live machine gets. KVM counts as usable only after a real guest has answered on it.

``/dev/kvm`` can be opened, and a machine made, where a guest never executes its first instruction (nested
virtualisation that is switched off half-way). Sealed trials never ask: they are TCG by definition.
"""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass

from orchestrator.errors import OrchestratorError, UserError
from orchestrator.host import process
from orchestrator.host.deadline import Cancellation, Deadline
from orchestrator.machine.argv import Accelerator, MachineConfig
from orchestrator.machine.machine import running_machine
from orchestrator.model.kernel import Architecture

KVM_DEVICE = "/dev/kvm"
PROBE_S = 5.0
READY = "ready"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The accelerator and why it is this one; the reason is printed once and recorded."""

    accelerator: Accelerator
    reason: str


SEALED_CHOICE = Choice(accelerator=Accelerator.TCG, reason="sealed trials count instructions, which only TCG can")


def choose_accelerator(wish: str, probe: MachineConfig, *, cancellation: Cancellation) -> Choice:
    """Return the accelerator for live trials; ``wish`` is ``auto``, ``kvm`` or ``tcg``.

    ``probe`` is a small machine whose guest says "ready". Raises :class:`UserError` when KVM was asked for and is not
    usable.
    """
    if wish == Accelerator.TCG:
        return Choice(accelerator=Accelerator.TCG, reason="asked for")
    problem = _kvm_problem(probe, cancellation)
    if not problem:
        return Choice(accelerator=Accelerator.KVM, reason=f"a probe guest answered within {PROBE_S:g} s")
    if wish == Accelerator.KVM:
        raise UserError(f"KVM is not usable here: {problem}", hint="--accel tcg")
    return Choice(accelerator=Accelerator.TCG, reason=problem)


def _kvm_problem(probe: MachineConfig, cancellation: Cancellation) -> str:
    """Return why KVM cannot be used, "" when a guest has answered on it."""
    if not os.path.exists(KVM_DEVICE):  # noqa: PTH110 - a device, not a path of ours
        return f"{KVM_DEVICE} is not there"
    if not os.access(KVM_DEVICE, os.R_OK | os.W_OK):
        return f"{KVM_DEVICE} may not be opened by this user (group kvm)"
    config = dataclasses.replace(probe, sealed=False, accelerator=Accelerator.KVM)
    deadline = Deadline(PROBE_S, what="the KVM probe", cancellation=cancellation)
    try:
        with running_machine(config, deadline) as machine:
            machine.wait_for_mark(READY, deadline)
    except OrchestratorError as error:
        cancellation.check()
        return f"{KVM_DEVICE} is there, but a probe guest did not answer on it ({error.message})"
    return ""


def qemu_version(architecture: Architecture) -> str:
    """Return QEMU's own version line; a sealed trial is another one with another QEMU.

    Raises ``MissingProgram`` when it is not installed.
    """
    process.require_program(architecture.qemu, purpose="to run the machines (package qemu-system-x86)")
    return process.check([architecture.qemu, "--version"]).splitlines()[0]
