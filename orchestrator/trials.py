"""Runs a plan's trials: answered from the cache, or on a machine, and once more when the machine was lost.

Knows how a trial is put together from every stage's part (build, image, payload, keys) and what its key is; knows
nothing of how results compare.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.executor import local_executor, run_jobs
from orchestrator.guest.image import GuestImage
from orchestrator.guest.payload import SshFiles, keys_payload, trial_payload
from orchestrator.host.deadline import Cancellation
from orchestrator.host.load import host_times, load_a_cpu
from orchestrator.host.resources import Resources
from orchestrator.host.steps import Steps
from orchestrator.host.workspace import content_key
from orchestrator.judge.invariants import check_invariants
from orchestrator.judge.kernel_log import scan_kernel_log, told_where, with_kernel_log
from orchestrator.judge.live import LOAD, STEAL
from orchestrator.kernel.decode import Decoder
from orchestrator.kernel.selftests import Selftests
from orchestrator.machine.argv import Accelerator, qemu_argv
from orchestrator.machine.gate import Gate
from orchestrator.machine.keys import make_keys
from orchestrator.machine.machine import ConsoleFull
from orchestrator.model.kernel import Architecture, KernelBuild, KernelRole
from orchestrator.model.memory import MemoryRange
from orchestrator.model.scenario import Scenario
from orchestrator.model.topology import Topology
from orchestrator.model.trial import Check, Status, TrialResult, TrialSpec
from orchestrator.store.run_directory import RunDirectory
from orchestrator.store.trial_cache import TrialCache
from orchestrator.trial.request import TrialRequest
from orchestrator.trial.runner import READY, SEALED_END, machine_config, run_trial

HUNG, FULL = "timeout", ConsoleFull.__name__
"""How the check of a machine calls what came to no end (orchestrator/trial/outcome.py)."""

KEY_VERSION = "trial 2"
"""Changed when what a record means changes, so that older records are not found any more."""

QEMU_OVERHEAD_MIB = 256
"""What QEMU takes beside the guest's memory."""

SHORT = 16
"""So many digits of a hash are recorded where people compare them."""

HANG_FACTOR = 8.0
HANG_FLOOR_S = 90.0
"""A patched guest may take this many times what base took, and at least the floor, before it counts as hung."""

HANG_GUEST_FACTOR = 2.0
"""A guest whose own time has not come to this many times base's was slow, for the host's reasons, and did not hang."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What trials are put together from; ``gate`` is for the sealed ones.

    ``probes`` are specifications by name: "" is every trial's, others are added where a scenario asks for them.
    ``symbols`` are the configuration symbols that are on in each kernel; ``selftests`` its own tests, compiled, or why
    there are none; ``decoders`` say where in its source the frames of its complaints are; ``memory`` is what is kept of a
    sealed guest's memory.
    """

    builds: Mapping[KernelRole, KernelBuild]
    image: GuestImage
    gate: Gate
    probes: Mapping[str, bytes]
    architecture: Architecture
    scenarios: Mapping[str, Scenario]
    topologies: Mapping[str, Topology]
    qemu: str
    accelerator: Accelerator
    symbols: Mapping[KernelRole, frozenset[str]] = field(default_factory=dict)
    selftests: Mapping[KernelRole, Selftests] = field(default_factory=dict)
    decoders: Mapping[KernelRole, Decoder] = field(default_factory=dict)
    again: bool = False
    memory: tuple[MemoryRange, ...] = ()
    dump: bool = False

    def lacking(self, spec: TrialSpec) -> str:
        """Return what the scenario needs and the kernel does not have, "" if all is there: version, configuration, selftests."""
        scenario, release = self.scenarios[spec.scenario], self.builds[spec.kernel].release
        since = scenario.requires.since
        on = self.symbols.get(spec.kernel, frozenset())
        off = [symbol for symbol in scenario.requires.config if symbol not in on]
        reasons = self.selftests.get(spec.kernel, Selftests()).reasons
        return "; ".join(
            [
                *([f"this kernel is {release}, older than {since}"] if scenario.requires.too_old(release) else []),
                *([f"this kernel is built without {', '.join(off)}"] if off else []),
                *(reasons[name] for name in scenario.selftests if name in reasons),
            ]
        )

    def selftests_of(self, spec: TrialSpec) -> Mapping[str, bytes]:
        """Return the selftests that the trial runs, by the name they have in the guest (``test_zswap``)."""
        built = self.selftests.get(spec.kernel, Selftests()).programs
        return {name.rpartition("/")[2]: built[name] for name in self.scenarios[spec.scenario].selftests}


class TrialRunner:
    """Runs trials of one run, several at once; each one's record is published as soon as it is there."""

    def __init__(
        self, parts: Parts, *, run: RunDirectory, cache: TrialCache, steps: Steps, cancellation: Cancellation
    ) -> None:
        self._parts = parts
        self._run = run
        self._cache = cache
        self._steps = steps
        self._cancellation = cancellation
        self._walls: dict[tuple[str, str], float] = {}
        self._earlier_walls: dict[tuple[str, str], float] = {}
        self._guest_times: dict[tuple[str, str], float] = {}
        self._lock = threading.Lock()

    def run_all(self, specs: Sequence[TrialSpec], resources: Resources) -> Iterator[TrialResult]:
        """Yield the results as they come; ``resources`` says how many machines fit beside each other."""

        def work(spec: TrialSpec) -> TrialResult:
            return self._run_one(spec, resources)

        # Live trials one at a time, in the plan's order: base and patched take turns, and neither disturbs the other.
        beside = resources.cpus if all(spec.sealed for spec in specs) else 1
        with local_executor(beside) as executor:
            yield from run_jobs(specs, work, executor=executor, cancellation=self._cancellation)

    def _run_one(self, spec: TrialSpec, resources: Resources) -> TrialResult:
        self._cancellation.check()
        if lacking := self._parts.lacking(spec):
            result = skipped(spec, lacking)
            self._run.write_trial(result)
            return result
        folder = self._run.trial_folder(spec.id)
        request = self.request(spec, folder)
        found = self._cache.find(request.key) if spec.sealed else None
        if found is not None and not self._parts.again:
            result = dataclasses.replace(found, spec=spec, parts=request.parts)
            self._cache.bring_files(request.key, folder)
            self._steps.note("trial", f"{result.status}, from the cache", id=spec.id, kernel=spec.kernel)
        else:
            done = dataclasses.replace(self._on_a_machine(request, resources), parts=request.parts)
            result = with_repeat(done, found)
            if self._cache.put(result):
                self._cache.keep_files(request.key, folder)
        self._remember_base(result)
        self._run.write_trial(result)
        return result

    def _on_a_machine(self, request: TrialRequest, resources: Resources) -> TrialResult:
        spec, topology = request.spec, request.topology
        # All vCPUs of a sealed machine take turns on one host thread.
        cpus = 1 if spec.sealed else topology.cpus
        memory = topology.with_shadow(request.architecture.shadow_share).memory_mib + QEMU_OVERHEAD_MIB
        with (
            resources.leased(cpus=cpus, memory_mib=memory, cancellation=self._cancellation),
            self._steps.step("trial", id=spec.id, kernel=spec.kernel) as note,
        ):
            result = first = self._attempt(request)
            if _was_lost(first):
                note(f"lost the machine, trying once more: {first.message}")
                if _came_to_no_end(first):
                    self._see_base_on_this_host(spec)
                result = self._attempt(request)
                if _was_lost(result) and _came_to_no_end(first) and _came_to_no_end(result):
                    result = self._explain_hang(result)
            note(f"{result.status}{f': {result.message}' if result.message else ''}")
            return result

    def _attempt(self, request: TrialRequest) -> TrialResult:
        request = dataclasses.replace(request, scenario=self._with_limit(request))
        before = host_times()
        finished = run_trial(request, cancellation=self._cancellation)
        log = request.folder / "console.log"
        text = log.read_bytes().decode("utf-8", "replace") if log.exists() else ""
        if request.spec.sealed:
            text = sealed_part(text)
        environment = {"qemu": self._parts.qemu, "accelerator": str(request.accelerator)}
        if not request.spec.sealed:
            environment |= {STEAL: str(host_times().steal_percent(before)), LOAD: str(load_a_cpu())}
        # A record is there only of a sealed guest that has said that its scenario is over, and of a live one that was ready.
        heard = SEALED_END if request.spec.sealed else READY
        last = heard if finished.measured is not None else ""
        result = with_kernel_log(finished.result, scan_kernel_log(text, last_mark=last))
        if (decoder := self._parts.decoders.get(request.spec.kernel)) is not None:
            result = told_where(result, decoder.decode)
        if finished.measured is not None:
            result = with_invariants(result, check_invariants(finished.measured, request.scenario.excepted))
        return dataclasses.replace(result, environment=environment)

    def request(self, spec: TrialSpec, folder: Path) -> TrialRequest:
        """Put a trial together: fresh keys, the payload behind the image, and the key of all that matters."""
        parts = self._parts
        scenario, topology = parts.scenarios[spec.scenario], parts.topologies[spec.topology]
        payload = trial_payload(
            spec,
            scenario,
            topology,
            probes=b"".join(parts.probes[name] for name in ("", *scenario.tracing)),
            selftests=parts.selftests_of(spec),
            slowdown=parts.architecture.slowdown,
        )
        keys = make_keys()
        files = SshFiles(authorized_keys=keys.authorized_keys, host_key=keys.host_key_file, entropy=keys.entropy)
        request = TrialRequest(
            spec=spec,
            key="",
            scenario=scenario,
            topology=topology,
            architecture=parts.architecture,
            build=parts.builds[spec.kernel],
            initrd=parts.image.data + payload + keys_payload(files),
            keys=keys,
            accelerator=Accelerator.TCG if spec.sealed else parts.accelerator,
            folder=folder,
            gate=parts.gate.library,
            dump=parts.dump,
            memory=parts.memory,
        )
        return dataclasses.replace(request, key=self._key(request, payload), parts=self._described(request, payload))

    def _key(self, request: TrialRequest, payload: bytes) -> str:
        """Return the trial's key: kernel, guest image, payload, machine, QEMU, and how the record is read.

        Not where files lie, not the keys for SSH.
        """
        return content_key(
            KEY_VERSION, request.build.key, request.build.image_sha256, self._parts.image.key, payload,
            repr(neutral_scenario(request.scenario)), self._parts.gate.key, self._parts.qemu,
            *self._neutral_argv(request),
        )  # fmt: skip

    @staticmethod
    def _neutral_argv(request: TrialRequest) -> list[str]:
        """Return QEMU's arguments with everything left out that only says where files lie."""
        nowhere = Path("/")
        build = dataclasses.replace(request.build, image=nowhere / "kernel")
        neutral = dataclasses.replace(request, build=build)
        return qemu_argv(machine_config(neutral, initrd=nowhere / "initrd", console=nowhere / "console"))

    def _described(self, request: TrialRequest, payload: bytes) -> dict[str, str]:
        """Return the key's parts by their names, for who wants to know why another host's digest is another."""
        build = request.build
        return {
            "kernel image": build.image_sha256[:SHORT],
            "kernel sources": build.tree[:SHORT],
            "kernel configuration": build.config_sha256[:SHORT],
            "compiler": build.toolchain,
            "guest image": self._parts.image.key[:SHORT],
            "payload": content_key(payload)[:SHORT],
            "scenario": content_key(repr(neutral_scenario(request.scenario)))[:SHORT],
            "gate": self._parts.gate.key[:SHORT],
            "QEMU": self._parts.qemu,
            "CPU model": request.architecture.cpu,
            "machine": content_key(*self._neutral_argv(request))[:SHORT],
        }

    def _with_limit(self, request: TrialRequest) -> Scenario:
        """Return the scenario with the time a hang is noticed after: known once base has shown what it takes.

        What base took in an earlier run, maybe on another host, is good enough to look closer, not to blame anybody.
        """
        limit = request.scenario.timeout_s * request.architecture.slowdown
        if _may_hang(request.spec):
            self._recall_base(request)
            place = _place(request.spec)
            with self._lock:
                base = self._walls.get(place, self._earlier_walls.get(place))
            if base is not None:
                limit = min(limit, max(HANG_FLOOR_S, HANG_FACTOR * base))
        return dataclasses.replace(request.scenario, timeout_s=limit)

    def _remember_base(self, result: TrialResult) -> None:
        if result.spec.kernel is not KernelRole.BASE or result.status is not Status.PASS:
            return
        place, walls = _place(result.spec), self._earlier_walls if result.cached else self._walls
        with self._lock:
            walls[place] = max(result.wall_s, walls.get(place, 0.0))
            self._guest_times[place] = max(result.guest_s, self._guest_times.get(place, 0.0))

    def _recall_base(self, request: TrialRequest) -> None:
        """Look base's trial up in the cache, if this run has not come by it yet."""
        with self._lock:
            known = _place(request.spec) in self._walls or _place(request.spec) in self._earlier_walls
        if not known:
            base = dataclasses.replace(request.spec, kernel=KernelRole.BASE)
            found = self._cache.find(self.request(base, request.folder).key)
            if found is not None:
                self._remember_base(dataclasses.replace(found, spec=base))

    def _see_base_on_this_host(self, spec: TrialSpec) -> None:
        """Run base's trial where it was only known from the cache: a hang of patched is judged against it."""
        with self._lock:
            seen = _place(spec) in self._walls
        if _may_hang(spec) and not seen and _place(spec) in self._earlier_walls:
            base = dataclasses.replace(spec, kernel=KernelRole.BASE)
            self._remember_base(self._attempt(self.request(base, self._run.trial_folder(base.id))))

    def _explain_hang(self, result: TrialResult) -> TrialResult:
        """Blame a guest that came to no end on the patch: twice in a sealed guest, where base came to its own on this host.

        One that hung must have had the guest time for it; one that filled its console needs none.
        """
        with self._lock:
            base_passed = _place(result.spec) in self._walls
            base_s = self._guest_times.get(_place(result.spec), 0.0)
        flooded = _came_to_no_end(result) == FULL
        too_early = not flooded and 0.0 < result.guest_s < HANG_GUEST_FACTOR * base_s
        if not base_passed or not _may_hang(result.spec) or too_early:
            return result
        after = f", after {result.guest_s:.0f} s of guest time (base: {base_s:.0f} s)" if result.guest_s else ""
        what = "wrote without end" if flooded else "hung"
        message = f"the guest {what}, twice, where base came to its end{after}: {result.message}"
        seen = tuple(line for check in result.checks if check.name == "machine" for line in check.detail)
        check = Check(name="hang", status=Status.FAIL, message=message, detail=(*seen, *result.console_tail))
        return dataclasses.replace(result, status=Status.FAIL, message=message, checks=(*result.checks, check))


def neutral_scenario(scenario: Scenario) -> Scenario:
    """Return a scenario without what no trial depends on: where it lies, and what it is for."""
    return dataclasses.replace(scenario, folder=Path("/"), what_for="")


def sealed_part(console: str) -> str:
    """Return what was said before the seal was broken.

    What comes after is no part of the trial: a guest that is kept from idling while its records are fetched may say that
    a CPU stalls, and means QEMU's turns.
    """
    before, mark, _ = console.partition(f"orchestrator: {SEALED_END}")
    return before + mark


def _place(spec: TrialSpec) -> tuple[str, str]:
    return spec.scenario, spec.topology


def _may_hang(spec: TrialSpec) -> bool:
    """Whether no end in time can be the patch's doing: live guests run in the host's time, where a slow host looks so."""
    return spec.sealed and spec.kernel is KernelRole.PATCHED


def with_repeat(result: TrialResult, earlier: TrialResult | None) -> TrialResult:
    """Return ``result`` with a check against an earlier record of the same key: sealed trials repeat bit for bit.

    A difference is an ERROR of ours: something of this host reached the guest, or a part of the key is missing.
    """
    if earlier is None or not result.digest:
        return result
    same = earlier.digest == result.digest
    message = "the same bytes as before" if same else f"not repeatable here: {result.digest}, before {earlier.digest}"
    check = Check(name="repeatable", status=Status.PASS if same else Status.ERROR, message=message)
    result = dataclasses.replace(result, checks=(*result.checks, check))
    if not same and result.status is Status.PASS:
        result = dataclasses.replace(result, status=Status.ERROR, message=message)
    return result


def skipped(spec: TrialSpec, reason: str) -> TrialResult:
    """Return the result of a trial that was not run because its kernel lacks what it needs."""
    return TrialResult(
        spec=spec, key="", status=Status.SKIP, message=reason, digest="", metrics={}, checks=(), wall_s=0.0, guest_s=0.0
    )


def with_invariants(result: TrialResult, checks: Sequence[Check]) -> TrialResult:
    """Return ``result`` with the invariants' checks: a broken one is a failure of the kernel."""
    broken = [check for check in checks if check.status is Status.FAIL]
    result = dataclasses.replace(result, checks=(*result.checks, *checks))
    if not broken:
        return result
    message = "; ".join([*([result.message] if result.message else []), *(check.message for check in broken)])
    return dataclasses.replace(result, status=Status.FAIL, message=message)


def _was_lost(result: TrialResult) -> bool:
    """Whether the machine was lost and nothing in the kernel's log explains it."""
    return result.status is Status.ERROR and any(check.name == "machine" for check in result.checks)


def _came_to_no_end(result: TrialResult) -> str:
    """Return how a guest came to no end: by its time (:data:`HUNG`), by its console (:data:`FULL`); "" where it did."""
    kinds = {check.fingerprint for check in result.checks if check.name == "machine"}
    return next((kind for kind in (HUNG, FULL) if kind in kinds), "")
