"""RUN RECORD → the command that does it again, with the base, the trees and the seeds that it needs for that."""

from __future__ import annotations

import shlex

from orchestrator.model.run import RunRecord
from orchestrator.model.tree import BaseWay

MOST_NAMED = 4
"""So many scenarios and topologies are named one by one; more are the profile's."""


def reproduce_command(record: RunRecord) -> str:
    """Return one line for a shell; every word that came from elsewhere is quoted."""
    plan, profile = record.plan, record.plan.profile
    words = ["orchestrator", "test", plan.mail, "--linux", plan.linux]
    base = record.trees.base
    if plan.base_rev is not None or (base.commit and base.way is not BaseWay.HEAD):
        words += ["--base", plan.base_rev if plan.base_rev is not None else base.chosen or base.commit]
    words += ["--profile", profile.name]
    if len(profile.scenarios) <= MOST_NAMED and len(profile.topologies) <= MOST_NAMED:
        for scenario in profile.scenarios:
            words += ["--scenario", scenario]
        for topology in profile.topologies:
            words += ["--topology", topology]
    if profile.seeds == tuple(range(1, len(profile.seeds) + 1)) and not profile.only:
        words += ["--seeds", str(len(profile.seeds))]
    if plan.flavour != "plain":
        words += ["--flavour", plan.flavour]
    for claims in plan.claims:
        words += ["--claims", claims]
    for waivers in plan.waivers:
        words += ["--waivers", waivers]
    flags = {"--live": not plan.sealed, "--no-sandbox": not plan.sandbox, "--strict": plan.strict}
    flags |= {"--fetch": plan.may_fetch, "--run-anyway": plan.run_anyway}
    words += [flag for flag, given in flags.items() if given]
    return shlex.join(words)
