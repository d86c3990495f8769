"""The plan of a run: which trials, in which order. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from itertools import product

from orchestrator.errors import UserError
from orchestrator.model.aim import Aim
from orchestrator.model.kernel import KernelRole
from orchestrator.model.run import MOST_SEEDS, Only, Profile
from orchestrator.model.scenario import Scenario
from orchestrator.model.topology import Topology
from orchestrator.model.trial import TrialSpec

_NAMED = 3
"""So many names of what a patch changes are told as the reason for a scenario."""


def planned_trials(
    profile: Profile,
    *,
    scenarios: Mapping[str, Scenario],
    topologies: Mapping[str, Topology],
    sealed: bool,
    kernels: tuple[KernelRole, ...] = (KernelRole.BASE, KernelRole.PATCHED),
) -> tuple[TrialSpec, ...]:
    """Return the trials of ``profile``: base and patched of one thing beside each other, seeds outermost.

    With seeds outermost an interrupted run has compared everything once before it compares anything twice. A scenario
    that makes no sense on a topology is not planned there (:func:`left_out` says why).
    """

    def trials() -> Iterator[TrialSpec]:
        for seed, scenario, topology in product(profile.seeds, profile.scenarios, profile.topologies):
            if not profile.asks(scenario, topology, seed) or scenarios[scenario].misfit(topologies[topology]):
                continue
            for kernel in kernels:
                yield TrialSpec(kernel=kernel, topology=topology, scenario=scenario, seed=seed, sealed=sealed)

    return tuple(trials())


def left_out(
    profile: Profile, *, scenarios: Mapping[str, Scenario], topologies: Mapping[str, Topology]
) -> tuple[str, ...]:
    """Return a line for each scenario and topology of ``profile`` that do not go together, with the reason."""
    return tuple(
        f"{name} on {where}: not planned, {reason}"
        for name, where in product(profile.scenarios, profile.topologies)
        if profile.asks(name, where) and (reason := scenarios[name].misfit(topologies[where]))
    )


def narrowed(
    profile: Profile,
    *,
    scenarios: tuple[str, ...],
    topologies: tuple[str, ...],
    seeds: int,
    budget_s: float | None = None,
    perturbed: bool | None = None,
    coverage: bool | None = None,
    aimed: bool = True,
) -> Profile:
    """Return ``profile`` with the user's own choice; an empty choice (0 seeds, None) leaves the profile's.

    Scenarios or topologies of the user's own are all combined; with seeds alone, a scenario of which less is asked keeps
    its topologies. Seeds of the user's own are the seeds: none are added, unless a budget for more is given as well. To a
    choice of scenarios or topologies none is added for what the patch changes, nor where ``aimed`` is false.
    """
    kept = () if scenarios or topologies else profile.only
    return dataclasses.replace(
        profile,
        only=tuple(dataclasses.replace(only, seeds=()) for only in kept) if seeds else kept,
        scenarios=scenarios or profile.scenarios,
        topologies=topologies or profile.topologies,
        seeds=tuple(range(1, seeds + 1)) if seeds else profile.seeds,
        most_seeds=_most_seeds(profile, seeds=seeds, budget_s=budget_s),
        budget_s=profile.budget_s if budget_s is None else budget_s,
        perturbed=profile.perturbed if perturbed is None else perturbed,
        coverage=profile.coverage if coverage is None else coverage,
        aims=0 if scenarios or topologies or not aimed else profile.aims,
    )


def aimed(
    profile: Profile, aims: Sequence[Aim], changed: Sequence[str], *, fits: Callable[[str, str], bool]
) -> tuple[Profile, tuple[str, ...]]:
    """Return ``profile`` with scenarios added for what a patch changes, and a line on each that says why.

    ``changed`` are the names of functions and paths of files. A scenario that the profile has already is not added, nor
    one that does not fit its topology. They run once, with the first seed: more follow where something is undecided.
    """
    added: dict[str, tuple[str, str]] = {}
    for aim in aims:
        why = [name for name in changed if any(fnmatchcase(name, pattern) for pattern in aim.changes)]
        for scenario, topology in aim.scenarios.items() if why else ():
            if scenario not in profile.scenarios and fits(scenario, topology):
                added.setdefault(scenario, (topology, ", ".join(why[:_NAMED])))
    added = dict(list(added.items())[: profile.aims])
    topologies = [topology for topology, _ in added.values()]
    # A topology that only an added scenario asks for is nobody else's.
    only = {only.scenario: only for only in profile.only}
    if set(topologies) - set(profile.topologies):
        for scenario in profile.scenarios:
            mine = only.get(scenario, Only(scenario=scenario))
            only[scenario] = dataclasses.replace(mine, topologies=mine.topologies or profile.topologies)
    for scenario, (topology, _) in added.items():
        only[scenario] = Only(scenario=scenario, topologies=(topology,), seeds=profile.seeds[:1])
    wider = dataclasses.replace(
        profile,
        scenarios=(*profile.scenarios, *added),
        topologies=tuple(dict.fromkeys([*profile.topologies, *topologies])),
        only=tuple(only.values()),
        aims=0,
    )
    return wider, tuple(f"{name} on {where}: the patch changes {why}" for name, (where, why) in added.items())


def _most_seeds(profile: Profile, *, seeds: int, budget_s: float | None) -> int:
    """Return how many seeds a run may come to: a budget asks for more, 0 seconds of it and seeds of one's own for none."""
    if budget_s is None:
        return 0 if seeds else profile.most_seeds
    return MOST_SEEDS if budget_s else 0


def check_plan(profile: Profile, *, scenarios: Mapping[str, Scenario], topologies: Mapping[str, Topology]) -> None:
    """Find before anything is built what cannot run: unknown names, and scenarios that fit none of the topologies.

    Raises :class:`UserError` that names all of it.
    """
    problems = [f"there is no scenario '{name}'" for name in profile.scenarios if name not in scenarios]
    problems += [f"there is no topology '{name}'" for name in profile.topologies if name not in topologies]
    if not problems:
        for name in profile.scenarios:
            asked = [where for where in profile.topologies if profile.asks(name, where)]
            reasons = {where: scenarios[name].misfit(topologies[where]) for where in asked}
            if all(reasons.values()):
                said = "; ".join(f"on {where} {reason}" for where, reason in reasons.items())
                problems.append(f"scenario '{name}' makes no sense on any of the topologies: {said}")
    if problems:
        raise UserError(
            "; ".join(problems), hint=f"scenarios: {', '.join(scenarios)}; topologies: {', '.join(topologies)}"
        )
