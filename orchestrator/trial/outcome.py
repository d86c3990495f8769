"""From what a guest recorded to a :class:`TrialResult`. Pure but for the clock readings that are handed in."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from orchestrator.errors import InfraError, OrchestratorError, TimedOut
from orchestrator.model.samples import Measured, Probes, Sample, counter_of, parse_samples
from orchestrator.model.scenario import BEFORE, PRESSED, Scenario
from orchestrator.model.trial import Check, Status, TrialResult
from orchestrator.trial import checks as checking
from orchestrator.trial import records
from orchestrator.trial.metrics import Evidence, measured_metrics
from orchestrator.trial.request import (
    COMPARED,
    COUNTS,
    EXIT_STATUS,
    KMEMLEAK,
    MEMPRESS,
    PROBES,
    SAMPLES,
    TOPOLOGY,
    TRIAL_LOG,
    TrialRequest,
)
from orchestrator.trial.selftest_checks import check_selftests

LARGEST_FOLIO = 512
"""Pages of a PMD-sized huge page on x86_64 (HPAGE_PMD_NR)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What came out of one machine: the guest's files, the console, and how long it took.

    ``hang`` is what a machine's CPUs did that was lost and still there, ``guest_s`` its guest's time then where the
    guest was getting on (0.0: it was not, or that is not known).
    """

    files: Mapping[str, bytes]
    console: str
    wall_s: float
    hang: tuple[str, ...] = ()
    guest_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A trial's result, and what it was measured from; ``measured`` is None where the trial did not get that far."""

    result: TrialResult
    measured: Measured | None = None


def result_of(request: TrialRequest, recorded: Recorded) -> Finished:
    """Judge one trial by itself; comparing it with others is the judge's business."""
    files = recorded.files
    measured: Measured | None = None
    metrics: Mapping[str, float] = {}
    guest_s = 0.0
    try:
        checks = _of_the_machine(request, files)
        samples = parse_samples(files.get(SAMPLES, b""))
        guest_s = samples[-1].at_s if samples else 0.0
        if all(records.sample_labelled(samples, label) for label in (BEFORE, PRESSED)) and PROBES in files:
            measured = _measured(request, samples, files)
            more, metrics = _of_the_workload(request, measured, files)
            checks += more
        # Otherwise the script ended early; its exit status has said why.
        checks += _of_the_selftests(request, files, came_through=measured is not None)
    except InfraError as error:
        checks, metrics, measured = [Check(name="record", status=Status.ERROR, message=error.message)], {}, None
    status, message = checking.overall(checks)
    result = TrialResult(
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
        calls=checking.last_counts(measured.counts) if measured else {},
    )
    return Finished(result=result, measured=measured)


def lost_result(request: TrialRequest, error: OrchestratorError, recorded: Recorded) -> TrialResult:
    """Return the result of a trial whose machine was lost: ERROR, until the kernel's log says otherwise."""
    return TrialResult(
        spec=request.spec,
        key=request.key,
        status=Status.ERROR,
        message=error.message,
        digest="",
        metrics={},
        checks=(_machine_check(error, recorded.hang),),
        wall_s=recorded.wall_s,
        guest_s=recorded.guest_s,
        console_tail=tuple(recorded.console.splitlines()[-40:]),
    )


def _machine_check(error: OrchestratorError, hang: tuple[str, ...]) -> Check:
    kind = "timeout" if isinstance(error, TimedOut) else type(error).__name__
    return Check(name="machine", status=Status.ERROR, message=error.describe(), fingerprint=kind, detail=hang)


def digest_of(files: Mapping[str, bytes]) -> str:
    """Return the SHA-256 over everything that the guest recorded: names, lengths and bytes, in the order of names."""
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(f"{name}\0{len(files[name])}\0".encode())
        digest.update(files[name])
    return digest.hexdigest()


def _of_the_machine(request: TrialRequest, files: Mapping[str, bytes]) -> list[Check]:
    """Check what can be checked of every trial, however it ended."""
    log = _text(files, TRIAL_LOG).splitlines()
    looked = [check_leaks(_text(files, KMEMLEAK).strip())] if KMEMLEAK in files else []
    return [
        checking.check_topology(
            request.topology, records.parse_topology(_text(files, TOPOLOGY)), share=request.architecture.shadow_share
        ),
        checking.check_exit(counter_of(_text(files, EXIT_STATUS)), log),
        checking.check_settled(log),
        *looked,
    ]


def check_leaks(said: str) -> Check:
    """Say whether leaks were looked for at the end; those that were found are the kernel log's.

    kmemleak switches itself off where an allocation of its own fails (kmemleak_disable() in mm/kmemleak.c).
    """
    if said == "scanned":
        return Check(
            name="kmemleak", status=Status.PASS, message="scanned twice; what was found is in the kernel's log"
        )
    return Check(
        name="kmemleak", status=Status.SKIP, message="kmemleak had switched itself off: leaks were not looked for"
    )


def _measured(request: TrialRequest, samples: tuple[Sample, ...], files: Mapping[str, bytes]) -> Measured:
    scenario = request.scenario
    return Measured(
        samples=samples,
        memcgs=scenario.memcgs,
        counts=records.parse_counts(files.get(COUNTS, b"")),
        largest_folio_pages=LARGEST_FOLIO if _asks_for_large_folios(scenario) else 1,
        # Each of the workload's threads, a kswapd a node, and the shells of the trial script and its hooks.
        writers=_threads(scenario) + len(request.topology.nodes) + 2,
    )


def _asks_for_large_folios(scenario: Scenario) -> bool:
    """Whether a scenario has huge pages on; the guest has them only where it is asked."""
    lines = [line for process in scenario.processes for line in process.workload] + [*scenario.workload]
    return any("thp=always" in line for line in lines) or any(name.startswith("THP") for name, _ in scenario.knobs)


def _threads(scenario: Scenario) -> int:
    """Return how many threads the workloads have at most."""

    def of(workload: Sequence[str]) -> int:
        threads = [int(number) for line in workload for number in re.findall(r"\bthreads=(\d+)", line)]
        return max([1, *threads]) + sum(line.rstrip().endswith(" background") for line in workload)

    return of(scenario.workload) + sum(of(process.workload) * process.copies for process in scenario.processes)


def _of_the_workload(
    request: TrialRequest, measured: Measured, files: Mapping[str, bytes]
) -> tuple[list[Check], Mapping[str, float]]:
    """Check what came of the pressure; return the checks and the metrics."""
    scenario = request.scenario
    probes = records.parse_probes(files[PROBES])
    processes = {
        "main" if name == MEMPRESS else name.removeprefix(f"{MEMPRESS}."): _lines(files, name)
        for name in sorted(files)
        if name == MEMPRESS or name.startswith(f"{MEMPRESS}.")
    }
    workload = [line for lines in processes.values() for line in lines]
    nodes = len(request.topology.nodes)
    evidence = Evidence(measured=measured, probes=probes, workload=workload, nodes=nodes)
    metrics = measured_metrics(scenario, evidence)
    checks = [checking.check_integrity({**processes, "": _lines(files, COMPARED)}), check_probes(probes)]
    checks += checking.check_musts(scenario, metrics)
    checks += checking.check_entered(scenario, measured.counts)
    return checks, metrics


def _lines(files: Mapping[str, bytes], name: str) -> list[Mapping[str, object]]:
    return records.json_lines(files.get(name, b""), what=f"the record {name}")


def _of_the_selftests(request: TrialRequest, files: Mapping[str, bytes], *, came_through: bool) -> list[Check]:
    """Check what the kernel's own tests said; of a trial that ended early, only those that had been begun."""
    return check_selftests(request.scenario.selftests if came_through else (), files)


def check_probes(probes: Probes) -> Check:
    """Say which probes gave no data; that is not a fault of anybody's, but it is not zero either.

    SKIP when all that was asked for is missing or events were lost unseen by whom; else the rest holds, and what is
    missing is in the message.
    """
    missing = [f"{name}: {status}" for name, status in probes.placed.items() if status != "ok"]
    missed = [f"{total.probe}: {total.missed} calls went by unseen" for total in probes.totals if total.missed]
    lost = [f"{probes.lost} events were lost"] if probes.lost else []
    problems = "; ".join([*missing, *missed, *lost])
    if not problems:
        return Check(name="probes", status=Status.PASS, message="all placed, no event lost")
    if lost or len(missing) == len(probes.placed):
        return Check(name="probes", status=Status.SKIP, message=f"no data: {problems}")
    placed = len(probes.placed) - len(missing)
    return Check(
        name="probes", status=Status.PASS, message=f"{placed} of {len(probes.placed)} placed; no data: {problems}"
    )


def _text(files: Mapping[str, bytes], name: str) -> str:
    return files.get(name, b"").decode("utf-8", "replace")
