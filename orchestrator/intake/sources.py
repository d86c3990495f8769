"""Where an input comes from: a file, a folder, a Maildir, standard input, an archive through b4, a range in a git tree.

Each kind is a row of :data:`KINDS`; the first that recognises what the user wrote reads it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import InputError
from orchestrator.host.deadline import Cancellation
from orchestrator.intake.document import LARGEST, Document, take_in, take_in_stream
from orchestrator.intake.forms import read_document
from orchestrator.intake.item import Item
from orchestrator.intake.lore import message_id_of, read_thread
from orchestrator.model.series import Form

SUFFIXES = (".patch", ".mbox", ".mbx", ".eml", ".diff", ".txt", ".html", ".htm", ".gz")
MAILDIR = ("cur", "new", "tmp")


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What one or more inputs hold. ``message_id`` is the one that the user asked an archive for."""

    form: Form
    items: tuple[Item, ...]
    documents: tuple[Document, ...] = ()
    message_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of input."""

    recognises: Callable[[str], bool]
    read: Callable[[str, Limits], Found]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How far reading goes: at most ``largest`` bytes; an archive is asked for ``newer`` versions as well."""

    largest: int
    newer: bool
    cancellation: Cancellation


def read_inputs(inputs: Sequence[str], *, newer: bool = False, cancellation: Cancellation) -> Found:
    """Return all that ``inputs`` hold, as one. Raises :class:`InputError`; the limit of size holds for all together."""
    found: list[Found] = []
    left = LARGEST
    for word in inputs:
        kind = next(kind for kind in KINDS if kind.recognises(word))
        found.append(kind.read(word, Limits(largest=left, newer=newer, cancellation=cancellation)))
        left -= sum(len(document.data) for document in found[-1].documents)
    if len(found) == 1:
        return found[0]
    return Found(
        form=Form.FILES,
        items=tuple(item for each in found for item in each.items),
        documents=tuple(document for each in found for document in each.documents),
    )


def _read_stdin(_word: str, limits: Limits) -> Found:
    if sys.stdin.isatty():
        raise InputError("- reads a mail from standard input, which is a terminal", hint="orchestrator series - < MAIL")
    return _of_document(take_in_stream(sys.stdin.buffer, largest=limits.largest))


def _read_file(word: str, limits: Limits) -> Found:
    return _of_document(take_in(Path(word), largest=limits.largest))


def _of_document(document: Document) -> Found:
    form, items = read_document(document)
    return Found(form=form, items=items, documents=(document,))


def _read_folder(word: str, limits: Limits) -> Found:
    """Read the patch files of a folder, by name."""
    folder = Path(word)
    paths = [path for path in _entries(folder) if path.suffix in SUFFIXES]
    if not paths:
        raise InputError(
            f"{folder} holds no patch: no file ends in {', '.join(SUFFIXES)}",
            hint="give the folder that git format-patch -o wrote",
        )
    return _read_files(paths, Form.DIRECTORY, limits.largest)


def _read_maildir(word: str, limits: Limits) -> Found:
    """Read a Maildir (its ``tmp`` holds what is not delivered yet)."""
    paths = [path for name in ("cur", "new") for path in _entries(Path(word) / name)]
    if not paths:
        raise InputError(f"the Maildir {word} is empty")
    return _read_files(paths, Form.MAILDIR, limits.largest)


def _read_files(paths: Sequence[Path], form: Form, left: int) -> Found:
    items: list[Item] = []
    documents: list[Document] = []
    for path in paths:
        document = take_in(path, largest=left)
        left -= len(document.data)
        items += read_document(document)[1]
        documents.append(document)
    return Found(form=form, items=tuple(items), documents=tuple(documents))


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    except OSError as error:
        raise InputError(f"cannot read {folder}: {error.strerror}") from error


def _fetch(word: str, limits: Limits) -> Found:
    """Let b4 fetch the thread of a message id or link."""
    message_id = message_id_of(word)
    assert message_id is not None  # noqa: S101 - it was recognised
    document = read_thread(message_id, newer=limits.newer, largest=limits.largest, cancellation=limits.cancellation)
    _, items = read_document(document)
    return Found(form=Form.B4, items=items, documents=(document,), message_id=message_id)


def _is_maildir(word: str) -> bool:
    return Path(word).is_dir() and all((Path(word) / name).is_dir() for name in MAILDIR)


KINDS = (
    Kind(recognises=lambda word: word == "-", read=_read_stdin),
    Kind(recognises=_is_maildir, read=_read_maildir),
    Kind(recognises=lambda word: Path(word).is_dir(), read=_read_folder),
    Kind(recognises=lambda word: not Path(word).exists() and message_id_of(word) is not None, read=_fetch),
    Kind(recognises=lambda _word: True, read=_read_file),
)
"""In the order in which they are asked; the last one says what is wrong with anything else."""
