"""The exact checks of a trial: did it count, was the data right, was the machine the one that was asked for. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from orchestrator.model.samples import LARGEST
from orchestrator.model.scenario import Scenario
from orchestrator.model.topology import Topology
from orchestrator.model.trial import Check, Status
from orchestrator.trial.records import GuestNode

RESERVED_KIB = 48 << 10
"""What a node's kernel, memory map and initramfs may take away from the memory that QEMU gave it."""

UNSETTLED = "did not settle"
"""What ``settle`` in ``guest_scripts/lib.sh`` says when it gives up."""

VERIFYING = ("verify", "final_verify", "fork")
"""The steps of mempress that compare pages with what they must hold."""

EXIT_MEANINGS: Mapping[int, tuple[Status, str]] = {
    0: (Status.PASS, ""),
    1: (Status.PASS, ""),  # wrong data: the check "integrity" says so
    10: (Status.FAIL, "the set-up failed in the guest"),
    11: (Status.FAIL, "the workload did not get to its end"),
    12: (Status.FAIL, "the workload hung: it did not get to its end in guest time"),
    13: (Status.ERROR, "a measuring tool failed in the guest"),
}
"""Exit statuses of ``guest_scripts/trial``."""


def check_topology(topology: Topology, seen: Sequence[GuestNode]) -> Check:
    """Compare what the guest's kernel saw with what was asked for; a difference is an ERROR of ours."""
    differences = []
    if len(seen) != len(topology.nodes):
        differences.append(f"{len(seen)} nodes instead of {len(topology.nodes)}")
    by_number = {node.number: node for node in seen}
    for number, wanted in enumerate(topology.nodes):
        node = by_number.get(number)
        if node is None:
            differences.append(f"there is no node {number}")
            continue
        low, high = (wanted.memory_mib << 10) - RESERVED_KIB, wanted.memory_mib << 10
        if not low <= node.memory_kib <= high:
            differences.append(f"node {number} has {node.memory_kib} KiB instead of about {high}")
        if node.cpus != topology.cpus_of(number):
            differences.append(f"node {number} has the CPUs {node.cpus} instead of {topology.cpus_of(number)}")
        if node.distances != topology.distances[number]:
            differences.append(
                f"node {number} has the distances {node.distances} instead of {topology.distances[number]}"
            )
    return Check(
        name="topology",
        status=Status.ERROR if differences else Status.PASS,
        message="; ".join(differences) or f"{len(seen)} nodes as asked for",
    )


def check_exit(status: int | None, log: Sequence[str]) -> Check:
    """Judge the trial script's exit status; ``log`` is its own log."""
    outcome, meaning = (
        (Status.ERROR, "the guest's trial script left no exit status")
        if status is None
        else EXIT_MEANINGS.get(status, (Status.ERROR, f"the guest's trial script ended with status {status}"))
    )
    last = next((line for line in reversed(log) if line.strip()), "")
    message = f"{meaning}: {last}" if meaning else "the workload came to its end"
    return Check(name="workload", status=outcome, message=message)


def check_settled(log: Sequence[str]) -> Check:
    """Look whether the counters came to rest before they were read; else they are of no moment in particular."""
    if any(line.endswith(UNSETTLED) for line in log):
        return Check(name="settled", status=Status.ERROR, message="the counters did not come to rest within 60 s")
    return Check(name="settled", status=Status.PASS, message="two reads in a row were the same")


def check_integrity(lines: Sequence[Mapping[str, object]]) -> Check:
    """Look for wrong pages in mempress's record: each names its address, what was expected and what was found."""
    bad: list[Mapping[str, object]] = []
    verified = wrong = 0
    for line in lines:
        page = line.get("bad_page")
        if isinstance(page, dict):
            bad.append(page)
        if line.get("op") in VERIFYING:
            verified += _count(line.get("pages"))
            wrong += _count(line.get("bad"))
    if bad or wrong:
        first = bad[0] if bad else {}
        return Check(
            name="integrity",
            status=Status.FAIL,
            message=f"{max(wrong, len(bad))} of {verified} pages read back had wrong content; the first: "
            f"{first.get('region')} page {first.get('page')} at {first.get('address')}, offset {first.get('offset')}: "
            f"expected {first.get('expected')}, found {first.get('found')}",
        )
    if not verified:
        return Check(name="integrity", status=Status.ERROR, message="no page was verified")
    return Check(name="integrity", status=Status.PASS, message=f"{verified} pages read back, all right")


def _count(value: object) -> int:
    return value if isinstance(value, int) and 0 < value <= LARGEST else 0


def check_musts(scenario: Scenario, metrics: Mapping[str, float]) -> tuple[Check, ...]:
    """Look whether the workload reached what the scenario is about; if not the trial does not count."""
    checks = []
    for must in scenario.musts:
        value = metrics.get(must.metric)
        wanted = f"{must.metric} {must.comparison} {must.value:g}"
        if value is None:
            check = Check(
                name=f"must {wanted}", status=Status.ERROR, message=f"this kernel has no {must.metric} to look at"
            )
        elif must.holds(value):
            check = Check(name=f"must {wanted}", status=Status.PASS, message=f"{must.metric} is {value:g}")
        else:
            check = Check(
                name=f"must {wanted}", status=Status.ERROR, message=f"{must.says}: {must.metric} is {value:g}"
            )
        checks.append(check)
    return tuple(checks)


def overall(checks: Sequence[Check]) -> tuple[Status, str]:
    """Return a trial's status and the message of the check that decides it: FAIL before ERROR before PASS.

    What is proven stands, whatever else went wrong.
    """
    for status in (Status.FAIL, Status.ERROR):
        bad = [check for check in checks if check.status is status]
        if bad:
            return status, "; ".join(check.message for check in bad)
    return Status.PASS, ""
