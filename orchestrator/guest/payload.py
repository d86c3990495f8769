"""A trial's payload: what differs between trials, as a second archive behind the guest image.

The SSH keys are in an archive of their own: they are made for each machine, have a fixed size, and are read only after
the seal is broken, so they are not part of a trial's key.
"""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from orchestrator.guest import cpio
from orchestrator.guest.workload import expand_workload
from orchestrator.model.scenario import Scenario
from orchestrator.model.topology import Topology
from orchestrator.model.trial import TrialSpec

GUEST_TIMEOUT_S = 120
"""Sealed seconds after which a workload that has not come to its end is given up; one takes about 5."""

LIVE_TIMEOUT_S = 3600
"""The same for live trials, whose seconds are the host's: there the host's own deadline comes first."""

SAMPLE_MS = 250
"""Guest milliseconds between two samples while the workload runs."""

TRACE_KB = 16384
"""Trace buffer of each CPU. A call of shrink_memcg() on n nodes takes 1 + 2n events of about 60 bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SshFiles:
    """The guest's half of the keys, in the formats that dropbear reads, and random bytes for its generator."""

    authorized_keys: bytes
    host_key: bytes
    entropy: bytes


def trial_payload(spec: TrialSpec, scenario: Scenario, topology: Topology, *, probes: Path) -> bytes:
    """Return the archive for one trial; the same for base and patched. ``probes`` is the probes' specification."""
    return cpio.write_archive(
        [
            cpio.file("trial/trial.env", _environment(spec, scenario).encode()),
            cpio.file("trial/workload", expand_workload(scenario.workload, topology).encode()),
            cpio.file("trial/run.sh", (scenario.folder / "run.sh").read_bytes(), executable=True),
            cpio.file("trial/probes.spec", probes.read_bytes()),
            cpio.file("trial/entropy", hashlib.sha512(str(spec.seed).encode()).digest()),
        ]
    )


def keys_payload(keys: SshFiles) -> bytes:
    """Return the archive with the guest's half of the SSH keys."""
    return cpio.write_archive(
        [
            cpio.folder("root/.ssh", permissions=0o700),
            cpio.folder("root", permissions=0o700),
            cpio.file("root/.ssh/authorized_keys", keys.authorized_keys, private=True),
            cpio.file("etc/dropbear/host_key", keys.host_key, private=True),
            cpio.file("etc/dropbear/entropy", keys.entropy, private=True),
        ]
    )


def _environment(spec: TrialSpec, scenario: Scenario) -> str:
    """Return ``trial.env``: what the guest's scripts are told, as shell assignments."""
    values: Mapping[str, str] = {
        "TRIAL_MODE": "sealed" if spec.sealed else "live",
        "TRIAL_SCENARIO": scenario.name,
        "TRIAL_SEED": str(spec.seed),
        "TRIAL_MEMCGS": " ".join(scenario.memcgs),
        "TRIAL_GUEST_TIMEOUT_S": str(GUEST_TIMEOUT_S if spec.sealed else LIVE_TIMEOUT_S),
        "TRIAL_SAMPLE_MS": str(SAMPLE_MS),
        "TRIAL_TRACE_KB": str(TRACE_KB),
        **dict(scenario.knobs),
    }
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items())
