"""Trees: where the sources come from, which commit is base, and how each patch was put on it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from orchestrator.model.series import Diffstat, PrerequisiteKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Kernel sources as a git repository of ours.

    ``repo`` is a bare repository in the cache, never the user's own; ``head`` is the commit that ``spec`` names.
    ``provenance`` says in one line where it came from and how that was checked. ``tree`` is the user's own folder, None
    for a named release. ``lacks`` says what its clone leaves out (older commits, contents), "" for a whole one.
    """

    spec: str
    repo: Path
    head: str
    provenance: str
    tree: Path | None = None
    lacks: str = ""

    @property
    def refs_folder(self) -> Path:
        """The repository that has the branches and tags: the user's, which is only read, or ours."""
        return self.repo if self.tree is None else self.tree


@dataclass(frozen=True, slots=True, kw_only=True)
class MailingList:
    """An entry of the lists' map: where patches to a list are made for.

    ``list_id`` is the list's id (``linux-mm.kvack.org``); ``branches`` are names of branches, remote branches and tags,
    the likeliest first, in which ``*`` stands for anything (``next-*``).
    """

    list_id: str
    branches: tuple[str, ...]
    what_for: str = ""


class BaseWay(StrEnum):
    """The ways to find a base, in the order in which they are tried."""

    OPTION = "--base"
    TRAILER = "base-commit"
    BLOBS = "blob ids"
    LISTS = "the lists' map"
    RELEASES = "named releases"
    HEAD = "the tree's head"


class StepOutcome(StrEnum):
    """What became of one way."""

    TAKEN = "taken"
    FOUND = "found, not taken"
    MISFIT = "found, but the series does not apply"
    NOTHING = "nothing found"
    UNASKED = "not asked"


class Confidence(StrEnum):
    """How sure it is that the series was made for this base."""

    CERTAIN = "certain"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseStep:
    """One way that was tried (or not): its outcome, and why. ``commits`` are what it proposed, the best one first."""

    way: BaseWay
    outcome: StepOutcome
    text: str
    commits: tuple[str, ...] = ()


class PrerequisiteState(StrEnum):
    """What became of something that the series builds on."""

    IN_BASE = "in the base"
    APPLIED = "applied from the same input"
    MISSING = "missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundPrerequisite:
    """A prerequisite of the series and where it was found; ``commits`` are those of the base that are or carry it."""

    kind: PrerequisiteKind
    value: str
    state: PrerequisiteState
    text: str
    commits: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """The commit without the series, and why this one.

    Prerequisites that came with the input are on it, as commits of ours; ``chosen`` is the commit of the source below
    them, "" where it is the same. ``steps`` are all ways to find a base, in order, with their outcome.
    """

    commit: str
    tree: str
    describe: str
    reason: str
    way: BaseWay = BaseWay.HEAD
    confidence: Confidence = Confidence.LOW
    chosen: str = ""
    steps: tuple[BaseStep, ...] = ()
    prerequisites: tuple[FoundPrerequisite, ...] = ()


class Rung(StrEnum):
    """The rungs of the ladder of ways to apply, safest first; ``PRESENT`` is no way: there was nothing to apply."""

    PRESENT = "in the base already"
    AM = "git am"
    AM_3WAY = "git am -3"
    WHITESPACE = "white space folded"
    RECOVERED = "recovered"


class Quality(StrEnum):
    """How well one hunk's old lines were found in the file."""

    EXACT = "exact"
    WHITESPACE = "white space"
    FUZZ = "fuzz"


@dataclass(frozen=True, slots=True, kw_only=True)
class HunkPlacement:
    """Where hunk number ``hunk`` (from 1) of ``path`` went: ``line`` (from 1) in the base file, ``offset`` from its header.

    ``missed`` are the context lines of the mail that the base file does not have there; ``fuzz`` is their number.
    ``recovered`` counts the lines whose mark, end or indentation had to be found out. ``score`` goes from 1 (all is as
    the mail has it) to 0; see :mod:`orchestrator.tree.score`.
    """

    path: str
    hunk: int
    line: int
    offset: int
    quality: Quality
    fuzz: int = 0
    missed: tuple[str, ...] = ()
    recovered: int = 0
    score: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    """One rung that was tried for a patch; ``said`` is why it did not hold, "" where it did."""

    rung: Rung
    held: bool
    said: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AppliedPatch:
    """One patch as a commit: ``patched@index``. ``hunks`` is empty where git itself applied it.

    A patch that is in the base already has the commit and the tree of the patch before it. ``tries`` are the rungs in
    the order tried, ``specials`` (git's words) what changed beside lines: modes, renames, links. ``score`` is the whole
    patch's, set where it was recovered.
    """

    index: int
    subject: str
    rung: Rung
    commit: str
    tree: str
    diffstat: Diffstat
    stated: Diffstat | None
    hunks: tuple[HunkPlacement, ...] = ()
    tries: tuple[Try, ...] = ()
    specials: tuple[str, ...] = ()
    score: float | None = None

    @property
    def fuzz(self) -> int:
        """Context lines of the mail that base does not have, over all hunks."""
        return sum(hunk.fuzz for hunk in self.hunks)

    @property
    def is_recovered(self) -> bool:
        """Whether its text was put together by us, and not by git."""
        return self.rung is Rung.RECOVERED

    @property
    def keeps_its_word(self) -> bool:
        """Whether the diffstat is the one that the mail states (true where it states none)."""
        stated, found = self.stated, self.diffstat
        is_same = stated is None or (stated.insertions, stated.deletions) == (found.insertions, found.deletions)
        return is_same or self.rung is Rung.PRESENT


@dataclass(frozen=True, slots=True, kw_only=True)
class Trees:
    """Base and the ladder of commits on it; the last one is patched."""

    source: Source
    base: Base
    applied: tuple[AppliedPatch, ...]

    @property
    def patched_commit(self) -> str:
        """The commit with the whole series."""
        return self.applied[-1].commit if self.applied else self.base.commit

    @property
    def patched_tree(self) -> str:
        """The tree id with the whole series."""
        return self.applied[-1].tree if self.applied else self.base.tree
