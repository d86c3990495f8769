"""The table of readers: what forms of input there are, how each is told, and what makes a series of it.

A new form (Maildir, b4, HTML, a git range) is a module with a function that yields :class:`Part` values, and a row in
:data:`READERS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import Evidence, InputError
from orchestrator.intake.assemble import Cover, Part, assemble
from orchestrator.intake.body import has_diff, read_body
from orchestrator.intake.document import LARGEST, Document, take_in
from orchestrator.intake.message import Mail, looks_like_mail, read_mails
from orchestrator.intake.page import holds_diff, quote_depth, read_page
from orchestrator.intake.subject import read_subject
from orchestrator.model.series import Form, Series

SUFFIXES = (".patch", ".mbox", ".eml", ".diff", ".txt")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """One form of input. ``recognises`` looks at a document; ``read`` returns what is in it, possibly nothing."""

    form: Form
    recognises: Callable[[Document], bool]
    read: Callable[[Document], tuple[Part | Cover, ...]]


def read_series(path: Path) -> Series:
    """Return the series in a file or in the patch files of a folder.

    Raises :class:`InputError`: nothing usable there (with what was found instead), truncated, too large, not text,
    unsafe.
    """
    if path.is_dir():
        found = _read_folder(path)
        form = Form.DIRECTORY
    else:
        document = take_in(path)
        reader = _reader_for(document)
        found = reader.read(document)
        form = reader.form
        if form is Form.FORMAT_PATCH and len(found) > 1:
            form = Form.MBOX
    if not any(isinstance(item, Part) for item in found):
        raise _no_patch(path, found)
    return assemble(found, form=form, source=str(path))


def _read_folder(folder: Path) -> tuple[Part | Cover, ...]:
    """Return what the patch files of ``folder`` hold, by name; the limit holds for all together."""
    paths = sorted(path for path in folder.iterdir() if path.suffix in SUFFIXES and path.is_file())
    if not paths:
        raise InputError(
            f"{folder} holds no patch: no file ends in {', '.join(SUFFIXES)}",
            hint="give the folder that git format-patch -o wrote",
        )
    found: list[Part | Cover] = []
    left = LARGEST
    for path in paths:
        document = take_in(path, largest=left)
        left -= len(document.data)
        found += _reader_for(document).read(document)
    return tuple(found)


def _reader_for(document: Document) -> Reader:
    """Return the first reader of the table that recognises the document; the last one takes all."""
    return next(reader for reader in READERS if reader.recognises(document))


def _read_mail_file(document: Document) -> tuple[Part | Cover, ...]:
    """Read an mbox or one message. Replies are left out, unless a quoted patch is all there is."""
    mails = read_mails(document.data, what=str(document.path))
    parts = tuple(_part_of(mail, document) for mail in mails if mail.is_patch)
    covers = tuple(_cover_of(mail) for mail in mails if not mail.is_patch)
    if parts:
        return (*covers, *parts)
    quoted = [mail for mail in mails if quote_depth(mail.text)]
    if len(quoted) == 1:
        return (_part_of_reply(quoted[0]),)
    return covers


def _part_of(mail: Mail, document: Document) -> Part:
    try:
        body = mail.body()
    except InputError as error:
        where = f"{document.path}: " if len(document.data) else ""
        raise InputError(
            f"{where}[{mail.subject.title or 'no subject'}] {error.message}", hint=error.hint, evidence=error.evidence
        ) from error
    return Part(
        subject=read_subject(body.subject) if body.subject and not mail.subject.is_patch else mail.subject,
        author=body.author or mail.author,
        date=body.date or mail.date,
        message_id=mail.message_id,
        text=mail.text,
        body=body,
    )


def _part_of_reply(mail: Mail) -> Part:
    page = read_page(mail.text)
    return Part(
        subject=mail.subject,
        author=page.author,
        date=page.date,
        message_id=None,
        text=mail.text,
        body=page.body,
        note=f"the patch was taken from a reply that quotes it ({mail.author})",
    )


def _cover_of(mail: Mail) -> Cover:
    return Cover(subject=mail.subject, text=mail.text, message_id=mail.message_id)


def _recognises_page(document: Document) -> bool:
    text = document.text
    first = next((line for line in text.split("\n") if line.strip()), "")
    return holds_diff(text) and not first.startswith(("diff ", "--- ", "Index: "))


def _read_page_file(document: Document) -> tuple[Part | Cover, ...]:
    page = read_page(document.text)
    note = "the page lost white space: it is recovered from the base file" if page.body.lossy else ""
    return (
        Part(
            subject=read_subject(page.subject or document.path.stem),
            author=page.author,
            date=page.date,
            message_id=None,
            text=document.text,
            body=page.body,
            note=note,
        ),
    )


def _read_diff_file(document: Document) -> tuple[Part | Cover, ...]:
    text = document.text
    if not has_diff(text):
        return (Cover(subject=read_subject(""), text=text, message_id=None),)
    subject = read_subject(document.path.stem)
    return (Part(subject=subject, author="", date=None, message_id=None, text=text, body=read_body(text)),)


READERS = (
    Reader(form=Form.FORMAT_PATCH, recognises=lambda found: looks_like_mail(found.data), read=_read_mail_file),
    Reader(form=Form.ARCHIVED_PAGE, recognises=_recognises_page, read=_read_page_file),
    Reader(form=Form.DIFF, recognises=lambda _found: True, read=_read_diff_file),
)
"""In the order in which they are asked; the last one takes what no other wants."""


def _no_patch(path: Path, found: tuple[Part | Cover, ...]) -> InputError:
    """Return the error that says what was found where a patch was looked for."""
    covers = [item for item in found if isinstance(item, Cover)]
    size = path.stat().st_size if path.is_file() else 0
    if not size and path.is_file():
        what = "it is empty"
    elif titles := [cover.subject.title for cover in covers if cover.subject.title]:
        shown = ", ".join(repr(title) for title in titles[:5]) + (", ..." if len(titles) > 5 else "")
        what = f"{len(covers)} mail{'s' if len(covers) != 1 else ''} without a diff: {shown}"
    else:
        lines = sum(cover.text.count("\n") for cover in covers)
        what = f"{size} bytes of text in {lines} lines, no diff and no mail header"
    first = next((line for cover in covers for line in cover.text.splitlines() if line.strip()), "")
    return InputError(
        f"no patch in {path}: {what}",
        hint="give the mail that carries the patch (a cover letter or an answer without the diff is not enough)",
        evidence=Evidence(last_lines=(f"it begins: {first[:100]}",) if first else ()),
    )
