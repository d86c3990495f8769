"""The one checkout that all builds of a repository share: a plain folder of ours, changed only where commits differ.

make goes by times, so the times are made to say what base's object tree needs to hear: a file with base's content has
one fixed old time (base's objects are newer and stay valid), a file that differs from base has the present time. git's
own checkouts would touch every file that differs from the *last* commit built, and the way back to base would compile
everything again.

The sandbox binds the checkout read-only, and its lock is held for as long as a build reads it.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from orchestrator.errors import InfraError
from orchestrator.host.deadline import Cancellation, Deadline
from orchestrator.host.process import Finished, run
from orchestrator.host.workspace import content_key, locked, make_folder, publish_text, require_space

OLD = 978307200
"""2001-01-01: the time of every file that has base's content."""

_GIT_S = 900.0
_LOCK_S = 24 * 3600.0
_SPACE_MIB = 3000

KEPT = 4
"""So many repositories keep their checkout, 1.8 GB each; the one that was not used for longest goes when another is made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkout:
    """What the folder holds: the tree ``tree``, with the present's times where it differs from ``base``."""

    tree: str
    base: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where one repository's checkout and git's index of it are."""

    repo: Path
    folder: Path
    cancellation: Cancellation

    @property
    def source(self) -> Path:
        return self.folder / "tree"

    @property
    def record(self) -> Path:
        return self.folder / "checkout.json"

    def git(self, *argv: str, stdin: str | None = None) -> str:
        """Run git on the checkout. Our settings alone count: a filter of the user's would change the sources."""
        env = {
            "PATH": os.environ.get("PATH", os.defpath),
            "GIT_DIR": str(self.repo),
            "GIT_WORK_TREE": str(self.source),
            "GIT_INDEX_FILE": str(self.folder / "index"),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_COUNT": "2",
            "GIT_CONFIG_KEY_0": "core.autocrlf",
            "GIT_CONFIG_VALUE_0": "false",
            # The cache may belong to another user than the one who runs us (a container's root, say).
            "GIT_CONFIG_KEY_1": "safe.directory",
            "GIT_CONFIG_VALUE_1": "*",
        }
        deadline = Deadline(_GIT_S, what=f"git {argv[0]}", cancellation=self.cancellation)
        finished = run(["git", *argv], deadline=deadline, stdin=stdin, env=env, cwd=self.source)
        if not finished.ok:
            raise _git_failed(argv[0], finished)
        return finished.stdout


def _git_failed(command: str, finished: Finished) -> InfraError:
    if "No space left on device" in finished.stderr:
        return InfraError(
            "no disk space for the kernel's sources",
            hint="free some space, or point XDG_CACHE_HOME at another disk",
            evidence=finished.evidence(),
        )
    return InfraError(f"git {command} failed on our own copy of the sources", evidence=finished.evidence())


@contextlib.contextmanager
def checked_out(
    repo: Path, wanted: Checkout, *, cache: Path, cancellation: Cancellation
) -> Iterator[tuple[Path, tuple[str, ...]]]:
    """Hold the sources of ``wanted.tree``; yields the folder and the paths that differ from base.

    ``repo`` is a bare repository of ours that has both trees. One build at a time has the folder; others wait.
    """
    folder = make_folder(cache / "worktrees" / content_key(str(repo.resolve()))[:24])
    waiting = Deadline(_LOCK_S, what="waiting for another build's sources", cancellation=cancellation)
    with locked(folder / "lock", waiting):
        place = _Place(repo=repo.resolve(), folder=folder, cancellation=cancellation)
        differs = _bring(place, wanted)
        yield place.source, differs


def _bring(place: _Place, wanted: Checkout) -> tuple[str, ...]:
    """Make the folder hold ``wanted``; return the paths in which it differs from base."""
    before = _read_record(place.record)
    # While files are being changed there is no record: whoever finds none after a crash starts afresh.
    place.record.unlink(missing_ok=True)
    if before is None:
        _sweep(place.folder)
        before = _start_afresh(place, wanted.tree)
    changed = _differing(place, before.tree, wanted.tree)
    _switch(place, wanted.tree, changed)
    differs = _differing(place, wanted.base, wanted.tree)
    _stamp(place.source, fresh=set(differs), old={*changed, *_differing(place, before.base, before.tree)})
    publish_text(place.record, json.dumps(asdict(wanted)))
    return tuple(differs)


def _read_record(record: Path) -> Checkout | None:
    try:
        return Checkout(**json.loads(record.read_text()))
    except (OSError, ValueError, TypeError):
        return None


def _start_afresh(place: _Place, tree: str) -> Checkout:
    require_space(place.folder, _SPACE_MIB, purpose="a checkout of the kernel's sources")
    shutil.rmtree(place.source, ignore_errors=True)
    (place.folder / "index").unlink(missing_ok=True)
    make_folder(place.source)
    place.git("read-tree", tree)
    place.git("checkout-index", "--all", "--force")
    for parent, _folders, names in os.walk(place.source):
        for name in names:
            os.utime(Path(parent, name), (OLD, OLD), follow_symlinks=False)
    return Checkout(tree=tree, base=tree)


def _sweep(wanted: Path) -> None:
    """Remove the longest unused checkouts, so that there are :data:`KEPT` with ``wanted``; never one in use."""
    others = [record for record in wanted.parent.glob("*/checkout.json") if record.parent != wanted]
    for record in sorted(others, key=_last_used, reverse=True)[KEPT - 1 :]:
        # The lock file stays: one that is removed while another waits for it locks nothing.
        with contextlib.suppress(InfraError), locked(record.parent / "lock", Deadline(0, what="a lock")):
            record.unlink(missing_ok=True)
            (record.parent / "index").unlink(missing_ok=True)
            shutil.rmtree(record.parent / "tree", ignore_errors=True)


def _last_used(record: Path) -> float:
    # Each use writes the record anew; one that is in use just now has none.
    try:
        return record.stat().st_mtime
    except OSError:
        return 0.0


def _differing(place: _Place, before: str, after: str) -> list[str]:
    if before == after:
        return []
    return [path for path in place.git("diff-tree", "-r", "-z", "--no-renames", "--name-only", before, after).split("\0") if path]  # fmt: skip


def _switch(place: _Place, tree: str, changed: Iterable[str]) -> None:
    """Give every path in ``changed`` what ``tree`` has there: its content, or nothing."""
    paths = list(changed)
    if not paths:
        return
    # Everything that differs goes first, so that a file can become a folder, and a folder a file.
    for path in paths:
        _remove(place.source / path)
        _remove_empty_parents(place.source, path)
    place.git("read-tree", tree)
    kept = set(place.git("ls-files", "-z").split("\0"))
    names = "".join(f"{path}\0" for path in paths if path in kept)
    place.git("checkout-index", "--force", "-z", "--stdin", stdin=names)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        # git makes a folder of a submodule's entry.
        shutil.rmtree(path)
    else:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            path.unlink()


def _remove_empty_parents(source: Path, path: str) -> None:
    for parent in (source / path).parents:
        if parent == source:
            return
        try:
            parent.rmdir()
        except FileNotFoundError:
            continue
        except OSError:
            return


def _stamp(source: Path, *, fresh: set[str], old: set[str]) -> None:
    now = time.time()
    for path in old | fresh:
        moment = now if path in fresh else OLD
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            os.utime(source / path, (moment, moment), follow_symlinks=False)
