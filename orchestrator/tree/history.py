"""Which commits hold certain files with certain contents: a base by the blob ids of a diff's ``index`` lines.

One ``git log`` over the tree's branches lists all commits of the time in question with what each changed in these
files; from that follows what every commit holds, without looking into any tree. Only the few commits whose parents are
older are looked up. Blob ids come out of trees, so this works in a clone without blobs, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from orchestrator.tree.git import Git
from orchestrator.tree.refs import Ref

DAY = 24 * 3600
WINDOW_S = 400 * DAY
"""How far back of the mail its base is looked for."""

GRACE_S = 2 * DAY
"""A base may be so much younger than the mail: clocks differ, and mm's branches are made anew with new dates."""

ABSENT = "absent"
"""Wanted of a file that must not be there."""

_NO_BLOB = "0" * 40
_EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
_LOG = (
    "log", "--stdin", "-z", "--raw", "--no-abbrev", "--no-renames", "--diff-merges=first-parent", "--no-ext-diff",
    "--full-history", "--sparse", "--topo-order", "--reverse", "--format=%x01%H %T %ct %P",
)  # fmt: skip

_State = tuple[str, ...]
"""The blob of each wanted path, in order; ABSENT where there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """A commit of the history: its tree, when it was made, on which parents, and what it changed in the wanted files."""

    id: str
    tree: str
    date: int
    parents: tuple[str, ...]
    changed: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A commit that holds all wanted files; ``ref`` is a branch that has it among its own, None where none has."""

    commit: str
    date: int
    ref: Ref | None


def find_missing(git: Git, wanted: Mapping[str, str]) -> tuple[str, ...]:
    """Return the paths whose (abbreviated) blob is no object of the repository, in the order of ``wanted``."""
    asked = {path: blob for path, blob in wanted.items() if blob != ABSENT}
    answers = git.check("cat-file", "--batch-check", stdin="".join(f"{blob}\n" for blob in asked.values())).splitlines()
    return tuple(path for path, answer in zip(asked, answers, strict=True) if answer.endswith(" missing"))


def find_holders(
    git: Git, wanted: Mapping[str, str], *, refs: Sequence[Ref], tips: Sequence[str], until: int | None
) -> tuple[Holder, ...]:
    """Return the commits below ``refs`` and ``tips`` that hold every wanted file, oldest first.

    ``wanted`` maps paths to abbreviated blob ids, or to :data:`ABSENT`; ``until`` is the mail's time in seconds. Looked
    at are the commits of :data:`WINDOW_S` before that. A holder's ``ref`` is the first of ``refs`` on whose line of first
    parents it stands: what a maintainer had checked out, not what he merged.
    """
    paths = tuple(wanted)
    since = () if until is None else (f"--since={until - WINDOW_S}",)
    stdin = "".join(f"{commit}\n" for commit in dict.fromkeys([*(ref.commit for ref in refs), *tips]))
    commits = {commit.id: commit for commit in _parse(git.check(*_LOG, *since, "--", *paths, stdin=stdin))}
    states = _states(git, commits, paths)
    fits: dict[_State, bool] = {}
    holding = []
    for commit in commits.values():
        state = states[commit.id]
        if state not in fits:
            fits[state] = all(_is(found, wanted[path]) for path, found in zip(paths, state, strict=True))
        if fits[state]:
            holding.append(commit)
    owners = _owners(commits, refs)
    return tuple(Holder(commit=commit.id, date=commit.date, ref=owners.get(commit.id)) for commit in holding)


def nearest_holder(holders: Sequence[Holder], until: int | None, *, prefer: Sequence[Ref] = ()) -> Holder | None:
    """Return the holder that is likeliest the base.

    One on a branch of ``prefer`` (the list's own, the likeliest first) goes before one on another branch, and that
    before one that was only merged; among those the newest before the mail, else the oldest after it.
    """
    if not holders:
        return None
    order = {ref: at for at, ref in enumerate(prefer)}

    def rank(holder: Holder) -> tuple[int, bool, int, str]:
        where = len(order) + 1 if holder.ref is None else order.get(holder.ref, len(order))
        away = 0 if until is None else holder.date - until
        is_after = until is not None and away > GRACE_S
        return where, is_after, abs(away) if until is not None else -holder.date, holder.commit

    return min(holders, key=rank)


def _is(found: str, wanted: str) -> bool:
    return found == ABSENT if wanted == ABSENT else found.startswith(wanted)


def _parse(out: str) -> Iterator[Commit]:
    """Yield the commits of git log's output, parents before children."""
    words = iter(out.split("\0"))
    head = ""
    changed: list[tuple[str, str]] = []
    for word in words:
        if word.startswith("\1"):
            if head:
                yield _commit(head, changed)
            head, changed = word[1:], []
        elif (facts := word.lstrip("\n")).startswith(":"):
            blob = facts.split(" ")[3]
            changed.append((next(words), ABSENT if blob == _NO_BLOB else blob))
    if head:
        yield _commit(head, changed)


def _commit(head: str, changed: list[tuple[str, str]]) -> Commit:
    name, tree, date, *parents = head.split()
    return Commit(id=name, tree=tree, date=int(date), parents=tuple(parents), changed=tuple(changed))


def _states(git: Git, commits: Mapping[str, Commit], paths: Sequence[str]) -> dict[str, _State]:
    """Return what each commit holds, from what its first parent holds and what it changed."""
    old = [commit for commit in commits.values() if not commit.parents or commit.parents[0] not in commits]
    by_tree = _look_up(git, sorted({commit.tree for commit in old}), paths)
    states = {commit.id: by_tree[commit.tree] for commit in old}
    known: dict[_State, _State] = {}
    for name, commit in commits.items():
        if name in states:
            continue
        state = states[commit.parents[0]]
        if commit.changed:
            now = dict(zip(paths, state, strict=True)) | {path: blob for path, blob in commit.changed if path in paths}
            state = tuple(now[path] for path in paths)
        # Few are different: one tuple for all that are the same.
        states[name] = known.setdefault(state, state)
    return states


def _look_up(git: Git, trees: Sequence[str], paths: Sequence[str]) -> dict[str, _State]:
    """Return what the trees hold. Compared with nothing: cat-file would want the blobs themselves to be there."""
    asked = "".join(f"{_EMPTY_TREE} {tree}\n" for tree in trees)
    out = git.check(
        "diff-tree", "--stdin", "-r", "-z", "--raw", "--no-abbrev", "--no-renames", "--", *paths, stdin=asked
    )
    held: dict[str, dict[str, str]] = {tree: {} for tree in trees}
    tree = ""
    words = iter(out.split("\0"))
    for word in words:
        *heads, facts = word.split("\n")
        tree = heads[-1].split()[1] if heads else tree
        if facts.startswith(":"):
            held[tree][next(words)] = facts.split(" ")[3]
    return {tree: tuple(blobs.get(path, ABSENT) for path in paths) for tree, blobs in held.items()}


def _owners(commits: Mapping[str, Commit], refs: Sequence[Ref]) -> dict[str, Ref]:
    """Return of each commit the first of ``refs`` that has it on its line of first parents."""
    owners: dict[str, Ref] = {}
    for ref in refs:
        name = ref.commit
        while name in commits and name not in owners:
            owners[name] = ref
            parents = commits[name].parents
            if not parents:
                break
            name = parents[0]
    return owners
