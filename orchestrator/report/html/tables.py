"""RUN RECORD → the smaller tables of the page: invariants, other checks, configuration, trials' states."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from orchestrator.model.kernel import KernelRole
from orchestrator.model.run import RunRecord
from orchestrator.model.trial import Check, Status, TrialResult

INVARIANT = "invariant "
MOST_CONFIG = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRow:
    """One check over all trials of both kernels: how often it held, did not, and was not looked at; what was said then."""

    name: str
    base: str
    patched: str
    broken: bool
    said: tuple[str, ...]


def check_rows(record: RunRecord, *, invariants: bool) -> tuple[CheckRow, ...]:
    """Return a row for each invariant (or for each other check), in the order in which trials have them."""
    counts: dict[str, dict[KernelRole, Counter[Status]]] = {}
    said: dict[str, dict[str, None]] = {}
    for trial in record.trials:
        for check in trial.checks:
            if check.name.startswith(INVARIANT) is not invariants:
                continue
            counts.setdefault(check.name, {}).setdefault(trial.spec.kernel, Counter())[check.status] += 1
            if check.status in {Status.FAIL, Status.ERROR}:
                said.setdefault(check.name, {})[f"{trial.spec.id}: {check.message}"] = None
            elif check.status is Status.SKIP:
                said.setdefault(check.name, {})[check.message] = None
    return tuple(
        CheckRow(
            name=name.removeprefix(INVARIANT) if invariants else name,
            base=_held(roles.get(KernelRole.BASE)),
            patched=_held(roles.get(KernelRole.PATCHED)),
            broken=any(count[Status.FAIL] or count[Status.ERROR] for count in roles.values()),
            said=tuple(said.get(name, ()))[:4],
        )
        for name, roles in counts.items()
    )


def _held(count: Counter[Status] | None) -> str:
    if not count:
        return "no trial"
    words = {Status.PASS: "held", Status.FAIL: "broken", Status.SKIP: "not looked at", Status.ERROR: "our error"}
    return ", ".join(f"{number} {words.get(status, str(status))}" for status in Status if (number := count[status]))


def config_lines(record: RunRecord, configs: Mapping[str, str]) -> tuple[str, ...]:
    """Return how the two kernels' configurations differ, as lines with a sign; or what is known of that."""
    base, patched = (configs.get(role) for role in ("base", "patched"))
    sums = {build.role: build.config_sha256 for build in record.builds}
    if len(sums) == 2 and len(set(sums.values())) == 1:
        return ("none: both kernels have the same resolved configuration",)
    if base is None or patched is None:
        return ("the two differ (by checksum); the files are not here",) if len(sums) == 2 else ()
    found = [
        line
        for line in difflib.unified_diff(_symbols(base), _symbols(patched), n=0, lineterm="")
        if line[:1] in {"+", "-"} and line[:3] not in {"+++", "---"}
    ]
    if not found:
        return ("none: the same symbols with the same values",)
    more = [f"and {len(found) - MOST_CONFIG} more"] if len(found) > MOST_CONFIG else []
    return (*found[:MOST_CONFIG], *more)


def _symbols(text: str) -> list[str]:
    lines = (line for line in text.splitlines() if line.startswith(("CONFIG_", "# CONFIG_")))
    return sorted(lines, key=lambda line: line.removeprefix("# "))


def failed_checks(trial: TrialResult) -> tuple[Check, ...]:
    """Return the checks of a trial that did not hold."""
    return tuple(check for check in trial.checks if check.status in {Status.FAIL, Status.ERROR})


def missing_trials(record: RunRecord) -> Sequence[str]:
    """Return the ids of what was planned and is not there."""
    done = {trial.spec for trial in record.trials}
    return [spec.id for spec in record.plan.trials if spec not in done]
