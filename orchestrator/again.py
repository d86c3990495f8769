"""A RECORDED RUN, OPENED AGAIN: its laboratory with the trees as they were recorded, and what it has by name.

What a run found is asked again of the same commits, not of what the series would go onto today. Where these are not in the
cache any more they are made again, from the series as it was kept, and must come out as they were.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

from orchestrator.errors import OrchestratorError, UserError
from orchestrator.host.deadline import Cancellation
from orchestrator.host.steps import Steps
from orchestrator.laboratory import Laboratory
from orchestrator.model.kernel import KernelRole
from orchestrator.model.run import RunRecord
from orchestrator.model.tree import Trees
from orchestrator.model.trial import TrialSpec
from orchestrator.store.run_directory import PLAN, RunDirectory
from orchestrator.tree.export import is_whole

LATEST = "latest"
"""The name that stands for the newest run of the results folder."""

BISECTED = "bisect"
"""The run's part with the trials of a bisection."""

SHOWN = 3
_PREFIX = re.compile(rf"{KernelRole.PATCHED}@(\d{{1,6}})")


def run_named(name: str, results: Path) -> tuple[RunDirectory, RunRecord]:
    """Return a run that is done and its record. ``name`` is its id in ``results``, its folder, or ``latest``.

    Raises :class:`UserError` for what is not there (with the names that are spelt nearly so), not finished, or damaged.
    """
    runs = sorted({path.parent.name for path in results.glob(f"*/{PLAN}")})
    if name == LATEST and runs:
        name = runs[-1]
    run = RunDirectory.open(results, name)
    return run, run.read_run()


def reopened(run: RunDirectory, record: RunRecord, *, steps: Steps, cancellation: Cancellation) -> Laboratory:
    """Return the laboratory of a run that is done, with the trees of its record.

    Raises :class:`UserError` where these are gone and cannot be made again: the sources are not there any more, or the
    series goes onto something else today.
    """
    laboratory = Laboratory(run, steps=steps, cancellation=cancellation)
    recorded = record.trees
    if not recorded.applied:
        raise UserError(f"the record of {record.run_id} names no patch that was applied")
    # A record may come from anywhere: no repository outside of our cache is asked because it says so.
    ours = recorded.source.repo.resolve().is_relative_to(laboratory.cache.resolve())
    if ours and is_whole(recorded, cancellation=cancellation):
        laboratory.trees = recorded
        return laboratory
    # Prerequisites of the same input are put on the chosen commit again.
    laboratory.plan = dataclasses.replace(laboratory.plan, base_rev=recorded.base.chosen or recorded.base.commit)
    steps.note("source", "the run's commits are not in the cache any more: they are made again")
    try:
        trees = laboratory.trees
    except OrchestratorError as error:
        raise UserError(
            f"base of this run ({recorded.base.describe}) cannot be had any more: {error.message}", hint=error.hint
        ) from error
    if _trees_of(trees) != _trees_of(recorded):
        raise UserError(
            f"the series does not come out as in the run: its patched tree is {trees.patched_tree[:12]} now and was "
            f"{recorded.patched_tree[:12]}",
            hint="orchestrator test makes a run of what it is now",
        )
    return laboratory


def _trees_of(trees: Trees) -> list[str]:
    return [trees.base.tree, *(applied.tree for applied in trees.applied)]


def check_known(laboratory: Laboratory, specs: Iterable[TrialSpec]) -> None:
    """Raise :class:`UserError` for a trial of a scenario or topology that the run's plan does not have: it was edited."""
    for spec in specs:
        if spec.scenario not in laboratory.scenarios or spec.topology not in laboratory.topologies:
            raise UserError(
                f"{spec.id}: the plan of {laboratory.run.run_id} has no such scenario and topology",
                hint="the record was edited, or put together of two runs",
            )


def prefix_named(name: str, patches: int) -> int:
    """Return how many patches the kernel ``name`` has: ``base`` 0, ``patched`` all, ``patched@k`` the first k of them."""
    if name == KernelRole.BASE:
        return 0
    if name == KernelRole.PATCHED:
        return patches
    match = _PREFIX.fullmatch(name)
    if match and int(match[1]) <= patches:
        return int(match[1])
    known = f"base, patched, patched@1 to patched@{patches}" if patches > 1 else "base, patched"
    raise UserError(f"there is no kernel '{name}' in this run", hint=f"there are {known}")


def trial_named(record: RunRecord, name: str) -> TrialSpec:
    """Return the trial of a run by its id; :class:`UserError` naming those that are spelt nearly so."""
    known = {spec.id: spec for spec in [*record.plan.trials, *(trial.spec for trial in record.trials)]}
    if name in known:
        return known[name]
    near = get_close_matches(name, known, n=SHOWN, cutoff=0.4) or list(known)[:SHOWN]
    hint = f"there are {', '.join(near)}{' and others' if len(known) > len(near) else ''}" if near else ""
    raise UserError(f"the run {record.run_id} has no trial '{name}'", hint=hint)
