"""RUN RECORD → where everything came from: pairs of a word and lines, as the page's last sections list them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.model.kernel import KernelBuild
from orchestrator.model.run import RunRecord
from orchestrator.model.series import Series
from orchestrator.model.tree import BaseStep
from orchestrator.report.html.tables import config_lines
from orchestrator.report.summary import applied_lines, format_seconds, repeat_line

_ENVIRONMENT = {
    "qemu": "QEMU",
    "accelerator": "accelerator",
    "accelerator_reason": "why this accelerator",
    "sandbox": "sandbox of builds",
    "host_kernel": "host's kernel",
    "host_machine": "host's architecture",
    "host_cpus": "host's CPUs in use",
    "orchestrator": "orchestrator",
    "python": "Python",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One thing that is known: its name and what there is to say, a line each. ``code`` is set in a fixed width."""

    name: str
    lines: tuple[str, ...]
    code: bool = False


def provenance(record: RunRecord, configs: Mapping[str, str]) -> tuple[Fact, ...]:
    """Return all that bears on the results, in the order of the pipeline; what is not known is left out."""
    base, source = record.trees.base, record.trees.source
    facts = [
        Fact(name="input", lines=(f"{record.plan.mail} ({record.series.form})", *record.series.notes)),
        Fact(name="series", lines=_series_lines(record.series)),
        Fact(name="sources", lines=(f"{source.spec}: {source.provenance}", source.lacks)),
        Fact(name="base", lines=(base.describe, f"commit {base.commit}", f"tree {base.tree}") if base.commit else ()),
        Fact(name="why this base", lines=(f"{base.confidence} confidence: {base.reason}",)),
        Fact(name="ways to a base", lines=tuple(_step_line(step) for step in base.steps)),
        Fact(name="how applied", lines=tuple(line for line in applied_lines(record) if line != _why_line(record))),
        Fact(name="patched", lines=_patched_lines(record)),
        Fact(name="difference of the configurations", lines=config_lines(record, configs), code=True),
        *(_build_fact(build) for build in record.builds),
        Fact(name="repeat proof", lines=(repeat_line(record),)),
        *(
            Fact(name=_ENVIRONMENT.get(name, name), lines=(value,))
            for name, value in sorted(record.environment.items(), key=_environment_order)
        ),
        Fact(name="flavour, profile", lines=(f"{record.plan.flavour}, {record.plan.profile.name}",)),
        Fact(name="added for what the patch changes", lines=record.plan.aimed or ()),
        Fact(name="started, finished", lines=(f"{record.started} – {record.finished}",)),
        Fact(name="time by stage", lines=(_timings(record.timings),)),
    ]
    kept = (Fact(name=fact.name, lines=tuple(filter(None, fact.lines)), code=fact.code) for fact in facts)
    return tuple(fact for fact in kept if fact.lines)


def _why_line(record: RunRecord) -> str:
    """Return the line of ``applied_lines`` that says why this base: it stands above."""
    return f"this base with {record.trees.base.confidence} confidence: {record.trees.base.reason}"


def _environment_order(item: tuple[str, str]) -> tuple[int, str]:
    names = list(_ENVIRONMENT)
    return (names.index(item[0]) if item[0] in names else len(names), item[0])


def _series_lines(series: Series) -> tuple[str, ...]:
    parts = f"{len(series.patches)} of {series.total} patches" if series.missing else f"{len(series.patches)} patches"
    if series.total == 1:
        parts = "1 patch"
    authors = ", ".join(dict.fromkeys(patch.author for patch in series.patches if patch.author))
    return (
        f"{series.title} (version {series.version}, {parts})",
        f"by {authors}" if authors else "",
        f"sent {series.sent}" if series.sent else "",
    )


def _step_line(step: BaseStep) -> str:
    return f"{step.way}: {step.outcome}{'; ' if step.text else ''}{step.text}"


def _patched_lines(record: RunRecord) -> tuple[str, ...]:
    if not record.trees.applied:
        return ()
    return (f"commit {record.trees.patched_commit}", f"tree {record.trees.patched_tree}")


def _build_fact(build: KernelBuild) -> Fact:
    made = "from the cache; it took" if build.cached else "built in"
    where = "in a sandbox" if build.sandboxed else "without a sandbox"
    return Fact(
        name=f"kernel build, {build.role}",
        lines=(
            f"Linux {build.release}, {build.toolchain}, {made} {format_seconds(build.seconds)}, {where}",
            f"image {build.image_sha256}",
            f"configuration {build.config_sha256}",
            *(f"warning: {warning}" for warning in build.warnings),
        ),
    )


def _timings(timings: Mapping[str, float]) -> str:
    shown = sorted(((seconds, name) for name, seconds in timings.items() if seconds >= 0.05), reverse=True)
    return ", ".join(f"{name} {format_seconds(seconds)}" for seconds, name in shown)
