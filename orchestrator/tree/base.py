"""Which commit is base, and why: the first rung of the ladder that leads somewhere.

Each rung is a function that returns a commit and a sentence, or None; a later way to choose (blob ids, a map of lists,
release dates) is one more function in :data:`LADDER`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from orchestrator.errors import UserError
from orchestrator.host.deadline import Cancellation
from orchestrator.model.series import Series
from orchestrator.model.tree import Base, Source
from orchestrator.tree.git import Git
from orchestrator.tree.sources import resolve_in_source


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """All that a rung may look at."""

    source: Source
    series: Series
    rev: str | None
    cancellation: Cancellation


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a rung says: the commit, and why."""

    commit: str
    reason: str


def choose_base(source: Source, series: Series, *, rev: str | None, cancellation: Cancellation | None = None) -> Base:
    """Return the base of ``series`` in ``source``: ``rev``, else the series' base-commit, else the source's head.

    Raises :class:`UserError` when ``rev`` is given and names no commit.
    """
    question = Question(source=source, series=series, rev=rev, cancellation=cancellation or Cancellation())
    answer = next(found for rung in LADDER if (found := rung(question)) is not None)
    git = Git(source.repo, question.cancellation)
    tree = git.check("rev-parse", "--verify", f"{answer.commit}^{{tree}}")
    return Base(commit=answer.commit, tree=tree, describe=_describe(git, answer.commit), reason=answer.reason)


def _by_the_user(question: Question) -> Answer | None:
    if question.rev is None:
        return None
    commit = resolve_in_source(question.source, question.rev, question.cancellation)
    if commit is None:
        raise UserError(
            f"--base {question.rev} names no commit in {question.source.spec}",
            hint="look at git log there; a shallow clone does not have older commits",
        )
    return Answer(commit=commit, reason=f"--base {question.rev} says so")


def _by_the_trailer(question: Question) -> Answer | None:
    wanted = question.series.base_commit
    if wanted is None:
        return None
    commit = resolve_in_source(question.source, wanted, question.cancellation)
    return None if commit is None else Answer(commit=commit, reason=f"the series' base-commit {wanted[:12]} is there")


def _by_the_source(question: Question) -> Answer:
    source, wanted = question.source, question.series.base_commit
    why = f"the series' base-commit {wanted[:12]} is not there" if wanted else "the series names no base-commit"
    return Answer(commit=source.head, reason=f"{why}, so the head of {source.spec} was taken")


LADDER: tuple[Callable[[Question], Answer | None], ...] = (_by_the_user, _by_the_trailer, _by_the_source)
"""Asked in order; the last one always answers."""


def _describe(git: Git, commit: str) -> str:
    """Return the version in the commit's Makefile with the commit's short id: ``7.2.12 (eace7400cf47)``."""
    makefile = git.run("cat-file", "blob", f"{commit}:Makefile").stdout
    fields = dict(re.findall(r"^(VERSION|PATCHLEVEL|SUBLEVEL|EXTRAVERSION) *=[ \t]*(.*)$", makefile, re.MULTILINE))
    numbers = [fields.get("VERSION", "?"), fields.get("PATCHLEVEL", "?")]
    if fields.get("SUBLEVEL", "0") != "0":
        numbers.append(fields["SUBLEVEL"])
    return f"{'.'.join(numbers)}{fields.get('EXTRAVERSION', '')} ({commit[:12]})"
