"""A series to trees: bases are proposed one after another until the series applies to one, and all of it is recorded.

A base on which every patch applies as git has it ends the search, and so does one that the user or the series named. Where
patches had to be recovered with fuzz, or by white space, the next ways are asked as well, and the best result is taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from orchestrator.errors import Evidence, InputError
from orchestrator.host.deadline import Cancellation
from orchestrator.host.steps import Steps
from orchestrator.model.diff import read_diff
from orchestrator.model.series import Series
from orchestrator.model.tree import (
    Base,
    BaseStep,
    BaseWay,
    Confidence,
    MailingList,
    Rung,
    Source,
    StepOutcome,
    Trees,
)
from orchestrator.tree.apply import apply_series, in_words
from orchestrator.tree.base import Candidate, Question, Wishes, asked, base_of, step_of, with_unasked
from orchestrator.tree.git import Git
from orchestrator.tree.prerequisites import Resolved, resolve_prerequisites
from orchestrator.tree.report import DoesNotApply
from orchestrator.tree.sources import require_whole

MOST_BASES = 8
"""So many bases are tried; on a kernel each one costs up to a second."""

SHOWN_BASES = 3

_WORST = (Rung.PRESENT, Rung.AM, Rung.AM_3WAY, Rung.WHITESPACE, Rung.RECOVERED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparation:
    """How trees are made of a series: --base, --fetch, --strict, the lists' map, the other series of the same input."""

    rev: str | None = None
    may_fetch: bool = False
    strict: bool = False
    lists: tuple[MailingList, ...] = ()
    others: tuple[Series, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Misfit:
    """A base to which the series does not apply, and why."""

    base: Base
    error: DoesNotApply


def prepare_trees(
    source: Source, series: Series, preparation: Preparation, *, steps: Steps, cancellation: Cancellation
) -> Trees:
    """Return the trees of ``series``: on the first base to which it applies well, or the best of those it applies to.

    Raises :class:`UserError` for a --base that is not there, and :class:`DoesNotApply` with what fails on the nearest
    bases when it applies to none.
    """
    wishes = Wishes(rev=preparation.rev, may_fetch=preparation.may_fetch, lists=preparation.lists)
    question = Question(source, series, wishes, cancellation)
    search = _Search(question, preparation)
    with steps.step("base") as note:
        trees = search.run()
        for step in trees.base.steps:
            note(f"{step.way}: {step.outcome}: {step.text}")
        for item in trees.base.prerequisites:
            note(item.text)
        note(f"{trees.base.describe}, confidence {trees.base.confidence}: {trees.base.reason}")
    for patch, done in zip(series.patches, trees.applied, strict=True):
        with steps.step("apply", part=f"{patch.index}/{patch.total}", subject=patch.subject) as note:
            note(in_words(done))
    return trees


class _Search:
    """The search for a base that fits. Keeps what was tried."""

    def __init__(self, question: Question, preparation: Preparation) -> None:
        self.question = question
        self.preparation = preparation
        self.misfits: list[_Misfit] = []
        self.fitting: list[tuple[BaseWay, Trees]] = []
        self.tried: dict[str, str] = {}

    def run(self) -> Trees:
        """Ask the ways in order and return the trees of the base that was taken, with all steps."""
        seen: list[BaseStep] = []
        for way, answer in asked(self.question):
            outcome = StepOutcome.NOTHING
            settled = False
            for candidate in answer.candidates:
                if candidate.commit in self.tried or len(self.tried) >= MOST_BASES:
                    continue
                trees = self._try(way, candidate)
                if trees is None:
                    outcome = outcome if outcome is StepOutcome.FOUND else StepOutcome.MISFIT
                    continue
                outcome = StepOutcome.FOUND
                self.fitting.append((way, trees))
                settled = candidate.confidence is Confidence.CERTAIN or _is_clean(trees)
                if settled:
                    break
            if answer.candidates and outcome is StepOutcome.NOTHING:
                outcome = StepOutcome.FOUND if self.fitting else StepOutcome.MISFIT
            seen.append(step_of(way, answer, outcome))
            if settled:
                break
        if not self.fitting:
            raise self._nowhere()
        return self._taken(seen)

    def _taken(self, seen: Sequence[BaseStep]) -> Trees:
        way, trees = min(self.fitting, key=lambda pair: _how_bad(pair[1]))
        steps = tuple(
            replace(step, outcome=StepOutcome.TAKEN) if step.way is way else step for step in with_unasked(seen)
        )
        base = trees.base
        sure = base.confidence
        if way not in {BaseWay.OPTION, BaseWay.TRAILER}:
            if _has_fuzz(trees):
                sure = Confidence.LOW
            elif sure is Confidence.LOW and _is_clean(trees):
                sure = Confidence.MEDIUM
        reason = base.reason
        failed = [misfit.base.describe for misfit in self.misfits]
        if failed:
            reason += f"; it does not apply to {', '.join(failed[:SHOWN_BASES])}"
        return replace(trees, base=replace(base, steps=steps, confidence=sure, reason=reason))

    def _try(self, way: BaseWay, candidate: Candidate) -> Trees | None:
        """Put the series on a candidate; None where it does not apply, which is noted."""
        question, preparation = self.question, self.preparation
        source, cancellation = question.source, question.cancellation
        require_whole(source, candidate.commit, cancellation)
        base = base_of(question, way, candidate)
        touched = self._touched(candidate.commit)
        same = next((commit for commit, files in self.tried.items() if files == touched), None)
        self.tried[candidate.commit] = touched
        if same is not None and any(misfit.base.chosen == same for misfit in self.misfits):
            # The files are the same, and so is what comes of it.
            return None
        resolved = resolve_prerequisites(
            source,
            candidate.commit,
            question.series,
            preparation.others,
            when=question.written,
            cancellation=cancellation,
        )
        try:
            base = self._with_prerequisites(base, resolved)
            return apply_series(
                source, base, question.series, steps=Steps(), cancellation=cancellation, strict=preparation.strict
            )
        except DoesNotApply as error:
            missing = [item.text for item in resolved.found if not item.commits and item.state.value == "missing"]
            if missing:
                hint = f"{error.hint}; it builds on what is missing: {'; '.join(missing)}"
                error = DoesNotApply(error.message, hint=hint, evidence=error.evidence)
            self.misfits.append(_Misfit(base=replace(base, chosen=candidate.commit), error=error))
            return None

    def _touched(self, commit: str) -> str:
        """Return what the series' files are in a commit, as one word: bases that have the same there are all one."""
        git = Git(self.question.source.repo, self.question.cancellation)
        files = [file for patch in self.question.series.patches for file in read_diff(patch.diff, lossy=patch.lossy)]
        paths = sorted({path for file in files for path in (file.old_path, file.new_path) if path})
        return git.check("ls-tree", "-z", "--full-tree", commit, "--", *paths) if paths else commit

    def _with_prerequisites(self, base: Base, resolved: Resolved) -> Base:
        """Return the base with the prerequisites of the input on it."""
        if not resolved.patches:
            return replace(base, prerequisites=resolved.found)
        before = replace(self.question.series, patches=resolved.patches)
        try:
            trees = apply_series(
                self.question.source, base, before, steps=Steps(), cancellation=self.question.cancellation
            )
        except InputError as error:
            message = f"what the series builds on does not apply: {error.message}"
            raise DoesNotApply(message, hint=error.hint, evidence=error.evidence) from error
        count = len(resolved.patches)
        return replace(
            base,
            commit=trees.patched_commit,
            tree=trees.patched_tree,
            chosen=base.commit,
            describe=f"{base.describe} with {count} prerequisite{'' if count == 1 else 's'}",
            prerequisites=resolved.found,
        )

    def _nowhere(self) -> DoesNotApply:
        """Return the error for a series that applies to none of the bases: what fails on the nearest of them."""
        if len(self.misfits) == 1:
            return self.misfits[0].error
        lines: list[str] = []
        for misfit in self.misfits[:SHOWN_BASES]:
            lines += [f"== {misfit.base.describe}: {misfit.base.reason}", misfit.error.message]
            lines += [f"   {line}" for line in misfit.error.evidence.last_lines]
        return DoesNotApply(
            f"the series applies to none of the {len(self.misfits)} bases that were tried; {self.misfits[0].error.message}",
            hint=self.misfits[0].error.hint or "choose the base that it was made for with --base",
            evidence=Evidence(last_lines=tuple(lines)),
        )


def _is_clean(trees: Trees) -> bool:
    """Whether nothing had to be guessed: git applied it, or all of a lossy page was found without fuzz."""
    return not _has_fuzz(trees) and all(done.rung is not Rung.WHITESPACE for done in trees.applied)


def _has_fuzz(trees: Trees) -> bool:
    return any(done.fuzz for done in trees.applied)


def _how_bad(trees: Trees) -> tuple[int, int]:
    """Return how far down the ladder and with how much fuzz a series went on; of two that are alike the earlier wins."""
    worst = max((_WORST.index(done.rung) for done in trees.applied), default=0)
    return sum(done.fuzz for done in trees.applied), worst
