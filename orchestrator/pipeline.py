"""The order of the stages: the only module that knows it.

mail → series → trees → builds → guest image → trials → verdict → record and reports. What is done is recorded as soon
as it is done, so that an interrupted run goes on where it stopped (``resume``).
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from orchestrator.config import catalog, locations
from orchestrator.config.scenarios import scenarios as all_scenarios
from orchestrator.errors import PatchFault
from orchestrator.guest.image import build_guest_image
from orchestrator.host import workspace
from orchestrator.host.deadline import Cancellation
from orchestrator.host.resources import Resources, available_memory_mib, usable_cpus
from orchestrator.host.sandbox import NO_SANDBOX, Sandbox, find_sandbox
from orchestrator.host.steps import StepEvent, Steps
from orchestrator.intake.reader import read_series
from orchestrator.judge.decide import decide
from orchestrator.judge.reach import with_reach
from orchestrator.kernel.build import BuildRequest, build_kernel
from orchestrator.kernel.making import Workshop
from orchestrator.kernel.toolchain import Toolchain, find_toolchain
from orchestrator.machine.accelerator import SEALED_CHOICE, Choice, choose_accelerator, qemu_version
from orchestrator.machine.argv import Accelerator
from orchestrator.model.kernel import KernelBuild, KernelRole
from orchestrator.model.run import Plan, Profile, RunRecord
from orchestrator.model.tree import Trees
from orchestrator.model.trial import TrialResult
from orchestrator.plan import check_plan, planned_trials
from orchestrator.report.junit import render_junit
from orchestrator.store.run_directory import RunDirectory
from orchestrator.store.trial_cache import TrialCache
from orchestrator.tree.apply import apply_series
from orchestrator.tree.base import choose_base
from orchestrator.tree.export import applied_diffs
from orchestrator.tree.sources import open_source
from orchestrator.trial.runner import machine_config
from orchestrator.trials import Parts, TrialRunner

DISTRIBUTION = "mm-patch-orchestrator"


@dataclass(frozen=True, slots=True, kw_only=True)
class TestRequest:
    """What the user asks for. ``accelerator`` is ``auto``, ``kvm`` or ``tcg`` and matters to live trials alone."""

    __test__ = False  # for pytest: not a test

    mail: Path
    linux: str
    base_rev: str | None
    profile: Profile
    sealed: bool
    sandbox: bool
    accelerator: str
    again: bool
    results: Path


def start_run(request: TestRequest, *, steps: Steps, now: Callable[[], dt.datetime]) -> RunDirectory:
    """Read the mail, check the plan and make the run's folder with both; nothing slow happens before that.

    Raises :class:`UserError` for everything in the request that cannot be used.
    """
    check_plan(request.profile, scenarios=all_scenarios(), topologies=catalog.topologies())
    with steps.step("intake", mail=request.mail):
        series = read_series(request.mail)
    run = RunDirectory.create(request.results, title=series.title, now=now())
    run.write_series_record(series)
    run.write_plan(
        Plan(
            run_id=run.run_id,
            mail=str(request.mail.resolve()),
            linux=request.linux,
            base_rev=request.base_rev,
            profile=request.profile,
            sealed=request.sealed,
            sandbox=request.sandbox,
            accelerator=request.accelerator,
            again=request.again,
            trials=planned_trials(request.profile, sealed=request.sealed),
        )
    )
    return run


class Pipeline:
    """Carries out one run's plan. ``started`` is the wall clock at its start; all else comes from the run's folder."""

    def __init__(self, run: RunDirectory, *, steps: Steps, cancellation: Cancellation, started: str) -> None:
        self._run = run
        self._steps = steps
        self._cancellation = cancellation
        self._started = started
        self._cache = workspace.cache_root()
        self._plan = run.read_plan()
        self._series = run.read_series_record()
        self._timings: dict[str, float] = {}
        self._environment: dict[str, str] = {}

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
        trees = self._trees()
        builds, faults = self._builds(trees, sandbox, toolchain)
        trials = self._trials(builds, qemu) if not faults else ()
        with self._steps.step("judge"):
            scenarios = tuple(all_scenarios()[name] for name in self._plan.profile.scenarios)
            trials = with_reach(trials)
            verdict = decide(scenarios=scenarios, planned=self._plan.trials, trials=trials, faults=faults)
        record = RunRecord(
            run_id=self._run.run_id,
            started=self._started,
            finished=now().isoformat(timespec="seconds"),
            plan=self._plan,
            series=self._series,
            trees=trees,
            builds=tuple(builds.values()),
            topologies=tuple(catalog.topologies()[name] for name in self._plan.profile.topologies),
            scenarios=scenarios,
            trials=trials,
            verdict=verdict,
            environment={**host_environment(), "qemu": qemu, "sandbox": str(sandbox.kind), **self._environment},
            timings={name: round(seconds, 3) for name, seconds in self._timings.items()},
        )
        with self._steps.step("report"):
            self._run.write_run(record)
            workspace.publish_text(self._run.junit, render_junit(record))
        return record

    def _trees(self) -> Trees:
        plan = self._plan
        with self._steps.step("source", linux=plan.linux):
            source = open_source(plan.linux, cache=self._cache, steps=self._steps, cancellation=self._cancellation)
        with self._steps.step("base") as note:
            base = choose_base(source, self._series, rev=plan.base_rev, cancellation=self._cancellation)
            note(f"{base.describe}: {base.reason}")
        trees = apply_series(source, base, self._series, steps=self._steps, cancellation=self._cancellation)
        self._run.write_series(self._series, applied_diffs(trees, cancellation=self._cancellation))
        return trees

    def _builds(
        self, trees: Trees, sandbox: Sandbox, toolchain: Toolchain
    ) -> tuple[dict[KernelRole, KernelBuild], tuple[PatchFault, ...]]:
        """Build base, then patched; a patched kernel that does not build is a finding, not the end of the run."""
        workshop = Workshop(
            repo=trees.source.repo,
            cache=self._cache,
            sandbox=sandbox,
            toolchain=toolchain,
            jobs=usable_cpus(),
        )
        builds: dict[KernelRole, KernelBuild] = {}
        for role in KernelRole:
            try:
                builds[role] = build_kernel(
                    build_request(role, trees), workshop, steps=self._steps, cancellation=self._cancellation
                )
            except PatchFault as fault:
                if fault.evidence.log is not None:
                    self._run.keep_build_file(fault.evidence.log, f"{role}.log")
                return builds, (fault,)
            for name in ("config", "build.log"):
                self._run.keep_build_file(builds[role].image.parent / name, f"{role}.{name}")
        return builds, ()

    def _trials(self, builds: Mapping[KernelRole, KernelBuild], qemu: str) -> tuple[TrialResult, ...]:
        """Return the trials that are done, those of an earlier attempt at this run included, in the plan's order."""
        scripts = locations.guest_scripts_folder()
        with self._steps.step("image"):
            image = build_guest_image(scripts, cache=self._cache, cancellation=self._cancellation)
        done = {result.spec: result for result in self._run.read_trials() if result.spec in set(self._plan.trials)}
        left = [spec for spec in self._plan.trials if spec not in done]
        parts = Parts(
            builds=builds,
            image=image,
            probes=scripts / "src" / "probes" / "zswap.spec",
            architecture=catalog.architecture(),
            scenarios=all_scenarios(),
            topologies=catalog.topologies(),
            qemu=qemu,
            accelerator=Accelerator.TCG,
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


def build_request(role: KernelRole, trees: Trees) -> BuildRequest:
    """Return what is built for ``role``: its commit, with the catalog's plain flavour."""
    architecture, flavour = catalog.architecture(), catalog.flavour()
    folder = locations.kconfigs_folder()
    is_base = role is KernelRole.BASE
    return BuildRequest(
        role=role,
        commit=trees.base.commit if is_base else trees.patched_commit,
        tree=trees.base.tree if is_base else trees.patched_tree,
        base_commit=trees.base.commit,
        base_tree=trees.base.tree,
        architecture=architecture,
        fragments=tuple(folder / name for name in (*architecture.fragments, *flavour.fragments)),
    )


def profile_named(name: str) -> Profile:
    """Return a profile of the catalog; :class:`UserError` listing them when there is none of that name."""
    return catalog.pick(catalog.profiles(), name, kind="profile")
