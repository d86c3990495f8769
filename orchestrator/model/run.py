"""A run: one invocation of ``orchestrator test``, as it is recorded. Every report is rendered from this alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from orchestrator.model.bisection import Bisection
from orchestrator.model.coverage import PatchCoverage
from orchestrator.model.kernel import KernelBuild
from orchestrator.model.objects import ObjectDifference
from orchestrator.model.repeat import Repeat
from orchestrator.model.scenario import Scenario
from orchestrator.model.series import Series
from orchestrator.model.topology import Topology
from orchestrator.model.tree import Trees
from orchestrator.model.trial import TrialResult, TrialSpec
from orchestrator.model.verdict import Verdict

SCHEMA_VERSION = 1

MOST_SEEDS = 12
"""So many seeds a scenario and topology get at most where a metric is undecided: more does not decide more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Only:
    """What a profile asks of one of its scenarios alone: these topologies, these seeds; () is all of the profile's."""

    scenario: str
    topologies: tuple[str, ...] = ()
    seeds: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Which trials a run consists of: every scenario on every topology with every seed, for both kernels.

    ``only`` has the scenarios of which less is asked. More seeds are added where a metric is undecided, up to
    ``most_seeds`` (0: none) and as long as ``budget_s`` seconds of such trials are not over (0: no limit).
    ``perturbed`` asks for a perturbed base beside base, as a measure of what means nothing, ``coverage`` for which of the
    patch's lines run. ``aims`` scenarios at most are added, with the first seed, for what the patch changes.
    """

    name: str
    what_for: str
    scenarios: tuple[str, ...]
    topologies: tuple[str, ...]
    seeds: tuple[int, ...]
    only: tuple[Only, ...] = ()
    most_seeds: int = 0
    budget_s: float = 0.0
    perturbed: bool = False
    coverage: bool = False
    aims: int = 0

    def asks(self, scenario: str, topology: str, seed: int | None = None) -> bool:
        """Whether a trial is asked for; of any seed where there is none. A variant (``NAME+knob=value``) is its scenario."""
        stem = scenario.partition("+")[0]
        return all(
            (not only.topologies or topology in only.topologies)
            and (seed is None or not only.seeds or seed in only.seeds)
            for only in self.only
            if only.scenario == stem
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a run is going to do: enough to go on with it after an interruption (``--resume``).

    ``topologies`` are the profile's, as they were when the run was planned: a user's own may change. ``again`` says that
    trials are run also where their record is in the cache, and the digests compared. ``waivers`` are the user's own files
    of known failures, beside the shipped one, ``claims`` files of what the patch is said to do. ``may_fetch`` and
    ``strict`` are the options --fetch and --strict; ``run_anyway`` says that trials are run also where the object code
    is the same. ``bisect`` says that the patch is looked for where a series is a REGRESSION, ``dump`` that a guest core is
    kept where a trial hangs or panics. ``aimed`` has a line on each scenario that was added for what the patch changes, None
    as long as that was not looked for.
    """

    run_id: str
    mail: str
    linux: str
    base_rev: str | None
    profile: Profile
    sealed: bool
    sandbox: bool
    accelerator: str
    again: bool
    trials: tuple[TrialSpec, ...]
    flavour: str = "plain"
    topologies: tuple[Topology, ...] = ()
    waivers: tuple[str, ...] = ()
    may_fetch: bool = False
    strict: bool = False
    run_anyway: bool = False
    claims: tuple[str, ...] = ()
    bisect: bool = False
    dump: bool = False
    aimed: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """``run.json``. ``environment`` names host, QEMU, accelerator (with its reason) and our own version.

    ``objects`` is how patched's code differs from base's, None where one of them was not built or nobody compared them.
    ``coverage`` is which of the patch's lines ran, None where nobody asked. ``repeat`` is the proof that sealed trials
    repeat on this host, None where no sealed trial ran. ``bisection`` names the patch of a series that brought the
    regression, None where nobody looked.
    """

    run_id: str
    started: str
    finished: str
    plan: Plan
    series: Series
    trees: Trees
    builds: tuple[KernelBuild, ...]
    topologies: tuple[Topology, ...]
    scenarios: tuple[Scenario, ...]
    trials: tuple[TrialResult, ...]
    verdict: Verdict
    environment: Mapping[str, str] = field(default_factory=dict)
    timings: Mapping[str, float] = field(default_factory=dict)
    objects: ObjectDifference | None = None
    coverage: PatchCoverage | None = None
    repeat: Repeat | None = None
    bisection: Bisection | None = None
