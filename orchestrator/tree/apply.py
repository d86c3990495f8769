"""The ladder of ways to put a series on its base: ``git am``, ``git am -3``, white space folded, recovered.

Every patch becomes a commit (``patched@k``), with author, dates and committer taken from the patch and the base, so the
same input gives the same commit ids on every machine. A patch whose white space an archive lost begins at the last
rung: git would take its lines at their word.
"""

from __future__ import annotations

import re
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
from orchestrator.model.specials import SYMLINK
from orchestrator.model.tree import AppliedPatch, Base, HunkPlacement, Rung, Source, Trees, Try
from orchestrator.tree.git import Git
from orchestrator.tree.place import ambiguous_hunk
from orchestrator.tree.recover import is_present, recover_file
from orchestrator.tree.report import DoesNotApply, explain_misfit
from orchestrator.tree.score import LEAST_PATCH, score_patch
from orchestrator.tree.scratch import Change, Entry, Scratch, find_entries, scratch_repository

GIT_RUNGS: tuple[tuple[Rung, tuple[str, ...]], ...] = (
    (Rung.AM, ()),
    (Rung.AM_3WAY, ("--3way",)),
    (Rung.WHITESPACE, ("--ignore-whitespace",)),
)
"""The rungs that are git's, with the options of git am that make each; recovery is the last one."""

_ORDINARY = re.compile(r"(?:create|delete) mode 100644 ")
"""What of git's summary the diffstat says as well."""

COMMITTER = ("mm-patch-orchestrator", "orchestrator@localhost")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outcome:
    """What a rung made of a patch."""

    rung: Rung
    changes: tuple[Change, ...] = ()
    placements: tuple[HunkPlacement, ...] = ()
    sizes: tuple[int, ...] = ()


def apply_series(
    source: Source, base: Base, series: Series, *, steps: Steps, cancellation: Cancellation, strict: bool = False
) -> Trees:
    """Put every patch of ``series`` on ``base``, each as a commit in ``source``'s repository.

    A patch that is in the base already is left out, and said to be so. ``strict`` leaves out the rungs behind
    ``git am -3``. Raises :class:`DoesNotApply` when a patch does not apply, naming patch, file, hunk and the nearest
    place or the candidates, and :class:`InputError` when it reaches for something that is no plain file of the tree.
    """
    applied: list[AppliedPatch] = []
    commit, tree = base.commit, base.tree
    with scratch_repository(source.repo, cancellation) as scratch:
        scratch.load(base.tree)
        for patch in series.patches:
            with steps.step("apply", part=f"{patch.index}/{patch.total}", subject=patch.subject) as note:
                tries: list[Try] = []
                try:
                    outcome = _apply_patch(scratch, tree, patch, tries=tries, strict=strict)
                    scratch.require_safe(outcome.changes)
                except InputError as error:
                    raise _does_not_apply(patch, base, error) from error
                new_tree = scratch.graft(outcome.changes) if outcome.changes else tree
                if outcome.rung is not Rung.PRESENT:
                    commit = _commit(scratch.full, patch, tree=new_tree, parent=commit, base=base.commit)
                done = _applied(scratch.full, patch, outcome, commit=commit, trees=(tree, new_tree), tries=tries)
                tree = new_tree
                note(in_words(done))
            applied.append(done)
    return Trees(source=source, base=base, applied=tuple(applied))


def _apply_patch(scratch: Scratch, tree: str, patch: Patch, *, tries: list[Try], strict: bool) -> _Outcome:
    """Try the rungs in order on the files that the patch touches, as they are in ``tree``; ``tries`` gets what was."""
    files = read_diff(patch.diff, lossy=patch.lossy)
    paths = sorted({path for file in files for path in (file.old_path, file.new_path) if path})
    entries = find_entries(scratch.full, tree, paths)
    scratch.stage(entries)
    texts = {path: scratch.read(path) for path in paths}
    complaints: list[str] = []
    if patch.lossy:
        if strict:
            raise DoesNotApply("white space of it is lost, and --strict takes only what git applies as it is")
    else:
        outcome = _climb_git(scratch, patch, tries, complaints, strict=strict)
        if outcome is not None and outcome.rung is not Rung.PRESENT:
            _require_unambiguous(files, texts)
        if outcome is not None:
            return outcome
    try:
        if strict:
            raise DoesNotApply(_first(complaints) or "git does not apply it", hint="try without --strict")
        outcome = _recover(scratch, files, entries, texts, lossy=patch.lossy)
        tries.append(Try(rung=Rung.RECOVERED, held=True))
    except InputError as error:
        if patch.lossy and _all_present(files, texts):
            return _Outcome(rung=Rung.PRESENT)
        seen = (*error.evidence.last_lines, *complaints)
        raise type(error)(error.message, hint=error.hint, evidence=Evidence(last_lines=seen)) from error
    return outcome


def _climb_git(
    scratch: Scratch, patch: Patch, tries: list[Try], complaints: list[str], *, strict: bool
) -> _Outcome | None:
    """Try git's rungs; None when none of them holds, with what git said in ``complaints``."""
    mail = scratch.folder / "patch.mail"
    _write_mail(mail, patch)
    for rung, options in GIT_RUNGS:
        if rung is Rung.WHITESPACE and (strict or scratch.holds_already(mail)):
            # Further rungs could put it in a second time.
            return None if strict else _Outcome(rung=Rung.PRESENT)
        said = scratch.apply_mail(mail, *options)
        if said.ok:
            changes = scratch.changes()
            tries.append(Try(rung=rung, held=True))
            return _Outcome(rung=rung if changes else Rung.PRESENT, changes=changes)
        errors = [line for line in said.stderr.splitlines() if line.startswith("error:")]
        tries.append(Try(rung=rung, held=False, said=_first(errors)))
        complaints += [f"{rung}: {line}" for line in errors]
        scratch.reset()
    return None


def _first(lines: Sequence[str]) -> str:
    return lines[0].removeprefix("error: ") if lines else ""


def _all_present(files: Sequence[FileDiff], texts: Mapping[str, str | None]) -> bool:
    """Whether every file is as a lossy patch would make it."""
    return bool(files) and all(is_present(texts.get(file.path), file, lossy=True) for file in files)


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
    sizes: list[int] = []
    for file in files:
        if lossy and file.new_mode == SYMLINK:
            raise InputError(f"{file.path}: a symbolic link in a page that lost its white space is not supported")
        old = file.old_path
        entry = entries.get(old) if old else entries.get(file.path)
        exact = entry is not None and file.old_blob is not None and entry.blob.startswith(file.old_blob)
        text = texts.get(old or file.path)
        recovered = recover_file(text, file, lossy=lossy, exact=exact)
        placements += recovered.placements
        sizes += recovered.sizes
        if old is not None and old != file.new_path:
            changes.append((old, None))
        if file.new_path is not None and recovered.text is not None:
            if file.new_path != old and file.new_path in entries:
                raise DoesNotApply(f"{file.new_path}: the patch makes this file, but the base has one")
            mode = file.new_mode or (entry.mode if entry else "100644")
            changes.append((file.new_path, Entry(mode=mode, blob=scratch.store(recovered.text))))
    outcome = _Outcome(rung=Rung.RECOVERED, changes=tuple(changes), placements=tuple(placements), sizes=tuple(sizes))
    score = score_patch(placements, sizes)
    if score < LEAST_PATCH:
        tried = [f"{hunk.path} hunk {hunk.hunk} at line {hunk.line}: score {hunk.score:.2f}" for hunk in placements]
        raise DoesNotApply(
            f"the best try to recover it has a score of {score:.2f} only; from {LEAST_PATCH:.2f} on it would be believed",
            hint="get the patch again, as raw mail, or choose the base that it was made for with --base",
            evidence=Evidence(last_lines=tuple(tried)),
        )
    return outcome


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


def _applied(
    git: Git, patch: Patch, outcome: _Outcome, *, commit: str, trees: tuple[str, str], tries: Sequence[Try]
) -> AppliedPatch:
    """Return the record of a patch that was put on ``trees[0]`` and made ``trees[1]`` of it."""
    summary = git.check("diff-tree", "-r", "-M", "--summary", *trees) if trees[0] != trees[1] else ""
    specials = [line.strip() for line in summary.splitlines()]
    return AppliedPatch(
        index=patch.index,
        subject=patch.subject,
        rung=outcome.rung,
        commit=commit,
        tree=trees[1],
        diffstat=_diffstat(git, *trees),
        stated=patch.stated,
        hunks=outcome.placements,
        tries=tuple(tries),
        specials=tuple(line for line in specials if not _ORDINARY.match(line)),
        score=score_patch(outcome.placements, outcome.sizes) if outcome.rung is Rung.RECOVERED else None,
    )


def in_words(done: AppliedPatch) -> str:
    """Return how a patch was applied, for the narration."""
    if done.rung is Rung.PRESENT:
        return str(done.rung)
    words = f"{done.rung}: {done.diffstat.describe()}"
    if done.fuzz:
        places = ", ".join(f"hunk {hunk.hunk} of {hunk.path}" for hunk in done.hunks if hunk.fuzz)
        words += f"; fuzz {done.fuzz} ({places})"
    if done.score is not None:
        words += f"; score {done.score:.2f}"
    if done.specials:
        words += f"; {', '.join(done.specials)}"
    if done.stated is not None and not done.keeps_its_word:
        words += f"; the mail says {done.stated.describe()}"
    return words


def _does_not_apply(patch: Patch, base: Base, error: InputError) -> InputError:
    """Return ``error`` with the patch and the base named."""
    return type(error)(
        f"patch {patch.index}/{patch.total} ({patch.subject}) does not apply to {base.describe}: {error.message}",
        hint=error.hint,
        evidence=error.evidence,
    )
