"""Object trees: base's is kept, a patched one is a copy that lives as long as its build.

Base and patched could share one tree, and a patch would cost only what it changes. But the patch is a stranger's code
and Kbuild runs it: it could leave an object in the tree that base or the next patch then links. So base's tree is kept
as base alone made it, and a patched build gets a copy with the same times under the same name (/obj), where make finds
everything done but what the patch changes.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import Evidence, InfraError, PatchFault, UserError
from orchestrator.host.deadline import Cancellation, Deadline
from orchestrator.host.process import check, run
from orchestrator.host.workspace import CACHE_NAME, content_key, locked, make_folder, publish_text, require_space
from orchestrator.kernel.diagnostics import Warned
from orchestrator.kernel.kconfig import Fragment, config_release, find_lost, merge_argv, parse_config, tinyconfig_argv
from orchestrator.kernel.making import Bench, plain_file, run_in_room
from orchestrator.model.kernel import KernelRole

KEPT = 8
"""How many base object trees are kept, 100 to 300 MiB each; the longest unused goes first. Three releases in two flavours fit."""

_SPACE_MIB = 1500
_IN_MEMORY_MIB = 4096
_MEMORY = Path("/dev/shm")  # noqa: S108 - see _memory_folder
_LOCK_S = 24 * 3600.0
_COPY_S = 900.0

_LINKED = ("vmlinux", "vmlinux.o", "vmlinux.unstripped", ".tmp_vmlinux*")
"""What every build links anew: not worth keeping or copying."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseObjects:
    """Base's kept object tree. ``tree`` is pristine once ``done`` exists; ``log`` has all output that made it."""

    folder: Path

    @property
    def tree(self) -> Path:
        """What is bound at /obj while base is built."""
        return self.folder / "tree"

    @property
    def copy_prefix(self) -> str:
        """What the names of its copies begin with; the cache's path is in it, for /dev/shm is shared by all caches."""
        return f"patched-{content_key(str(self.folder.resolve()))[:16]}."

    @property
    def done(self) -> Path:
        """The mark that ``tree`` is whole; it holds base's warnings."""
        return self.folder / "done.json"

    @property
    def configured(self) -> Path:
        """The mark that /obj/.config is whole."""
        return self.folder / "configured"

    @property
    def log(self) -> Path:
        """The output of all attempts."""
        return self.folder / "make.log"

    @property
    def is_done(self) -> bool:
        """Whether the tree is whole."""
        return self.done.exists()

    def warnings(self) -> tuple[Warned, ...]:
        """Return what compiling all of base warned of."""
        return tuple(Warned(**entry) for entry in json.loads(self.done.read_text())["warnings"])

    def mark_done(self, warnings: tuple[Warned, ...]) -> None:
        """Say that the tree is whole, and drop from it what every build links anew."""
        for pattern in _LINKED:
            for path in self.tree.glob(pattern):
                path.unlink()
        entries = [{"path": w.path, "line": w.line, "text": w.text} for w in warnings]
        publish_text(self.done, json.dumps({"warnings": entries}))


@contextlib.contextmanager
def base_objects(cache: Path, key: str, cancellation: Cancellation) -> Iterator[BaseObjects]:
    """Hold base's object tree of that key, alone; what an interrupted build left there is gone on with."""
    waiting = Deadline(_LOCK_S, what="waiting for another build", cancellation=cancellation)
    with locked(_lock(cache, key), waiting):
        folder = make_folder(cache / "objects" / key)
        base = BaseObjects(folder=folder)
        make_folder(base.tree)
        for parent in (folder, _memory_folder()):
            for left in parent.glob(f"{base.copy_prefix}*") if parent else ():
                # We have the lock, so its build is dead.
                remove_tree(left)
        if not base.is_done:
            require_space(base.tree, _SPACE_MIB, purpose="a kernel's object tree")
        os.utime(folder)
        yield base


@contextlib.contextmanager
def copied(base: BaseObjects, cancellation: Cancellation) -> Iterator[Path]:
    """Hold a copy of base's object tree with the same times; it is removed when the block is left."""
    parent = _memory_folder() or base.folder
    require_space(parent, _SPACE_MIB, purpose="a copy of the kernel's object tree")
    folder = Path(tempfile.mkdtemp(prefix=base.copy_prefix, dir=parent))
    try:
        deadline = Deadline(_COPY_S, what="copying the object tree", cancellation=cancellation)
        check(["cp", "-a", "--reflink=auto", base.tree, folder / "tree"], deadline=deadline)
        yield folder / "tree"
    finally:
        remove_tree(folder)


def _memory_folder() -> Path | None:
    """Return a private folder in memory where there is plenty of it, else None.

    A copy is thousands of small files, which cost a disk's journal 1 to 2 s to make and remove, and memory 0.2 s: the
    difference between 1.2 and 1.05 of plain make for a patch to one file.
    """
    folder = _MEMORY / f"{CACHE_NAME}-{os.geteuid()}"
    try:
        status = os.statvfs(_MEMORY)
        free_mib = min(status.f_bavail * status.f_frsize >> 20, _available_mib())
        if free_mib < _IN_MEMORY_MIB:
            return None
        folder.mkdir(mode=0o700, exist_ok=True)
        seen = folder.lstat()
    except OSError:
        return None
    # Everybody may write to /dev/shm: the folder could be somebody else's, or a link.
    is_ours = stat.S_ISDIR(seen.st_mode) and seen.st_uid == os.geteuid() and not seen.st_mode & 0o077
    return folder if is_ours else None


def _available_mib() -> int:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) >> 10
    return 0


def remove_tree(folder: Path) -> None:
    """Remove a folder that a stranger's build wrote to, also where it forbade its owner to.

    rm(1) needs a fraction of the time of :func:`shutil.rmtree`, and a patched build waits for this.
    """
    argv = ["rm", "-rf", "--one-file-system", "--", str(folder)]
    if run(argv, deadline=Deadline(_COPY_S, what="removing an object tree")).ok:
        return
    for parent, names, _files in os.walk(folder):
        for path in (Path(parent, name) for name in names):
            if not path.is_symlink():
                with contextlib.suppress(OSError):
                    path.chmod(0o700)
    shutil.rmtree(folder, ignore_errors=True)


def sweep(cache: Path, *, keep: BaseObjects) -> None:
    """Remove the longest unused object trees beyond :data:`KEPT`; never ``keep``, nor one in use."""
    folders = sorted((cache / "objects").glob("*"), key=lambda path: path.stat().st_mtime, reverse=True)
    for folder in folders[KEPT:]:
        if folder != keep.folder:
            with contextlib.suppress(InfraError), locked(_lock(cache, folder.name), Deadline(0, what="a lock")):
                remove_tree(folder)


def _lock(cache: Path, key: str) -> Path:
    # Beside the folders, not in them: a lock file that is removed while another waits for it locks nothing.
    return cache / "locks" / f"objects-{key}"


def configure(bench: Bench, fragments: tuple[Fragment, ...]) -> None:
    """Make /obj/.config of tinyconfig and the fragments; each wish must have survived.

    A lost wish is our fragments' fault for base, and the patch's for patched, where base kept it.
    """
    if not (bench.folders.source / "scripts/kconfig/merge_config.sh").is_file():
        raise UserError("the tree is no Linux tree: it has no scripts/kconfig/merge_config.sh")
    run_in_room(bench, tinyconfig_argv(bench.make))
    run_in_room(bench, merge_argv(len(fragments)))
    check_config(bench, fragments)


def check_config(bench: Bench, fragments: tuple[Fragment, ...]) -> None:
    """Raise unless every wish survived in the object tree's .config; names each that did not."""
    text = plain_file(bench, ".config").read_text(errors="replace")
    lost = find_lost(fragments, parse_config(text), release=config_release(text))
    if not lost:
        return
    evidence = Evidence(last_lines=tuple(item.describe() for item in lost), log=bench.log)
    names = ", ".join(item.wish.symbol for item in lost)
    if bench.role is KernelRole.BASE:
        raise InfraError(
            f"base's configuration lost what our fragments ask for: {names}",
            hint="this kernel version may name or depend on these otherwise; see kconfigs/README.md",
            evidence=evidence,
        )
    raise PatchFault(f"the patch's configuration loses what base's has: {names}", stage="build", evidence=evidence)
