"""Branches and tags of a tree: what they are called, which commit they name, and which of them a pattern means."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.tree.git import Git

MOST_REFS = 5000
"""A clone with every fork of Linux has tens of thousands; the newest are looked at."""

_FORMAT = "%(refname)%00%(objectname)%00%(objecttype)%00%(committerdate:unix)"
_FORMAT += "%00%(*objectname)%00%(*objecttype)%00%(*committerdate:unix)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ref:
    """A branch or a tag: its full name, its commit, and that one's date (seconds since 1970)."""

    name: str
    commit: str
    date: int

    @property
    def short(self) -> str:
        """The name as people say it: ``mm-unstable``, ``akpm/mm-unstable``, ``v7.2``."""
        return self.name.split("/", 2)[2] if self.name.count("/") > 1 else self.name

    @property
    def is_tag(self) -> bool:
        """Whether it stays where it is."""
        return self.name.startswith("refs/tags/")


def list_refs(git: Git) -> tuple[Ref, ...]:
    """Return all branches, remote branches and tags that name a commit, the newest first, each commit's date with it."""
    folders = ("refs/heads", "refs/remotes", "refs/tags")
    out = git.check("for-each-ref", "--sort=-creatordate", f"--count={MOST_REFS}", f"--format={_FORMAT}", *folders)
    refs = []
    for line in out.splitlines():
        name, commit, kind, date, under, under_kind, under_date = line.split("\0")
        if kind == "tag":
            commit, kind, date = under, under_kind, under_date
        if kind == "commit" and date.isdigit() and not name.endswith("/HEAD"):
            refs.append(Ref(name=name, commit=commit, date=int(date)))
    return tuple(refs)


def matching(refs: Sequence[Ref], pattern: str) -> tuple[Ref, ...]:
    """Return the refs that ``pattern`` means, branches of the user's own first, then remote ones, then tags.

    ``mm-unstable`` is a branch of that name, here or of any remote; ``linux-next/master`` is the branch ``master`` of the
    remote ``linux-next``, or a branch of that name here; ``*`` stands for anything.
    """
    words = ".*".join(re.escape(word) for word in pattern.split("*"))
    ways = (rf"refs/heads/{words}", rf"refs/remotes/(?:[^/]+/)?{words}", rf"refs/tags/{words}")
    found = [ref for way in ways for ref in refs if re.fullmatch(way, ref.name)]
    return tuple(dict.fromkeys(found))


def newest_before(git: Git, ref: Ref, when: int | None) -> str | None:
    """Return the commit that ``ref`` was at the time ``when``, by the dates along its first parents.

    None where it has no commit that old: a branch that is made anew, with new dates, or a tag that is younger.
    """
    if when is None or ref.date <= when:
        return ref.commit
    if ref.is_tag:
        return None
    return git.check("rev-list", "-1", "--first-parent", f"--before={when}", "--end-of-options", ref.commit) or None
