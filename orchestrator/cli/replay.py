"""``orchestrator replay``: one trial of a run, again."""

from __future__ import annotations

import dataclasses
import sys
from typing import Annotated

import typer

from orchestrator.again import prefix_named, reopened, run_named, trial_named
from orchestrator.cli.bisect import RunArgument
from orchestrator.cli.failures import explained
from orchestrator.cli.interrupts import cancelled_by_signals
from orchestrator.cli.options import DEFAULT_RESULTS, ResultsOption
from orchestrator.cli.progress import shown_progress
from orchestrator.host.steps import Steps
from orchestrator.model.replay import Replay
from orchestrator.model.trial import Status
from orchestrator.replay import replay_trial
from orchestrator.report.replay import replay_lines
from orchestrator.report.text import printable_line
from orchestrator.store.codec import encode, to_text

TrialArgument = Annotated[
    str, typer.Argument(metavar="TRIAL", help="A trial's id, as in the reports: memcg-limit-two-node-patched-s1.")
]
KernelOption = Annotated[
    str, typer.Option("--kernel", metavar="KERNEL", help="base, patched or patched@k; else the trial's own.")
]
DumpOption = Annotated[bool, typer.Option("--dump", help="Keep a guest core where the trial hangs or panics.")]
JsonReplayOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


def replay(
    run: RunArgument,
    trial: TrialArgument,
    *,
    kernel: KernelOption = "",
    dump: DumpOption = False,
    results: ResultsOption = DEFAULT_RESULTS,
    json: JsonReplayOption = False,
) -> None:
    """Repeat a trial of RUN on this host and compare digests; where they differ, say what is another one here."""
    steps = Steps()
    with explained(sys.stderr), cancelled_by_signals() as cancellation:
        folder, record = run_named(run, results)
        spec = trial_named(record, trial)
        patches = prefix_named(kernel or str(spec.kernel), len(record.trees.applied))
        with shown_progress(sys.stderr) as listener, folder.held():
            steps.subscribe(listener)
            laboratory = reopened(folder, record, steps=steps, cancellation=cancellation)
            laboratory.plan = dataclasses.replace(laboratory.plan, dump=dump)
            done = replay_trial(laboratory, record, spec, patches)
        if json:
            typer.echo(to_text(encode(done, "replay")))
        else:
            typer.echo("\n".join(printable_line(line) for line in replay_lines(done)))
    raise typer.Exit(exit_status_of(done))


def exit_status_of(replay: Replay) -> int:
    """Return 0 where the trial went as recorded, or there is nothing to compare; 1 where not, 3 where it was lost."""
    if replay.is_same is not None:
        return 0 if replay.is_same else 1
    return 3 if replay.result.status is Status.ERROR else 0
