"""Trees: where the sources come from, which commit is base, and how each patch was put on it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from orchestrator.model.series import Diffstat


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Kernel sources as a git repository of ours.

    ``repo`` is a bare repository in the cache, never the user's own; ``head`` is the commit that ``spec`` names.
    ``provenance`` says in one line where it came from and how that was checked.
    """

    spec: str
    repo: Path
    head: str
    provenance: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """The commit without the series, and why this one."""

    commit: str
    tree: str
    describe: str
    reason: str


class Rung(StrEnum):
    """The rungs of the ladder of ways to apply, safest first."""

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
    """

    path: str
    hunk: int
    line: int
    offset: int
    quality: Quality
    fuzz: int = 0
    missed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AppliedPatch:
    """One patch as a commit: ``patched@index``. ``hunks`` is empty where git itself applied it."""

    index: int
    subject: str
    rung: Rung
    commit: str
    tree: str
    diffstat: Diffstat
    stated: Diffstat | None
    hunks: tuple[HunkPlacement, ...] = ()

    @property
    def fuzz(self) -> int:
        """Context lines of the mail that base does not have, over all hunks."""
        return sum(hunk.fuzz for hunk in self.hunks)


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
