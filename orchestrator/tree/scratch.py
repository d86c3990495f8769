"""A small repository to try patches in: it holds only the files that a patch touches, whatever the tree's size.

``git am`` wants a work tree. Checking out 95,000 files for it takes seconds; a commit with just the touched files
takes none, and git applies a patch to it in the same way. Objects are written to the source's repository at once, so
what comes out is grafted into the full tree through an index of its own. Nothing is registered in that repository, so
there is nothing to be pruned when we are killed.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import InputError
from orchestrator.host.deadline import Cancellation
from orchestrator.host.process import Finished
from orchestrator.host.workspace import scratch_folder
from orchestrator.model.specials import FILE_MODES, SYMLINK, check_link
from orchestrator.tree.git import Git

SUBMODULE, FOLDER = "160000", "040000"
_NULL = "0" * 40

# Commits of the small repository are thrown away; they only need to be possible.
_NOBODY = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "nobody"), ("EMAIL", "nobody@localhost"), ("DATE", "@1700000000 +0000"))
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A file in a tree: its mode and the id of its blob."""

    mode: str
    blob: str


Change = tuple[str, Entry | None]
"""A path and what stands there afterwards; None where the file is gone."""


class Scratch:
    """The small repository in ``folder``. Made by :func:`scratch_repository`."""

    def __init__(self, folder: Path, repo: Path, cancellation: Cancellation) -> None:
        self.folder = folder
        self.work = folder / "work"
        self.full = Git(repo, cancellation, extra={"GIT_INDEX_FILE": str(folder / "full.index")})
        self.work.mkdir()
        objects = {"GIT_OBJECT_DIRECTORY": str((repo / "objects").resolve())}
        self.git = Git(self.work, cancellation, extra=_NOBODY | objects)
        self.git.check("init", "--quiet", "--template=", "--initial-branch=main")
        self.start = ""
        self.tree = ""

    def load(self, tree: str) -> None:
        """Begin with ``tree`` as the full tree."""
        self.tree = tree

    def stage(self, entries: Mapping[str, Entry]) -> None:
        """Make the small repository's commit and work tree out of ``entries``."""
        self.git.check("read-tree", "--empty")
        self.git.check("update-index", "-z", "--index-info", stdin=_index_info([(p, e) for p, e in entries.items()]))
        tree = self.git.check("write-tree")
        self.start = self.git.check("commit-tree", "-m", "touched files", tree)
        self.reset()

    def reset(self) -> None:
        """Go back to the staged commit, whatever a failed attempt left."""
        shutil.rmtree(self.work / ".git" / "rebase-apply", ignore_errors=True)
        self.git.check("update-ref", "--no-deref", "HEAD", self.start)
        self.git.check("reset", "--quiet", "--hard")
        self.git.check("clean", "-ffdxq")

    def apply_mail(self, mail: Path, *options: str) -> Finished:
        """Try ``git am`` with ``options``; the caller looks at the exit status."""
        return self.git.run("am", "--quiet", "--no-gpg-sign", "--keep-cr", *options, mail)

    def changes(self) -> tuple[Change, ...]:
        """Return what differs between the staged commit and the one that is there now."""
        words = self.git.check("diff-tree", "-r", "-z", "--no-renames", self.start, "HEAD").split("\0")
        found: list[Change] = []
        for facts, path in zip(words[0::2], words[1::2], strict=False):
            _, mode, _, blob, status = facts.removeprefix(":").split(" ")
            found.append((path, None if status == "D" else Entry(mode=mode, blob=blob)))
        return tuple(found)

    def read(self, path: str) -> str | None:
        """Return a staged file's text, None when there is none; bytes that are not UTF-8 survive a round trip."""
        file = self.work / path
        return file.read_bytes().decode("utf-8", "surrogateescape") if file.is_file() else None

    def holds_already(self, mail: Path) -> bool:
        """Whether the staged files are what the patch in ``mail`` makes: it can be taken back, every line of it."""
        return self.git.run("apply", "--check", "--reverse", mail).ok

    def require_safe(self, changes: Sequence[Change]) -> None:
        """Raise :class:`InputError` unless what ``changes`` puts there are files, and links that stay in the tree."""
        for path, entry in changes:
            if entry is None or entry.mode in FILE_MODES:
                continue
            if entry.mode == SUBMODULE:
                raise InputError(f"{path}: a submodule change is not supported")
            if entry.mode != SYMLINK:
                raise InputError(f"{path}: the mode {entry.mode} is none of a file or a symbolic link")
            check_link(path, self.git.check_bytes("cat-file", "blob", entry.blob).decode("utf-8", "surrogateescape"))

    def store(self, text: str) -> str:
        """Write ``text`` as a blob and return its id."""
        file = self.folder / "blob"
        file.write_bytes(text.encode("utf-8", "surrogateescape"))
        return self.git.check("hash-object", "-w", "--no-filters", "--", file)

    def graft(self, changes: Sequence[Change]) -> str:
        """Put ``changes`` into the full tree and return its id."""
        self.tree = graft_changes(self.full, self.tree, changes) or self._graft_by_index(changes)
        return self.tree

    def _graft_by_index(self, changes: Sequence[Change]) -> str:
        """Do the same through an index of the whole tree: a third of a second for a kernel, but any name will do."""
        self.full.check("read-tree", self.tree)
        self.full.check("update-index", "-z", "--index-info", stdin=_index_info(changes))
        return self.full.check("write-tree")


def graft_changes(git: Git, tree: str, changes: Sequence[Change]) -> str | None:
    """Return the id of ``tree`` with ``changes``; None where a name beside them is no UTF-8 and would be lost.

    Only the folders on the way to the changed files are read and written, the deepest first.
    """
    wanted: dict[str, dict[str, Entry | None]] = {"": {}}
    for path, entry in changes:
        folder, _, name = path.rpartition("/")
        # Two files that swap their names come as two removals and two new files: what is new counts.
        if entry is not None or wanted.get(folder, {}).get(name) is None:
            wanted.setdefault(folder, {})[name] = entry
        while folder:
            folder = folder.rpartition("/")[0]
            wanted.setdefault(folder, {})
    for depth in sorted({_depth(folder) for folder in wanted}, reverse=True):
        folders = sorted(folder for folder in wanted if _depth(folder) == depth)
        listed = _listings(git, tree, folders)
        if any("\ufffd" in name for entries in listed.values() for name in entries):
            return None
        records = []
        for folder in folders:
            after: dict[str, Entry | None] = {**listed[folder], **wanted[folder]}
            kept = [(name, entry) for name, entry in after.items() if entry is not None]
            records.append(
                "".join(f"{entry.mode} {_kind(entry)} {entry.blob}\t{name}\0" for name, entry in kept) + "\0"
            )
        made = git.check("mktree", "-z", "--batch", "--missing", stdin="".join(records)).splitlines()
        for folder, record, name in zip(folders, records, made, strict=True):
            if not folder:
                return name
            above, _, own = folder.rpartition("/")
            wanted[above][own] = Entry(mode=FOLDER, blob=name) if record != "\0" else wanted[above].get(own)
    raise AssertionError("the top folder is always among them")


def _depth(folder: str) -> int:
    return folder.count("/") + 1 if folder else 0


def _kind(entry: Entry) -> str:
    return {FOLDER: "tree", SUBMODULE: "commit"}.get(entry.mode, "blob")


def _listings(git: Git, tree: str, folders: Sequence[str]) -> dict[str, dict[str, Entry]]:
    """Return what is in folders of one depth; nothing where there is no such folder."""
    found: dict[str, dict[str, Entry]] = {folder: {} for folder in folders}
    below = [] if folders == [""] else ["--", *(f"{folder}/" for folder in folders)]
    for record in git.check("ls-tree", "-z", "--full-tree", tree, *below).split("\0"):
        facts, _, path = record.partition("\t")
        folder, _, name = path.rpartition("/")
        if name and folder in found:
            mode, _, blob = facts.split(" ")
            found[folder][name] = Entry(mode=mode, blob=blob)
    return found


@contextlib.contextmanager
def scratch_repository(repo: Path, cancellation: Cancellation) -> Iterator[Scratch]:
    """Hold a small repository that writes its objects to ``repo``; it is removed when the block is left."""
    with scratch_folder("mm-apply") as folder:
        yield Scratch(folder, repo, cancellation)


def find_entries(git: Git, tree: str, paths: Sequence[str]) -> dict[str, Entry]:
    """Return the files of ``tree`` among ``paths``.

    Raises :class:`InputError` for a path that is or leads through a symbolic link, a submodule, or a file, and for one
    that is a folder: a patch must not reach anything but the plain file it names.
    """
    wanted = {"/".join(path.split("/")[:depth]) for path in paths for depth in range(1, path.count("/") + 2)}
    found: dict[str, Entry] = {}
    # One depth at a time: ls-tree answers for "mm" and "mm/zswap.c" together with the second alone.
    for depth in sorted({path.count("/") for path in wanted}):
        level = sorted(path for path in wanted if path.count("/") == depth)
        for record in git.check("ls-tree", "-z", "--full-tree", tree, "--", *level).split("\0"):
            facts, _, name = record.partition("\t")
            if name:
                mode, _, blob = facts.split(" ")
                found[name] = Entry(mode=mode, blob=blob)
    for path in paths:
        _require_plain(path, found)
    return {path: found[path] for path in paths if path in found}


def _require_plain(path: str, found: Mapping[str, Entry]) -> None:
    parts = path.split("/")
    for depth in range(1, len(parts) + 1):
        prefix = "/".join(parts[:depth])
        mode = found[prefix].mode if prefix in found else None
        if mode == SYMLINK:
            raise InputError(f"unsafe path {path!r}: {prefix} is a symbolic link in the base")
        if mode == SUBMODULE:
            raise InputError(f"{path}: {prefix} is a submodule in the base; those are not supported")
        if mode is not None and (mode == FOLDER) != (depth < len(parts)):
            kind = "a folder" if mode == FOLDER else "a file"
            raise InputError(f"{path}: {prefix} is {kind} in the base")


def _index_info(changes: Sequence[Change]) -> str:
    """Return ``changes`` in the language of update-index --index-info, removals first."""
    ordered = sorted(changes, key=lambda change: change[1] is not None)
    return "".join(
        f"0 {_NULL}\t{path}\0" if entry is None else f"{entry.mode} {entry.blob}\t{path}\0" for path, entry in ordered
    )
