"""RUN RECORD → KCIDB: JSON by the schema of Kernel CI's database, version 5.3 (the package kcidb-io has it).

Two checkouts (base, and base with the series), a build of each, a test a trial and one a compared metric. A trial's status is
KCIDB's by nature. Nothing is sent. What the schema wants of a value (a hash, an address, no NUL) is looked at here: what is not
of that shape is left out, or made printable, since the database refuses a whole submission for one value.
"""

from __future__ import annotations

import hashlib
import json
import re
from datetime import datetime
from statistics import median
from typing import Any

from orchestrator.model.kernel import KernelRole
from orchestrator.model.run import RunRecord
from orchestrator.model.trial import Status, TrialResult, TrialSpec
from orchestrator.model.verdict import Change, MetricChange
from orchestrator.report.bisection import bisection_lines
from orchestrator.report.text import printable

VERSION = {"major": 5, "minor": 3}
ORIGIN = "mm_patch_orchestrator"
EXCERPT = 16384
"""Characters of a log that the schema takes."""

ARCHITECTURE = "x86_64"

_HASH = re.compile(r"[0-9a-f]{40}")
_ADDRESS = re.compile(r"[!-?A-~]+@[!-?A-~]+", re.ASCII)
_NOT_IN_PATHS = re.compile(r"[^A-Za-z0-9_-]+")

Object = dict[str, Any]


def render_kcidb(record: RunRecord, *, unfinished: bool = False) -> str:
    """Return the submission as JSON. ``unfinished`` leaves out what was planned and not run: it may come yet."""
    checkouts = [_checkout(record, role) for role in KernelRole] if record.trees.base.commit else []
    data = {
        "version": VERSION,
        "checkouts": checkouts,
        "builds": _builds(record),
        "tests": [*_trials(record, unfinished=unfinished), *_metrics(record)],
    }
    return json.dumps({key: value for key, value in data.items() if value}, indent=1, ensure_ascii=False) + "\n"


def patchset_hash(record: RunRecord) -> str:
    """Return the schema's hash over the patches: SHA-256 over the lines of each one's SHA-256; "" where there are none."""
    sums = [hashlib.sha256(patch.diff.encode("utf-8", "replace")).hexdigest() for patch in record.series.patches]
    return hashlib.sha256("".join(f"{each}\n" for each in sums).encode()).hexdigest() if sums else ""


def _id(record: RunRecord, *parts: str) -> str:
    return f"{ORIGIN}:{_plain(':'.join((record.run_id, *parts)))}"


def _checkout(record: RunRecord, role: KernelRole) -> Object:
    patched = role is KernelRole.PATCHED
    base, series = record.trees.base, record.series
    ids = [patch.message_id for patch in series.patches[:1]] if len(series.patches) == 1 else [*series.message_ids[:1]]
    message_id = next((each for each in ids if each and _ADDRESS.fullmatch(each)), None)
    return _there(
        id=_id(record, role),
        origin=ORIGIN,
        git_commit_hash=base.commit if _HASH.fullmatch(base.commit) else None,
        git_commit_name=_plain(base.describe),
        patchset_hash=patchset_hash(record) if patched else "",
        message_id=message_id if patched else None,
        comment=_plain(series.title if patched else base.reason),
        start_time=_time(record.started),
        valid=True,
        misc={
            "source": _plain(record.trees.source.provenance),
            "applied": [
                {"subject": _plain(each.subject), "how": str(each.rung), "tree": each.tree}
                for each in record.trees.applied
                if patched
            ],
            **(_of_patches(record) if patched else {}),
        },
    )


def _of_patches(record: RunRecord) -> Object:
    """Return what is known of single patches and lines: who brought the regression, how much ran."""
    found, coverage = record.bisection, record.coverage
    return _there(
        bisection=[_plain(line) for line in bisection_lines(record)] if found else None,
        first_bad_patch=found.patch if found else None,
        coverage=_plain(coverage.sentence) if coverage else None,
    )


def _builds(record: RunRecord) -> list[Object]:
    built = {build.role: build for build in record.builds}
    found = []
    for role in KernelRole:
        failed = [each for each in record.verdict.findings if each.kind == "build" and each.kernel == role]
        common = {"checkout_id": _id(record, role), "id": _id(record, role), "origin": ORIGIN}
        if (build := built.get(role)) is not None:
            more = _there(
                duration=build.seconds,
                compiler=_plain(build.toolchain),
                config_name=record.plan.flavour,
                status=str(Status.PASS),
                log_excerpt=_excerpt(build.warnings),
                misc={"key": build.key, "image_sha256": build.image_sha256, "config_sha256": build.config_sha256},
            )
            found.append({**common, "architecture": ARCHITECTURE, **more})
        elif failed:
            log = _excerpt([line for each in failed for line in (each.title, *each.detail)])
            found.append({**common, **_there(status=str(Status.FAIL), log_excerpt=log)})
    return found


def _trials(record: RunRecord, *, unfinished: bool) -> list[Object]:
    done = {trial.spec: trial for trial in record.trials}
    found = [_trial(record, spec, done[spec]) for spec in record.plan.trials if spec in done]
    if unfinished:
        return found
    same = record.objects is not None and record.objects.same
    for spec in record.plan.trials:
        if spec not in done:
            why = "no change in object code" if same else "not run"
            status = Status.SKIP if same else Status.MISS
            found.append({**_of_spec(record, spec), "status": str(status), "comment": why})
    return found


def _of_spec(record: RunRecord, spec: TrialSpec) -> Object:
    return {
        "build_id": _id(record, spec.kernel),
        "id": _id(record, spec.id),
        "origin": ORIGIN,
        "path": _path(spec.scenario, spec.topology),
        "environment": {"comment": _plain(f"QEMU guest, topology {spec.topology}")},
    }


def _trial(record: RunRecord, spec: TrialSpec, trial: TrialResult) -> Object:
    facts = {key: _plain(value) for key, value in trial.environment.items()}
    return {
        **_of_spec(record, spec),
        "environment": {"comment": _plain(f"QEMU guest, topology {spec.topology}"), "misc": facts},
        **_there(
            status=str(trial.status),
            comment=_plain(trial.message) or None,
            duration=trial.wall_s,
            log_excerpt=_excerpt(trial.kernel_log or trial.console_tail),
            misc={
                "seed": spec.seed,
                "sealed": spec.sealed,
                "guest_s": trial.guest_s,
                "digest": trial.digest,
                "key": trial.key,
                "metrics": {_plain(name): value for name, value in trial.metrics.items()},
                "checks": {_plain(check.name): str(check.status) for check in trial.checks},
            },
        ),
    }


def _metrics(record: RunRecord) -> list[Object]:
    """Return a test for each kernel's median of each metric: FAIL where patched is proven to be worse."""
    return [
        _metric(record, change, role, float(median(values)))
        for change in record.verdict.changes
        for role, given in ((KernelRole.BASE, change.base), (KernelRole.PATCHED, change.patched))
        if (values := [value for value in given if value is not None])
    ]


def _metric(record: RunRecord, change: MetricChange, role: KernelRole, value: float) -> Object:
    worse = role is KernelRole.PATCHED and change.change is Change.REGRESSED
    return {
        "build_id": _id(record, role),
        "id": _id(record, role, change.scenario, change.topology, change.metric),
        "origin": ORIGIN,
        "path": _path(change.scenario, change.topology, change.metric),
        "status": str(Status.FAIL if worse else Status.DONE),
        "number": _there(value=value, unit=_plain(change.unit) or None),
        "comment": f"{change.change}, the median of {len(change.seeds)} seeds",
        "misc": {"change": str(change.change), "direction": _plain(change.direction), "seeds": list(change.seeds)},
    }


def _path(*parts: str) -> str:
    return ".".join(["mm", "zswap", *(_NOT_IN_PATHS.sub("_", part).strip("_") or "_" for part in parts)])


def _excerpt(lines: tuple[str, ...] | list[str]) -> str | None:
    return _plain("\n".join(lines))[-EXCERPT:] or None


def _plain(text: str) -> str:
    """Return ``text`` without control characters, as UTF-8 can carry it: the schema takes no NUL."""
    return printable(text)


def _time(stamp: str) -> str | None:
    try:
        return stamp if datetime.fromisoformat(stamp).tzinfo is not None else None
    except ValueError:
        return None


def _there(**values: Any) -> Object:
    """Return what is there: the schema knows no null."""
    return {key: value for key, value in values.items() if value is not None}
