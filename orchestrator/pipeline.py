"""The order of the stages: the only module that knows it.

mail → series → trees → plan (aimed at what they change) → kernels (base built and booted, patched built, compared) → trials → verdict → record and
reports. What is done is recorded as soon as it is done, so that an interrupted run goes on where it stopped
(``resume``).
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

from orchestrator.aiming import aim
from orchestrator.bisect import bisect_run, can_bisect
from orchestrator.config import catalog, locations
from orchestrator.config.claims import read_claims
from orchestrator.config.scenarios import scenarios, scenarios_named
from orchestrator.config.toml_files import Mistake, refusal
from orchestrator.config.waivers import read_waivers
from orchestrator.guest.check import check_workloads
from orchestrator.host import workspace
from orchestrator.host.deadline import Cancellation
from orchestrator.host.resources import usable_cpus
from orchestrator.host.steps import StepEvent, Steps
from orchestrator.intake.reader import Wanted, others_of, survey, testable_series_of
from orchestrator.judge.claims import judge_claims
from orchestrator.judge.decide import decide
from orchestrator.judge.reach import missed_by_chance, with_reach
from orchestrator.judge.waivers import Waived, apply_waivers
from orchestrator.kernels import Kernels
from orchestrator.laboratory import Laboratory
from orchestrator.machine.accelerator import qemu_version
from orchestrator.model.claim import Claim
from orchestrator.model.coverage import PatchCoverage
from orchestrator.model.run import Plan, Profile, RunRecord
from orchestrator.model.scenario import Scenario
from orchestrator.model.topology import Topology
from orchestrator.model.trial import TrialResult
from orchestrator.model.verdict import Verdict
from orchestrator.pages import write_pages
from orchestrator.patch_coverage import measure_coverage
from orchestrator.plan import check_plan, left_out, planned_trials
from orchestrator.report.junit import render_junit
from orchestrator.rounds import Rounds, RoundsDone
from orchestrator.store.run_directory import RunDirectory
from orchestrator.trial.selftest_checks import skipped_selftests

DISTRIBUTION = "mm-patch-orchestrator"


@dataclass(frozen=True, slots=True, kw_only=True)
class TestRequest:
    """What the user asks for. ``accelerator`` is ``auto``, ``kvm`` or ``tcg`` and matters to live trials alone.

    The other fields are those of :class:`orchestrator.model.run.Plan`.
    """

    __test__ = False  # for pytest: not a test

    wanted: Wanted
    linux: str
    base_rev: str | None
    profile: Profile
    sealed: bool
    sandbox: bool
    accelerator: str
    again: bool
    results: Path
    flavour: str = "plain"
    topologies: Mapping[str, Topology] = field(default_factory=catalog.topologies)
    waivers: tuple[str, ...] = ()
    may_fetch: bool = False
    strict: bool = False
    run_anyway: bool = False
    claims: tuple[str, ...] = ()
    bisect: bool = True
    dump: bool = False


def start_run(
    request: TestRequest,
    *,
    steps: Steps,
    now: Callable[[], dt.datetime],
    cancellation: Cancellation | None = None,
) -> RunDirectory:
    """Read the mail, check the plan and make the run's folder with both; nothing slow happens before that.

    Raises :class:`UserError` for everything in the request that cannot be used.
    """
    profile, known = request.profile, scenarios_named(request.profile.scenarios)
    catalog.flavour(request.flavour)
    read_waivers([Path(path) for path in request.waivers])
    described = {**scenarios(), **known}
    read_claims([Path(path) for path in request.claims], scenarios=described, topologies=request.topologies)
    check_plan(profile, scenarios=known, topologies=request.topologies)
    check_scenarios(profile, known, request.topologies, cancellation=Cancellation())
    with steps.step("intake", mail=request.wanted.source):
        found = survey(request.wanted, cancellation=cancellation or Cancellation())
        series = testable_series_of(found, request.wanted)
    run = RunDirectory.create(request.results, title=series.title, now=now())
    run.write_series_record(series)
    if series.prerequisites:
        run.write_others(others_of(found, request.wanted))
    run.write_plan(
        Plan(
            run_id=run.run_id,
            mail=request.wanted.source,
            linux=request.linux,
            base_rev=request.base_rev,
            profile=profile,
            sealed=request.sealed,
            sandbox=request.sandbox,
            accelerator=request.accelerator,
            again=request.again,
            trials=planned_trials(profile, scenarios=known, topologies=request.topologies, sealed=request.sealed),
            flavour=request.flavour,
            topologies=tuple(request.topologies[name] for name in profile.topologies),
            waivers=tuple(str(Path(path).absolute()) for path in request.waivers),
            may_fetch=request.may_fetch,
            strict=request.strict,
            run_anyway=request.run_anyway,
            claims=tuple(str(Path(path).absolute()) for path in request.claims),
            bisect=request.bisect,
            dump=request.dump,
        )
    )
    return run


def check_scenarios(
    profile: Profile,
    known: Mapping[str, Scenario],
    topologies: Mapping[str, Topology],
    *,
    cancellation: Cancellation,
) -> None:
    """Try the workloads of ``profile`` on its topologies: what cannot run is found before anything is built.

    Raises :class:`UserError` that names file, line and mistake.
    """
    # What the trials run on is asked for before what only prepares them.
    qemu_version(catalog.architecture())
    for name in profile.scenarios:
        for where in profile.topologies:
            scenario, topology = known[name], topologies[where]
            if not profile.asks(name, where) or scenario.misfit(topology):
                continue
            found = check_workloads(
                scenario,
                topology,
                scripts=locations.guest_scripts_folder(),
                cache=workspace.cache_root(),
                cancellation=cancellation,
            )
            if found:
                mistakes = [Mistake(where=mistake.key, says=mistake.says) for mistake in found]
                raise refusal(scenario.folder / "scenario.toml", mistakes)


class Pipeline:
    """Carries out one run's plan. ``started`` is the wall clock at its start; all else comes from the run's folder."""

    def __init__(self, run: RunDirectory, *, steps: Steps, cancellation: Cancellation, started: str) -> None:
        self._run = run
        self._steps = steps
        self._cancellation = cancellation
        self._started = started
        self._timings: dict[str, float] = {}

    def carry_out(self, *, now: Callable[[], dt.datetime]) -> RunRecord:
        """Do what the plan says and is not done yet; write the record and the reports; return the record."""
        self._steps.subscribe(self._time)
        self._steps.subscribe(self._run.append_event)
        laboratory = aim(Laboratory(self._run, steps=self._steps, cancellation=self._cancellation))
        plan = laboratory.plan
        shipped_and_own = read_waivers([Path(path) for path in plan.waivers])
        waivers = [waiver for waiver in shipped_and_own if waiver.is_about(plan.flavour)]
        described = {**scenarios(), **laboratory.scenarios}
        claims = read_claims(
            [Path(path) for path in plan.claims], scenarios=described, topologies=laboratory.topologies
        )
        kernels = laboratory.kernels(laboratory.trees)
        same_code = "" if plan.run_anyway else kernels.same_code
        rounds = Rounds(laboratory, kernels)
        worth_it = kernels.is_whole and not same_code
        done = rounds.run() if worth_it else RoundsDone(planned=plan.trials)
        coverage = measure_coverage(laboratory, kernels) if worth_it and plan.profile.coverage else None
        with self._steps.step("judge"):
            waived = apply_waivers(with_reach(done.trials), waivers, now().date().isoformat())
            verdict = judged(laboratory, kernels, done, waived, claims=claims, same_code=same_code, coverage=coverage)
        record = self._record(laboratory, kernels, done, trials=waived.trials, verdict=verdict, now=now)
        record = dataclasses.replace(record, coverage=coverage)
        self._publish(record)
        if plan.bisect and can_bisect(record):
            # What is decided is published before: a bisection that is interrupted takes nothing away.
            found = bisect_run(laboratory, record, fresh=True)
            record = dataclasses.replace(record, bisection=found, finished=now().isoformat(timespec="seconds"))
            self._publish(record)
        return record

    def _publish(self, record: RunRecord) -> None:
        with self._steps.step("report"):
            self._run.write_run(record)
            workspace.publish_text(self._run.junit, render_junit(record))
            write_pages(self._run.path)

    def _record(
        self,
        laboratory: Laboratory,
        kernels: Kernels,
        done: RoundsDone,
        *,
        trials: tuple[TrialResult, ...],
        verdict: Verdict,
        now: Callable[[], dt.datetime],
    ) -> RunRecord:
        plan, choice = laboratory.plan, laboratory.choice
        return RunRecord(
            run_id=self._run.run_id,
            started=self._started,
            finished=now().isoformat(timespec="seconds"),
            plan=dataclasses.replace(plan, trials=done.planned),
            series=laboratory.series,
            trees=laboratory.trees,
            builds=tuple(kernels.builds.values()),
            topologies=tuple(laboratory.topologies[name] for name in plan.profile.topologies),
            scenarios=tuple(laboratory.scenarios[name] for name in plan.profile.scenarios),
            trials=trials,
            verdict=verdict,
            environment={
                **host_environment(),
                "qemu": laboratory.qemu,
                "sandbox": str(laboratory.sandbox.kind),
                "accelerator": choice.accelerator,
                "accelerator_reason": choice.reason,
            },
            timings={name: round(seconds, 3) for name, seconds in self._timings.items()},
            objects=kernels.objects,
            repeat=done.repeat,
        )

    def _time(self, event: StepEvent) -> None:
        """Add up what each stage took, for the record; trials overlap, so theirs may exceed the run's."""
        if event.phase.ends_step:
            kernel = dict(event.details).get("kernel")
            name = f"{event.name}.{kernel}" if kernel and event.name == "build" else event.name
            self._timings[name] = self._timings.get(name, 0.0) + event.seconds


def judged(
    laboratory: Laboratory,
    kernels: Kernels,
    done: RoundsDone,
    waived: Waived,
    *,
    claims: Sequence[Claim],
    same_code: str,
    coverage: PatchCoverage | None,
) -> Verdict:
    """Return the verdict, with all that was not covered and why."""
    plan = laboratory.plan
    planned_scenarios = [laboratory.scenarios[name] for name in plan.profile.scenarios]
    verdict = decide(
        scenarios=planned_scenarios,
        planned=done.planned,
        trials=waived.trials,
        faults=kernels.faults,
        gaps=(*kernels.gaps, *waived.expired),
        same_code=same_code,
        null_builds=done.null_builds,
        repeatable=done.repeat is None or done.repeat.holds,
        coverage=coverage,
    )
    apart = (
        *left_out(plan.profile, scenarios=laboratory.scenarios, topologies=laboratory.topologies),
        *kernels.not_covered,
        *done.not_covered,
        *skipped_selftests(waived.trials),
        *missed_by_chance(waived.trials),
        *unused_waivers(waived, plan.waivers),
    )
    return dataclasses.replace(
        verdict,
        not_covered=(*verdict.not_covered, *apart),
        claims=judge_claims(claims, planned_scenarios, waived.trials),
    )


def host_environment() -> dict[str, str]:
    """Return what the record says of this host: no name, no user, only what bears on the results."""
    return {
        "orchestrator": metadata.version(DISTRIBUTION),
        "python": platform.python_version(),
        "host_kernel": platform.release(),
        "host_machine": platform.machine(),
        "host_cpus": str(usable_cpus()),
    }


def unused_waivers(waived: Waived, files: Sequence[str]) -> tuple[str, ...]:
    """Return a line on each waiver in the user's own ``files`` that met no failure."""
    return tuple(
        f"the waiver of '{waiver.name}' in {waiver.source} met no failure in this run"
        for waiver in waived.unused
        if waiver.source in files
    )


def profile_named(name: str) -> Profile:
    """Return a profile of the catalog; :class:`UserError` listing them when there is none of that name."""
    return catalog.pick(catalog.profiles(), name, kind="profile")
