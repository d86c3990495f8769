"""Kernel sources: a git tree of the user's, or a named release, as a bare repository of ours in the cache.

Layout below the cache::

    sources/linux-7.2/repo.git       a named source, imported once        sources/linux-7.2/source.json   what it is
    sources/dir-<hash>/repo.git      borrows the objects of the user's tree through objects/info/alternates

Nothing is ever written to a tree of the user's: no worktree, no index, no reference, no object.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

from orchestrator.errors import InfraError, OrchestratorError, UserError
from orchestrator.host.deadline import Cancellation, Deadline
from orchestrator.host.steps import Steps
from orchestrator.host.workspace import (
    content_key,
    locked,
    publish_text,
    published_folder,
    require_space,
)
from orchestrator.model.tree import Source
from orchestrator.tree import debian, kernelorg
from orchestrator.tree.git import Git, init_bare
from orchestrator.tree.tarball import import_tarball

NAMED = re.compile(r"linux-(\d+\.\d+)")

SPACE_MIB = 1500
"""Package and tarball (330 MiB while importing), and the repository (400 MiB), with room."""

LOCK_S = 3600.0

MARKS = ("Makefile", "Kbuild", "mm", "scripts/kconfig/merge_config.sh")
"""What the tree of every Linux that we can build has."""


def open_source(spec: str, *, cache: Path, steps: Steps, cancellation: Cancellation) -> Source:
    """Return the kernel sources that ``spec`` names: ``linux-X.Y`` or a folder with a git tree.

    The first use of a named source fetches it (minutes); later ones need no network. Raises :class:`UserError` when
    ``spec`` is neither, or is no Linux tree, and :class:`InfraError` when a named source cannot be fetched.
    """
    match = NAMED.fullmatch(spec)
    if match is not None:
        return _open_named(spec, match.group(1), cache=cache, steps=steps, cancellation=cancellation)
    folder = Path(spec).expanduser()
    if folder.is_dir():
        return _open_folder(folder.resolve(), cache=cache, cancellation=cancellation)
    raise UserError(
        f"{spec} is neither a folder nor a named source",
        hint="give --linux a git tree of Linux, or a release as linux-7.2",
    )


def resolve_in_source(source: Source, rev: str, cancellation: Cancellation) -> str | None:
    """Return the id of the commit that ``rev`` names in ``source``, None when there is none.

    Names (branches, tags, ``HEAD~3``) of a user's tree are looked up in that tree: ours has its objects only.
    """
    for place in dict.fromkeys([source.refs_folder, source.repo]):
        found = Git(place, cancellation).run(
            "rev-parse", "--verify", "--quiet", "--end-of-options", f"{rev}^{{commit}}"
        )
        if found.ok:
            return found.stdout.strip()
    return None


def _open_named(spec: str, version: str, *, cache: Path, steps: Steps, cancellation: Cancellation) -> Source:
    """Return a named source out of the cache, putting it there first if need be."""
    target = cache / "sources" / spec
    if (found := _cached(target, spec)) is not None:
        return found
    lock = cache / "sources" / f"{spec}.lock"
    with locked(lock, Deadline(LOCK_S, what=f"another import of {spec}", cancellation=cancellation)):
        if (found := _cached(target, spec)) is not None:
            return found
        # Imports that were killed; the lock says that none is alive.
        for left in target.parent.glob(f".{spec}.*"):
            shutil.rmtree(left, ignore_errors=True)
        require_space(target.parent, SPACE_MIB, purpose=f"the sources of {spec}")
        with published_folder(target) as beside:
            _import(beside, spec=spec, version=version, steps=steps, cancellation=cancellation)
    found = _cached(target, spec)
    if found is None:
        raise InfraError(f"{target} holds no usable import of {spec}", hint=f"remove {target} and try again")
    return found


def _cached(target: Path, spec: str) -> Source | None:
    """Return the published source at ``target``, None when there is none."""
    record = target / "source.json"
    if not record.exists():
        return None
    facts = json.loads(record.read_text())
    return Source(spec=spec, repo=target / "repo.git", head=facts["head"], provenance=facts["provenance"])


def _import(folder: Path, *, spec: str, version: str, steps: Steps, cancellation: Cancellation) -> None:
    """Fill ``folder`` with ``repo.git`` and ``source.json``."""
    # The package is large: it lies in the cache's file system, whose space was asked for, not in /tmp.
    scratch = folder / "fetched"
    scratch.mkdir()
    with steps.step("fetch", source=spec) as note:
        tarball, provenance = _fetch(version, scratch=scratch, note=note, cancellation=cancellation)
        note(provenance)
    with steps.step("import", source=spec):
        git = init_bare(folder / "repo.git", cancellation)
        head = import_tarball(tarball, git, message=f"{spec}\n")
        _require_linux(git, head, spec)
    shutil.rmtree(scratch)
    publish_text(folder / "source.json", json.dumps({"head": head, "provenance": provenance}, indent=1) + "\n")


def _fetch(version: str, *, scratch: Path, note: Callable[[str], None], cancellation: Cancellation) -> tuple[Path, str]:
    """Return a tarball of ``version`` and its provenance, from Debian or else from kernel.org."""
    name = f"linux-source-{version}"
    try:
        package = debian.fetch_package(name, scratch=scratch, cancellation=cancellation)
    except debian.NotInDebian as error:
        # Said also when kernel.org has it: a bad signature must not go unseen.
        note(f"not from Debian: {error.describe()}")
        in_debian = error
    else:
        path = debian.extract_tarball(package, scratch / f"{name}.tar.xz", cancellation=cancellation)
        package.path.unlink()
        return path, package.describe()
    try:
        tarball = kernelorg.fetch_tarball(version, scratch=scratch, cancellation=cancellation)
    except kernelorg.NotOnKernelOrg as error:
        raise _nowhere(version, in_debian, error) from error
    return tarball.path, tarball.describe()


def _nowhere(version: str, in_debian: debian.NotInDebian, upstream: kernelorg.NotOnKernelOrg) -> OrchestratorError:
    """Return the error that says why a named source cannot be had, with both origins' reasons."""
    kind = UserError if upstream.absent else InfraError
    return kind(
        f"linux-{version} cannot be fetched. Debian: {in_debian.describe()} Kernel.org: {upstream.message}",
        hint="check the network and the release's name, or give --linux a git tree of Linux",
    )


def _open_folder(folder: Path, *, cache: Path, cancellation: Cancellation) -> Source:
    """Return a repository of ours that borrows the objects of the user's tree in ``folder``."""
    theirs = Git(folder, cancellation)
    found = theirs.run("rev-parse", "--path-format=absolute", "--git-path", "objects", "--git-path", "shallow")
    if not found.ok:
        raise UserError(
            f"{folder} is no git tree",
            hint="give --linux a git clone of Linux, or a release as linux-7.2",
            evidence=found.evidence(),
        )
    objects, shallow = found.stdout.splitlines()
    head = theirs.run("rev-parse", "--verify", "--quiet", "HEAD^{commit}")
    if not head.ok:
        raise UserError(f"the git tree {folder} has no commit")
    commit = head.stdout.strip()
    _require_linux(theirs, commit, str(folder))
    repo = _borrowing_repository(cache, Path(objects), Path(shallow), cancellation=cancellation)
    return Source(
        spec=str(folder),
        repo=repo,
        head=commit,
        provenance=(
            f"the git tree {folder} at {commit[:12]}; its objects are read, nothing is written to it, "
            "and what is not committed there is not used"
        ),
        tree=folder,
        lacks=_lacks(theirs, Path(shallow)),
    )


def _lacks(git: Git, shallow: Path) -> str:
    """Return what a clone leaves out, "" for a whole one."""
    lacks = []
    if shallow.exists():
        said = git.run("log", "-1", "--format=%cs", "--no-walk", *shallow.read_text().split()[:1]).stdout.strip()
        lacks.append(f"a shallow clone: what came before {said or 'its first commits'} is not there")
    said = git.run("config", "--local", "--get-regexp", r"^remote\..*\.partialclonefilter$").stdout.strip()
    if said or git.run("config", "--local", "--get", "extensions.partialclone").ok:
        kind = said.rpartition(" ")[2] or "some objects left out"
        lacks.append(f"a partial clone ({kind}): objects that it left out are not there")
    return "; ".join(lacks)


def require_whole(source: Source, commit: str, cancellation: Cancellation) -> None:
    """Raise :class:`UserError` when a partial clone lacks files of ``commit``: nothing is fetched behind one's back."""
    if "partial" not in source.lacks:
        return
    git = Git(source.repo, cancellation)
    said = git.check("rev-list", "--objects", "--missing=print", "--no-walk", "--end-of-options", commit)
    missing = sum(line.startswith("?") for line in said.splitlines())
    if missing:
        raise UserError(
            f"{source.spec} is {source.lacks}: {missing} objects of {commit[:12]} are missing",
            hint=f"get them with: git -C {source.spec} worktree add --detach ../whole-{commit[:12]} {commit}",
        )


def _borrowing_repository(cache: Path, objects: Path, shallow: Path, *, cancellation: Cancellation) -> Path:
    """Return the bare repository in the cache whose alternate is ``objects``, made if missing."""
    if "\n" in str(objects):
        raise UserError(f"the path of the git tree holds a line feed: {objects}")
    target = cache / "sources" / f"dir-{content_key(str(objects))[:16]}"
    repo = target / "repo.git"
    lock = cache / "sources" / f"{target.name}.lock"
    with locked(lock, Deadline(LOCK_S, what=f"the lock of {target.name}", cancellation=cancellation)):
        if not repo.exists():
            with published_folder(target) as beside:
                init_bare(beside / "repo.git", cancellation)
                # In quotes as git quotes a path in C style: a leading " or # would mean something else there.
                quoted = str(objects).replace("\\", "\\\\").replace('"', '\\"')
                publish_text(beside / "repo.git" / "objects" / "info" / "alternates", f'"{quoted}"\n')
        # A shallow clone's commits name parents that are not there; this file says so, and it changes with fetches.
        if shallow.exists():
            publish_text(repo / "shallow", shallow.read_text())
    return repo


def _require_linux(git: Git, commit: str, what: str) -> None:
    """Raise :class:`UserError` unless the tree of ``commit`` is one of Linux."""
    found = git.check("ls-tree", "--full-tree", "--name-only", commit, "--", *MARKS).splitlines()
    missing = [mark for mark in MARKS if mark not in found]
    makefile = git.run("cat-file", "blob", f"{commit}:Makefile").stdout if not missing else ""
    if missing or not re.search(r"^VERSION = \d+$", makefile, re.MULTILINE) or "\nPATCHLEVEL = " not in makefile:
        lacking = ", ".join(missing) or "VERSION and PATCHLEVEL in its Makefile"
        raise UserError(
            f"{what} is no Linux tree: it lacks {lacking}",
            hint="give --linux a git tree of Linux, or a release as linux-7.2",
        )
