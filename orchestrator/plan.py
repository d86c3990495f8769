"""The plan of a run: which trials, in which order. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from itertools import product

from orchestrator.errors import UserError
from orchestrator.model.kernel import KernelRole
from orchestrator.model.run import Profile
from orchestrator.model.scenario import Scenario
from orchestrator.model.topology import Topology
from orchestrator.model.trial import TrialSpec


def planned_trials(profile: Profile, *, sealed: bool) -> tuple[TrialSpec, ...]:
    """Return the trials of ``profile``: base and patched of one thing beside each other, seeds outermost.

    With seeds outermost an interrupted run has compared everything once before it compares anything twice.
    """

    def trials() -> Iterator[TrialSpec]:
        for seed, scenario, topology in product(profile.seeds, profile.scenarios, profile.topologies):
            for kernel in (KernelRole.BASE, KernelRole.PATCHED):
                yield TrialSpec(kernel=kernel, topology=topology, scenario=scenario, seed=seed, sealed=sealed)

    return tuple(trials())


def narrowed(profile: Profile, *, scenarios: tuple[str, ...], topologies: tuple[str, ...], seeds: int) -> Profile:
    """Return ``profile`` with the user's own choice; an empty choice (or 0 seeds) leaves the profile's."""
    return dataclasses.replace(
        profile,
        scenarios=scenarios or profile.scenarios,
        topologies=topologies or profile.topologies,
        seeds=tuple(range(1, seeds + 1)) if seeds else profile.seeds,
    )


def check_plan(profile: Profile, *, scenarios: Mapping[str, Scenario], topologies: Mapping[str, Topology]) -> None:
    """Find before anything is built what cannot run: unknown names, and scenarios that need more memory.

    Raises :class:`UserError` that names all of it.
    """
    problems = [f"there is no scenario '{name}'" for name in profile.scenarios if name not in scenarios]
    problems += [f"there is no topology '{name}'" for name in profile.topologies if name not in topologies]
    if not problems:
        for name, where in product(profile.scenarios, profile.topologies):
            needed, there = scenarios[name].memory_mib, topologies[where].memory_mib
            if needed > there:
                problems.append(f"scenario '{name}' needs {needed} MiB, topology '{where}' has {there}")
    if problems:
        raise UserError(
            "; ".join(problems), hint=f"scenarios: {', '.join(scenarios)}; topologies: {', '.join(topologies)}"
        )
