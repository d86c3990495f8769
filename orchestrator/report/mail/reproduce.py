"""RUN RECORD → HOW TO DO IT AGAIN: one command, and all that it rests on. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.model.kernel import KernelRole
from orchestrator.model.run import RunRecord
from orchestrator.model.series import Message
from orchestrator.model.verdict import Change
from orchestrator.report.mail.findings import spec_of
from orchestrator.report.mail.headers import is_message_id
from orchestrator.report.mail.words import plain, strangers
from orchestrator.report.summary import format_seconds

MOST_NAMED = 4
YOUR_TREE = "YOUR-LINUX-TREE"
YOUR_PATCH = "THE-PATCH"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reproduction:
    """``command`` in words, ``facts`` as names and values, ``time`` how long the trials of the run took, "" if unknown."""

    command: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    time: str = ""


def reproduction(record: RunRecord, message: Message | None) -> Reproduction:
    """Return how to see again what a mail says: its first finding or metric, else all that was run."""
    return Reproduction(command=_command(record, message), facts=_facts(record), time=_time(record))


def _command(record: RunRecord, message: Message | None) -> tuple[str, ...]:
    plan, trees = record.plan, record.trees
    words = ["orchestrator", "test", _input(record, message)]
    # A name that everybody can use, else a path of ours that nobody has.
    named = trees.source.tree is None and "/" not in trees.source.spec
    words += ["--linux", trees.source.spec if named else YOUR_TREE]
    commit = trees.base.chosen or trees.base.commit
    if commit and not (named and commit == trees.source.head):
        words += ["--base", commit]
    scenarios, topologies = _cells(record)
    for option, names in (("--scenario", scenarios), ("--topology", topologies)):
        for name in names:
            words += [option, name]
    if not scenarios:
        words += ["--profile", plan.profile.name]
    seeds = plan.profile.seeds
    if seeds == tuple(range(1, len(seeds) + 1)):
        words += ["--seeds", str(len(seeds))]
    words += [] if plan.flavour == "plain" else ["--flavour", plan.flavour]
    words += [] if plan.sealed else ["--live"]
    words += ["--run-anyway"] if plan.run_anyway else []
    return tuple(words)


def _input(record: RunRecord, message: Message | None) -> str:
    """Return what stands for the series: a message id, which b4 fetches, where it came in a mail."""
    if len(record.series.patches) == 1 and record.series.total > 1:
        own = record.series.patches[0].message_id
        if own and is_message_id(own):
            return own
    if message is not None and message.message_id and is_message_id(message.message_id):
        return message.message_id
    return YOUR_PATCH


def _cells(record: RunRecord) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the scenarios and topologies to name: of what is told first, else all where they are few."""
    for finding in record.verdict.findings:
        spec = spec_of(record, finding.trial)
        if finding.blamed and spec is not None:
            return (spec.scenario,), (spec.topology,)
    for kinds in ({Change.REGRESSED}, {Change.CHANGED, Change.REMOVED, Change.ADDED}, {Change.IMPROVED}):
        for change in record.verdict.changes:
            if change.change in kinds:
                return (change.scenario,), (change.topology,)
    profile = record.plan.profile
    few = len(profile.scenarios) <= MOST_NAMED and len(profile.topologies) <= MOST_NAMED
    return (profile.scenarios, profile.topologies) if few else ((), ())


def _facts(record: RunRecord) -> tuple[tuple[str, str], ...]:
    base, source = record.trees.base, record.trees.source
    patched = next((build for build in record.builds if build.role is KernelRole.PATCHED), None)
    build = patched or next(iter(record.builds), None)
    seeds = sorted({trial.spec.seed for trial in record.trials}) or list(record.plan.profile.seeds)
    version = record.environment.get("orchestrator", "")
    facts = [
        ("base", f"{base.describe}, chosen with {base.confidence} confidence"),
        ("base commit", base.commit),
        ("base tree", base.tree),
        ("patched tree", record.trees.patched_tree),
        ("sources", source.provenance.partition(",")[0] if source.tree is None else "a git tree"),
        ("config", f"{_config(record)}{f'; .config is sha256 {build.config_sha256[:16]}' if build else ''}"),
        ("compiler", (build.toolchain if build else "").partition(";")[0]),
        ("qemu", record.environment.get("qemu", "").removeprefix("QEMU emulator version ")),
        ("seeds", " ".join(str(seed) for seed in seeds)),
        ("orchestrator", version),
    ]
    # A name, a colon and an address would be a trailer to some.
    return tuple((name, plain(strangers(value)).replace("@", " at ")) for name, value in facts if value)


def _config(record: RunRecord) -> str:
    extra = "" if record.plan.flavour == "plain" else f" and {record.plan.flavour}"
    return f"x86-64 tinyconfig and the orchestrator's kconfigs/{extra}"


def _time(record: RunRecord) -> str:
    seconds = sum(trial.wall_s for trial in record.trials)
    return format_seconds(seconds) if seconds else ""
