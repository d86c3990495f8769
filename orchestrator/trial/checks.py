"""The exact checks of a trial: did it count, was the data right, was the machine the one that was asked for. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from orchestrator.model.samples import LARGEST
from orchestrator.model.scenario import Scenario
from orchestrator.model.topology import Node, Topology
from orchestrator.model.trial import Check, Status
from orchestrator.trial.records import GuestNode

RESERVED_KIB = 48 << 10
"""What a node's share of the kernel's tables may take away from the memory that QEMU gave it."""

FIRST_RESERVED_KIB = 64 << 10
"""What the kernel's image (that of a debug flavour is large), loaded into node 0, may take away there beside that."""

RESERVED_SHARE = 32
"""One part in so many may go as well: the memory map takes 1/64, page_owner some of it. KASAN's shadow is counted apart."""

UNSETTLED = "did not settle"
"""What ``settle`` in ``guest_scripts/lib.sh`` says when it gives up."""

VERIFYING = ("verify", "final_verify", "fork", "reap", "compare")
"""What compares pages with what they must hold: steps of mempress, and ``compare`` in ``guest_scripts/lib.sh``."""

MOVES: Mapping[str, str] = {
    "zswpout": "nothing stored in zswap",
    "zswpin": "nothing loaded from zswap",
    "zswpwb": "nothing written back",
    "pswpout": "nothing written to the device",
    "pswpin": "nothing read from the device",
}
"""The counters that a wrong page's record tells, and what a 0 of them in the whole guest rules out for the page."""

Records = Sequence[Mapping[str, object]]
"""The lines of a process's record."""

WORKLOAD = "workload"
"""The check of the trial script's exit status."""

EXIT_MEANINGS: Mapping[int, tuple[Status, str]] = {
    0: (Status.PASS, ""),
    1: (Status.PASS, ""),  # wrong data: the check "integrity" says so
    10: (Status.FAIL, "the set-up, a hook or the end of the scenario failed in the guest"),
    11: (Status.FAIL, "the workload did not get to its end"),
    12: (Status.FAIL, "the workload hung: it did not get to its end in guest time"),
    13: (Status.ERROR, "a measuring tool failed in the guest"),
    14: (Status.SKIP, "the kernel lacks what the scenario is about"),
}
"""Exit statuses of ``guest_scripts/trial``."""


def check_topology(topology: Topology, seen: Sequence[GuestNode], *, share: int = 0) -> Check:
    """Compare what the guest's kernel saw with what was asked for; a difference is an ERROR of ours.

    ``share`` is the architecture's ``shadow_share``.
    """
    differences = []
    machine = topology.with_shadow(share)
    if len(seen) != len(topology.nodes):
        differences.append(f"{len(seen)} nodes instead of {len(topology.nodes)}")
    by_number = {node.number: node for node in seen}
    for number in range(len(topology.nodes)):
        node = by_number.get(number)
        differences += (
            [f"there is no node {number}"]
            if node is None
            else [f"node {number} {difference}" for difference in _differences(machine, node, share)]
        )
    return Check(
        name="topology",
        status=Status.ERROR if differences else Status.PASS,
        message="; ".join(differences) or f"{len(seen)} nodes as asked for",
    )


def _differences(topology: Topology, node: GuestNode, share: int) -> Iterator[str]:
    """Yield how one node is not as it was asked for, each as the rest of a sentence about it."""
    wanted = topology.nodes[node.number]
    high = wanted.memory_mib << 10
    shadow = (topology.memory_mib << 10) // share if share and node.number == 0 else 0
    if not high - shadow - reserved_kib(node.number, high) <= node.memory_kib <= high:
        yield f"has {node.memory_kib} KiB instead of about {high}"
    if node.cpus != topology.cpus_of(node.number):
        yield f"has the CPUs {node.cpus} instead of {topology.cpus_of(node.number)}"
    if node.distances != topology.distances[node.number]:
        yield f"has the distances {node.distances} instead of {topology.distances[node.number]}"
    for what, state, there in (("CPUs", node.has_cpu, wanted.cpus), ("memory", node.has_memory, wanted.memory_mib)):
        if state is not None and state != bool(there):
            yield f"counts as one {'with' if state else 'without'} {what}"
    yield from _access_differences(wanted, node)


def _access_differences(wanted: Node, node: GuestNode) -> Iterator[str]:
    """Yield differences in the access classes 0 and 1: both of them are from the nearest initiator, which has CPUs.

    The kernel takes the initiator that the table names for a node (drivers/acpi/numa/hmat.c,
    hmat_update_target_attrs).
    """
    if not wanted.accesses:
        if node.accesses:
            yield "has access classes, and the machine has no HMAT"
        return
    nearest = wanted.accesses[0]
    expected = (
        nearest.read_latency_ns,
        nearest.write_latency_ns,
        nearest.read_bandwidth_mib_s,
        nearest.write_bandwidth_mib_s,
    )
    by_class = {access.number: access for access in node.accesses}
    for number in (0, 1):
        access = by_class.get(number)
        if access is None:
            yield f"has no access class {number}"
            continue
        if access.initiators != (nearest.initiator,):
            yield f"is reached (class {number}) from the nodes {access.initiators} instead of {(nearest.initiator,)}"
        if access.performance != expected:
            yield f"is reached (class {number}) with {access.performance} ns and MiB/s instead of {expected}"


def reserved_kib(number: int, memory_kib: int) -> int:
    """Return what the kernel may keep of node ``number``'s memory before it counts it."""
    fixed = RESERVED_KIB + (FIRST_RESERVED_KIB if number == 0 else 0)
    return min(memory_kib - 1 if memory_kib else 0, fixed + memory_kib // RESERVED_SHARE)


def check_exit(status: int | None, log: Sequence[str]) -> Check:
    """Judge the trial script's exit status; ``log`` is its own log."""
    outcome, meaning = (
        (Status.ERROR, "the guest's trial script left no exit status")
        if status is None
        else EXIT_MEANINGS.get(status, (Status.ERROR, f"the guest's trial script ended with status {status}"))
    )
    last = next((line for line in reversed(log) if line.strip()), "")
    message = f"{meaning}: {last}" if meaning else "the workload came to its end"
    return Check(name=WORKLOAD, status=outcome, message=message)


def check_settled(log: Sequence[str]) -> Check:
    """Look whether the counters came to rest before they were read; else they are of no moment in particular."""
    if any(line.endswith(UNSETTLED) for line in log):
        return Check(name="settled", status=Status.ERROR, message="the counters did not come to rest within 60 s")
    return Check(name="settled", status=Status.PASS, message="two reads in a row were the same")


def check_integrity(records: Mapping[str, Records]) -> Check:
    """Look for wrong pages in each process's record: each names where it is, what was expected and what was found.

    ``records`` are by the process's name; what the trial script compared itself is by ``""``, and names files.
    """
    bad = [(process, page) for process, lines in records.items() for page in _bad_pages(lines)]
    looked = [line for lines in records.values() for line in lines if line.get("op") in VERIFYING]
    verified = sum(_count(line.get("pages")) for line in looked)
    wrong = sum(_count(line.get("bad")) for line in looked)
    if bad or wrong:
        return Check(
            name="integrity",
            status=Status.FAIL,
            message=f"{max(wrong, len(bad))} of {verified} pages read back had wrong content{_first(bad)}",
            detail=tuple(_wrong_page(process, page, records[process]) for process, page in bad),
        )
    if not verified:
        return Check(name="integrity", status=Status.ERROR, message="no page was verified")
    return Check(name="integrity", status=Status.PASS, message=f"{verified} pages read back, all right")


def _bad_pages(lines: Records) -> list[Mapping[str, object]]:
    return [page for line in lines if isinstance(page := line.get("bad_page"), dict)]


def _first(bad: Sequence[tuple[str, Mapping[str, object]]]) -> str:
    """Say what the first wrong page holds; that of some other one is not recorded where none is."""
    if not bad:
        return ""
    process, page = bad[0]
    expected, found = page.get("expected"), page.get("found")
    return f"; the first: {_place(process, page)}: expected {expected}, found {found}{_likeness(page)}"


def _place(process: str, page: Mapping[str, object]) -> str:
    """Say which page of what it is: of a process's region, or of a file that the trial script read."""
    if "file" in page:
        return f"file {page['file']}, page {page.get('page')}, offset {page.get('offset')}"
    where = f"{page.get('region')} page {page.get('page')} at {page.get('address')}, offset {page.get('offset')}"
    return f"process {process}, {where}"


def _likeness(page: Mapping[str, object]) -> str:
    """Say what a wrong page looks like: what it was before, another page, nothing; "" where nobody knows."""
    if page.get("zero"):
        return " (all zero)"
    if "stale" in page:
        return f" (what it held {page['stale']} writes ago)"
    if "page_of" in page:
        return f" (the content of page {page['page_of']})"
    return ""


def _wrong_page(process: str, page: Mapping[str, object], lines: Records) -> str:
    """Return a line on a wrong page: where it is, what it looks like, and what is known of its history."""
    seen = f"{_place(process, page)}: {page.get('wrong_bytes')} wrong bytes{_likeness(page)}"
    if "file" in page:
        return seen
    history = page.get("history")
    if not isinstance(history, list):
        return f"{seen}; its steps: unknown"
    steps = ", ".join(f"{step}{_left(step, lines)}" for step in history)
    return f"{seen}; its steps: {steps}{_moved(page)}"


def _left(step: object, lines: Records) -> str:
    """Say of a ``pageout:STEP`` whether its pages left memory: then the wrong one was in zswap or on the device."""
    for line in lines:
        if line.get("op") == "pageout" and step == f"pageout:{line.get('step')}":
            pages, resident = _count(line.get("pages")), _count(line.get("resident"))
            return f" ({resident} of {pages} pages stayed)" if resident else " (out of memory)"
    return ""


def _moved(page: Mapping[str, object]) -> str:
    """Say what had gone through zswap and swap when the page was found, and what had not happened to any page.

    Which pages these were nobody records.
    """
    said = []
    for where, key in (("in its memory cgroup", "cgroup"), ("in the whole guest", "vmstat")):
        counters = page.get(key)
        if isinstance(counters, dict) and (told := [f"{name} {counters[name]}" for name in MOVES if name in counters]):
            said.append(f"{where} {', '.join(told)}")
    if not said:
        return ""
    whole = page.get("vmstat")
    never = [meaning for name, meaning in MOVES.items() if isinstance(whole, dict) and whole.get(name) == 0]
    return f"; by then, of this and other pages, {'; '.join(said)}" + (f" ({', '.join(never)})" if never else "")


def _count(value: object) -> int:
    return value if isinstance(value, int) and 0 < value <= LARGEST else 0


def check_musts(scenario: Scenario, metrics: Mapping[str, float]) -> tuple[Check, ...]:
    """Look whether the workload reached what the scenario is about; if not the trial does not count.

    What takes a race to reach is SKIP where it was missed.
    """
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
            missed = Status.SKIP if must.by_chance else Status.ERROR
            check = Check(name=f"must {wanted}", status=missed, message=f"{must.says}: {must.metric} is {value:g}")
        checks.append(check)
    return tuple(checks)


def last_counts(counts: Mapping[str, Mapping[str, int]]) -> Mapping[str, int]:
    """Return how often each function had been entered at the last sample; {} where nothing was counted."""
    return next(reversed([*counts.values()]), {})


def check_entered(scenario: Scenario, counts: Mapping[str, Mapping[str, int]]) -> tuple[Check, ...]:
    """Look whether the functions that the scenario is about were entered, by what the count probes say.

    One that this kernel does not have, or has inlined, cannot be probed: that is no data, and no failure.
    """
    last = last_counts(counts)
    checks = []
    for function in scenario.enters:
        calls = last.get(function)
        if calls is None:
            status, message = Status.SKIP, f"no data: {function}() cannot be probed in this kernel"
        elif calls:
            status, message = Status.PASS, f"{function}() was entered {calls} times"
        else:
            status, message = Status.ERROR, f"did not reach {function}()"
        checks.append(Check(name=f"must enter {function}", status=status, message=message))
    return tuple(checks)


def overall(checks: Sequence[Check]) -> tuple[Status, str]:
    """Return a trial's status and the message of the check that decides it: FAIL before ERROR before SKIP and PASS.

    What is proven stands, whatever else went wrong. A check without data does not make the trial one.
    """
    for status in (Status.FAIL, Status.ERROR):
        bad = [check for check in checks if check.status is status]
        if bad:
            return status, "; ".join(check.message for check in bad)
    lacking = [check for check in checks if check.name == WORKLOAD and check.status is Status.SKIP]
    return (Status.SKIP, lacking[0].message) if lacking else (Status.PASS, "")
