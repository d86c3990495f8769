"""Base's and patched's object trees compared, right after the build, while both are there.

What links the kernel is looked at as well: its configuration, the linker scripts, and which objects in which order. The
result is kept with the patched build and says against which base it holds.
"""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from orchestrator.host.deadline import Cancellation, Deadline
from orchestrator.host.process import run
from orchestrator.kernel.elf import NotAnObject, read_object
from orchestrator.kernel.kconfig import parse_config
from orchestrator.kernel.object_code import compare_objects_code, same_code_lines
from orchestrator.model.kernel import KernelBuild
from orchestrator.model.objects import ObjectDifference

NOTE = "objects-3.json"
"""The name of the result among a build's artefacts; the number goes up when earlier results are not to be believed."""

IMAGE = "vmlinux"

ARCHIVE = "vmlinux.a"
LIBRARIES = "**/lib.a"
SCRIPTS = "arch/*/kernel/vmlinux.lds"

LARGEST = 64 << 20
MOST_READ = 50

MOST_NAMED = 200
"""The functions of so many objects are looked at; a change of a header that all include would take minutes."""

_THIN = b"!<thin>\n"
_HEADER = 60


def compare_objects(base: KernelBuild, patched: KernelBuild) -> ObjectDifference | None:
    """Return how the code of two builds differs; None where nobody compared these two (an old build in the cache).

    ``same`` means that a trial of patched can show nothing that a trial of base does not.
    """
    if base.key == patched.key:
        return ObjectDifference(same=True, reason="the series changes no file")
    try:
        data = json.loads((patched.image.parent / NOTE).read_text())
        if data["base"] != base.key:
            return None
        return ObjectDifference(
            same=bool(data["same"]),
            changed_functions=tuple(data["changed_functions"]),
            changed_data=tuple(data["changed_data"]),
            changed_objects=tuple(data["changed_objects"]),
            compared=int(data["compared"]),
            reason=str(data["reason"]),
        )
    except (OSError, ValueError, TypeError, KeyError):
        return None


def moves_only_lines(
    checkout: Path, differs: Sequence[str], *, repo: Path, base_tree: str, cancellation: Cancellation
) -> bool:
    """Whether the files ``differs`` of a checkout are base's but for comments and blanks (documents do not count)."""
    paths = [path for path in differs if not path.startswith("Documentation/")]
    if not paths or len(paths) > MOST_READ or not all(path.endswith((".c", ".h")) for path in paths):
        return False
    for path in paths:
        argv = ["git", f"--git-dir={repo}", "cat-file", "blob", f"{base_tree}:{path}"]
        said = run(argv, deadline=Deadline(60, what="git cat-file", cancellation=cancellation))
        new = _text(checkout / path)
        if not said.ok or new is None or not same_code_lines(said.stdout, _as_git_says(new)):
            return False
    return True


def _as_git_says(text: str) -> str:
    """Return a text with what is not UTF-8 replaced, as in the output of a program."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def render_difference(difference: ObjectDifference, *, base_key: str) -> str:
    """Return the text that :func:`compare_objects` reads."""
    return json.dumps({"base": base_key, **asdict(difference)}, indent=1)


def compare_trees(base: Path, patched: Path, *, only_lines_moved: bool) -> ObjectDifference:
    """Return how the objects that are linked into the two trees' kernels differ.

    ``only_lines_moved`` says that the sources are the same but for comments: then what differs are line numbers.
    """
    outside = list(_differences_outside(base, patched))
    names = dict.fromkeys([*_linked(patched), *_objects_below(patched)])
    made_anew = [name for name in names if not _is_untouched(base / name, patched / name)]
    if not made_anew and _bytes(base / IMAGE) != _bytes(patched / IMAGE):
        # Whatever was overlooked: no word of "the same" against what boots.
        outside.append("the images differ, though no object was made anew")
    config = parse_config((base / ".config").read_text(errors="replace"))
    lines = config.get("CONFIG_DEBUG_BUGVERBOSE") == "y"
    objects: list[str] = []
    functions: list[str] = []
    data: list[str] = []
    for name in made_anew:
        found = _compare(base / name, patched / name, lines=lines, named=len(objects) < MOST_NAMED)
        if found is not None:
            objects.append(name)
            functions += [f"{function} ({name})" for function in found[0]]
            data += [f"{item} ({name})" for item in found[1]]
    if only_lines_moved and not outside:
        count = _count(len(made_anew))
        return ObjectDifference(
            same=True,
            compared=len(made_anew),
            reason=f"only comments and blanks differ; {count} made anew for line numbers",
        )
    return ObjectDifference(
        same=not objects and not outside,
        changed_functions=tuple(functions),
        changed_data=(*data, *outside),
        changed_objects=tuple(objects),
        compared=len(made_anew),
        reason=_reason(made_anew, objects, functions, outside),
    )


def _reason(made_anew: Sequence[str], objects: Sequence[str], functions: Sequence[str], outside: Sequence[str]) -> str:
    if not made_anew and not outside:
        return "no object was made anew"
    if not objects and not outside:
        return f"{_count(len(made_anew))} made anew, each with the same code and data but for line numbers"
    if not objects:
        return outside[0]
    words = f"{len(functions)} function{'' if len(functions) == 1 else 's'} in {_count(len(objects))}"
    return f"{words} differ{'s' if len(functions) == 1 else ''}"


def _count(number: int) -> str:
    return f"{number} object{'' if number == 1 else 's'}"


def _differences_outside(base: Path, patched: Path) -> Iterator[str]:
    """Yield what differs in how the kernel is put together."""
    if _text(base / ".config") != _text(patched / ".config"):
        yield "the configuration differs"
    for script in sorted({path.relative_to(tree) for tree in (base, patched) for path in tree.glob(SCRIPTS)}):
        if _text(base / script) != _text(patched / script):
            yield f"the linker script {script} differs"
    linked = _linked(base)
    if not linked:
        # Before Linux 6.1 there was no such list. What is not known to be the same is not.
        yield f"which objects are linked is not known: there is no {ARCHIVE}"
    elif linked != _linked(patched):
        yield "other objects are linked, or in another order"


def _linked(tree: Path) -> list[str]:
    """Return the objects that make the kernel, in order, as paths in the tree."""
    names = archive_members(_bytes(tree / ARCHIVE) or b"")
    for library in sorted(tree.glob(LIBRARIES)):
        folder = library.parent.relative_to(tree)
        names += [str(folder / name) for name in archive_members(_bytes(library) or b"")]
    return [name for name in names if not name.startswith("/") and ".." not in name.split("/")]


def archive_members(data: bytes) -> list[str]:
    """Return the names in a thin archive (ar(1), T), in order; none for anything else.

    A header is 60 bytes; only the table of long names, ``//``, and the symbol table, ``/``, have their data behind them.
    """
    names: list[str] = []
    table = b""
    at = len(_THIN)
    while data.startswith(_THIN) and at + _HEADER <= len(data):
        name, size = data[at : at + 16].rstrip(), data[at + 48 : at + 58].strip()
        at += _HEADER
        length = int(size) if size.isdigit() else 0
        if name in {b"/", b"//", b"/SYM64/"}:
            table = data[at : at + length] if name == b"//" else table
            at += length + length % 2
        elif name.startswith(b"/") and (offset := name.strip(b"/ ")).isdigit():
            # ar writes "/0", and "/0             /" for a path of 15 characters (mm/memcontrol.o): both are offsets.
            names.append(table[int(offset) :].partition(b"/\n")[0].decode("utf-8", "surrogateescape"))
        else:
            names.append(name.removesuffix(b"/").decode("utf-8", "surrogateescape"))
    return names


def _objects_below(tree: Path) -> Iterator[str]:
    """Yield the objects in the folders of a tree, those of images within the image (realmode, vdso) with them.

    Beside the list of what is linked, so that no mistake in reading that hides one. Those at the top are links of others.
    """
    for path in sorted(tree.glob("*/**/*.o")):
        if not path.name.startswith("."):
            yield str(path.relative_to(tree))


def _is_untouched(base: Path, patched: Path) -> bool:
    """Whether make left an object as it was copied: cp keeps size and time."""
    try:
        before, after = base.lstat(), patched.lstat()
    except OSError:
        return False
    is_same = (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns)
    return is_same and stat.S_ISREG(after.st_mode)


def _compare(base: Path, patched: Path, *, lines: bool, named: bool) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
    """Return the names of functions and data that differ, None where the code is the same."""
    before, after = _bytes(base), _bytes(patched)
    if before is None or after is None:
        return (), ("the object came or went",)
    if before == after:
        return None
    try:
        found = compare_objects_code(read_object(before), read_object(after), lines_in_bug_table=lines, named=named)
    except NotAnObject as error:
        return (), (f"not compared: {error}",)
    return None if found is None else (found.functions, found.data)


def _text(path: Path) -> str | None:
    data = _bytes(path)
    return None if data is None else data.decode("utf-8", "surrogateescape")


def _bytes(path: Path) -> bytes | None:
    """Return a plain file's content; None for what is none, is not there, or is too large: a stranger's build made it."""
    try:
        status = path.lstat()
        is_plain = stat.S_ISREG(status.st_mode) and status.st_size <= LARGEST
        return path.read_bytes() if is_plain and path.resolve() == path.parent.resolve() / path.name else None
    except OSError:
        return None
