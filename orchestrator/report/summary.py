"""RUN RECORD → ROWS: what every report for people shows, as values and as the words for them.

Terminal, text and mail render these rows; none of them computes. Nothing here decides: the judge has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from orchestrator.model.kernel import KernelRole
from orchestrator.model.run import RunRecord
from orchestrator.model.tree import AppliedPatch, Rung
from orchestrator.model.trial import Status
from orchestrator.model.verdict import Change, Finding, MetricChange

INTERESTING = frozenset(
    {Change.REGRESSED, Change.CHANGED, Change.IMPROVED, Change.UNCLEAR, Change.REMOVED, Change.ADDED}
)

_UNIT_WORDS = {"": "", "count": "", "1": "", "bytes": "B"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A metric's values over the seeds: the median between the smallest and the largest."""

    low: float
    middle: float
    high: float

    @property
    def is_one_number(self) -> bool:
        """Whether all seeds agree."""
        return self.low == self.high

    def describe(self) -> str:
        """Return "4096", or "9210 (9188–9244)" where seeds differ."""
        if self.is_one_number:
            return format_value(self.middle)
        return f"{format_value(self.middle)} ({self.range()})"

    def range(self) -> str:
        """Return the smallest and the largest value: "9188–9244"; one number where seeds agree."""
        if self.is_one_number:
            return format_value(self.middle)
        return f"{format_value(self.low)}–{format_value(self.high)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One metric of one scenario on one topology.

    ``metric`` is without its node, ``node`` the node's number or None. ``base`` and ``patched`` are None where the
    kernel does not have the metric; ``difference`` is the median of the seeds' differences, ``percent`` that of base.
    """

    scenario: str
    topology: str
    metric: str
    node: int | None
    unit: str
    seeds: int
    base: Span | None
    patched: Span | None
    difference: float | None
    percent: float | None
    change: Change
    direction: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The rows of one scenario on one topology. ``quiet`` is how many rows of it are not shown: they are the same."""

    scenario: str
    topology: str
    rows: tuple[Row, ...]
    quiet: int


def metric_rows(record: RunRecord) -> tuple[Row, ...]:
    """Return all rows of a run, in the judge's order."""
    return tuple(row_of(change) for change in record.verdict.changes)


def groups(record: RunRecord, *, everything: bool = False) -> tuple[Group, ...]:
    """Return the rows by scenario and topology, in the plan's order; of interest only unless ``everything``.

    A cell that was compared and shows nothing is there as a group without rows, not left out. A per-node metric of
    which one node is of interest is shown with all its nodes, in their order.
    """
    rows = metric_rows(record)
    profile = record.plan.profile
    cells = [(scenario, topology) for scenario in profile.scenarios for topology in profile.topologies]
    cells += sorted({(row.scenario, row.topology) for row in rows} - set(cells))
    found = []
    for scenario, topology in cells:
        mine = [row for row in rows if (row.scenario, row.topology) == (scenario, topology)]
        shown = _with_their_nodes(mine, everything=everything)
        if mine:
            found.append(Group(scenario=scenario, topology=topology, rows=tuple(shown), quiet=len(mine) - len(shown)))
    return tuple(found)


def _with_their_nodes(rows: Sequence[Row], *, everything: bool) -> list[Row]:
    shown = []
    for name in dict.fromkeys(row.metric for row in rows):
        family = [row for row in rows if row.metric == name]
        if everything or any(row.change in INTERESTING for row in family):
            shown += sorted(family, key=lambda row: -1 if row.node is None else row.node)
    return shown


def row_of(change: MetricChange) -> Row:
    """Return a metric's change as a row."""
    stem, _, node = change.metric.partition("@node")
    moves = [
        new - old for old, new in zip(change.base, change.patched, strict=True) if old is not None and new is not None
    ]
    base, patched = _span(change.base), _span(change.patched)
    difference = float(median(moves)) if moves else None
    return Row(
        scenario=change.scenario,
        topology=change.topology,
        metric=stem if node.isdecimal() else change.metric,
        node=int(node) if node.isdecimal() else None,
        # "shrink_memcg.calls" says itself what it counts.
        unit="" if change.metric.endswith(change.unit) else _UNIT_WORDS.get(change.unit, change.unit),
        seeds=len(change.seeds),
        base=base,
        patched=patched,
        difference=difference,
        percent=100 * difference / base.middle if difference is not None and base and base.middle else None,
        change=change.change,
        direction=change.direction,
    )


def _span(values: Sequence[float | None]) -> Span | None:
    there = [value for value in values if value is not None]
    return Span(low=min(there), middle=float(median(there)), high=max(there)) if there else None


def format_value(value: float) -> str:
    """Return counts in full and other numbers with four digits, those above a thousand without a fraction."""
    return str(round(value)) if float(value).is_integer() or abs(value) >= 1000 else f"{value:.4g}"


def format_span(span: Span | None, *, short: bool = False) -> str:
    """Return a span (``short``: without the median), or "absent" where there is no such metric: that is not zero."""
    if span is None:
        return "absent"
    return span.range() if short else span.describe()


def format_difference(row: Row) -> str:
    """Return the difference with its sign, "" where there is none to give."""
    if row.difference is None:
        return ""
    return "0" if row.difference == 0 else f"{'+' if row.difference > 0 else '−'}{format_value(abs(row.difference))}"


def format_percent(row: Row) -> str:
    """Return the relative difference; "" from zero, and as a factor where percents stop to speak."""
    if row.percent is None or row.difference == 0:
        return ""
    if row.percent >= 900 and row.base and row.patched:
        return f"×{row.patched.middle / row.base.middle:.3g}"
    if abs(row.percent) < 0.05:
        return "<0.1%"
    size = f"{abs(row.percent):.0f}" if abs(row.percent) >= 10 else f"{abs(row.percent):.1f}"
    return f"{'+' if row.percent > 0 else '−'}{size}%"


def format_seconds(seconds: float) -> str:
    """Return a duration as people say it: "0.4 s", "12 s", "3 min 05 s", "2 h 10 min"."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def applied_lines(record: RunRecord) -> tuple[str, ...]:
    """Return a line on how each patch was put on base, and one for every place where it did not fit exactly."""
    lines = []
    for patch in record.trees.applied:
        lines.append(_applied_line(patch))
        lines += [f"    {attempt.rung}: {attempt.said}" for attempt in patch.tries if not attempt.held]
        lines += [
            f"    {hunk.path} hunk {hunk.hunk} at line {hunk.line}: base does not have {line.strip()!r}"
            for hunk in patch.hunks
            for line in hunk.missed
        ]
    if missing := record.series.missing:
        numbers = ", ".join(str(number) for number in missing)
        lines.append(f"of the {record.series.total} parts the input does not hold {numbers}: not applied")
    base = record.trees.base
    lines.append(f"this base with {base.confidence} confidence: {base.reason}")
    return (*lines, *(item.text for item in base.prerequisites))


def _applied_line(patch: AppliedPatch) -> str:
    if patch.rung is Rung.PRESENT:
        return f"{patch.subject}: {patch.rung}, so it changes nothing"
    fuzz = f", fuzz {patch.fuzz}" if patch.fuzz else ""
    stated = ""
    if patch.stated is not None:
        stated = ", as the mail says" if patch.keeps_its_word else f"; the mail says {patch.stated.describe()}"
    score = "" if patch.score is None else f"; score {patch.score:.2f}"
    more = "".join(f"; {special}" for special in patch.specials)
    return f"{patch.subject}: {patch.rung}{fuzz}; {patch.diffstat.describe()}{stated}{score}{more}"


def trial_counts(record: RunRecord) -> str:
    """Return how the planned trials went: "12 trials: 11 passed, 1 error; 4 of them from the cache"."""
    words = {
        Status.PASS: "passed",
        Status.FAIL: "failed",
        Status.ERROR: "not done by our fault",
        Status.SKIP: "skipped",
    }
    done = {trial.spec: trial for trial in record.trials}
    statuses = [done[spec].status if spec in done else Status.MISS for spec in record.plan.trials]
    parts = [
        f"{statuses.count(status)} {words.get(status, 'not run' if status is Status.MISS else 'measured')}"
        for status in Status
        if status in statuses
    ]
    cached = sum(trial.cached for trial in record.trials)
    from_cache = f"; {cached} of them from the cache" if cached else ""
    return f"{len(statuses)} trial{'' if len(statuses) == 1 else 's'}: {', '.join(parts) or 'none planned'}{from_cache}"


def repeat_line(record: RunRecord) -> str:
    """Return what is known of whether a sealed trial repeats on this host."""
    repeat = record.repeat
    if repeat is None:
        return "not measured in this run: no trial of base was run twice for it"
    digests = ", ".join(digest[:16] for digest in repeat.digests)
    if repeat.holds:
        return f"{repeat.trial} was run {len(repeat.digests)} times, bit for bit the same record ({digests[:16]}…)"
    return f"{repeat.trial} was run {len(repeat.digests)} times and did NOT repeat: {repeat.difference} ({digests})"


def result_lines(record: RunRecord) -> tuple[str, ...]:
    """Return how many trials ended how, and what a run that measured it knows of whether they repeat."""
    return (trial_counts(record), *((f"repeat proof: {repeat_line(record)}",) if record.repeat is not None else ()))


def finding_line(finding: Finding) -> str:
    """Return one line on a finding: whose it is, and what."""
    whose = "patch" if finding.blamed else "base" if finding.kernel == KernelRole.BASE else "not blamed"
    where = f" [{finding.trial}]" if finding.trial else ""
    kind = "" if finding.title.lower().startswith(finding.kind.lower()) else f"{finding.kind}: "
    return f"{whose}: {kind}{finding.title}{where}"


def claim_lines(record: RunRecord) -> tuple[str, ...]:
    """Return what became of each claim, with a line of figures for each place where it was looked at."""
    return tuple(
        line
        for result in record.verdict.claims
        for line in (f"{str(result.status).upper()}: {result.claim.says}", *(f"    {said}" for said in result.figures))
    )


def gaps(record: RunRecord, limit: int) -> tuple[str, ...]:
    """Return what was not covered, the first ``limit`` lines and how many more there are.

    The patch's lines are not among them: :func:`orchestrator.report.coverage.coverage_lines` tells those.
    """
    told = record.coverage.not_covered if record.coverage is not None else ()
    missing = tuple(line for line in record.verdict.not_covered if line not in told)
    if len(missing) <= limit:
        return missing
    return (*missing[:limit], f"and {len(missing) - limit} more (run.json, verdict.not_covered)")
