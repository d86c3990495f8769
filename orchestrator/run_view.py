"""A RUN, BY ITS NAME OR FROM ANOTHER MACHINE → MATERIAL for the reports. Also of a run that is not finished.

``RUN`` is a run's id in the results folder, its folder, or a lone ``run.json``.
"""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from pathlib import Path

from orchestrator.errors import InfraError, UserError
from orchestrator.model.run import Plan, RunRecord
from orchestrator.model.samples import Sample, parse_samples
from orchestrator.model.series import Form, Series
from orchestrator.model.tree import Base, Source, Trees
from orchestrator.model.verdict import Outcome, Verdict
from orchestrator.report.material import SETTLED, TICKS, Material
from orchestrator.store.run_directory import PLAN, RUN, RunDirectory, read_text
from orchestrator.store.run_json import parse_run

LATEST = "latest"
"""The name that stands for the newest run of the results folder."""

SAMPLES_LIMIT = 256 << 20
"""A record of samples that is larger than this is none of a guest of ours."""


def material_of(run: str, results: Path) -> Material:
    """Return the run that ``run`` names; :class:`UserError` where there is none, or its record cannot be read.

    A folder of which the record is not written yet gives what is done so far, and says so.
    """
    path = _place(run, results)
    if path.is_file():
        return Material(record=parse_run(read_text(path), str(path)))
    folder = RunDirectory(path)

    def read(trial_id: str, kind: str) -> tuple[Sample, ...]:
        return _samples(path, trial_id, kind)

    if folder.run_json.is_file():
        return Material(record=folder.read_run(), folder=path, read=read)
    record = _so_far(folder)
    return Material(record=record, folder=path, unfinished=record.verdict.sentences[0], read=read)


def _place(run: str, results: Path) -> Path:
    """Return the run's folder, or the file of a lone record."""
    if run == LATEST and (latest := _latest(results)) is not None:
        return latest
    for path in (results / run, Path(run)):
        with contextlib.suppress(OSError, ValueError):
            if run and path.is_dir() and ((path / RUN).is_file() or (path / PLAN).is_file()):
                return path
            if run and path.is_file():
                return path.parent if path.name == RUN and (path.parent / PLAN).is_file() else path
    # It says what there is.
    return RunDirectory.open(results, run).path


def _latest(results: Path) -> Path | None:
    runs = sorted({path.parent.name for name in (RUN, PLAN) for path in results.glob(f"*/{name}")})
    return results / runs[-1] if runs else None


def _samples(folder: Path, trial_id: str, kind: str) -> tuple[Sample, ...]:
    if kind not in {SETTLED, TICKS} or Path(trial_id).name != trial_id:
        # The id comes from a record that anybody may have written.
        return ()
    path = folder / "trials" / trial_id / "guest" / kind
    with contextlib.suppress(OSError, InfraError, ValueError):
        if path.stat().st_size <= SAMPLES_LIMIT:
            return parse_samples(path.read_bytes())
    return ()


def _so_far(folder: RunDirectory) -> RunRecord:
    """Return a record of what a run has done: its plan, its series, the trials that are done, and nothing decided."""
    plan, trials = folder.read_plan(), folder.read_trials()
    planned = {spec.id for spec in plan.trials}
    done = sum(trial.spec.id in planned for trial in trials)
    what = f"{done} of {len(plan.trials)} trials are done" if plan.trials else "its trials are not planned yet"
    state = "in progress" if folder.in_progress else "not finished"
    on = () if folder.in_progress else (f"To go on with it: orchestrator test --resume {folder.run_id}",)
    events = folder.read_events()
    last = max((event.at for event in events), default=0.0)
    missing = tuple(
        f"{spec.id}: not run yet" for spec in plan.trials if spec.id not in {trial.spec.id for trial in trials}
    )
    return RunRecord(
        run_id=plan.run_id,
        started=_stamp(min((event.at for event in events), default=0.0)),
        finished=_stamp(last),
        plan=plan,
        series=_series(folder, plan),
        trees=Trees(
            source=Source(spec=plan.linux, repo=Path(), head="", provenance="not recorded yet"),
            base=Base(commit="", tree="", describe="a base that is not recorded yet", reason="the run is not finished"),
            applied=(),
        ),
        builds=(),
        topologies=plan.topologies,
        scenarios=(),
        trials=trials,
        verdict=Verdict(
            outcome=Outcome.INCONCLUSIVE,
            sentences=(f"This run is {state}: {what}.", *on),
            changes=(),
            not_covered=missing,
        ),
    )


def _series(folder: RunDirectory, plan: Plan) -> Series:
    try:
        return folder.read_series_record()
    except UserError:
        return Series(title=plan.mail, version=1, form=Form.DIFF, source=plan.mail, patches=(), total=0)


def _stamp(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds") if at > 0 else ""
