"""RUN RECORD → WHAT A MAIL SAYS, in the order in which a maintainer wants to know it. Pure.

Neutral by rule: what was run and what was seen, no guess at a cause and nobody's fault. Our own sentences hold no words of
strangers; subjects, titles and logs stand on indented lines of their own.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from orchestrator.model.claim import ClaimStatus
from orchestrator.model.coverage import LineState
from orchestrator.model.kernel import KernelRole
from orchestrator.model.run import RunRecord
from orchestrator.model.scenario import Direction
from orchestrator.model.series import Message
from orchestrator.model.tree import Rung
from orchestrator.model.trial import Status
from orchestrator.model.verdict import Change, MetricChange, Outcome
from orchestrator.report.mail.figures import Figures, figures, number
from orchestrator.report.mail.findings import Told, is_of_the_log, spec_of, told_findings
from orchestrator.report.mail.reproduce import Reproduction, reproduction
from orchestrator.report.mail.words import counted, listed, numbers, plain, strangers

GAPS = 4
PLACES = 3
_TOLD = frozenset({Change.REGRESSED, Change.CHANGED, Change.IMPROVED, Change.REMOVED, Change.ADDED})
_BETTER = {Direction.UP: "higher is better", Direction.DOWN: "lower is better"}
_HARMLESS = re.compile(r"[\w .>=<+-]{1,60}")
_FUNCTION = re.compile(r"\b(?:in|at) ([A-Za-z_]\w{0,60})(?:\.[a-z0-9.]{1,30})?\+0x")
_MOVED = frozenset({Change.CHANGED, Change.REMOVED, Change.ADDED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Says:
    """What a mail says, part by part; a template sets it. ``patches`` are the subjects of the patches it is about."""

    outcome: str
    opening: str
    sentences: tuple[str, ...]
    findings: tuple[Told, ...]
    more_findings: tuple[str, ...]
    figures: Figures
    claims: tuple[str, ...]
    ran: str
    places: tuple[str, ...]
    patch: str
    patches: tuple[str, ...]
    not_covered: tuple[str, ...]
    reproduction: Reproduction


def says(record: RunRecord, message: Message | None) -> Says:
    """Return what a mail about this run says; ``message`` is what it answers."""
    findings, more = told_findings(record)
    undecided = record.verdict.outcome in {Outcome.INCONCLUSIVE, Outcome.ERROR}
    patch, subjects = _which_patch(record)
    return Says(
        outcome=str(record.verdict.outcome),
        opening=opening(record),
        sentences=tuple(plain(strangers(each)) for each in record.verdict.sentences) if undecided else (),
        findings=findings,
        more_findings=more,
        figures=figures(record),
        claims=_claims(record),
        ran=_ran(record),
        places=_places(record),
        patch=patch,
        patches=subjects,
        not_covered=_not_covered(record),
        reproduction=reproduction(record, message),
    )


def opening(record: RunRecord) -> str:
    """Return the one sentence with the verdict."""
    base, what = base_name(record), the_patch(record)
    match record.verdict.outcome:
        case Outcome.REGRESSION:
            return f"Regression: {_regression(record, what, base)}."
        case Outcome.CHANGED:
            return f"No regression found, but a change: {_moved(record, what, base)}."
        case Outcome.IMPROVEMENT:
            return f"Improvement, and no regression found: {_moved(record, what, base)}."
        case Outcome.PASS if record.objects is not None and record.objects.same and not record.trials:
            return (
                f"No regression possible: {what} leaves the kernel's object code as it is on {base}, "
                "so that there was nothing to run."
            )
        case Outcome.PASS:
            return f"No regression found: {_nothing(record, what, base)}."
        case _:
            return f"No verdict ({record.verdict.outcome}): the run of {what} on {base} did not decide anything."


def base_name(record: RunRecord) -> str:
    """Return base's name: ``Linux 7.2.12 (eace7400cf47)``."""
    name = plain(strangers(record.trees.base.describe))
    return f"Linux {name}" if name[:1].isdigit() else name


def the_patch(record: RunRecord) -> str:
    """Return what was put on base: "this patch", "this patch alone (2/6)" or "this series of 3"."""
    series = record.series
    if len(series.patches) != 1:
        return f"this series of {len(series.patches)}" if not series.missing else "these patches"
    patch = series.patches[0]
    return f"this patch alone ({patch.index}/{patch.total})" if patch.total > 1 else "this patch"


def _regression(record: RunRecord, what: str, base: str) -> str:
    blamed = [finding for finding in record.verdict.findings if finding.blamed]
    if blamed:
        finding = blamed[0]
        spec = spec_of(record, finding.trial)
        if spec is None:
            verb = {"build": "does not build", "boot": "does not boot"}.get(finding.kind, f"fails ({finding.kind})")
            return f"with {what}, {base} {verb}; without, it does"
        more = f" (and {len(blamed) - 1} more, see below)" if len(blamed) > 1 else ""
        where = f"in {spec.scenario} on {spec.topology}"
        if is_of_the_log(record, finding):
            kind = f" ({finding.kind})" if _HARMLESS.fullmatch(finding.kind) else ""
            function = _FUNCTION.search(finding.title)
            at = f" at {function[1]}()" if function else ""
            return f"with {what} on {base}, the kernel logs a complaint{kind}{at} {where}; without, it does not{more}"
        check = f"the check '{finding.kind}'" if _HARMLESS.fullmatch(finding.kind) else "a check"
        return f"with {what} on {base}, {check} fails {where}; without, it passes{more}"
    worse = [change for change in record.verdict.changes if change.change is Change.REGRESSED]
    if worse:
        return _one_move(worse[0], what, base)
    return f"with {what} on {base} the run failed"


def _moved(record: RunRecord, what: str, base: str) -> str:
    wanted = _MOVED if record.verdict.outcome is Outcome.CHANGED else frozenset({Change.IMPROVED})
    moved = [change for change in record.verdict.changes if change.change in wanted]
    if moved:
        return _one_move(moved[0], what, base)
    return f"with {what} on {base} the kernel's log has what it does not have without"


def _one_move(change: MetricChange, what: str, base: str) -> str:
    where = f"in {change.scenario} on {change.topology}"
    if change.change is Change.REMOVED:
        return f"with {what} on {base}, {change.metric} is not there any more {where}"
    if change.change is Change.ADDED:
        return f"with {what} on {base}, {change.metric} is new {where}"
    old, new = _range(change.base), _range(change.patched)
    unit = "" if change.metric.endswith(change.unit) or change.unit in {"", "count", "1"} else f" {change.unit}"
    better = _BETTER.get(Direction(change.direction), "")
    remark = f" ({better})" if better else ""
    verb = "falls" if _sum(change.patched) < _sum(change.base) else "rises"
    over = f"in {'each of ' if _all_one_way(change) else ''}{counted(len(change.seeds), 'seed')}"
    return f"with {what} on {base}, {change.metric} {verb} from {old} to {new}{unit} {where}, {over}{remark}"


def _range(values: tuple[float | None, ...]) -> str:
    there = [value for value in values if value is not None]
    if not there:
        return "absent"
    low, high = min(there), max(there)
    return number(low) if low == high else f"{number(low)}..{number(high)}"


def _sum(values: tuple[float | None, ...]) -> float:
    there = [value for value in values if value is not None]
    return sum(there) / len(there) if there else 0.0


def _all_one_way(change: MetricChange) -> bool:
    moves = [
        new - old for old, new in zip(change.base, change.patched, strict=True) if new is not None and old is not None
    ]
    return len(moves) == len(change.seeds) > 1 and (all(move > 0 for move in moves) or all(move < 0 for move in moves))


def _nothing(record: RunRecord, what: str, base: str) -> str:
    changes = record.verdict.changes
    compared = counted(len(changes), "comparison")
    clean = " and the kernel's log stayed clean" if not record.verdict.findings else ""
    return f"with {what} on {base} none of {compared} shows a move that matters{clean}"


def _ran(record: RunRecord) -> str:
    """Return what was run: scenarios, topologies, seeds, and how it went."""
    if not record.trials:
        return ""
    scenarios = list(dict.fromkeys(trial.spec.scenario for trial in record.trials))
    topologies = list(dict.fromkeys(trial.spec.topology for trial in record.trials))
    by_cell: dict[tuple[str, str], set[int]] = {}
    for trial in record.trials:
        by_cell.setdefault((trial.spec.scenario, trial.spec.topology), set()).add(trial.spec.seed)
    seeds = max(len(found) for found in by_cell.values())
    each = "" if all(len(found) == seeds for found in by_cell.values()) else "up to "
    same = record.objects is not None and record.objects.same
    as_base = " Both kernels have the same object code; the trials were run all the same." if same else ""
    counts = Counter(trial.status for trial in record.trials)
    words = {Status.PASS: "passed", Status.FAIL: "failed", Status.DONE: "measured", Status.SKIP: "skipped"}
    words[Status.ERROR] = "not done by our fault"
    went = ", ".join(f"{counts[status]} {words.get(status, str(status))}" for status in Status if counts[status])
    names = listed(scenarios) if len(scenarios) <= 6 else f"{len(scenarios)} scenarios of memory pressure on zswap"
    sealed = all(trial.spec.sealed for trial in record.trials)
    how = (
        "Each trial is one boot in QEMU in which guest time counts instructions, so that a seed gives the same run again"
        if sealed
        else "Trials ran live: they repeat only roughly"
    )
    proof = ""
    if record.repeat is not None:
        proof = (
            "; one trial of base was run twice here and gave the same record"
            if record.repeat.holds
            else "; but one trial of base, run twice here, gave two records"
        )
    return (
        f"Run: {names} on {listed(topologies)}, {each}{counted(seeds, 'seed')}, with and without the patch: "
        f"{counted(len(record.trials), 'trial')}, {went}.{as_base} {how}{proof}."
    )


def _places(record: RunRecord) -> tuple[str, ...]:
    """Return what the scenarios and topologies are that the mail is about: their names are ours alone."""
    told = [spec for finding in record.verdict.findings if finding.blamed and (spec := spec_of(record, finding.trial))]
    cells = [(spec.scenario, spec.topology) for spec in told]
    cells += [(each.scenario, each.topology) for each in record.verdict.changes if each.change in _TOLD]
    cells = cells or [(trial.spec.scenario, trial.spec.topology) for trial in record.trials]
    purposes = {scenario.name: scenario.what_for for scenario in record.scenarios}
    machines = {topology.name: topology for topology in record.topologies}
    lines = [
        f"{name}: {plain(strangers(purposes[name]))}"
        for name in list(dict.fromkeys(scenario for scenario, _ in cells))[:PLACES]
        if purposes.get(name)
    ]
    for name in list(dict.fromkeys(topology for _, topology in cells))[:PLACES]:
        if (machine := machines.get(name)) is not None:
            nodes = counted(len(machine.nodes), "NUMA node")
            lines.append(f"{name}: {nodes}, {machine.memory_mib} MiB, {counted(machine.cpus, 'CPU')}")
    return tuple(lines)


def _which_patch(record: RunRecord) -> tuple[str, tuple[str, ...]]:
    """Return which patch it is, as far as that is known, and the subjects that this names."""
    series, found = record.series, record.bisection
    if found is not None and found.patch is not None:
        builds = f", {counted(found.builds, 'kernel')} built for it" if found.builds else ""
        said = (
            f"A bisection of the series says that patch {found.patch}/{series.total} is the first with which this is seen "
            f"(confidence: {found.confidence}{builds}):"
        )
        return said, (strangers(found.subject), f"({plain(strangers(found.reason))})")
    if found is not None:
        among = f" It may be any of patches {numbers(found.candidates)}." if found.candidates else ""
        return f"A bisection of the series did not name a patch.{among}", (plain(strangers(found.reason)),)
    subjects = tuple(strangers(f"{patch.index}/{patch.total}: {patch.subject}") for patch in series.patches)
    if series.missing:
        gone = numbers(series.missing)
        return f"Tested, without {'parts' if len(series.missing) > 1 else 'part'} {gone} of {series.total}:", subjects
    if len(subjects) == 1:
        return "", ()
    wrong = record.verdict.outcome is Outcome.REGRESSION
    tail = " Which of them it is was not looked for." if wrong else ""
    return f"All {len(subjects)} patches were applied together.{tail}", ()


def _claims(record: RunRecord) -> tuple[str, ...]:
    told = [
        f"{result.status}: {plain(strangers(result.claim.says))}"
        for result in record.verdict.claims
        if result.status is not ClaimStatus.UNTESTED
    ]
    return tuple(told[:6])


def _not_covered(record: RunRecord) -> tuple[str, ...]:
    """Return what a reader may think was tested and was not."""
    lines = [*_on_patch(record), *_on_coverage(record), *_on_trials(record)]
    if record.trials:
        most = max((topology.memory_mib for topology in record.topologies), default=0)
        lines.append(
            f"Other architectures than x86-64, real hardware and wall-clock time: guests have up to {most} MiB, "
            "swap is null_blk."
        )
        if record.plan.flavour == "plain":
            lines.append("KASAN, lockdep and their like: the kernels are built without them.")
    return tuple(lines)


def _on_patch(record: RunRecord) -> list[str]:
    lines = []
    for applied in record.trees.applied:
        where = f"Patch {applied.index}/{record.series.total}" if record.series.total > 1 else "The patch"
        if applied.rung is Rung.PRESENT:
            lines.append(f"{where}: it is in the base already, and changes nothing.")
        elif applied.rung not in {Rung.AM, Rung.AM_3WAY}:
            fuzz = f", {counted(applied.fuzz, 'line')} of context differing" if applied.fuzz else ""
            lines.append(f"{where} as posted: git am did not take it; its text was put on base by us{fuzz}.")
    return lines


def _on_coverage(record: RunRecord) -> list[str]:
    found = record.coverage
    if found is None or not record.trials:
        return []
    if found.reason or not found.lines:
        return []
    missed = found.of_state(LineState.MISSED)
    absent = found.of_state(LineState.NOT_COMPILED)
    lines = []
    if missed:
        by_path: dict[str, list[int]] = {}
        for line in missed:
            by_path.setdefault(line.path, []).append(line.line)
        places = "; ".join(f"{strangers(path)}:{numbers(at)}" for path, at in list(by_path.items())[:3])
        lines.append(f"{len(missed)} of {counted(len(found.lines), 'changed line')} did not run: {places}.")
    elif not absent:
        lines.append(f"All {len(found.lines)} changed lines that make code ran, though not in every state.")
    if absent:
        lines.append(f"{counted(len(absent), 'changed line')} not compiled in this configuration.")
    return lines


def _on_trials(record: RunRecord) -> list[str]:
    if not record.trials:
        return []
    told = record.coverage.not_covered if record.coverage is not None else ()
    missing = [plain(strangers(line)) for line in record.verdict.not_covered if line not in told]
    more = len(missing) - GAPS
    return [*missing[:GAPS], *([f"{more} more trials or metrics."] if more > 0 else [])]


def is_whole(record: RunRecord) -> bool:
    """Whether all of the posting was tested as it was posted: only then can one vouch for it."""
    applied = {patch.index: patch.rung for patch in record.trees.applied}
    return (
        not record.series.missing
        and bool(record.series.patches)
        and all(applied.get(patch.index) in {Rung.AM, Rung.AM_3WAY} for patch in record.series.patches)
        and not any(patch.lossy for patch in record.series.patches)
    )


def ran_both(record: RunRecord, scenario: str, topology: str) -> bool:
    """Whether both kernels came to the end of this scenario on this topology, in every trial of it."""
    cell = [trial for trial in record.trials if (trial.spec.scenario, trial.spec.topology) == (scenario, topology)]
    return {trial.spec.kernel for trial in cell} == set(KernelRole) and all(
        trial.status is Status.PASS for trial in cell
    )
