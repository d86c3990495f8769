"""What a series builds on: looked for in the base's history, and among the other series of the same input.

A prerequisite that came with the input and is not in the base is put on it first, so that base is what the series was
made for. One that is nowhere is named; the series is tried all the same, for it may not touch the same lines.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from orchestrator.host import process
from orchestrator.host.deadline import Cancellation, Deadline
from orchestrator.model.series import Patch, Prerequisite, PrerequisiteKind, Series
from orchestrator.model.tree import FoundPrerequisite, PrerequisiteState, Source
from orchestrator.tree.git import Git
from orchestrator.tree.history import DAY

HISTORY_S = 120 * DAY
MOST_COMMITS = 3000
SEARCH_S = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """What was found: ``patches`` are to be put on the base first, in order; ``found`` says it of each prerequisite."""

    found: tuple[FoundPrerequisite, ...] = ()
    patches: tuple[Patch, ...] = ()


def resolve_prerequisites(
    source: Source,
    commit: str,
    series: Series,
    others: Sequence[Series],
    *,
    when: int | None,
    cancellation: Cancellation,
) -> Resolved:
    """Look for what ``series`` builds on in the history of ``commit`` (from ``when``, seconds, back) and in ``others``."""
    wanted = [item for item in series.prerequisites if not _is_commit(item)]
    if not wanted:
        return Resolved()
    git = Git(source.repo, cancellation)
    given = [patch for other in others for patch in other.patches]
    ids = dict(zip(patch_ids(git, [patch.diff for patch in given]), given, strict=True))
    kinds = {item.kind for item in wanted}
    in_base = _history_ids(git, commit, when) if PrerequisiteKind.PATCH_ID in kinds else {}
    found: list[FoundPrerequisite] = []
    patches: list[Patch] = []
    for item in wanted:
        there = _in_base(git, commit, item, when=when, history=in_base)
        mine = [] if there else _in_input(item, others, ids)
        if there:
            state, text = PrerequisiteState.IN_BASE, f"{item.kind} {item.value}: in the base as {there[:12]}"
        elif mine:
            state = PrerequisiteState.APPLIED
            text = f"{item.kind} {item.value}: {_count(len(mine))} of the same input, put on the base first"
        else:
            state = PrerequisiteState.MISSING
            text = f"{item.kind} {item.value}: neither in the base nor in the input"
        found.append(
            FoundPrerequisite(
                kind=item.kind, value=item.value, state=state, text=text, commits=(there,) if there else ()
            )
        )
        patches += [patch for patch in mine if patch not in patches]
    return Resolved(found=tuple(found), patches=tuple(patches))


def patch_ids(git: Git, diffs: Sequence[str]) -> list[str]:
    """Return the stable patch id (git-patch-id(1)) of each diff, "" where it has none."""
    return [git.check("patch-id", "--stable", stdin=diff).partition(" ")[0] if diff else "" for diff in diffs]


def _is_commit(item: Prerequisite) -> bool:
    """Whether it names a commit and no mail: that is a base, and :mod:`orchestrator.tree.base` has looked at it."""
    return item.kind is PrerequisiteKind.BASED_ON and item.message_id is None


def _in_input(item: Prerequisite, others: Sequence[Series], ids: Mapping[str, Patch]) -> list[Patch]:
    if item.kind is PrerequisiteKind.PATCH_ID:
        return [ids[item.value]] if item.value in ids else []
    if item.kind is PrerequisiteKind.CHANGE_ID:
        name, _, version = item.value.rpartition(":v")
        for other in others:
            if other.change_id == (name or item.value) and version in {"", str(other.version)}:
                return list(other.patches)
        return []
    for other in others:
        if item.message_id is not None and item.message_id in {*other.message_ids, *_ids_of(other)}:
            return list(other.patches)
    return []


def _ids_of(series: Series) -> set[str]:
    return {patch.message_id for patch in series.patches if patch.message_id}


def _in_base(git: Git, commit: str, item: Prerequisite, *, when: int | None, history: Mapping[str, str]) -> str | None:
    """Return the commit of the base's history that is the prerequisite: by its patch id, or by a Link: to its mail."""
    if item.kind is PrerequisiteKind.PATCH_ID:
        return history.get(item.value)
    wanted = item.message_id or (item.value if item.kind is PrerequisiteKind.CHANGE_ID else None)
    if wanted is None:
        return None
    args = ("-1", f"--max-count={1}", "--fixed-strings", f"--grep={wanted}", "--format=%H", *_window(when))
    return git.check("log", *args, "--end-of-options", commit) or None


def _history_ids(git: Git, commit: str, when: int | None) -> dict[str, str]:
    """Return the commits of the last months by their stable patch ids."""
    log = git.argv(
        "log", "-p", "--no-merges", f"--max-count={MOST_COMMITS}", "--no-ext-diff", "--no-textconv", "--full-index",
        *_window(when), "--end-of-options", commit,
    )  # fmt: skip
    deadline = Deadline(SEARCH_S, what="git patch-id", cancellation=git.cancellation)
    env = git.environment()
    # Contents are bytes of any charset, and patch ids are made of bytes: they go from one program to the other.
    with (
        process.running(log, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=env) as shown,
        process.running(
            git.argv("patch-id", "--stable"),
            stdin=shown.popen.stdout or -1,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=env,
        ) as ids,
    ):
        if shown.popen.stdout is not None:
            shown.popen.stdout.close()
        out = ids.popen.stdout.read() if ids.popen.stdout is not None else b""
        ids.wait(deadline)
    pairs = (line.split() for line in out.decode("ascii", "replace").splitlines())
    return {pair[0]: pair[1] for pair in pairs if len(pair) == 2}


def _window(when: int | None) -> tuple[str, ...]:
    return () if when is None else (f"--since={when - HISTORY_S}",)


def _count(number: int) -> str:
    return f"{number} patch{'' if number == 1 else 'es'}"
