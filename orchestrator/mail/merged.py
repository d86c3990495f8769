"""Whether a patch is in a release: only then is what it brought a regression that regzbot tracks."""

from __future__ import annotations

import re

from orchestrator.errors import UserError
from orchestrator.host import process
from orchestrator.host.deadline import Cancellation, Deadline
from orchestrator.model.mail import Merged
from orchestrator.model.run import RunRecord

TIMEOUT_S = 120.0
_COMMIT = re.compile(r"[0-9a-f]{7,64}")
_RELEASE = re.compile(r"v\d+\.\d+(?:\.\d+)?(?:-rc\d+)?")


def merged_commit(record: RunRecord, commit: str, *, cancellation: Cancellation) -> Merged:
    """Return the commit that the run's regression is of, where a release has it.

    Raises :class:`UserError` unless the run's tree has ``commit`` below a release's tag, and it has the title of the patch
    that is blamed: of the only one, or of the one that the bisection named.
    """
    if not _COMMIT.fullmatch(commit):
        raise UserError(f"{commit!r} is no commit's id")
    titles = _blamed_titles(record)
    if len(titles) != 1:
        raise UserError("it is not known which patch of the series it is", hint="test that commit alone, or bisect")
    git = ["git", "-C", str(record.trees.source.refs_folder)]
    title = _said([*git, "log", "-1", "--no-show-signature", "--format=%H%n%s", commit, "--"], cancellation)
    found = title.splitlines()
    if len(found) != 2:
        raise UserError(
            f"the run's tree does not have the commit {commit}", hint="test with --linux PATH of a tree that has it"
        )
    if _plain(found[1]) != _plain(titles[0]):
        raise UserError(f"the commit {commit} is {found[1]!r}, and the run is about {titles[0]!r}")
    tags = _said([*git, "tag", "--contains", found[0], "--sort=creatordate"], cancellation).split()
    release = next((tag for tag in tags if _RELEASE.fullmatch(tag)), None)
    if release is None:
        raise UserError(f"no release of the run's tree has the commit {commit}: regzbot tracks merged commits only")
    return Merged(commit=found[0], tag=release)


def _blamed_titles(record: RunRecord) -> list[str]:
    if record.bisection is not None and record.bisection.patch is not None:
        return [patch.subject for patch in record.series.patches if patch.index == record.bisection.patch]
    return [patch.subject for patch in record.series.patches]


def _plain(title: str) -> str:
    return "".join(re.sub(r"\[[^\]]*\]", " ", title).split()).lower()


def _said(argv: list[str], cancellation: Cancellation) -> str:
    finished = process.run(argv, deadline=Deadline(TIMEOUT_S, what="git", cancellation=cancellation))
    return finished.stdout if finished.ok else ""
