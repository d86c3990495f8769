"""What a patch does besides changing lines: renames, modes, symbolic links. Said in words, and refused where unsafe.

A symbolic link may point inside the tree only: whatever reads the tree later (the compiler, a script, a person's editor)
would follow it out of the sandbox. Parent steps are allowed at its beginning alone, since ``link/..`` behind another
link is not where it seems to be.
"""

from __future__ import annotations

import posixpath
from collections.abc import Sequence

from orchestrator.errors import InputError
from orchestrator.model.diff import FileDiff

SYMLINK = "120000"
FILE_MODES = ("100644", "100755")
_MODES = {*FILE_MODES, SYMLINK}


def special_changes(files: Sequence[FileDiff], *, lossy: bool = False) -> tuple[str, ...]:
    """Return in words what ``files`` do besides changing lines, in order.

    Raises :class:`InputError` for a mode that git does not know, a file that becomes a link by its mode alone, and a
    link that leads out of the tree or, in a lossy diff, whose target may have lost blanks.
    """
    found: list[str] = []
    for file in files:
        found += _moves(file)
        found += _modes(file)
        target = _link_target(file, lossy=lossy)
        if target is not None:
            verb = "new symbolic link" if file.old_path is None else "symbolic link"
            found.append(f"{verb} {file.path} -> {target}")
    return tuple(found)


def check_link(path: str, target: str) -> str:
    """Return ``target`` if the symbolic link ``path`` stays inside the tree with it; :class:`InputError` else."""
    words = target.split("/")
    ups = next((at for at, word in enumerate(words) if word != ".."), len(words))
    outside = target.startswith("/") or ".." in words[ups:] or ups > path.count("/")
    resolved = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
    into_git = any(word.lower() == ".git" for word in words)
    if not target or outside or into_git or resolved.startswith(("..", "/")) or any(ord(char) < 32 for char in target):
        raise InputError(
            f"unsafe symbolic link {path!r}: its target {target!r} leads out of the tree",
            hint="a link has to stay inside the tree, with '..' at its beginning only",
        )
    return target


def _moves(file: FileDiff) -> list[str]:
    old, new = file.old_path, file.new_path
    if old is None or new is None or old == new:
        return []
    return [f"rename {old} -> {new}"]


def _modes(file: FileDiff) -> list[str]:
    """Return a change of mode in words."""
    modes = {name: _header(file, f"{name} mode ") for name in ("old", "new", "new file", "deleted file")}
    for mode in modes.values():
        if mode is not None and mode not in _MODES:
            raise InputError(f"{file.path}: git knows no mode {mode!r}", hint="make the patch with git format-patch")
    old, new = modes["old"], modes["new"]
    if SYMLINK in {old, new} and old != new:
        raise InputError(
            f"{file.path}: a file becomes a symbolic link, or the reverse, by its mode alone",
            hint="git writes such a change as a removal and a new file; make the patch with git format-patch",
        )
    if new is not None and old != new:
        return [f"mode of {file.path}: {old or '?'} -> {new}"]
    if modes["new file"] == "100755":
        return [f"new executable file {file.path}"]
    return []


def _link_target(file: FileDiff, *, lossy: bool) -> str | None:
    """Return where the link that ``file`` makes or changes points to, checked; None when it makes none."""
    mode = _header(file, "new file mode ") or _index_mode(file)
    if mode != SYMLINK or file.new_path is None or not file.hunks:
        return None
    if lossy:
        raise InputError(
            f"{file.path}: a symbolic link in a page that lost white space is not supported", hint="give the raw mail"
        )
    added = [line[1:] for hunk in file.hunks for line in hunk.lines if line.startswith("+")]
    if len(added) != 1:
        raise InputError(f"unsafe symbolic link {file.path!r}: its target is not one line")
    return check_link(file.new_path, added[0])


def _header(file: FileDiff, key: str) -> str | None:
    return next((line[len(key) :].strip() for line in file.headers if line.startswith(key)), None)


def _index_mode(file: FileDiff) -> str | None:
    """Return the mode at the end of an ``index`` line: that of a file which keeps it."""
    words = (_header(file, "index ") or "").split()
    return words[1] if len(words) == 2 else None
