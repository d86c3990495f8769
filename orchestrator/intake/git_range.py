"""Commits of a git tree as a series: what git format-patch makes of a range. The tree is read, never changed."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from orchestrator.errors import InputError, UserError
from orchestrator.host import process
from orchestrator.host.deadline import Cancellation, Deadline
from orchestrator.intake.document import LARGEST, document_of
from orchestrator.intake.forms import read_document
from orchestrator.intake.item import Item
from orchestrator.intake.sources import Found
from orchestrator.model.series import Form

TIMEOUT_S = 120.0
# Whatever the user has configured for the patches he sends, here they are wanted plain. --no-base is not known to git
# before 2.33; the user's format.useAutoBase needs an upstream and can fail.
_PLAIN = (
    "-c", "format.useAutoBase=false", "-c", "format.attach=", "-c", "format.signOff=false", "-c", "format.notes=false",
    "-c", "format.outputDirectory=", "-c", "diff.noprefix=false", "-c", "diff.mnemonicPrefix=false",
    "-c", "core.quotePath=true", "-c", "diff.suppressBlankEmpty=false",
)  # fmt: skip
_OPTIONS = (
    "--stdout", "--no-attach", "--no-thread", "--no-cover-letter", "--no-signature", "--no-color", "--no-ext-diff",
    "--no-textconv", "--no-to", "--no-cc", "--no-add-header", "--full-index", "--find-renames", "--subject-prefix=PATCH",
    "--src-prefix=a/", "--dst-prefix=b/", "--numbered", "--unified=3", "--inter-hunk-context=0",
)  # fmt: skip


def read_range(tree: Path, revisions: str, *, cancellation: Cancellation) -> Found:
    """Return the commits ``revisions`` (``A..B``; or ``A``: those since A) of the git tree in the folder ``tree``.

    The series' base is the parent of its first commit, and is said as a base-commit trailer. Raises :class:`UserError`
    when there is no such tree or range, and :class:`InputError` when it holds no commit, or merges.
    """
    if revisions.startswith("-") or not revisions.strip():
        raise UserError(f"--git {revisions!r} is no range of commits", hint="--git v7.2..HEAD")
    git = _Git(tree, cancellation)
    wanted = revisions if ".." in revisions else f"{revisions}..HEAD"
    commits = git.run("rev-list", "--reverse", "--topo-order", wanted, "--").split()
    if not commits:
        raise InputError(f"{wanted} holds no commit", hint="git log --oneline shows what a range holds")
    merges = git.run("rev-list", "--min-parents=2", wanted, "--").split()
    if merges:
        raise InputError(
            f"{wanted} holds {len(merges)} merge{'s' if len(merges) != 1 else ''}, which no patch can carry",
            hint="give a range without merges, or rebase the branch",
        )
    text = git.run("format-patch", *_OPTIONS, wanted, "--")
    document = document_of(Path(wanted), text.encode("utf-8", "surrogateescape"), largest=LARGEST)
    _, items = read_document(document)
    parent = git.try_run("rev-parse", "--verify", "--quiet", f"{commits[0]}^")
    return Found(form=Form.GIT_RANGE, items=_with_base(items, parent), documents=(document,))


def _with_base(items: tuple[Item, ...], parent: str | None) -> tuple[Item, ...]:
    """Return the items with their base said as format-patch --base says it."""
    if not parent or not items or not items[0].parts:
        return items
    first = items[0]
    part = replace(first.parts[0], text=f"{first.parts[0].text}\nbase-commit: {parent}\n")
    return (replace(first, parts=(part, *first.parts[1:])), *items[1:])


class _Git:
    """Git in a user's tree, for reading: no hook, no pager, no lock, no fetch of what a partial clone lacks."""

    def __init__(self, tree: Path, cancellation: Cancellation) -> None:
        self._tree = tree
        self._cancellation = cancellation
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_NO_LAZY_FETCH": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "LC_ALL": "C.UTF-8",
        }
        if not tree.is_dir():
            raise UserError(f"{tree} is no folder", hint="--git reads commits of the tree that --linux names")

    def _git(self, *words: str) -> process.Finished:
        deadline = Deadline(TIMEOUT_S, what="git", cancellation=self._cancellation)
        argv: list[str | Path] = ["git", "-C", self._tree, "--no-pager", *_PLAIN, *words]
        return process.run(argv, deadline=deadline, env=self._environment)

    def run(self, *words: str) -> str:
        """Return what git says; :class:`UserError` with its complaint when it fails."""
        said = self._git(*words)
        if not said.ok:
            raise UserError(
                f"git {words[0]} fails in {self._tree}",
                hint="--git wants a range of commits in the git tree that --linux names (or the current folder's)",
                evidence=said.evidence(),
            )
        return said.stdout

    def try_run(self, *words: str) -> str | None:
        """Return what git says on one line, None when it fails."""
        said = self._git(*words)
        return said.stdout.strip() if said.ok else None
