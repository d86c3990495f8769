"""What a trial is run from, and the names of the records that come back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from orchestrator.machine.argv import Accelerator
from orchestrator.machine.keys import MachineKeys
from orchestrator.model.kernel import Architecture, KernelBuild
from orchestrator.model.scenario import Scenario
from orchestrator.model.topology import Topology
from orchestrator.model.trial import TrialSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialRequest:
    """One trial, ready to run.

    ``initrd`` is the guest image with the trial's payload and the machine's keys behind it. ``key`` identifies all
    that a sealed trial depends on. ``folder`` is the trial's own in the run directory; ``gate`` seals a sealed trial's QEMU.
    """

    spec: TrialSpec
    key: str
    scenario: Scenario
    topology: Topology
    architecture: Architecture
    build: KernelBuild
    initrd: bytes
    keys: MachineKeys
    accelerator: Accelerator
    folder: Path
    gate: Path | None = None


RESULTS = "/results"
"""The guest's folder with everything it recorded."""

# Files in it; guest_scripts/trial writes them.
SAMPLES = "samples"
SERIES = "series"
PROBES = "probes"
COUNTS = "counts"
MEMPRESS = "mempress"
TOPOLOGY = "topology"
EXIT_STATUS = "exit_status"
TRIAL_LOG = "trial.log"
