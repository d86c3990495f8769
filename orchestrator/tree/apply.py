"""The ladder of ways to put a series on its base: ``git am``, ``git am -3``, white space folded, recovered.

Every patch becomes a commit (``patched@k``), with author, dates and committer taken from the patch and the base, so the
same input gives the same commit ids on every machine. A patch whose white space an archive lost begins at the last
rung: git would take its lines at their word.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parseaddr, parsedate_to_datetime
from pathlib import Path

from orchestrator.errors import Evidence, InputError
from orchestrator.host.deadline import Cancellation
from orchestrator.host.steps import Steps
from orchestrator.model.diff import FileDiff, read_diff
from orchestrator.model.series import Diffstat, Patch, Series
from orchestrator.model.tree import AppliedPatch, Base, HunkPlacement, Rung, Source, Trees
from orchestrator.tree.git import Git
from orchestrator.tree.place import ambiguous_hunk
from orchestrator.tree.recover import recover_file
from orchestrator.tree.report import explain_misfit
from orchestrator.tree.scratch import SYMLINK, Change, Entry, Scratch, find_entries, scratch_repository

GIT_RUNGS: tuple[tuple[Rung, tuple[str, ...]], ...] = (
    (Rung.AM, ()),
    (Rung.AM_3WAY, ("--3way",)),
    (Rung.WHITESPACE, ("--ignore-whitespace",)),
)
"""The rungs that are git's, with the options of git am that make each; recovery is the last one."""

COMMITTER = ("mm-patch-orchestrator", "orchestrator@localhost")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outcome:
    """What a rung made of a patch."""

    rung: Rung
    changes: tuple[Change, ...]
    placements: tuple[HunkPlacement, ...] = ()


def apply_series(source: Source, base: Base, series: Series, *, steps: Steps, cancellation: Cancellation) -> Trees:
    """Put every patch of ``series`` on ``base``, each as a commit in ``source``'s repository.

    Raises :class:`InputError` when a patch does not apply, naming patch, file, hunk and the nearest place or the
    candidates, or when it reaches for something that is no plain file of the tree.
    """
    applied: list[AppliedPatch] = []
    commit, tree = base.commit, base.tree
    with scratch_repository(source.repo, cancellation) as scratch:
        scratch.load(base.tree)
        for patch in series.patches:
            with steps.step("apply", part=f"{patch.index}/{patch.total}", subject=patch.subject) as note:
                try:
                    outcome = _apply_patch(scratch, tree, patch)
                except InputError as error:
                    raise _does_not_apply(patch, base, error) from error
                new_tree = scratch.graft(outcome.changes)
                commit = _commit(scratch.full, patch, tree=new_tree, parent=commit, base=base.commit)
                stat = _diffstat(scratch.full, tree, new_tree)
                tree = new_tree
                done = _applied(patch, outcome, commit=commit, tree=tree, diffstat=stat)
                note(_in_words(done))
            applied.append(done)
    return Trees(source=source, base=base, applied=tuple(applied))


def _apply_patch(scratch: Scratch, tree: str, patch: Patch) -> _Outcome:
    """Try the rungs in order on the files that the patch touches, as they are in ``tree``."""
    files = read_diff(patch.diff, lossy=patch.lossy)
    if any(file.new_mode == SYMLINK for file in files):
        raise InputError("a new symbolic link is not supported")
    paths = sorted({path for file in files for path in (file.old_path, file.new_path) if path})
    entries = find_entries(scratch.full, tree, paths)
    scratch.stage(entries)
    texts = {path: scratch.read(path) for path in paths}
    complaints: list[str] = []
    if not patch.lossy:
        outcome = _climb_git(scratch, patch, complaints)
        if outcome is not None:
            _require_unambiguous(files, texts)
            return outcome
    try:
        return _recover(scratch, files, entries, texts, lossy=patch.lossy)
    except InputError as error:
        seen = (*error.evidence.last_lines, *complaints)
        raise InputError(error.message, hint=error.hint, evidence=Evidence(last_lines=seen)) from error


def _climb_git(scratch: Scratch, patch: Patch, complaints: list[str]) -> _Outcome | None:
    """Try git's rungs; None when none of them holds, with what git said in ``complaints``."""
    mail = scratch.folder / "patch.mail"
    _write_mail(mail, patch)
    for rung, options in GIT_RUNGS:
        said = scratch.apply_mail(mail, *options)
        if said.ok:
            changes = scratch.changes()
            if not changes:
                raise InputError("the base has this change already", hint="leave the patch out, or choose another base")
            return _Outcome(rung=rung, changes=changes)
        complaints += [f"{rung}: {line}" for line in said.stderr.splitlines() if line.startswith("error:")]
        scratch.reset()
    return None


def _write_mail(path: Path, patch: Patch) -> None:
    """Write the diff as the mail that git am reads. The commit is made by us, so the headers are only for form."""
    head = "From: nobody <nobody@localhost>\nDate: Tue, 14 Nov 2023 22:13:20 +0000\nSubject: [PATCH] patch\n\n---\n\n"
    diff = patch.diff if patch.diff.endswith("\n") else f"{patch.diff}\n"
    path.write_bytes((head + diff).encode("utf-8", "surrogateescape"))


def _require_unambiguous(files: Sequence[FileDiff], texts: Mapping[str, str | None]) -> None:
    """Refuse what git placed by guess: a hunk that is not where its header says and fits several places."""
    for file in files:
        text = texts.get(file.old_path or "")
        if text is None:
            continue
        lines = text.split("\n")
        why = ambiguous_hunk(lines, file.hunks)
        if why is not None:
            raise explain_misfit(why, lines, diff=file, lossy=False)


def _recover(
    scratch: Scratch,
    files: Sequence[FileDiff],
    entries: Mapping[str, Entry],
    texts: Mapping[str, str | None],
    *,
    lossy: bool,
) -> _Outcome:
    """Put the hunks of all files in by their content."""
    changes: list[Change] = []
    placements: list[HunkPlacement] = []
    for file in files:
        old = file.old_path
        entry = entries.get(old) if old else entries.get(file.path)
        exact = entry is not None and file.old_blob is not None and entry.blob.startswith(file.old_blob)
        text = texts.get(old or file.path)
        recovered = recover_file(text, file, lossy=lossy, exact=exact)
        placements += recovered.placements
        if old is not None and old != file.new_path:
            changes.append((old, None))
        if file.new_path is not None and recovered.text is not None:
            if file.new_path != old and file.new_path in entries:
                raise InputError(f"{file.new_path}: the patch makes this file, but the base has one")
            mode = file.new_mode or (entry.mode if entry else "100644")
            changes.append((file.new_path, Entry(mode=mode, blob=scratch.store(recovered.text))))
    return _Outcome(rung=Rung.RECOVERED, changes=tuple(changes), placements=tuple(placements))


def _commit(git: Git, patch: Patch, *, tree: str, parent: str, base: str) -> str:
    """Make the commit of a patch and return its id; nothing in it depends on where or when this is."""
    base_date = f"@{git.check('log', '-1', '--format=%ct', base)} +0000"
    name, mail = _identity(patch.author)
    identities = git.using(
        GIT_AUTHOR_NAME=name,
        GIT_AUTHOR_EMAIL=mail,
        GIT_AUTHOR_DATE=_date(patch.date) or base_date,
        GIT_COMMITTER_NAME=COMMITTER[0],
        GIT_COMMITTER_EMAIL=COMMITTER[1],
        GIT_COMMITTER_DATE=base_date,
    )
    message = f"{patch.subject or 'patch'}\n\n{patch.message}".rstrip() + "\n"
    return identities.check(
        "commit-tree", "-p", parent, "-F", "-", tree, stdin=message.encode("utf-8", "replace").decode()
    )


def _identity(author: str) -> tuple[str, str]:
    """Return name and address of an author, with something in both: git refuses empty ones."""
    name, mail = parseaddr(author)
    clean = "".join(char for char in name if char.isprintable() and char not in "<>").strip(" .,:;\"'")
    address = "".join(char for char in mail if char.isprintable() and char not in "<> ")
    return clean or address or author.strip(" <>\n") or "unknown", address or "unknown@localhost"


def _date(text: str | None) -> str | None:
    """Return a mail's date in git's words, None where there is none or it cannot be read."""
    if not text:
        return None
    try:
        when = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError):
        return None
    aware = when if when.tzinfo else when.replace(tzinfo=UTC)
    seconds = int((aware - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds())
    return f"@{seconds} {aware.strftime('%z')[:5]}" if seconds >= 0 else None


def _diffstat(git: Git, old: str, new: str) -> Diffstat:
    """Return what git says changed between two trees, renames found as git format-patch does."""
    words = git.check("diff-tree", "-r", "-z", "-M", "--numstat", old, new).split("\0")
    files: list[str] = []
    insertions = deletions = at = 0
    while at < len(words) and words[at]:
        added, removed, path = words[at].split("\t")
        insertions += int(added) if added.isdigit() else 0
        deletions += int(removed) if removed.isdigit() else 0
        # A rename has an empty path here and its two paths behind it.
        files.append(path or words[at + 2])
        at += 1 if path else 3
    return Diffstat(files=tuple(files), insertions=insertions, deletions=deletions)


def _applied(patch: Patch, outcome: _Outcome, *, commit: str, tree: str, diffstat: Diffstat) -> AppliedPatch:
    return AppliedPatch(
        index=patch.index,
        subject=patch.subject,
        rung=outcome.rung,
        commit=commit,
        tree=tree,
        diffstat=diffstat,
        stated=patch.stated,
        hunks=outcome.placements,
    )


def _in_words(done: AppliedPatch) -> str:
    """Return how a patch was applied, for the narration."""
    words = f"{done.rung}: {done.diffstat.describe()}"
    if done.fuzz:
        places = ", ".join(f"hunk {hunk.hunk} of {hunk.path}" for hunk in done.hunks if hunk.fuzz)
        words += f"; fuzz {done.fuzz} ({places})"
    stated, found = done.stated, done.diffstat
    if stated and (stated.insertions, stated.deletions) != (found.insertions, found.deletions):
        words += f"; the mail says {stated.describe()}"
    return words


def _does_not_apply(patch: Patch, base: Base, error: InputError) -> InputError:
    """Return ``error`` with the patch and the base named."""
    return InputError(
        f"patch {patch.index}/{patch.total} ({patch.subject}) does not apply to {base.describe}: {error.message}",
        hint=error.hint,
        evidence=error.evidence,
    )
