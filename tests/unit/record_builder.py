"""Builds run records for tests: the batch-writeback patch with the figures of experiment A2, and variations of it.

Every function takes what a test cares for and fills in the rest; nothing here is measured.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

from orchestrator.errors import BrokenBase, PatchFault
from orchestrator.host.workspace import content_key
from orchestrator.judge.decide import decide
from orchestrator.judge.health import finding_on_base
from orchestrator.model.kernel import KernelBuild, KernelRole
from orchestrator.model.objects import ObjectDifference
from orchestrator.model.run import Plan, Profile, RunRecord
from orchestrator.model.scenario import Comparison, Direction, Metric, Must, Scenario
from orchestrator.model.series import Diffstat, Form, Patch, Series
from orchestrator.model.topology import Node, Topology
from orchestrator.model.tree import AppliedPatch, Base, HunkPlacement, Quality, Rung, Source, Trees
from orchestrator.model.trial import Check, Status, TrialResult, TrialSpec

BASE = KernelRole.BASE
PATCHED = KernelRole.PATCHED
SUBJECT = "mm/zswap: Support batch writeback in shrink_memcg()"

# zswap.md, experiment A2 on two nodes: base, and the patch as posted.
A2_BASE = {
    "zswpwb": 8962.0,
    "written_back@node0": 4866.0,
    "written_back@node1": 4096.0,
    "shrink_memcg.calls": 13311.0,
    "store_rejects": 5372.0,
    "zswpout": 15108.0,
    "stored_pages": 6146.0,
    "pool_limit_hit": 0.0,
    "zswap.current": 8388608.0,
}
A2_V5 = {
    "zswpwb": 9210.0,
    "written_back@node0": 9210.0,
    "written_back@node1": 0.0,
    "shrink_memcg.calls": 9730.0,
    "store_rejects": 5125.0,
    "zswpout": 15355.0,
    "stored_pages": 6145.0,
    "pool_limit_hit": 0.0,
    "zswap.current": 8388608.0,
}
A2_ONE_NODE = {
    "zswpwb": 8962.0,
    "written_back@node0": 8962.0,
    "shrink_memcg.calls": 13311.0,
    "store_rejects": 5372.0,
    "zswpout": 15108.0,
    "stored_pages": 6146.0,
    "pool_limit_hit": 0.0,
    "zswap.current": 8388608.0,
}


def metric(
    name: str,
    direction: Direction = Direction.NONE,
    *,
    unit: str = "pages",
    per_node: bool = False,
    smallest: float | None = None,
) -> Metric:
    """Return a metric of a scenario."""
    return Metric(
        name=name, unit=unit, direction=direction, source=f"vmstat:{name}", per_node=per_node, smallest=smallest
    )


METRICS = (
    metric("zswpwb"),
    metric("written_back", per_node=True),
    metric("shrink_memcg.calls", Direction.DOWN, unit="calls"),
    metric("store_rejects", Direction.DOWN),
    metric("zswpout"),
    metric("stored_pages"),
    metric("pool_limit_hit", unit="count"),
    metric("zswap.current", unit="bytes"),
)


def scenario(name: str = "memcg-limit", metrics: Sequence[Metric] = METRICS) -> Scenario:
    """Return a scenario."""
    return Scenario(
        name=name,
        what_for="the store path at zswap.max",
        folder=Path("guest_scripts/scenarios") / name,
        knobs=(("ZSWAP_MAX", "8M"),),
        workload=("region hot 16 node1 random", "pageout hot"),
        metrics=tuple(metrics),
        musts=(Must(metric="zswpwb", comparison=Comparison.AT_LEAST, value=1, says="nothing was written back"),),
        memcgs=("pressed",),
        memory_mib=1024,
        timeout_s=180.0,
    )


def topology(name: str = "two-node", nodes: int = 2) -> Topology:
    """Return a topology with equal nodes."""
    distances = tuple(tuple(10 if one == other else 20 for other in range(nodes)) for one in range(nodes))
    return Topology(
        name=name,
        what_for="as many nodes as the name says",
        nodes=tuple(Node(memory_mib=1024 // nodes, cpus=1) for _ in range(nodes)),
        distances=distances,
    )


def spec(kernel: KernelRole, seed: int = 1, *, topology: str = "two-node", scenario: str = "memcg-limit") -> TrialSpec:
    """Return a trial's specification."""
    return TrialSpec(kernel=kernel, topology=topology, scenario=scenario, seed=seed)


def trial(
    which: TrialSpec,
    metrics: Mapping[str, float] | None = None,
    *,
    status: Status = Status.PASS,
    message: str = "",
    checks: Sequence[Check] = (),
) -> TrialResult:
    """Return a trial's result; the digest is a function of its specification."""
    done = status in {Status.PASS, Status.FAIL}
    return TrialResult(
        spec=which,
        key=content_key(which.id),
        status=status,
        message=message,
        digest="d1" * 32 if done else "",
        metrics=dict(metrics or {}),
        checks=tuple(checks) or (Check(name="integrity", status=Status.PASS, message="20480 pages read back"),),
        wall_s=19.4,
        guest_s=8.61,
        environment={"qemu": "7.2.22"},
        console_tail=("[    9.870000] reboot: Power down",),
    )


def a2_trials(seeds: Sequence[int] = (1, 2)) -> tuple[TrialResult, ...]:
    """Return A2 on one node (where the patch changes nothing) and on two nodes (where it starves node 1)."""
    return tuple(
        trial(spec(kernel, seed, topology=nodes), metrics)
        for seed in seeds
        for nodes, kernel, metrics in (
            ("one-node", BASE, A2_ONE_NODE),
            ("one-node", PATCHED, A2_ONE_NODE),
            ("two-node", BASE, A2_BASE),
            ("two-node", PATCHED, A2_V5),
        )
    )


def series() -> Series:
    """Return the review mail's series: part 2 of 6, the others missing."""
    stated = Diffstat(files=("mm/zswap.c",), insertions=69, deletions=20)
    patch = Patch(
        index=2,
        total=6,
        subject=SUBJECT,
        author="A Developer <developer@example.org>",
        date="Tue, 26 May 2026 10:00:00 +0000",
        message="Write back several pages a call.\n",
        diff="--- a/mm/zswap.c\n+++ b/mm/zswap.c\n@@ -1,1 +1,1 @@\n-old\n+new\n",
        lossy=True,
        stated=stated,
        message_id="20260526.2@example.org",
    )
    return Series(
        title=f"[PATCH v5 2/6] {SUBJECT}",
        version=5,
        form=Form.ARCHIVED_PAGE,
        source="tests/data/re-patch-v5-2-6.txt",
        patches=(patch,),
        total=6,
        missing=(1, 3, 4, 5, 6),
        notes=("tabs were lost in the archive",),
    )


def trees() -> Trees:
    """Return base and the patch on it, one hunk with fuzz."""
    stat = Diffstat(files=("mm/zswap.c",), insertions=69, deletions=20)
    hunks = (
        HunkPlacement(path="mm/zswap.c", hunk=1, line=1099, offset=-14, quality=Quality.WHITESPACE),
        HunkPlacement(
            path="mm/zswap.c", hunk=3, line=1322, offset=-21, quality=Quality.FUZZ, fuzz=1, missed=("\t\t}",)
        ),
    )
    applied = AppliedPatch(
        index=2,
        subject=SUBJECT,
        rung=Rung.RECOVERED,
        commit="c" * 40,
        tree="e" * 40,
        diffstat=stat,
        stated=stat,
        hunks=hunks,
    )
    return Trees(
        source=Source(
            spec="linux-7.2",
            repo=Path("/cache/sources/linux-7.2.git"),
            head="b" * 40,
            provenance="Debian package linux-source-7.2 7.2.12-1, signature checked",
        ),
        base=Base(commit="b" * 40, tree="a" * 40, describe="linux-7.2", reason="named on the command line"),
        applied=(applied,),
    )


def build(role: KernelRole) -> KernelBuild:
    """Return a kernel build."""
    patched = role is PATCHED
    return KernelBuild(
        role=role,
        key=("22" if patched else "11") * 32,
        tree=("e" if patched else "a") * 40,
        commit=("c" if patched else "b") * 40,
        release="7.2.12",
        image=Path(f"/cache/builds/{role}/vmlinux"),
        image_sha256="33" * 32,
        config_sha256="44" * 32,
        toolchain="gcc (Debian 12.2.0-14+deb12u1) 12.2.0",
        warnings=(),
        seconds=14.2 if patched else 418.0,
        cached=not patched,
        sandboxed=True,
    )


def plan(trials: Sequence[TrialSpec]) -> Plan:
    """Return the plan of just these trials."""
    profile = Profile(
        name="demo",
        what_for="a first look",
        scenarios=tuple(dict.fromkeys(each.scenario for each in trials)),
        topologies=tuple(dict.fromkeys(each.topology for each in trials)),
        seeds=tuple(dict.fromkeys(each.seed for each in trials)),
    )
    return Plan(
        run_id="20261123-061530-support-batch-writeback-in-shrink_memcg",
        mail="tests/data/re-patch-v5-2-6.txt",
        linux="linux-7.2",
        base_rev=None,
        profile=profile,
        sealed=True,
        sandbox=True,
        accelerator="auto",
        again=False,
        trials=tuple(trials),
    )


def record(
    trials: Sequence[TrialResult] | None = None,
    *,
    planned: Sequence[TrialSpec] | None = None,
    faults: Sequence[PatchFault] = (),
    scenarios: Sequence[Scenario] | None = None,
    objects: ObjectDifference | None = None,
    broken: BrokenBase | None = None,
) -> RunRecord:
    """Return a run's record, judged by the real judge; without arguments A2 on one node and on two nodes."""
    done = a2_trials() if trials is None else tuple(trials)
    specs = tuple(each.spec for each in done) if planned is None else tuple(planned)
    catalog = (scenario(),) if scenarios is None else tuple(scenarios)
    unbuilt = broken is not None or any(fault.stage == "build" for fault in faults)
    the_plan = plan(specs)
    gaps = () if broken is None else (finding_on_base(broken),)
    same_code = objects.reason if objects is not None and objects.same else ""
    return RunRecord(
        run_id=the_plan.run_id,
        started="2026-11-23T06:15:30+00:00",
        finished="2026-11-23T06:19:12+00:00",
        plan=the_plan,
        series=series(),
        trees=trees(),
        builds=(build(BASE),) if unbuilt else (build(BASE), build(PATCHED)),
        topologies=(topology("one-node", 1), topology()),
        scenarios=catalog,
        trials=done,
        verdict=decide(scenarios=catalog, planned=specs, trials=done, faults=faults, gaps=gaps, same_code=same_code),
        environment={"qemu": "7.2.22", "accelerator": "tcg: /dev/kvm opens, but a guest never ran on it"},
        timings={"build": 14.2, "trials": 155.0},
        objects=objects,
    )


def with_metrics(result: TrialResult, **metrics: float) -> TrialResult:
    """Return ``result`` with some metrics changed."""
    return dataclasses.replace(result, metrics={**result.metrics, **metrics})
