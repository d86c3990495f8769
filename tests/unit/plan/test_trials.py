"""Running a plan's trials: the cache, the second try, hangs, and what a trial's key is made of.

The one thing that is not real is the machine: ``run_trial`` is a script of results.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from orchestrator.config.catalog import architecture, topologies
from orchestrator.config.locations import guest_scripts_folder
from orchestrator.config.scenarios import scenarios
from orchestrator.errors import Cancelled, InfraError, LostMachine, TimedOut
from orchestrator.guest.image import GuestImage
from orchestrator.host.deadline import Cancellation
from orchestrator.host.resources import Resources
from orchestrator.host.steps import StepEvent, Steps
from orchestrator.machine.argv import Accelerator
from orchestrator.machine.gate import Gate
from orchestrator.machine.machine import ConsoleFull
from orchestrator.model.topology import Topology
from orchestrator.model.trial import Status, TrialResult, TrialSpec
from orchestrator.store.run_directory import RunDirectory
from orchestrator.store.trial_cache import TrialCache
from orchestrator.trial.outcome import Finished, Recorded, lost_result
from orchestrator.trial.request import TrialRequest
from orchestrator.trials import HANG_FLOOR_S, Parts, TrialRunner, sealed_part
from tests.unit.record_builder import BASE, PATCHED, build, spec, trial

BANNER = "[    0.000000] Linux version 7.2.12 (user@host)\n"
SPLAT = "[    9.000000] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000009\n"

Act = Callable[[TrialRequest], TrialResult]
Changes = Mapping[str, object]


def passed(request: TrialRequest) -> TrialResult:
    return dataclasses.replace(trial(request.spec, {"zswpwb": 1.0}), key=request.key)


def failed(request: TrialRequest) -> TrialResult:
    return dataclasses.replace(trial(request.spec, status=Status.FAIL, message="wrong data"), key=request.key)


def lost(request: TrialRequest) -> TrialResult:
    return lost_result(request, LostMachine("QEMU ended"), Recorded(files={}, console="", wall_s=1.0))


def hung(request: TrialRequest) -> TrialResult:
    return lost_result(request, TimedOut("nothing after 300 s"), Recorded(files={}, console="last word", wall_s=1.0))


def flooded(request: TrialRequest) -> TrialResult:
    recorded = Recorded(files={}, console="again", wall_s=1.0, guest_s=0.1)
    return lost_result(request, ConsoleFull("the guest filled its console"), recorded)


def panicked(request: TrialRequest) -> TrialResult:
    (request.folder / "console.log").write_text(BANNER + SPLAT)
    return lost(request)


class ScriptedTrials:
    """Stands for ``run_trial``: does what the script says, in order, and then what it said last."""

    def __init__(self, *acts: Act) -> None:
        self.acts = list(acts)
        self.requests: list[TrialRequest] = []

    def __call__(self, request: TrialRequest, *, cancellation: Cancellation) -> Finished:
        cancellation.check()
        self.requests.append(request)
        (request.folder / "console.log").write_text(BANNER)
        act = self.acts.pop(0) if len(self.acts) > 1 else self.acts[0]
        return Finished(result=act(request))


class Bench:
    """A runner with its surroundings; several of them may share a cache."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.events: list[StepEvent] = []
        self.cancellation = Cancellation()
        self._monkeypatch = monkeypatch

    def parts(self, **changes: object) -> Parts:
        parts = Parts(
            builds={role: build(role) for role in (BASE, PATCHED)},
            image=GuestImage(data=b"image", key="6" * 64),
            gate=Gate(library=Path("/gate.so"), key="7" * 64),
            probes={"": (guest_scripts_folder() / "src" / "probes" / "zswap.spec").read_bytes()},
            architecture=architecture(),
            scenarios=scenarios(),
            topologies=topologies(),
            qemu="QEMU emulator version 7.2.22",
            accelerator=Accelerator.TCG,
        )
        return dataclasses.replace(parts, **changes)  # type: ignore[arg-type]

    def runner(self, parts: Parts | None = None) -> TrialRunner:
        return TrialRunner(
            parts or self.parts(),
            run=RunDirectory.create(self.folder / "results", title="test", now=datetime.now(UTC)),
            cache=TrialCache(self.folder / "cache"),
            steps=Steps(self.events.append),
            cancellation=self.cancellation,
        )

    def run(self, specs: Sequence[TrialSpec], *acts: Act) -> tuple[list[TrialResult], ScriptedTrials]:
        """Run trials one after the other, in a new run; return their results and what was asked for."""
        script = ScriptedTrials(*acts)
        self._monkeypatch.setattr("orchestrator.trials.run_trial", script)
        resources = Resources(cpus=1, memory_mib=8192)
        return list(self.runner().run_all(specs, resources)), script


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(tmp_path, monkeypatch)


def test_trial_when_it_passes_then_its_record_is_published(bench: Bench) -> None:
    bench.run([spec(BASE)], passed)
    (record,) = (bench.folder / "results").glob("*/trials/*/result.json")
    assert record.parent.name == spec(BASE).id


def test_trial_when_it_has_passed_before_then_is_not_run_again(bench: Bench) -> None:
    bench.run([spec(BASE)], passed)
    (result,), script = bench.run([spec(BASE)], failed)
    assert (script.requests, result.cached, result.status) == ([], True, Status.PASS)


def test_trial_when_it_comes_from_the_cache_then_its_record_is_published_too(bench: Bench) -> None:
    bench.run([spec(BASE)], passed)
    bench.run([spec(BASE)], passed)
    assert len(list((bench.folder / "results").glob("*/trials/*/result.json"))) == 2


@pytest.mark.parametrize("act", [failed, lost, panicked])
def test_trial_when_it_did_not_pass_then_is_run_again_the_next_time(bench: Bench, act: Act) -> None:
    bench.run([spec(BASE)], act)
    (result,), script = bench.run([spec(BASE)], passed)
    assert (len(script.requests), result.cached, result.status) == (1, False, Status.PASS)


def test_trial_when_live_then_is_never_answered_from_the_cache(bench: Bench) -> None:
    live = dataclasses.replace(spec(BASE), sealed=False)
    bench.run([live], passed)
    _, script = bench.run([live], passed)
    assert len(script.requests) == 1


def test_trial_when_its_machine_is_lost_then_is_tried_once_more(bench: Bench) -> None:
    (result,), script = bench.run([spec(BASE)], lost, passed)
    assert (len(script.requests), result.status) == (2, Status.PASS)


def test_trial_when_its_machine_is_lost_twice_then_is_an_error_of_ours(bench: Bench) -> None:
    (result,), script = bench.run([spec(BASE)], lost)
    assert (len(script.requests), result.status) == (2, Status.ERROR)


@pytest.mark.parametrize("act", [failed, panicked])
def test_trial_when_it_fails_then_is_not_tried_again(bench: Bench, act: Act) -> None:
    (result,), script = bench.run([spec(PATCHED)], act, passed)
    assert (len(script.requests), result.status) == (1, Status.FAIL)


def test_trial_when_the_second_try_passes_then_the_first_is_narrated(bench: Bench) -> None:
    bench.run([spec(BASE)], lost, passed)
    assert any("trying once more: QEMU ended" in event.text for event in bench.events)


def test_hang_when_patched_hangs_twice_after_base_passed_then_fails(bench: Bench) -> None:
    (_, result), script = bench.run([spec(BASE), spec(PATCHED)], passed, hung)
    assert (len(script.requests), result.status, result.checks[-1].name) == (3, Status.FAIL, "hang")


def test_flood_when_patched_writes_without_end_twice_then_fails_however_early_that_was(bench: Bench) -> None:
    (_, result), _ = bench.run([spec(BASE), spec(PATCHED)], passed, flooded)
    assert (result.status, result.checks[-1].name) == (Status.FAIL, "hang")
    assert result.message.startswith("the guest wrote without end, twice, where base came to its end")


def test_flood_when_base_writes_without_end_too_then_is_an_error_of_ours(bench: Bench) -> None:
    (_, result), _ = bench.run([spec(BASE), spec(PATCHED)], flooded)
    assert result.status is Status.ERROR


def test_hang_when_base_passed_from_the_cache_then_patched_fails(bench: Bench) -> None:
    bench.run([spec(BASE)], passed)
    (_, result), script = bench.run([spec(BASE), spec(PATCHED)], hung, passed, hung)
    assert result.status is Status.FAIL
    assert [request.spec.kernel for request in script.requests] == [PATCHED, BASE, PATCHED]


def test_hang_when_base_is_in_the_cache_but_hangs_here_too_then_is_an_error_of_ours(bench: Bench) -> None:
    bench.run([spec(BASE)], passed)
    (_, result), _ = bench.run([spec(BASE), spec(PATCHED)], hung)
    assert result.status is Status.ERROR


@pytest.mark.parametrize(
    ("specs", "acts"),
    [
        pytest.param([spec(PATCHED)], [hung], id="base did not run"),
        pytest.param([spec(BASE), spec(PATCHED)], [failed, hung], id="base failed"),
        pytest.param([spec(BASE), spec(PATCHED)], [hung], id="base hung too"),
        pytest.param([spec(BASE, topology="one-node"), spec(PATCHED)], [passed, hung], id="base passed elsewhere"),
        pytest.param([spec(BASE), spec(PATCHED)], [passed, lost, hung], id="seen once"),
        pytest.param([spec(BASE), spec(BASE, 2)], [passed, hung], id="base itself"),
        pytest.param(
            [dataclasses.replace(spec(kernel), sealed=False) for kernel in (BASE, PATCHED)], [passed, hung], id="live"
        ),
    ],
)
def test_hang_when_it_is_not_proven_to_be_the_patchs_then_is_an_error_of_ours(
    bench: Bench, specs: list[TrialSpec], acts: list[Act]
) -> None:
    results, _ = bench.run(specs, *acts)
    assert results[-1].status is Status.ERROR


def test_limit_when_base_has_shown_what_it_takes_then_patched_gets_a_multiple_of_it(bench: Bench) -> None:
    _, script = bench.run([spec(BASE), spec(PATCHED)], passed)
    assert [request.scenario.timeout_s for request in script.requests] == [300, 8 * 19.4]


def test_limit_when_base_was_quick_then_patched_still_gets_the_floor(bench: Bench) -> None:
    def quick(request: TrialRequest) -> TrialResult:
        return dataclasses.replace(passed(request), wall_s=1.0)

    _, script = bench.run([spec(BASE), spec(PATCHED)], quick)
    assert script.requests[1].scenario.timeout_s == HANG_FLOOR_S


def test_trial_when_the_kernel_complained_then_fails_whatever_the_test_said(bench: Bench) -> None:
    def splat(request: TrialRequest) -> TrialResult:
        (request.folder / "console.log").write_text(BANNER + SPLAT)
        return passed(request)

    (result,), _ = bench.run([spec(PATCHED)], splat)
    assert result.status is Status.FAIL


def test_trial_when_it_was_run_then_names_qemu_and_accelerator(bench: Bench) -> None:
    (result,), _ = bench.run([spec(BASE)], passed)
    assert result.environment == {"qemu": "QEMU emulator version 7.2.22", "accelerator": "tcg"}


def test_trials_when_cancelled_then_nothing_is_run(bench: Bench) -> None:
    bench.cancellation.cancel()
    with pytest.raises(Cancelled):
        bench.run([spec(BASE)], passed)


def test_trials_when_interrupted_then_what_is_finished_is_kept(bench: Bench) -> None:
    def interrupt(request: TrialRequest) -> TrialResult:
        bench.cancellation.cancel()
        raise Cancelled

    with pytest.raises(Cancelled):
        bench.run([spec(BASE), spec(PATCHED)], passed, interrupt)
    (record,) = (bench.folder / "results").glob("*/trials/*/result.json")
    assert record.parent.name == spec(BASE).id


def test_trials_when_a_guest_needs_more_memory_than_there_is_then_says_so(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.trials.run_trial", ScriptedTrials(passed))
    with pytest.raises(InfraError, match="this host has 100 MiB to spare"):
        list(bench.runner().run_all([spec(BASE)], Resources(cpus=1, memory_mib=100)))


def key(bench: Bench, which: TrialSpec | None = None, changes: Changes | None = None, *, folder: str = "a") -> str:
    runner = bench.runner(bench.parts(**(changes or {})))
    return runner.request(which or spec(BASE), bench.folder / folder).key


def with_build(**changes: object) -> Changes:
    changed = dataclasses.replace(build(BASE), **changes)  # type: ignore[arg-type]
    return {"builds": {BASE: changed, PATCHED: build(PATCHED)}}


def other_topology() -> dict[str, Topology]:
    two = topologies()["two-node"]
    return {"two-node": dataclasses.replace(two, distances=((10, 30), (30, 10)))}


def test_key_when_the_same_trial_is_put_together_again_then_is_the_same_though_the_keys_are_new(bench: Bench) -> None:
    runner = bench.runner()
    first, second = (runner.request(spec(BASE), bench.folder) for _ in range(2))
    assert (first.key == second.key, first.initrd == second.initrd) == (True, False)


def test_initrd_when_put_together_again_then_keeps_its_size(bench: Bench) -> None:
    runner = bench.runner()
    assert len({len(runner.request(spec(BASE), bench.folder).initrd) for _ in range(5)}) == 1


def test_key_when_files_lie_elsewhere_then_is_the_same(bench: Bench) -> None:
    there = key(bench, changes=with_build(image=Path("/another/cache/vmlinux")), folder="elsewhere")
    assert key(bench) == there


def test_key_when_the_build_took_longer_then_is_the_same(bench: Bench) -> None:
    assert key(bench) == key(bench, changes=with_build(seconds=99.0, cached=True))


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param(with_build(image_sha256="0" * 64), id="kernel image"),
        pytest.param({"qemu": "QEMU emulator version 10.0.0"}, id="QEMU version"),
        pytest.param({"image": GuestImage(data=b"image", key="7" * 64)}, id="guest image"),
        pytest.param({"topologies": other_topology()}, id="distances"),
        pytest.param({"architecture": dataclasses.replace(architecture(), cpu="qemu64")}, id="CPU model"),
        pytest.param({"probes": {"": b"count other other"}}, id="probes"),
    ],
)
def test_key_when_what_a_trial_depends_on_changes_then_is_another(bench: Bench, changes: Changes) -> None:
    assert key(bench) != key(bench, changes=changes)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(spec(BASE, 2), id="seed"),
        pytest.param(spec(BASE, topology="four-node"), id="topology"),
        pytest.param(spec(BASE, scenario="pool-limit"), id="scenario"),
        pytest.param(spec(PATCHED), id="kernel"),
        pytest.param(dataclasses.replace(spec(BASE), sealed=False), id="live"),
    ],
)
def test_key_when_the_trial_is_another_then_is_another(bench: Bench, other: TrialSpec) -> None:
    assert key(bench) != key(bench, other)


def test_key_when_base_and_patched_have_the_same_kernel_then_is_the_same(bench: Bench) -> None:
    builds: Changes = {"builds": {BASE: build(BASE), PATCHED: dataclasses.replace(build(BASE), role=PATCHED)}}
    assert key(bench, changes=builds) == key(bench, spec(PATCHED), builds)


def test_sealed_part_when_the_guest_speaks_after_the_seal_then_that_does_not_count() -> None:
    console = "[ 1.0] BUG: a\n[ 2.0] orchestrator: sealed-end\n[ 39.7] rcu: INFO: rcu_sched detected stalls\n"
    assert sealed_part(console) == "[ 1.0] BUG: a\n[ 2.0] orchestrator: sealed-end"
    assert sealed_part("[ 1.0] BUG: a\n") == "[ 1.0] BUG: a\n"


def part_names_that_differ(bench: Bench, changes: Changes) -> set[str]:
    one, other = (bench.runner(bench.parts(**each)).request(spec(BASE), bench.folder).parts for each in ({}, changes))
    assert list(one) == list(other)
    return {name for name in one if one[name] != other[name]}


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({}, set()),
        (with_build(image_sha256="0" * 64), {"kernel image"}),
        (with_build(tree="0" * 40), {"kernel sources"}),
        (with_build(config_sha256="0" * 64), {"kernel configuration"}),
        (with_build(toolchain="gcc 14"), {"compiler"}),
        ({"qemu": "QEMU emulator version 10.0.0"}, {"QEMU"}),
        ({"image": GuestImage(data=b"image", key="7" * 64)}, {"guest image"}),
        ({"gate": Gate(library=Path("/gate.so"), key="8" * 64)}, {"gate"}),
        # What a machine is like is in QEMU's arguments too, and the topology in the payload that is checked by.
        ({"architecture": dataclasses.replace(architecture(), cpu="qemu64")}, {"CPU model", "machine"}),
        ({"probes": {"": b"count other other"}}, {"payload"}),
    ],
)
def test_parts_name_what_makes_the_key_another(bench: Bench, changes: Changes, names: set[str]) -> None:
    assert part_names_that_differ(bench, changes) == names


def test_parts_are_recorded_of_a_trial_that_ran_and_of_one_from_the_cache(bench: Bench) -> None:
    (ran,), _ = bench.run([spec(BASE)], passed)
    (found,), _ = bench.run([spec(BASE)], passed)
    assert (ran.cached, found.cached) == (False, True)
    assert found.parts == ran.parts
    assert ran.parts["QEMU"] == "QEMU emulator version 7.2.22"


def test_key_when_a_core_is_asked_for_then_is_the_same(bench: Bench) -> None:
    assert key(bench) == key(bench, changes={"dump": True})
