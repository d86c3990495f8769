"""A series: the patches of one posting, as intake hands them on. Nothing here knows how a mail is read."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Form(StrEnum):
    """What kind of input a series was read from."""

    FORMAT_PATCH = "format-patch file"
    MBOX = "mbox"
    DIRECTORY = "directory of patches"
    ARCHIVED_PAGE = "archived page"
    DIFF = "plain diff"


@dataclass(frozen=True, slots=True, kw_only=True)
class Diffstat:
    """What a mail says (or a tree shows) that a patch changes: files, added and removed lines."""

    files: tuple[str, ...]
    insertions: int
    deletions: int

    def describe(self) -> str:
        """Return it in git's words."""
        count = len(self.files)
        return (
            f"{count} file{'' if count == 1 else 's'} changed, "
            f"{self.insertions} insertion{'' if self.insertions == 1 else 's'}(+), "
            f"{self.deletions} deletion{'' if self.deletions == 1 else 's'}(-)"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """One patch. ``diff`` is unified-diff text with line feeds as line ends, every hunk complete by its header's counts.

    ``lossy`` says that white space of the diff is not to be trusted (an archive folded it); such a patch can only be
    placed by :mod:`orchestrator.tree.recover`.
    """

    index: int
    total: int
    subject: str
    author: str
    date: str | None
    message: str
    diff: str
    lossy: bool
    stated: Diffstat | None
    message_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """The patches of one posting, in order; ``missing`` names the parts 1..total that the input does not hold."""

    title: str
    version: int
    form: Form
    source: str
    patches: tuple[Patch, ...]
    total: int
    missing: tuple[int, ...] = ()
    cover: str | None = None
    base_commit: str | None = None
    message_ids: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
