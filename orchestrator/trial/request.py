"""What a trial is run from, and the names of the records that come back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.machine.argv import Accelerator
from orchestrator.machine.keys import MachineKeys
from orchestrator.model.kernel import Architecture, KernelBuild
from orchestrator.model.memory import MemoryRange
from orchestrator.model.scenario import Scenario
from orchestrator.model.topology import Topology
from orchestrator.model.trial import TrialSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialRequest:
    """One trial, ready to run.

    ``initrd`` is the guest image with the trial's payload and the machine's keys behind it. ``key`` identifies all
    that a sealed trial depends on, and ``parts`` are what it was made of, for people. ``dump`` asks for a guest core where
    the guest hangs or panics. ``folder`` is the trial's own in the
    run directory; ``gate`` seals a sealed trial's QEMU. ``memory`` is what of a sealed guest's memory is kept in ``folder``
    when its scenario is over.
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
    memory: tuple[MemoryRange, ...] = ()
    parts: Mapping[str, str] = field(default_factory=dict)
    dump: bool = False


RESULTS = "/results"
"""The guest's folder with everything it recorded."""

# Files in it; guest_scripts/trial writes them.
SAMPLES = "samples"
SERIES = "series"
PROBES = "probes"
COUNTS = "counts"
MEMPRESS = "mempress"
COMPARED = "compared"
TOPOLOGY = "topology"
EXIT_STATUS = "exit_status"
TRIAL_LOG = "trial.log"
KMEMLEAK = "kmemleak"
