"""The order of the stages: the only module that knows it.

mail → series → trees → kernels (base built and booted, patched built, compared) → trials → verdict → record and
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

from orchestrator.config import catalog, locations
from orchestrator.config.claims import read_claims
from orchestrator.config.lists import mailing_lists
from orchestrator.config.scenarios import TRACING, scenarios, scenarios_named
from orchestrator.config.toml_files import Mistake, refusal
from orchestrator.config.waivers import read_waivers
from orchestrator.first_boot import FirstBoot, check_base_boots
from orchestrator.guest.check import check_workloads
from orchestrator.guest.image import GuestImage, build_guest_image
from orchestrator.host import workspace
from orchestrator.host.deadline import Cancellation
from orchestrator.host.resources import Resources, available_memory_mib, usable_cpus
from orchestrator.host.sandbox import NO_SANDBOX, find_sandbox
from orchestrator.host.steps import StepEvent, Steps
from orchestrator.intake.reader import Wanted, others_of, survey, testable_series_of
from orchestrator.judge.claims import judge_claims
from orchestrator.judge.decide import decide
from orchestrator.judge.reach import missed_by_chance, with_reach
from orchestrator.judge.waivers import Waived, apply_waivers
from orchestrator.kernel.making import Workshop
from orchestrator.kernel.toolchain import find_toolchain
from orchestrator.kernels import KernelMaker, Kernels, selftest_names, symbols_on
from orchestrator.machine.accelerator import SEALED_CHOICE, Choice, choose_accelerator, qemu_version
from orchestrator.machine.argv import Accelerator
from orchestrator.machine.gate import compiled_gate
from orchestrator.model.claim import Claim
from orchestrator.model.kernel import Architecture, KernelBuild
from orchestrator.model.run import Plan, Profile, RunRecord
from orchestrator.model.scenario import Scenario
from orchestrator.model.topology import Topology
from orchestrator.model.tree import Trees
from orchestrator.model.trial import TrialResult
from orchestrator.model.verdict import Verdict
from orchestrator.plan import check_plan, left_out, planned_trials
from orchestrator.report.junit import render_junit
from orchestrator.store.run_directory import RunDirectory
from orchestrator.store.trial_cache import TrialCache
from orchestrator.tree.export import applied_diffs
from orchestrator.tree.prepare import Preparation, prepare_trees
from orchestrator.tree.sources import open_source
from orchestrator.trial.runner import machine_config
from orchestrator.trial.selftest_checks import skipped_selftests
from orchestrator.trials import Parts, TrialRunner

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
        self._cache = workspace.cache_root()
        self._plan = run.read_plan()
        self._scenarios = scenarios_named(self._plan.profile.scenarios)
        own = {topology.name: topology for topology in self._plan.topologies}
        self._topologies = {**catalog.topologies(), **own}
        self._series = run.read_series_record()
        self._timings: dict[str, float] = {}
        self._environment: dict[str, str] = {}
        self._claims: tuple[Claim, ...] = ()

    def carry_out(self, *, now: Callable[[], dt.datetime]) -> RunRecord:
        """Do what the plan says and is not done yet; write the record and the reports; return the record."""
        self._steps.subscribe(self._time)
        self._steps.subscribe(self._run.append_event)
        # Everything that can be found out before the first minute is spent.
        qemu = qemu_version(catalog.architecture())
        toolchain = find_toolchain()
        sandbox = NO_SANDBOX
        if self._plan.sandbox:
            sandbox = find_sandbox(cache=self._cache, cancellation=self._cancellation)
        waivers = read_waivers([Path(path) for path in self._plan.waivers])
        described = {**scenarios(), **self._scenarios}
        files = [Path(path) for path in self._plan.claims]
        self._claims = read_claims(files, scenarios=described, topologies=self._topologies)
        trees = self._trees()
        workshop = Workshop(
            repo=trees.source.repo, cache=self._cache, sandbox=sandbox, toolchain=toolchain, jobs=usable_cpus()
        )
        with self._steps.step("image"):
            image = build_guest_image(
                locations.guest_scripts_folder(), cache=self._cache, cancellation=self._cancellation
            )
        kernels = self._kernels(trees, workshop, image, qemu)
        same_code = "" if self._plan.run_anyway else kernels.same_code
        trials = self._trials(kernels, image, qemu) if kernels.is_whole and not same_code else ()
        with self._steps.step("judge"):
            waived = apply_waivers(with_reach(trials), waivers, now().date().isoformat())
            verdict = self._judged(kernels, waived, same_code)
        record = RunRecord(
            run_id=self._run.run_id,
            started=self._started,
            finished=now().isoformat(timespec="seconds"),
            plan=self._plan,
            series=self._series,
            trees=trees,
            builds=tuple(kernels.builds.values()),
            topologies=tuple(self._topologies[name] for name in self._plan.profile.topologies),
            scenarios=self._planned_scenarios(),
            trials=waived.trials,
            verdict=verdict,
            environment={**host_environment(), "qemu": qemu, "sandbox": str(sandbox.kind), **self._environment},
            timings={name: round(seconds, 3) for name, seconds in self._timings.items()},
            objects=kernels.objects,
        )
        with self._steps.step("report"):
            self._run.write_run(record)
            workspace.publish_text(self._run.junit, render_junit(record))
        return record

    def _planned_scenarios(self) -> tuple[Scenario, ...]:
        return tuple(self._scenarios[name] for name in self._plan.profile.scenarios)

    def _judged(self, kernels: Kernels, waived: Waived, same_code: str) -> Verdict:
        """Return the verdict, with all that was not covered and why."""
        verdict = decide(
            scenarios=self._planned_scenarios(),
            planned=self._plan.trials,
            trials=waived.trials,
            faults=kernels.faults,
            gaps=(*kernels.gaps, *waived.expired),
            same_code=same_code,
        )
        apart = (
            *left_out(self._plan.profile, scenarios=self._scenarios, topologies=self._topologies),
            *kernels.not_covered,
            *skipped_selftests(waived.trials),
            *missed_by_chance(waived.trials),
            *unused_waivers(waived, self._plan.waivers),
        )
        return dataclasses.replace(
            verdict,
            not_covered=(*verdict.not_covered, *apart),
            claims=judge_claims(self._claims, self._planned_scenarios(), waived.trials),
        )

    def _trees(self) -> Trees:
        plan = self._plan
        with self._steps.step("source", linux=plan.linux):
            source = open_source(plan.linux, cache=self._cache, steps=self._steps, cancellation=self._cancellation)
        preparation = Preparation(
            rev=plan.base_rev,
            may_fetch=plan.may_fetch,
            strict=plan.strict,
            lists=mailing_lists(),
            others=self._run.read_others(),
        )
        trees = prepare_trees(source, self._series, preparation, steps=self._steps, cancellation=self._cancellation)
        self._run.write_series(self._series, applied_diffs(trees, cancellation=self._cancellation))
        return trees

    def _architecture(self) -> Architecture:
        return catalog.flavour(self._plan.flavour).on(catalog.architecture())

    def _kernels(self, trees: Trees, workshop: Workshop, image: GuestImage, qemu: str) -> Kernels:
        """Build base and boot it, which is not done again once it went well, then build patched."""

        def health(build: KernelBuild) -> None:
            boot = FirstBoot(
                build=build,
                architecture=self._architecture(),
                topology=self._topologies[self._plan.profile.topologies[0]],
                image=image,
                scripts=locations.guest_scripts_folder(),
                qemu=qemu,
            )
            check_base_boots(boot, cache=self._cache, steps=self._steps, cancellation=self._cancellation)

        maker = KernelMaker(
            trees=trees,
            flavour=self._plan.flavour,
            names=selftest_names(tuple(self._scenarios.values())),
            workshop=workshop,
            run=self._run,
            steps=self._steps,
            cancellation=self._cancellation,
        )
        return maker.make(health)

    def _trials(self, kernels: Kernels, image: GuestImage, qemu: str) -> tuple[TrialResult, ...]:
        """Return the trials that are done, those of an earlier attempt at this run included, in the plan's order."""
        done = {result.spec: result for result in self._run.read_trials() if result.spec in set(self._plan.trials)}
        left = [spec for spec in self._plan.trials if spec not in done]
        parts = Parts(
            builds=kernels.builds,
            image=image,
            gate=compiled_gate(cache=self._cache, cancellation=self._cancellation),
            probes=probe_specs(locations.guest_scripts_folder()),
            architecture=self._architecture(),
            scenarios=self._scenarios,
            topologies=self._topologies,
            qemu=qemu,
            accelerator=Accelerator.TCG,
            symbols={role: symbols_on(build) for role, build in kernels.builds.items()},
            selftests=kernels.selftests,
            decoders=kernels.decoders,
            again=self._plan.again,
        )
        choice = self._choose_accelerator(parts)
        parts = dataclasses.replace(parts, accelerator=choice.accelerator)
        runner = self._runner(parts)
        resources = Resources(cpus=usable_cpus(), memory_mib=available_memory_mib())
        with self._steps.step("trials", total=len(self._plan.trials), done=len(done)):
            for result in runner.run_all(left, resources):
                done[result.spec] = result
        return tuple(done[spec] for spec in self._plan.trials if spec in done)

    def _runner(self, parts: Parts) -> TrialRunner:
        return TrialRunner(
            parts,
            run=self._run,
            cache=TrialCache(self._cache),
            steps=self._steps,
            cancellation=self._cancellation,
        )

    def _choose_accelerator(self, parts: Parts) -> Choice:
        choice = SEALED_CHOICE
        if not self._plan.sealed:
            with self._steps.step("accelerator"), workspace.scratch_folder("orchestrator-probe") as scratch:
                request = self._runner(parts).request(self._plan.trials[0], scratch)
                initrd = scratch / "initrd"
                initrd.write_bytes(request.initrd)
                probe = machine_config(request, initrd=initrd, console=scratch / "console.log")
                choice = choose_accelerator(self._plan.accelerator, probe, cancellation=self._cancellation)
        self._steps.note("accelerator", f"{choice.accelerator}: {choice.reason}")
        self._environment["accelerator"] = choice.accelerator
        self._environment["accelerator_reason"] = choice.reason
        return choice

    def _time(self, event: StepEvent) -> None:
        """Add up what each stage took, for the record; trials overlap, so theirs may exceed the run's."""
        if event.phase.ends_step:
            kernel = dict(event.details).get("kernel")
            name = f"{event.name}.{kernel}" if kernel and event.name == "build" else event.name
            self._timings[name] = self._timings.get(name, 0.0) + event.seconds


def host_environment() -> dict[str, str]:
    """Return what the record says of this host: no name, no user, only what bears on the results."""
    return {
        "orchestrator": metadata.version(DISTRIBUTION),
        "python": platform.python_version(),
        "host_kernel": platform.release(),
        "host_machine": platform.machine(),
        "host_cpus": str(usable_cpus()),
    }


def probe_specs(scripts: Path) -> Mapping[str, bytes]:
    """Return the probes' specifications by name: "" is every trial's, the others are added for scenarios that ask."""
    folder = scripts / "src" / "probes"
    return {"": (folder / "zswap.spec").read_bytes()} | {
        name: (folder / f"zswap-{name}.spec").read_bytes() for name in TRACING
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
