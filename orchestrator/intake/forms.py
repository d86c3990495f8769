"""The table of readers: what forms a document may have, how each is told, and what makes items of it.

A new form is a module with a function that yields :class:`Item` values, and a row in :data:`READERS`. Where documents
come from (a file, a folder, a program) is the business of :mod:`orchestrator.intake.sources`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from orchestrator.errors import InputError
from orchestrator.intake.body import has_diff, read_body
from orchestrator.intake.document import Document
from orchestrator.intake.html import html_to_text, looks_like_html
from orchestrator.intake.item import Envelope, Item, Part
from orchestrator.intake.mbox import made_by_git
from orchestrator.intake.message import LARGEST_MESSAGE, looks_like_mail, read_mails
from orchestrator.intake.page import holds_diff, read_page
from orchestrator.intake.subject import read_subject
from orchestrator.model.series import Form


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """One form of input. ``recognises`` looks at a document; ``read`` returns what is in it, possibly nothing."""

    form: Form
    recognises: Callable[[Document], bool]
    read: Callable[[Document], tuple[Item, ...]]


def read_document(document: Document) -> tuple[Form, tuple[Item, ...]]:
    """Return the form of ``document`` and the messages in it. Raises :class:`InputError` when it is no text."""
    if len(document.data) > LARGEST_MESSAGE and not looks_like_mail(document.data):
        raise InputError(
            f"{document.path} has {len(document.data) >> 20} MiB; the largest message is {LARGEST_MESSAGE >> 20} MiB",
            hint="leave generated files out of the patch, or give the change as --git RANGE",
        )
    reader = next(reader for reader in READERS if reader.recognises(document))
    items = reader.read(document)
    form = reader.form
    if form is Form.MAIL:
        if len(items) > 1:
            form = Form.MBOX
        elif made_by_git(document.data):
            form = Form.FORMAT_PATCH
    return form, items


def _read_mail_file(document: Document) -> tuple[Item, ...]:
    return read_mails(document.data, what=str(document.path))


def _recognises_page(document: Document) -> bool:
    text = document.text
    first = next((line for line in text.split("\n") if line.strip()), "")
    return holds_diff(text) and not first.startswith(("diff ", "--- ", "Index: "))


def _read_page_file(document: Document) -> tuple[Item, ...]:
    return read_page(document.text, title=document.path.stem)


def _read_html_file(document: Document) -> tuple[Item, ...]:
    return read_page(html_to_text(document.text), title=document.path.stem)


def _read_diff_file(document: Document) -> tuple[Item, ...]:
    text = document.text
    subject = read_subject(document.path.stem)
    if not has_diff(text):
        return (Item(envelope=Envelope(subject=read_subject("")), text=text),)
    try:
        part = Part(subject=subject, author="", date=None, text=text, body=read_body(text))
    except InputError as error:
        return (Item(envelope=Envelope(subject=subject), text=text, fault=error, local=True),)
    return (Item(envelope=Envelope(subject=subject), text=text, parts=(part,), local=True),)


READERS = (
    Reader(form=Form.MAIL, recognises=lambda found: looks_like_mail(found.data), read=_read_mail_file),
    Reader(form=Form.ARCHIVED_PAGE, recognises=lambda found: looks_like_html(found.text), read=_read_html_file),
    Reader(form=Form.ARCHIVED_PAGE, recognises=_recognises_page, read=_read_page_file),
    Reader(form=Form.DIFF, recognises=lambda _found: True, read=_read_diff_file),
)
"""In the order in which they are asked; the last one takes what no other wants."""
