"""How often the judge accuses a kernel that means nothing.  usage: bench/null_model.py [--linux linux-7.2] [--keep DIR]
    [--sets N] [--flags N] [--aimed]

Base is built again and again with mm/zswap.o compiled in other ways, and the quick profile's cells are run on every one of
these kernels with several sets of seeds, sealed. Nothing differs between them that means anything, so that every
comparison of two of them is a comparison without an effect: each perturbed kernel against base with the same seeds, against the first of the perturbed
ones, and each kernel against itself with other seeds. The judge sees each as a run of its own, with another perturbed kernel
beside it, and up to two more where it asks for them, as in a real run, and without further seeds: what it leaves open here a
real run goes on with.

--aimed runs, instead of the profile's scenarios, those that a run adds for what a patch changes, all of them, each with
the seeds that it has in a run as soon as one seed of it shows anything.

Prints a line a comparison that does not end in PASS, and the sums. --keep DIR keeps the records; trials that passed are
answered from the cache the next time. Exits 1 with a REGRESSION, or more than one INCONCLUSIVE in sixty.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime as dt
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path

from orchestrator.config import catalog
from orchestrator.config.aims import aims
from orchestrator.config.scenarios import scenarios
from orchestrator.host.deadline import Cancellation
from orchestrator.host.steps import Steps
from orchestrator.intake.reader import Wanted
from orchestrator.judge.compare import NullBuild, short_of_builds
from orchestrator.judge.decide import decide
from orchestrator.kernels import Kernels
from orchestrator.laboratory import Laboratory
from orchestrator.model.kernel import KernelRole
from orchestrator.model.run import Profile
from orchestrator.model.trial import TrialResult, TrialSpec
from orchestrator.model.verdict import Outcome, Verdict
from orchestrator.pipeline import TestRequest, profile_named, start_run
from orchestrator.plan import aimed, planned_trials
from orchestrator.tree.kbuild import with_makefile_lines
from orchestrator.tree.perturb import PERTURBATIONS

NOTHING = Path(__file__).with_name("nothing.diff")
OBJECT, FOLDER = "zswap.o", "mm"
FLAGS = (
    *PERTURBATIONS,
    "-fno-inline-small-functions -fno-inline-functions-called-once",
    "-fno-tree-ter -fno-schedule-insns2 -falign-functions=64",
)
SEEDS_A_SET = 3

Trials = Mapping[TrialSpec, TrialResult]


def all_aimed(profile: Profile) -> Profile:
    """Return a profile of the scenarios alone that any patch adds to ``profile``, as they are added."""
    known, topologies = scenarios(), catalog.topologies()
    changed = [pattern for aim in aims() for pattern in aim.changes]
    wider, _ = aimed(
        dataclasses.replace(profile, aims=len(known)),
        aims(),
        changed,
        fits=lambda scenario, topology: not known[scenario].misfit(topologies[topology]),
    )
    names = tuple(name for name in wider.scenarios if name not in profile.scenarios)
    only = tuple(dataclasses.replace(each, seeds=()) for each in wider.only if each.scenario in names)
    return dataclasses.replace(wider, scenarios=names, only=only)


def specs_of(profile: Profile, laboratory: Laboratory, number: int) -> tuple[TrialSpec, ...]:
    """Return base's trials of the ``number``-th set of seeds (from 0): the profile's, with all seeds moved on."""
    plain = planned_trials(
        profile,
        scenarios=laboratory.scenarios,
        topologies=laboratory.topologies,
        sealed=True,
        kernels=(KernelRole.BASE,),
    )
    return tuple(dataclasses.replace(spec, seed=spec.seed + number * SEEDS_A_SET) for spec in plain)


def tried(laboratory: Laboratory, name: str, kernels: Kernels, specs: tuple[TrialSpec, ...]) -> Trials:
    """Run ``specs`` on a kernel, base in ``kernels`` or what stands for patched in it; the records say base."""
    role = KernelRole.BASE if name == "base" else KernelRole.PATCHED
    part = laboratory.run.part(name)
    wanted = [dataclasses.replace(spec, kernel=role) for spec in specs]
    done = {trial.spec: trial for trial in part.read_trials()}
    left = [spec for spec in wanted if spec not in done]
    for result in laboratory.results(laboratory.runner(kernels, run=part), left):
        done[result.spec] = result
        print(f"{name}: {result.spec.id} {result.status}", file=sys.stderr, flush=True)
    return {dataclasses.replace(spec, kernel=KernelRole.BASE): done[spec] for spec in wanted}


def kernels_of(laboratory: Laboratory, flags: tuple[str, ...]) -> Iterator[tuple[str, Kernels]]:
    """Yield base and the perturbed kernels, each with its name; a kernel that is base's code to the byte is left out."""
    base = laboratory.kernels(laboratory.trees, compared=False)
    images = {base.builds[KernelRole.BASE].image_sha256}
    yield "base", base
    for number, flag in enumerate(flags, start=1):
        lines = {FOLDER: [f"CFLAGS_{OBJECT} += {flag}"]}
        trees = with_makefile_lines(
            laboratory.trees, lines, on_patched=False, subject=flag, cancellation=laboratory.cancellation
        )
        if trees is None:
            raise SystemExit(f"{FOLDER} has no makefile")
        kernels = laboratory.kernels(trees, compared=False)
        image = kernels.builds[KernelRole.PATCHED].image_sha256
        if image in images:
            print(f"{flag}: the same code as another kernel, left out", file=sys.stderr)
            continue
        images.add(image)
        yield f"perturbed-{number}", kernels


def as_run(old: Trials, new: Trials, others: Sequence[Trials], laboratory: Laboratory) -> Verdict:
    """Judge ``new`` as if it were patched, set beside ``old``; seeds are renumbered so that the two are pairs."""
    records: list[TrialResult] = []
    for role, trials in ((KernelRole.BASE, old), (KernelRole.PATCHED, new)):
        records += _renumbered(trials, role)
    known = list(laboratory.scenarios.values())
    left = [
        NullBuild(name=f"null {nr}", trials=tuple(_renumbered(other, KernelRole.PATCHED)))
        for nr, other in enumerate(others[: len(PERTURBATIONS)])
    ]
    nulls = [left.pop(0)]
    while left and short_of_builds(known, records, nulls):
        nulls.append(left.pop(0))
    return decide(scenarios=known, planned=[record.spec for record in records], trials=records, null_builds=nulls)


def _renumbered(trials: Trials, role: KernelRole) -> list[TrialResult]:
    return [
        dataclasses.replace(trial, spec=dataclasses.replace(spec, kernel=role, seed=(spec.seed - 1) % SEEDS_A_SET + 1))
        for spec, trial in trials.items()
    ]


def comparisons(tables: Mapping[str, list[Trials]]) -> Iterator[tuple[str, Trials, Trials, list[Trials]]]:
    """Yield all comparisons: what it is, the two sides, and the other kernels with the first side's seeds."""
    names = list(tables)

    def others(at: int, *sides: str) -> list[Trials]:
        return [tables[name][at] for name in [*names[1:], names[0]] if name not in sides]

    for name in names[1:]:
        for at, old in enumerate(tables["base"]):
            yield f"base, {name}, set {at}", old, tables[name][at], others(at, "base", name)
    for name in names[2:]:
        for at, old in enumerate(tables[names[1]]):
            yield f"{names[1]}, {name}, set {at}", old, tables[name][at], others(at, names[1], name)
    for name in names:
        for one, other in combinations(range(len(tables[name])), 2):
            yield f"{name}, sets {one} and {other}", tables[name][one], tables[name][other], others(one, name)


def main() -> int:
    """Run the bench."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--linux", default="linux-7.2")
    parser.add_argument("--profile", default="quick")
    parser.add_argument("--sets", type=int, default=4)
    parser.add_argument("--flags", type=int, default=len(FLAGS))
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--aimed", action="store_true")
    options = parser.parse_args()
    profile = profile_named(options.profile)
    with tempfile.TemporaryDirectory(prefix="null-model-") as scratch:
        request = TestRequest(
            wanted=Wanted(inputs=(str(NOTHING),)),
            linux=options.linux,
            base_rev=None,
            profile=all_aimed(profile) if options.aimed else profile,
            sealed=True,
            sandbox=True,
            accelerator="auto",
            again=False,
            results=options.keep or Path(scratch),
        )
        steps = Steps()
        run = start_run(request, steps=steps, now=lambda: dt.datetime.now(dt.UTC))
        laboratory = Laboratory(run, steps=steps, cancellation=Cancellation())
        sets = [specs_of(request.profile, laboratory, number) for number in range(options.sets)]
        tables = {
            name: [tried(laboratory, name, kernels, specs) for specs in sets]
            for name, kernels in kernels_of(laboratory, FLAGS[: options.flags])
        }
        counts: Counter[Outcome] = Counter()
        for what, old, new, others in comparisons(tables):
            verdict = as_run(old, new, others, laboratory)
            counts[verdict.outcome] += 1
            if verdict.outcome is not Outcome.PASS:
                print(f"{what}: {verdict.outcome}: {' '.join(verdict.sentences)}", flush=True)
    said = ", ".join(f"{number} {outcome}" for outcome, number in counts.most_common())
    print(f"{counts.total()} comparisons of {len(tables)} kernels without an effect: {said}")
    too_many = counts[Outcome.INCONCLUSIVE] > max(1, counts.total() // 60)
    return int(counts[Outcome.REGRESSION] > 0 or counts[Outcome.ERROR] > 0 or too_many)


if __name__ == "__main__":
    sys.exit(main())
