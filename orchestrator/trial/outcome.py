"""From what a guest recorded to a :class:`TrialResult`. Pure but for the clock readings that are handed in."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from orchestrator.errors import InfraError, OrchestratorError, TimedOut
from orchestrator.model.samples import Probes, counter_of
from orchestrator.model.trial import Check, Status, TrialResult
from orchestrator.trial import checks as checking
from orchestrator.trial import records
from orchestrator.trial.metrics import measured_metrics
from orchestrator.trial.request import EXIT_STATUS, MEMPRESS, PROBES, SAMPLES, TOPOLOGY, TRIAL_LOG, TrialRequest

BEFORE = "before"
PRESSED = "pressed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What came out of one machine: the guest's files, the console, and how long it took."""

    files: Mapping[str, bytes]
    console: str
    wall_s: float


def result_of(request: TrialRequest, recorded: Recorded) -> TrialResult:
    """Judge one trial by itself; comparing it with others is the judge's business."""
    files = recorded.files
    try:
        checks, metrics, guest_s = _read(request, files)
    except InfraError as error:
        checks, metrics, guest_s = [Check(name="record", status=Status.ERROR, message=error.message)], {}, 0.0
    status, message = checking.overall(checks)
    return TrialResult(
        spec=request.spec,
        key=request.key,
        status=status,
        message=message,
        digest=digest_of(files) if request.spec.sealed else "",
        metrics=metrics,
        checks=tuple(checks),
        wall_s=recorded.wall_s,
        guest_s=guest_s,
        console_tail=tuple(recorded.console.splitlines()[-40:]),
    )


def lost_result(request: TrialRequest, error: OrchestratorError, recorded: Recorded) -> TrialResult:
    """Return the result of a trial whose machine was lost: ERROR, until the kernel's log says otherwise."""
    return TrialResult(
        spec=request.spec,
        key=request.key,
        status=Status.ERROR,
        message=error.message,
        digest="",
        metrics={},
        checks=(_machine_check(error),),
        wall_s=recorded.wall_s,
        guest_s=0.0,
        console_tail=tuple(recorded.console.splitlines()[-40:]),
    )


def _machine_check(error: OrchestratorError) -> Check:
    kind = "timeout" if isinstance(error, TimedOut) else type(error).__name__
    return Check(name="machine", status=Status.ERROR, message=error.describe(), fingerprint=kind)


def digest_of(files: Mapping[str, bytes]) -> str:
    """Return the SHA-256 over everything that the guest recorded: names, lengths and bytes, in the order of names."""
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(f"{name}\0{len(files[name])}\0".encode())
        digest.update(files[name])
    return digest.hexdigest()


def _read(request: TrialRequest, files: Mapping[str, bytes]) -> tuple[list[Check], dict[str, float], float]:
    """Return the checks, the metrics and the guest time of the last sample."""
    log = files.get(TRIAL_LOG, b"").decode("utf-8", "replace").splitlines()
    exit_status = counter_of(_text(files, EXIT_STATUS))
    checks = [
        checking.check_topology(request.topology, records.parse_topology(_text(files, TOPOLOGY))),
        checking.check_exit(exit_status, log),
        checking.check_settled(log),
    ]
    samples = records.parse_samples(files.get(SAMPLES, b""))
    guest_s = samples[-1].at_s if samples else 0.0
    before, pressed = (records.sample_labelled(samples, label) for label in (BEFORE, PRESSED))
    if before is None or pressed is None or PROBES not in files:
        # The script ended early; its exit status has said why.
        return checks, {}, guest_s
    probes = records.parse_probes(files[PROBES])
    nodes = len(request.topology.nodes)
    metrics = measured_metrics(request.scenario, before=before, pressed=pressed, probes=probes, nodes=nodes)
    checks.append(checking.check_integrity(records.json_lines(files.get(MEMPRESS, b""), what="mempress's record")))
    checks.append(_check_probes(probes))
    checks += checking.check_musts(request.scenario, metrics)
    return checks, metrics, guest_s


def _check_probes(probes: Probes) -> Check:
    """Say which probes gave no data; that is not a fault of anybody's, but it is not zero either."""
    missing = [name for name, status in probes.placed.items() if status != "ok"]
    problems: Sequence[str] = [
        *(f"{name}: {probes.placed[name]}" for name in missing),
        *([f"{probes.lost} events were lost"] if probes.lost else []),
    ]
    if problems:
        return Check(name="probes", status=Status.SKIP, message=f"no data: {'; '.join(problems)}")
    return Check(name="probes", status=Status.PASS, message="all placed, no event lost")


def _text(files: Mapping[str, bytes], name: str) -> str:
    return files.get(name, b"").decode("utf-8", "replace")
