"""A trial's payload: what differs between trials, as a second archive behind the guest image.

The SSH keys are in an archive of their own: they are made for each machine, have a fixed size, and are read only after
the seal is broken, so they are not part of a trial's key.
"""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from orchestrator.guest import cpio
from orchestrator.guest.workload import Job, jobs_of
from orchestrator.model.scenario import Scenario
from orchestrator.model.topology import Topology
from orchestrator.model.trial import TrialSpec

GUEST_TIMEOUT_S = 120
"""Sealed seconds after which a workload that has not come to its end is given up; one takes about 5."""

LIVE_TIMEOUT_S = 3600
"""The same for live trials, whose seconds are the host's: there the host's own deadline comes first."""

SAMPLE_MS = 250
"""Guest milliseconds between two samples while the workload runs."""

PHASE_STEP_US, PHASES_US = 7919, 100_000
"""A seed's trial starts so many microseconds later than the seed's before it, less than :data:`PHASES_US` in all.

Asynchronous paths depend on when they meet the workload: seeds vary that too, so that what a patch only shifts shows up as
what it is, chance. The step has no divisor in common with a tick.
"""

TRACE_KB = 16384
"""Trace buffer of each CPU. A call of shrink_memcg() on n nodes takes 1 + 2n events of about 60 bytes."""


SEEDS_APART = 1_000_000
"""Between the seeds of a trial's processes; trials' own seeds are far smaller."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SshFiles:
    """The guest's half of the keys, in the formats that dropbear reads, and random bytes for its generator."""

    authorized_keys: bytes
    host_key: bytes
    entropy: bytes


def trial_payload(
    spec: TrialSpec,
    scenario: Scenario,
    topology: Topology,
    *,
    probes: bytes,
    selftests: Mapping[str, bytes] | None = None,
    slowdown: int = 1,
) -> bytes:
    """Return the archive for one trial; the same for base and patched, but for ``selftests``, which come from the tree.

    ``probes`` is the probes' specification; ``slowdown`` how many times as long as usual the guest may take.
    """
    jobs = jobs_of(scenario, topology)
    return cpio.write_archive(
        [
            cpio.file("trial/trial.env", _environment(spec, scenario, slowdown).encode()),
            cpio.file("trial/processes", _processes(jobs, spec.seed).encode()),
            *(cpio.file(f"trial/workloads/{job.name}", job.text.encode()) for job in jobs),
            cpio.file("trial/run.sh", (scenario.folder / "run.sh").read_bytes(), executable=True),
            cpio.file("trial/probes.spec", probes),
            cpio.file("trial/entropy", hashlib.sha512(str(spec.seed).encode()).digest()),
            *(
                cpio.file(f"trial/selftests/{name}", program, executable=True)
                for name, program in sorted((selftests or {}).items())
            ),
        ]
    )


def _processes(jobs: Sequence[Job], seed: int) -> str:
    """Return the file that ``press`` in lib.sh reads: name, memory cgroup, seed, and whether it may be killed.

    A page's content depends on the seed, so each process has its own.
    """
    return "".join(
        f"{job.name} {job.memcg} {seed + number * SEEDS_APART} {'yes' if job.may_be_killed else 'no'}\n"
        for number, job in enumerate(jobs)
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


def _environment(spec: TrialSpec, scenario: Scenario, slowdown: int) -> str:
    """Return ``trial.env``: what the guest's scripts are told, as shell assignments."""
    values: Mapping[str, str] = {
        "TRIAL_MODE": "sealed" if spec.sealed else "live",
        "TRIAL_SCENARIO": scenario.name,
        "TRIAL_SEED": str(spec.seed),
        "TRIAL_PHASE_S": f"{(spec.seed - 1) * PHASE_STEP_US % PHASES_US / 1e6:.6f}",
        "TRIAL_MEMCGS": " ".join(scenario.memcgs),
        "TRIAL_GUEST_TIMEOUT_S": str(GUEST_TIMEOUT_S * slowdown if spec.sealed else LIVE_TIMEOUT_S),
        "TRIAL_SAMPLE_MS": str(SAMPLE_MS),
        "TRIAL_TRACE_KB": str(TRACE_KB),
        **dict(scenario.knobs),
    }
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items())
