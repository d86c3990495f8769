"""``orchestrator test``: the main job."""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.failures import explained
from orchestrator.cli.interrupts import cancelled_by_signals
from orchestrator.cli.options import (
    DEFAULT_RESULTS,
    AllOption,
    JsonOption,
    ResultsOption,
    TopologiesOption,
    chosen_topologies,
    console_on,
)
from orchestrator.cli.progress import shown_progress
from orchestrator.cli.series_input import (
    FetchOption,
    GitOption,
    InputsArgument,
    KeysOption,
    PartialOption,
    PickOption,
    RequireSignatureOption,
    StrictOption,
    VersionOption,
    series_wanted,
)
from orchestrator.cli.table import print_run
from orchestrator.config.scenarios import swept
from orchestrator.errors import Cancelled, UserError
from orchestrator.host.deadline import Cancellation
from orchestrator.host.steps import Steps
from orchestrator.model.run import Profile, RunRecord
from orchestrator.pipeline import Pipeline, TestRequest, profile_named, start_run
from orchestrator.plan import narrowed
from orchestrator.store.run_directory import RunDirectory
from orchestrator.store.run_json import render_run

LinuxOption = Annotated[
    str | None,
    typer.Option("--linux", metavar="TREE", help="A git tree of yours (never changed), or a name such as linux-7.2."),
]
BaseOption = Annotated[
    str | None,
    typer.Option("--base", metavar="REV", help="The commit to put the series on; else it is found out: see README."),
]
ProfileOption = Annotated[str, typer.Option("--profile", help="demo, quick or full: which trials the run consists of.")]
ScenarioOption = Annotated[
    list[str] | None, typer.Option("--scenario", help="Only this scenario (again for more), not the profile's.")
]
TopologyOption = Annotated[
    list[str] | None, typer.Option("--topology", help="Only this topology (again for more), not the profile's.")
]
SeedsOption = Annotated[int, typer.Option("--seeds", min=0, metavar="N", help="N seeds, not the profile's.")]
BudgetOption = Annotated[
    str | None,
    typer.Option(
        "--budget",
        metavar="TIME",
        help="Time for more seeds and perturbed bases where a metric is undecided: 90s, 10m, 1h; 0 for none.",
    ),
]
PerturbedOption = Annotated[
    bool | None,
    typer.Option(
        "--perturbed/--no-perturbed", help="Also run base compiled another way: how far does it wander by itself?"
    ),
]
CoverageOption = Annotated[
    bool | None, typer.Option("--coverage/--no-coverage", help="Find out which lines of the patch run: one build more.")
]
AimedOption = Annotated[
    bool,
    typer.Option("--aimed/--no-aimed", help="Add scenarios that go through what the patch changes (profile quick)."),
]
SweepOption = Annotated[
    list[str] | None,
    typer.Option("--sweep", metavar="KNOB=A,B", help="Run each scenario with each value of a knob (again for more)."),
]
FlavourOption = Annotated[
    str, typer.Option("--flavour", help="plain, or debug: KASAN, lockdep and the kernel's other checks; slower.")
]
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
RunAnywayOption = Annotated[
    bool, typer.Option("--run-anyway", help="Run the trials also where base and patched are the same object code.")
]
WaiversOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--waivers", metavar="FILE", help="Known failures of your own, in TOML like the catalog's (again for more)."
    ),
]
ClaimsOption = Annotated[
    list[Path] | None,
    typer.Option("--claims", metavar="FILE", help="What the patch is said to do, in TOML: confirmed or refuted."),
]
BisectOption = Annotated[
    bool, typer.Option("--bisect/--no-bisect", help="After a REGRESSION of a series: find the patch that brought it.")
]
DumpOption = Annotated[
    bool, typer.Option("--dump", help="Keep a guest core (gzip) of a trial that hangs or panics, in its folder.")
]
ResumeOption = Annotated[
    str | None, typer.Option("--resume", metavar="RUN", help="Go on with a run that was interrupted.")
]


def run_test(
    inputs: InputsArgument = None,
    *,
    linux: LinuxOption = None,
    git: GitOption = None,
    version: VersionOption = None,
    partial: PartialOption = False,
    pick: PickOption = None,
    require_signature: RequireSignatureOption = False,
    keys: KeysOption = None,
    base: BaseOption = None,
    fetch: FetchOption = False,
    strict: StrictOption = False,
    profile: ProfileOption = "quick",
    scenario: ScenarioOption = None,
    topology: TopologyOption = None,
    seeds: SeedsOption = 0,
    budget: BudgetOption = None,
    perturbed: PerturbedOption = None,
    coverage: CoverageOption = None,
    aimed: AimedOption = True,
    sweep: SweepOption = None,
    flavour: FlavourOption = "plain",
    topologies: TopologiesOption = None,
    waivers: WaiversOption = None,
    claims: ClaimsOption = None,
    live: LiveOption = False,
    accel: AcceleratorOption = "auto",
    sandbox: SandboxOption = True,
    again: AgainOption = False,
    run_anyway: RunAnywayOption = False,
    bisect: BisectOption = True,
    dump: DumpOption = False,
    resume: ResumeOption = None,
    results: ResultsOption = DEFAULT_RESULTS,
    json: JsonOption = False,
    everything: AllOption = False,
) -> None:
    """Test the patches of INPUT against TREE: build, boot, press, compare, report."""
    steps = Steps()
    with explained(sys.stderr), cancelled_by_signals() as cancellation:
        with shown_progress(sys.stderr) as listener:
            steps.subscribe(listener)
            if resume is not None:
                run = _run_to_resume(resume, inputs, results)
            else:
                request = TestRequest(
                    wanted=series_wanted(
                        _required_input(inputs, git),
                        linux=linux,
                        git=git,
                        version=version,
                        partial=partial,
                        pick=pick,
                        require_signature=require_signature,
                        keys=keys,
                    ),
                    linux=_required_linux(linux, inputs),
                    base_rev=base,
                    profile=with_sweep(
                        narrowed(
                            profile_named(profile),
                            scenarios=tuple(scenario or ()),
                            topologies=tuple(topology or ()),
                            seeds=seeds,
                            budget_s=None if budget is None else seconds_of(budget),
                            perturbed=unless_slow(perturbed, flavour),
                            coverage=unless_slow(coverage, flavour),
                            aimed=aimed and not sweep,
                        ),
                        tuple(sweep or ()),
                    ),
                    flavour=flavour,
                    topologies=chosen_topologies(topologies),
                    waivers=tuple(str(path) for path in waivers or ()),
                    claims=tuple(str(path) for path in claims or ()),
                    sealed=not live,
                    sandbox=sandbox,
                    accelerator=accel,
                    again=again,
                    results=results,
                    may_fetch=fetch,
                    strict=strict,
                    run_anyway=run_anyway,
                    bisect=bisect,
                    dump=dump,
                )
                run = start_run(request, steps=steps, now=_now, cancellation=cancellation)
            record = _carry_out(run, steps, cancellation)
        _show(record, run, as_json=json, everything=everything)
    raise typer.Exit(record.verdict.outcome.exit_status)


def with_sweep(profile: Profile, sweeps: tuple[str, ...]) -> Profile:
    """Return ``profile`` with its scenarios multiplied by the values of knobs."""
    return dataclasses.replace(profile, scenarios=swept(profile.scenarios, sweeps))


def unless_slow(asked: bool | None, flavour: str) -> bool | None:  # noqa: FBT001 - an option's value
    """Return what was asked; where nothing was, what more trials tell is left out of the slow flavours."""
    return False if asked is None and flavour != "plain" else asked


def seconds_of(text: str) -> float:
    """Return the seconds that ``text`` means: a number with s, m or h behind it, or without; :class:`UserError` else."""
    found = re.fullmatch(r"\s*(\d{1,6}(?:\.\d{1,3})?)\s*(s|m|min|h)?\s*", text)
    if found is None:
        raise UserError(f"--budget {text}: not a time", hint="a number and a unit: 90s, 10m, 1h")
    return float(found[1]) * {"m": 60.0, "min": 60.0, "h": 3600.0}.get(found[2] or "s", 1.0)


def _run_to_resume(resume: str, inputs: list[str] | None, results: Path) -> RunDirectory:
    if inputs:
        raise UserError("--resume goes on with a run as it was planned; it takes no mail")
    return RunDirectory.open(results, resume)


def _required_input(inputs: list[str] | None, git: str | None) -> list[str]:
    if not inputs and git is None:
        raise UserError("which patch? Give a mail, a patch file or a folder of them", hint="orchestrator test --help")
    return inputs or []


def _required_linux(linux: str | None, inputs: list[str] | None) -> str:
    if linux is None:
        raise UserError(
            "against which kernel? Give --linux with a git tree of yours or a name",
            hint=f"orchestrator test {shlex.join(inputs or [])} --linux linux-7.2",
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
