"""A RUN'S REGRESSION → THE PATCH: prefixes of the series are built and asked, with the trials that show it and no others.

The search and what a prefix's trials mean are :mod:`orchestrator.judge.bisection`; this builds and runs. Trials go to the
run's part ``bisect/``, one folder a prefix.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from typing import NamedTuple

from orchestrator.again import BISECTED
from orchestrator.chance import PERTURBED
from orchestrator.errors import Cancelled, InfraError
from orchestrator.judge.bisection import Look, Symptom, confidence_in, look_at, prefix_name, search, symptoms_of
from orchestrator.judge.compare import NullBuild
from orchestrator.laboratory import Laboratory, prefix_of
from orchestrator.model.bisection import Bisection, BisectionStep, Seen
from orchestrator.model.kernel import KernelRole
from orchestrator.model.run import RunRecord
from orchestrator.model.tree import Confidence
from orchestrator.model.trial import TrialResult, TrialSpec
from orchestrator.model.verdict import Outcome
from orchestrator.store.run_directory import RunDirectory

MOST_SYMPTOMS = 3
"""So many symptoms are tried until the whole series shows one again; on the run's own host the first one is."""


def can_bisect(record: RunRecord) -> bool:
    """Whether there is something to find: a regression, of a series of two patches or more."""
    return record.verdict.outcome is Outcome.REGRESSION and len(record.trees.applied) > 1 and bool(symptoms_of(record))


def bisect_run(laboratory: Laboratory, record: RunRecord, *, fresh: bool = False) -> Bisection:
    """Return which patch of the series brought the regression of ``record``, a run of which :func:`can_bisect` holds.

    The trees of ``laboratory`` are those of the record. ``fresh`` says that the run was made just now, on this host: else
    the whole series has to show it once more first. A prefix that does not build, or whose trials this host loses, is
    stepped over. Raises ``Cancelled``.
    """
    start = time.monotonic()
    bisector: _Bisector | None = None
    for symptom in symptoms_of(record)[:MOST_SYMPTOMS]:
        bisector = _Bisector(laboratory, record, symptom)
        if fresh or bisector.is_seen_again():
            break
    assert bisector is not None  # noqa: S101 - the caller has asked can_bisect
    found = bisector.answer()
    return dataclasses.replace(found, seconds=round(time.monotonic() - start, 3))


class _Asked(NamedTuple):
    look: Look
    trials: tuple[TrialResult, ...]
    built: bool


class _Bisector:
    """The search for one symptom. Keeps what every prefix said."""

    def __init__(self, laboratory: Laboratory, record: RunRecord, symptom: Symptom) -> None:
        self._laboratory = laboratory
        self._record = record
        self._symptom = symptom
        self._patches = len(laboratory.trees.applied)
        self._looks = {
            0: Look(seen=Seen.GOOD, text="base"),
            self._patches: Look(seen=Seen.BAD, text="the run", shown_by=symptom.trials),
        }
        self._steps: list[BisectionStep] = []
        self._repeats = record.repeat is not None and record.repeat.holds
        self._null_builds = null_builds_of(laboratory.run)

    def is_seen_again(self) -> bool:
        """Whether the whole series shows the symptom on this host, now."""
        look, trials = self._ask(self._patches)
        digests = {trial.spec: trial.digest for trial in self._record.trials}
        patched = [trial for trial in trials if trial.spec.kernel is KernelRole.PATCHED]
        self._repeats = all(trial.digest and trial.digest == digests.get(trial.spec) for trial in patched)
        return look.seen is Seen.BAD

    def answer(self) -> Bisection:
        """Ask prefixes until one patch is left, and return it with everything that was asked."""
        if self._looks[self._patches].seen is not Seen.BAD:
            return self._nothing()
        candidates = search(self._patches, lambda patches: self._ask(patches)[0].seen)
        confidence, reason = confidence_in(self._symptom, candidates, self._looks, repeats=self._repeats)
        applied = [self._laboratory.trees.applied[number - 1] for number in candidates]
        if len(candidates) > 1:
            names = ", ".join(prefix_name(number) for number in candidates[:-1])
            reason = f"{reason}; what is between them could not be tested ({names})"
        first = applied[0] if len(applied) == 1 else None
        mail = {patch.index: patch for patch in self._record.series.patches}
        trial = self._smallest(candidates[-1])
        return Bisection(
            what=self._symptom.what,
            patch=first.index if first else None,
            candidates=tuple(patch.index for patch in applied),
            subject=first.subject if first else "",
            message_id=mail[first.index].message_id if first and first.index in mail else None,
            steps=tuple(self._steps),
            confidence=confidence,
            reason=reason,
            trial=trial.id if trial else "",
            replay=self._replay(trial, candidates[-1]) if trial else "",
        )

    def _nothing(self) -> Bisection:
        look = self._looks[self._patches]
        said = "could not be asked again" if look.seen is Seen.UNTESTABLE else "does not show it on this host now"
        return Bisection(
            what=self._symptom.what,
            patch=None,
            candidates=(),
            subject="",
            message_id=None,
            steps=tuple(self._steps),
            confidence=Confidence.LOW,
            reason=f"the whole series {said}: {look.text}",
        )

    def _smallest(self, patches: int) -> TrialSpec | None:
        """Return the trial that shows it with the least guest time; the symptom has them in this order."""
        shown = [spec for spec in self._symptom.trials if spec in self._looks[patches].shown_by]
        return next(iter([*shown, *self._symptom.trials]), None)

    def _replay(self, trial: TrialSpec, patches: int) -> str:
        return f"orchestrator replay {self._laboratory.run.run_id} {trial.id} --kernel {prefix_name(patches)}"

    def _ask(self, patches: int) -> tuple[Look, tuple[TrialResult, ...]]:
        """Ask a prefix, and remember what it said."""
        start = time.monotonic()
        with self._laboratory.steps.step(BISECTED, kernel=prefix_name(patches)) as note:
            asked = self._asked(patches)
            note(f"{asked.look.seen}: {asked.look.text}")
        self._looks[patches] = asked.look
        self._steps.append(
            BisectionStep(
                patches=patches,
                seen=asked.look.seen,
                text=asked.look.text,
                trials=tuple(trial.spec.id for trial in asked.trials),
                built=asked.built,
                seconds=round(time.monotonic() - start, 3),
            )
        )
        return asked.look, asked.trials

    def _asked(self, patches: int) -> _Asked:
        if (same := self._same_tree(patches)) is not None:
            look = dataclasses.replace(self._looks[same], text=f"the same tree as {prefix_name(same)}")
            return _Asked(look, (), built=False)
        try:
            return self._built_and_run(patches)
        except Cancelled:
            raise
        except InfraError as error:
            return _Asked(Look(seen=Seen.UNTESTABLE, text=error.message), (), built=False)

    def _same_tree(self, patches: int) -> int | None:
        """Return a prefix that was asked and is this one: a patch may be in base already, and change nothing."""
        trees = [self._laboratory.trees.base.tree, *(each.tree for each in self._laboratory.trees.applied)]
        return next((other for other in self._looks if other != patches and trees[other] == trees[patches]), None)

    def _built_and_run(self, patches: int) -> _Asked:
        laboratory, symptom = self._laboratory, self._symptom
        part = laboratory.run.part(BISECTED).part(f"patched-{patches}")
        kernels = laboratory.kernels(prefix_of(laboratory.trees, patches), run=part, compared=False)
        patched = kernels.builds.get(KernelRole.PATCHED)
        built = bool(kernels.faults) or (patched is not None and not patched.cached)
        if kernels.gaps:
            return _Asked(Look(seen=Seen.UNTESTABLE, text=kernels.gaps[0].title), (), built=built)
        if kernels.faults:
            fault = kernels.faults[0]
            seen = Seen.BAD if symptom.cell is None and fault.stage == symptom.mark else Seen.UNTESTABLE
            return _Asked(Look(seen=seen, text=f"{fault.stage}: {fault.message}"), (), built=built)
        if symptom.cell is None:
            return _Asked(Look(seen=Seen.GOOD, text="there is a kernel"), (), built=built)
        runner = laboratory.runner(kernels, run=part, again=False)
        specs = _with_base(symptom.trials)
        with laboratory.steps.step("trials", total=len(specs), done=0):
            trials = tuple(laboratory.results(runner, specs))
        return _Asked(self._look_at(trials), trials, built=built)

    def _look_at(self, trials: Sequence[TrialResult]) -> Look:
        """Judge as the run was judged: with its perturbed bases, by pairs only where its trials were not seen to differ."""
        repeat, scenarios = self._record.repeat, tuple(self._laboratory.scenarios.values())
        repeatable = repeat is None or repeat.holds
        return look_at(self._symptom, trials, scenarios, self._null_builds, repeatable=repeatable)


def null_builds_of(run: RunDirectory) -> tuple[NullBuild, ...]:
    """Return the run's perturbed bases with their trials, as far as they are kept in its folder."""
    return tuple(NullBuild(name=part.path.name, trials=part.read_trials()) for part in run.parts(PERTURBED))


def _with_base(specs: Sequence[TrialSpec]) -> list[TrialSpec]:
    """Return the trials with base's beside them, which come from the cache where the run has made them here."""
    return [dataclasses.replace(spec, kernel=kernel) for spec in specs for kernel in KernelRole]
