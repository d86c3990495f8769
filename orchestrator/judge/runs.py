"""TWO RUNS → THEIR COMPARISON: outcomes and findings side by side, and patched against patched where that means something.

Two runs' trials of patched can be compared where base's trials have the same keys: then host, machine, guest and workload
are the same, and the patched kernels alone differ. Where base's own sources are all that differs (two bases) they are
compared as well, with a note: what is seen then is base's difference and the series' together.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from orchestrator.judge.compare import compare
from orchestrator.judge.findings import KERNEL_LOG
from orchestrator.judge.fingerprint import same_complaint
from orchestrator.judge.pairs import Cell, is_usable
from orchestrator.model.comparison import ComparedCell, ComparedFinding, ComparedMetric, RunComparison, RunSide
from orchestrator.model.kernel import KernelRole
from orchestrator.model.replay import Differs
from orchestrator.model.run import RunRecord
from orchestrator.model.scenario import Scenario
from orchestrator.model.trial import TrialResult, TrialSpec
from orchestrator.model.verdict import Finding, MetricChange

BASES = frozenset({"kernel image", "kernel sources"})
"""The parts of a trial's key that differ where two bases do, and nothing else."""

TWO_BASES = "the bases differ: what is seen is their difference and that of the series together"
_HOST = ("qemu", "accelerator", "host_machine")


def compare_runs(first: RunRecord, second: RunRecord) -> RunComparison:
    """Set two runs against each other; what cannot be compared is said, and side by side all the same."""
    cells_of = [dict.fromkeys(_cell(spec) for spec in run.plan.trials) for run in (first, second)]
    shared = [_compared_cell(cell, first, second) for cell in cells_of[0] if cell in cells_of[1]]
    return RunComparison(
        first=_side(first),
        second=_side(second),
        differs=_differs(first, second),
        cells=tuple(shared),
        only_first=tuple(_place(cell) for cell in cells_of[0] if cell not in cells_of[1]),
        only_second=tuple(_place(cell) for cell in cells_of[1] if cell not in cells_of[0]),
        findings=_findings(first, second),
        metrics=_metrics(first, second, shared),
    )


def _side(run: RunRecord) -> RunSide:
    return RunSide(
        run_id=run.run_id,
        title=run.series.title,
        version=run.series.version,
        base=run.trees.base.describe,
        base_commit=run.trees.base.commit,
        flavour=run.plan.flavour,
        outcome=run.verdict.outcome,
        sentences=run.verdict.sentences,
        trials=dict(Counter(str(trial.status) for trial in run.trials)),
    )


def _differs(first: RunRecord, second: RunRecord) -> tuple[Differs, ...]:
    facts = [_facts(run) for run in (first, second)]
    return tuple(
        Differs(part=name, recorded=facts[0].get(name, ""), now=facts[1].get(name, ""))
        for name in dict.fromkeys([*facts[0], *facts[1]])
        if facts[0].get(name, "") != facts[1].get(name, "")
    )


def _facts(run: RunRecord) -> dict[str, str]:
    builds = {build.role: build for build in run.builds}
    base = builds.get(KernelRole.BASE)
    return {
        "base": run.trees.base.commit,
        "flavour": run.plan.flavour,
        "trials": "sealed" if run.plan.sealed else "live",
        **({"compiler": base.toolchain, "configuration of base": base.config_sha256[:16]} if base else {}),
        **{name: run.environment[name] for name in _HOST if name in run.environment},
    }


def _cell(spec: TrialSpec) -> Cell:
    return spec.scenario, spec.topology


def _place(cell: Cell) -> str:
    return f"{cell[0]} on {cell[1]}"


def _compared_cell(cell: Cell, first: RunRecord, second: RunRecord) -> ComparedCell:
    """Return which seeds of a cell may be compared, or why none may."""
    both = [_by_seed(run, cell, KernelRole.BASE) for run in (first, second)]
    seeds = [seed for seed in both[0] if seed in both[1]]
    bare = ComparedCell(scenario=cell[0], topology=cell[1], seeds=())
    if _scenario(first, cell) != _scenario(second, cell):
        return dataclasses.replace(bare, reason="the scenario is not the same in both")
    if not seeds:
        return dataclasses.replace(bare, reason="no seed of base ran in both")
    reasons = {seed: _unlike(both[0][seed], both[1][seed]) for seed in seeds}
    fit = tuple(seed for seed in seeds if not reasons[seed])
    if not fit:
        return dataclasses.replace(bare, reason=reasons[seeds[0]])
    is_other_base = any(both[0][seed].key != both[1][seed].key for seed in fit)
    patched = [_by_seed(run, cell, KernelRole.PATCHED) for run in (first, second)]
    fit = tuple(seed for seed in fit if all(seed in side and is_usable(side[seed]) for side in patched))
    if not fit:
        return dataclasses.replace(bare, reason="with no seed both patched kernels gave figures")
    return dataclasses.replace(bare, seeds=fit, note=TWO_BASES if is_other_base else "")


def _by_seed(run: RunRecord, cell: Cell, kernel: KernelRole) -> dict[int, TrialResult]:
    mine = [trial for trial in run.trials if _cell(trial.spec) == cell and trial.spec.kernel is kernel]
    return {trial.spec.seed: trial for trial in sorted(mine, key=lambda trial: trial.spec.seed)}


def _scenario(run: RunRecord, cell: Cell) -> Scenario | None:
    found = next((scenario for scenario in run.scenarios if scenario.name == cell[0]), None)
    return dataclasses.replace(found, folder=Path("/"), what_for="") if found else None


def _unlike(first: TrialResult, second: TrialResult) -> str:
    """Say why what two runs measured cannot be compared, by base's trials of the same seed; "" where it can."""
    if first.spec.sealed is not second.spec.sealed:
        return "one run is sealed, the other live"
    if first.key == second.key and first.key:
        return ""
    if not first.parts or not second.parts:
        return "the keys of base's trials differ, and the records do not say in what"
    names = [name for name in dict.fromkeys([*first.parts, *second.parts]) if _part(first, name) != _part(second, name)]
    if names and set(names) <= BASES:
        return ""
    others = [name for name in names if name not in BASES]
    if not others:
        return "the keys of base's trials differ in a part that has no name"
    told = ", ".join(f"{name} ({_part(first, name)}, {_part(second, name)})" for name in others)
    return f"not the same in both: {told}"


def _part(trial: TrialResult, name: str) -> str:
    return trial.parts.get(name, "")


def _metrics(first: RunRecord, second: RunRecord, cells: Sequence[ComparedCell]) -> tuple[ComparedMetric, ...]:
    trials = [
        dataclasses.replace(trial, spec=dataclasses.replace(trial.spec, kernel=role))
        for cell in cells
        for run, role in ((first, KernelRole.BASE), (second, KernelRole.PATCHED))
        for seed, trial in _by_seed(run, (cell.scenario, cell.topology), KernelRole.PATCHED).items()
        if seed in cell.seeds
    ]
    repeatable = all(run.repeat is None or run.repeat.holds for run in (first, second))
    changes = {_at(change): change for change in compare(second.scenarios, trials, repeatable=repeatable)}
    own = [{_at(change): str(change.change) for change in run.verdict.changes} for run in (first, second)]
    shared = {(cell.scenario, cell.topology) for cell in cells}
    places = [at for at in dict.fromkeys([*changes, *own[0], *own[1]]) if at[:2] in shared]
    return tuple(
        ComparedMetric(
            scenario=at[0],
            topology=at[1],
            metric=at[2],
            first=own[0].get(at, ""),
            second=own[1].get(at, ""),
            change=changes.get(at),
        )
        for at in places
    )


def _at(change: MetricChange) -> tuple[str, str, str]:
    return change.scenario, change.topology, change.metric


def _findings(first: RunRecord, second: RunRecord) -> tuple[ComparedFinding, ...]:
    """Pair the findings of two runs: the same failure of the same kernel in the same cell, whatever its seed."""
    marked = [[(finding, _mark(finding, run)) for finding in run.verdict.findings] for run in (first, second)]
    left = list(marked[1])
    found = []
    for finding, mark in marked[0]:
        like = next((other for other in left if _is_like(mark, other[1])), None)
        if like is not None:
            left.remove(like)
        found.append(ComparedFinding(first=finding, second=like[0] if like else None))
    return (*found, *(ComparedFinding(first=None, second=finding) for finding, _ in left))


Mark = tuple[Cell | None, str, str, str]


def _mark(finding: Finding, run: RunRecord) -> Mark:
    """Return cell, kernel, kind and fingerprint (of a finding without a trial the title) of a finding."""
    trial = next((trial for trial in run.trials if trial.spec.id == finding.trial), None)
    if trial is None:
        return None, finding.kernel, finding.kind, finding.title
    names = {finding.kind, f"{KERNEL_LOG}{finding.kind}"}
    checks = [check for check in trial.checks if check.name in names]
    exact = [check for check in checks if finding.title.startswith(check.message)] or checks
    return _cell(trial.spec), finding.kernel, finding.kind, exact[0].fingerprint if exact else ""


def _is_like(one: Mark, other: Mark) -> bool:
    return one[:3] == other[:3] and same_complaint(one[3], other[3])


def counts(comparison: RunComparison) -> Mapping[str, int]:
    """Return how many metrics became what from the first run's patched kernel to the second's."""
    return Counter(str(each.change.change) for each in comparison.metrics if each.change is not None)
