"""``orchestrator test``: the main job."""

from __future__ import annotations

import datetime as dt
import sys
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.failures import explained
from orchestrator.cli.interrupts import cancelled_by_signals
from orchestrator.cli.options import DEFAULT_RESULTS, AllOption, JsonOption, ResultsOption, console_on
from orchestrator.cli.progress import shown_progress
from orchestrator.cli.table import print_run
from orchestrator.errors import Cancelled, UserError
from orchestrator.host.deadline import Cancellation
from orchestrator.host.steps import Steps
from orchestrator.model.run import RunRecord
from orchestrator.pipeline import Pipeline, TestRequest, profile_named, start_run
from orchestrator.plan import narrowed
from orchestrator.store.run_directory import RunDirectory
from orchestrator.store.run_json import render_run

MailArgument = Annotated[
    Path | None,
    typer.Argument(metavar="MAIL", help="An archived page, an mbox, a format-patch file, a diff, or a folder of them."),
]
LinuxOption = Annotated[
    str | None,
    typer.Option("--linux", metavar="TREE", help="A git tree of yours (never changed), or a name such as linux-7.2."),
]
BaseOption = Annotated[
    str | None, typer.Option("--base", metavar="REV", help="The commit to put the series on; else the tree's HEAD.")
]
ProfileOption = Annotated[str, typer.Option("--profile", help="demo, quick or full: which trials the run consists of.")]
ScenarioOption = Annotated[
    list[str] | None, typer.Option("--scenario", help="Only this scenario (again for more), not the profile's.")
]
TopologyOption = Annotated[
    list[str] | None, typer.Option("--topology", help="Only this topology (again for more), not the profile's.")
]
SeedsOption = Annotated[int, typer.Option("--seeds", min=0, metavar="N", help="N seeds, not the profile's.")]
LiveOption = Annotated[
    bool, typer.Option("--live", help="Live trials: driven over SSH, on KVM where it works; repeatable only roughly.")
]
AcceleratorOption = Annotated[str, typer.Option("--accel", help="For live trials: auto, kvm or tcg.")]
SandboxOption = Annotated[
    bool, typer.Option("--sandbox/--no-sandbox", help="Build without a sandbox: only patches that you trust.")
]
AgainOption = Annotated[
    bool, typer.Option("--again", help="Run also the trials that were done before, and compare the digests.")
]
ResumeOption = Annotated[
    str | None, typer.Option("--resume", metavar="RUN", help="Go on with a run that was interrupted.")
]


def run_test(
    mail: MailArgument = None,
    *,
    linux: LinuxOption = None,
    base: BaseOption = None,
    profile: ProfileOption = "quick",
    scenario: ScenarioOption = None,
    topology: TopologyOption = None,
    seeds: SeedsOption = 0,
    live: LiveOption = False,
    accel: AcceleratorOption = "auto",
    sandbox: SandboxOption = True,
    again: AgainOption = False,
    resume: ResumeOption = None,
    results: ResultsOption = DEFAULT_RESULTS,
    json: JsonOption = False,
    everything: AllOption = False,
) -> None:
    """Test the patches of MAIL against TREE: build, boot, press, compare, report."""
    steps = Steps()
    with explained(sys.stderr), cancelled_by_signals() as cancellation:
        with shown_progress(sys.stderr) as listener:
            steps.subscribe(listener)
            if resume is not None:
                run = _run_to_resume(resume, mail, results)
            else:
                request = TestRequest(
                    mail=_required_mail(mail),
                    linux=_required_linux(linux, mail),
                    base_rev=base,
                    profile=narrowed(
                        profile_named(profile),
                        scenarios=tuple(scenario or ()),
                        topologies=tuple(topology or ()),
                        seeds=seeds,
                    ),
                    sealed=not live,
                    sandbox=sandbox,
                    accelerator=accel,
                    again=again,
                    results=results,
                )
                run = start_run(request, steps=steps, now=_now)
            record = _carry_out(run, steps, cancellation)
        _show(record, run, as_json=json, everything=everything)
    raise typer.Exit(record.verdict.outcome.exit_status)


def _run_to_resume(resume: str, mail: Path | None, results: Path) -> RunDirectory:
    if mail is not None:
        raise UserError("--resume goes on with a run as it was planned; it takes no mail")
    return RunDirectory.open(results, resume)


def _required_mail(mail: Path | None) -> Path:
    if mail is None:
        raise UserError("which patch? Give a mail, a patch file or a folder of them", hint="orchestrator test --help")
    return mail


def _required_linux(linux: str | None, mail: Path | None) -> str:
    if linux is None:
        raise UserError(
            "against which kernel? Give --linux with a git tree of yours or a name",
            hint=f"orchestrator test {mail} --linux linux-7.2",
        )
    return linux


def _carry_out(run: RunDirectory, steps: Steps, cancellation: Cancellation) -> RunRecord:
    with run.held():
        try:
            pipeline = Pipeline(run, steps=steps, cancellation=cancellation, started=_stamp())
            return pipeline.carry_out(now=_now)
        except UserError:
            run.discard()
            raise
        except Cancelled as error:
            raise Cancelled(
                f"interrupted; what is finished is kept in {run.path}", hint=f"orchestrator test --resume {run.run_id}"
            ) from error


def _show(record: RunRecord, run: RunDirectory, *, as_json: bool, everything: bool) -> None:
    if as_json:
        typer.echo(render_run(record))
    else:
        print_run(record, console_on(sys.stdout), results=run.path, everything=everything)


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def _stamp() -> str:
    return _now().isoformat(timespec="seconds")
