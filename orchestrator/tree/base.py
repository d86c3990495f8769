"""Which commit is base, and why: ways to find it, asked in order, each of which proposes commits and says what it saw.

The order is that of how much a way can know: what the user says, what the series says, which commits hold the very
files that the diff was made from, where patches to its list are made for, what was released about then, and last the
head of the tree. :mod:`orchestrator.tree.prepare` asks until the series applies to what is proposed.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from orchestrator.errors import UserError
from orchestrator.host.deadline import Cancellation
from orchestrator.model.series import PrerequisiteKind, Series
from orchestrator.model.tree import Base, BaseStep, BaseWay, Confidence, MailingList, Source, StepOutcome
from orchestrator.tree.git import Git
from orchestrator.tree.hints import day, wanted_blobs, written_at
from orchestrator.tree.history import ABSENT, Holder, find_holders, find_missing, nearest_holder
from orchestrator.tree.refs import Ref, list_refs, matching, newest_before
from orchestrator.tree.remotes import fetch_commit, remotes_of
from orchestrator.tree.sources import resolve_in_source

RELEASE = re.compile(r"refs/tags/v\d+\.\d+(?:-rc\d+)?")
REFS_A_PATTERN = 2
RELEASES = 2

_REV = re.compile(r"[A-Za-z0-9](?:[\w/-]|\.(?!\.)){2,99}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the user says of the base: ``rev`` (--base), and whether remotes may be asked; and the lists' map."""

    rev: str | None = None
    may_fetch: bool = False
    lists: tuple[MailingList, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A commit that a way proposes: how sure that is, and why, as the end of "this base was taken: ..."."""

    commit: str
    reason: str
    confidence: Confidence


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a way says: commits, the best first, and in words what it saw."""

    candidates: tuple[Candidate, ...]
    text: str


class Question:
    """All that a way may look at. What several ways need is found out once."""

    def __init__(self, source: Source, series: Series, wishes: Wishes, cancellation: Cancellation) -> None:
        self.source = source
        self.series = series
        self.wishes = wishes
        self.cancellation = cancellation
        self.git = Git(source.refs_folder, cancellation)

    @functools.cached_property
    def refs(self) -> tuple[Ref, ...]:
        """The tree's branches and tags, the newest first."""
        return list_refs(self.git)

    @functools.cached_property
    def written(self) -> int | None:
        """When the series was written."""
        return written_at(self.series)

    @functools.cached_property
    def likely(self) -> tuple[tuple[Ref, str], ...]:
        """The refs that the series is likely made for, with the reason: its subject's words, then the lists' map."""
        found: dict[Ref, str] = {}
        for tag in self.series.tags:
            if _REV.fullmatch(tag):
                for ref in matching(self.refs, tag)[:REFS_A_PATTERN]:
                    found.setdefault(ref, f"the subject says [{tag}]")
        by_id = {entry.list_id: entry for entry in self.wishes.lists}
        for list_id in self.series.lists:
            entry = by_id.get(list_id.lower())
            for pattern in entry.branches if entry else ():
                refs = [ref for ref in matching(self.refs, pattern) if not ref.is_tag or self._is_before(ref)]
                for ref in refs[:REFS_A_PATTERN]:
                    found.setdefault(ref, f"the list {list_id} has patches for {pattern}")
        return tuple(found.items())

    def _is_before(self, ref: Ref) -> bool:
        return self.written is None or ref.date <= self.written


def choose_base(
    source: Source,
    series: Series,
    *,
    rev: str | None,
    cancellation: Cancellation | None = None,
    wishes: Wishes | None = None,
) -> Base:
    """Return the likeliest base of ``series`` in ``source`` without trying whether the series applies to it.

    Raises :class:`UserError` when ``rev`` is given and names no commit.
    """
    question = Question(source, series, wishes or Wishes(rev=rev), cancellation or Cancellation())
    seen: list[BaseStep] = []
    for way, answer in asked(question):
        taken = answer.candidates[:1]
        outcome = StepOutcome.TAKEN if taken else StepOutcome.NOTHING
        seen.append(step_of(way, answer, outcome))
        if taken:
            return base_of(question, way, taken[0], steps=with_unasked(seen))
    raise AssertionError("the last way always answers")


def asked(question: Question) -> Iterator[tuple[BaseWay, Answer]]:
    """Yield what each way answers, in order; asked only when the caller wants the next. --base ends the search."""
    for way, ask in WAYS.items():
        yield way, ask(question)
        if way is BaseWay.OPTION and question.wishes.rev is not None:
            return


def step_of(way: BaseWay, answer: Answer, outcome: StepOutcome) -> BaseStep:
    """Return the record of a way that was asked."""
    commits = tuple(candidate.commit for candidate in answer.candidates)
    return BaseStep(way=way, outcome=outcome, text=answer.text, commits=commits)


def with_unasked(seen: Sequence[BaseStep]) -> tuple[BaseStep, ...]:
    """Return the steps with those ways behind them that nobody had to ask."""
    left = [way for way in WAYS if way not in {step.way for step in seen}]
    return (*seen, *(BaseStep(way=way, outcome=StepOutcome.UNASKED, text="an earlier way was enough") for way in left))


def base_of(question: Question, way: BaseWay, candidate: Candidate, *, steps: tuple[BaseStep, ...] = ()) -> Base:
    """Return a candidate as base."""
    git = Git(question.source.repo, question.cancellation)
    return Base(
        commit=candidate.commit,
        tree=git.check("rev-parse", "--verify", f"{candidate.commit}^{{tree}}"),
        describe=_describe(git, candidate.commit),
        reason=candidate.reason,
        way=way,
        confidence=candidate.confidence,
        steps=steps,
    )


def _by_option(question: Question) -> Answer:
    rev = question.wishes.rev
    if rev is None:
        return Answer(candidates=(), text="--base was not given")
    commit = resolve_in_source(question.source, rev, question.cancellation)
    if commit is None:
        lacking = f" ({question.source.lacks})" if question.source.lacks else ""
        raise UserError(
            f"--base {rev} names no commit in {question.source.spec}{lacking}",
            hint="look at git log there; a shallow clone does not have older commits",
        )
    reason = f"--base {rev} says so"
    return Answer(candidates=(Candidate(commit=commit, reason=reason, confidence=Confidence.CERTAIN),), text=reason)


def _by_trailer(question: Question) -> Answer:
    wanted = question.series.base_commit
    if wanted is None:
        return _by_based_on(question)
    source = question.source
    commit = resolve_in_source(source, wanted, question.cancellation)
    where = "is there"
    names = ", ".join(remotes_of(source, question.cancellation))
    if commit is None and question.wishes.may_fetch and (remote := _fetched(question, wanted)):
        commit, where = wanted, f"was fetched from {remote}"
    if commit is not None:
        reason = f"the series' base-commit {wanted[:12]} {where}"
        return Answer(candidates=(Candidate(commit=commit, reason=reason, confidence=Confidence.CERTAIN),), text=reason)
    text = f"the series' base-commit {wanted[:12]} is not there"
    if question.wishes.may_fetch:
        text += f", and none of the remotes gave it: {names}" if names else "; the tree has no remotes to ask"
    elif names:
        text += f"; --fetch would ask the tree's remotes: {names}"
    return Answer(candidates=(), text=f"{text} ({source.lacks})" if source.lacks else text)


def _fetched(question: Question, commit: str) -> str | None:
    """Fetch a full commit id; an abbreviated one cannot be asked for."""
    is_full = re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", commit)
    return fetch_commit(question.source, commit, question.cancellation) if is_full else None


def _by_based_on(question: Question) -> Answer:
    """Look for a commit, branch or tag that a Based-on: line names; what it says of other mails is a prerequisite."""
    for item in question.series.prerequisites:
        word = item.value.split(maxsplit=1)[0] if item.value.strip() else ""
        if item.kind is PrerequisiteKind.BASED_ON and item.message_id is None and _REV.fullmatch(word):
            commit = resolve_in_source(question.source, word, question.cancellation)
            if commit is not None:
                reason = f"the series says Based-on: {word}"
                candidate = Candidate(commit=commit, reason=reason, confidence=Confidence.HIGH)
                return Answer(candidates=(candidate,), text=reason)
    return Answer(candidates=(), text="the series names no base-commit")


def _by_blobs(question: Question) -> Answer:
    wanted = wanted_blobs(question.series)
    files = [path for path, blob in wanted.items() if blob != ABSENT]
    if not wanted:
        return Answer(candidates=(), text="the diff has no index lines with blob ids")
    source = question.source
    lacks = f" ({source.lacks})" if source.lacks else ""
    if not source.lacks:
        missing = find_missing(question.git, wanted)
        if missing:
            shown = ", ".join(f"{path} {wanted[path]}" for path in missing[:3]) + (" ..." if len(missing) > 3 else "")
            why = "; patches that are not here may have made it" if question.series.missing else ""
            are = "is" if len(missing) == 1 else "are"
            text = f"of {_count(files, 'blob id')} {len(missing)} {are} not in the tree: {shown}{why}"
            return Answer(candidates=(), text=text)
    prefer = [ref for ref, _ in question.likely]
    refs = list(dict.fromkeys([*prefer, *question.refs]))
    tips = [source.head]
    holders = find_holders(question.git, wanted, refs=refs, tips=tips, until=question.written)
    best = nearest_holder(holders, question.written, prefer=prefer)
    if best is None:
        return Answer(candidates=(), text=f"no commit holds {_count(files, 'file')} as the diff has them before{lacks}")
    text = f"{_count(holders, 'commit')} of the tree hold{'s' * (len(holders) == 1)} {_all(files)} as the diff has it before"
    reason = f"{text}; {best.commit[:12]} {_near(best, question.written)}"
    # A short id may mean another blob than the author's; twelve digits are what the kernel asks for.
    is_sure = all(len(wanted[path]) >= 10 for path in files)
    confidence = Confidence.HIGH if is_sure else Confidence.MEDIUM
    candidates = [Candidate(commit=best.commit, reason=reason, confidence=confidence)]
    return Answer(candidates=tuple(candidates), text=reason)


def _near(holder: Holder, written: int | None) -> str:
    where = f" on {holder.ref.short}" if holder.ref else ""
    if written is None:
        return f"of {day(holder.date)}{where} is the newest; the mail has no date"
    return f"of {day(holder.date)}{where} is the nearest to the mail's date, {day(written)}"


def _by_lists(question: Question) -> Answer:
    candidates: dict[str, Candidate] = {}
    for ref, why in question.likely:
        commit = newest_before(question.git, ref, question.written)
        when = f"its newest commit before the mail of {day(question.written)}"
        if commit is None:
            commit, when = ref.commit, "its tip: all it has is younger than the mail, so it was made anew since"
        if commit == ref.commit and question.written is None:
            when = "its tip: the mail has no date"
        sure = Confidence.HIGH if why.startswith("the subject") else Confidence.MEDIUM
        reason = f"{why}, and {ref.short} is there; {when} was taken"
        candidates.setdefault(commit, Candidate(commit=commit, reason=reason, confidence=sure))
    if candidates:
        text = "; ".join(f"{why}: {ref.short}" for ref, why in question.likely[:4])
        return Answer(candidates=tuple(candidates.values()), text=text)
    lists = ", ".join(question.series.lists)
    if not lists:
        return Answer(candidates=(), text="the mail names no list")
    return Answer(
        candidates=(), text=f"the tree has none of the branches of {lists}, or the map does not know the list"
    )


def _by_releases(question: Question) -> Answer:
    tags = sorted((ref for ref in question.refs if RELEASE.fullmatch(ref.name)), key=lambda ref: -ref.date)
    if not tags:
        return Answer(candidates=(), text="the tree has no tags of releases")
    written = question.written
    before = [tag for tag in tags if written is None or tag.date <= written]
    if not before:
        return Answer(candidates=(), text=f"all releases of the tree are younger than {day(written)}")
    candidates = tuple(
        Candidate(
            commit=tag.commit,
            reason=f"{tag.short} of {day(tag.date)} is {'the newest' if not at else 'a'} release before the mail",
            confidence=Confidence.LOW,
        )
        for at, tag in enumerate(before[:RELEASES])
    )
    return Answer(candidates=candidates, text=", ".join(f"{tag.short} of {day(tag.date)}" for tag in before[:RELEASES]))


def _by_head(question: Question) -> Answer:
    source, wanted = question.source, question.series.base_commit
    why = f"the series' base-commit {wanted[:12]} is not there" if wanted else "the series names no base-commit"
    reason = f"{why}, so the head of {source.spec} was taken"
    candidate = Candidate(commit=source.head, reason=reason, confidence=Confidence.LOW)
    return Answer(candidates=(candidate,), text=f"the head of {source.spec}")


WAYS: dict[BaseWay, Callable[[Question], Answer]] = {
    BaseWay.OPTION: _by_option,
    BaseWay.TRAILER: _by_trailer,
    BaseWay.BLOBS: _by_blobs,
    BaseWay.LISTS: _by_lists,
    BaseWay.RELEASES: _by_releases,
    BaseWay.HEAD: _by_head,
}
"""Asked in order; the last one always answers."""


def _count(things: Sequence[object], word: str) -> str:
    return f"{len(things)} {word}{'' if len(things) == 1 else 's'}"


def _all(files: Sequence[str]) -> str:
    return files[0] if len(files) == 1 else f"all {len(files)} files"


def _describe(git: Git, commit: str) -> str:
    """Return the version in the commit's Makefile with the commit's short id: ``7.2.12 (eace7400cf47)``."""
    makefile = git.run("cat-file", "blob", f"{commit}:Makefile").stdout
    fields = dict(re.findall(r"^(VERSION|PATCHLEVEL|SUBLEVEL|EXTRAVERSION) *=[ \t]*(.*)$", makefile, re.MULTILINE))
    numbers = [fields.get("VERSION", "?"), fields.get("PATCHLEVEL", "?")]
    if fields.get("SUBLEVEL", "0") != "0":
        numbers.append(fields["SUBLEVEL"])
    return f"{'.'.join(numbers)}{fields.get('EXTRAVERSION', '')} ({commit[:12]})"
