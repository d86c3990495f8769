"""An archived page as text: patches, or review replies that quote them, as a web archive shows them. Pure.

What such a page may have lost: tabs and leading blanks (always white space, never other text). What it may have more:
a page header, a reviewer's words around and between the lines, a footer, further messages. The quote marks tell the two
apart where there are any; the hunks' counts do the rest. Which reading of an ambiguous line is right is not decided here.
"""

from __future__ import annotations

import re

from orchestrator.errors import InputError
from orchestrator.intake.body import Body, has_diff, read_body
from orchestrator.intake.dates import wrote_date
from orchestrator.intake.item import Item, Part
from orchestrator.intake.page_headers import PageMessage, split_page
from orchestrator.intake.subject import Subject
from orchestrator.model.diff import starts_diff

_QUOTE = re.compile(r"^((?:> ?){1,20})(?=diff --git |--- \S)", re.MULTILINE)
_WROTE = re.compile(r"^On (?P<date>.{6,60}?), (?P<who>[^,\n]{1,120}(?:\n[^,\n]{1,120})?)\swrote:[ \t]*$", re.MULTILINE)
_LOST = "the page lost white space: it is recovered from the base file"


def read_page(text: str, *, title: str) -> tuple[Item, ...]:
    """Return the messages of a page's text, in order; ``title`` is the subject where the page has none.

    The white space is taken at its word when every hunk fits its counts that way; else the patch is lossy. What fits
    neither way is the item's fault.
    """
    return tuple(_item(message) for message in split_page(text, title=title))


def _item(message: PageMessage) -> Item:
    envelope, text = message.envelope, message.text
    depth = quote_depth(text)
    own = unquote(text, depth) if depth else text
    if not has_diff(own):
        return Item(envelope=envelope, text=text)
    try:
        part = _part(text, own, envelope.subject, author=envelope.author, date=envelope.date, quoted=depth > 0)
    except InputError as error:
        return Item(envelope=envelope, text=text, quote_fault=error) if depth else Item(
            envelope=envelope, text=text, fault=error
        )  # fmt: skip
    return Item(envelope=envelope, text=text, quoted=(part,)) if depth else Item(
        envelope=envelope, text=text, parts=(part,)
    )  # fmt: skip


def quoted_part(text: str, subject: Subject, *, author: str) -> Part | None:
    """Return the patch that a mail's text quotes, None when it quotes none. Raises :class:`InputError`: see above."""
    depth = quote_depth(text)
    own = unquote(text, depth) if depth else ""
    if not has_diff(own):
        return None
    part = _part(text, own, subject, author="", date=None, quoted=True)
    note = f"the patch was taken from a reply that quotes it ({author})"
    return Part(
        subject=subject, author=part.author, date=part.date, text=part.text, body=part.body, notes=(note, *part.notes)
    )


def _part(text: str, own: str, subject: Subject, *, author: str, date: str | None, quoted: bool) -> Part:
    """Return the patch in ``own``, the lines of ``text`` that may be its."""
    body = _read_either(own)
    wrote = _WROTE.search(text) if quoted else None
    # A page states the author and date of the answer; its "wrote" line those of the patch.
    who = wrote["who"] if wrote else ("" if quoted and not body.author else author)
    when = wrote_date(wrote["date"]) if wrote else (None if quoted else date)
    return Part(
        subject=subject,
        author=" ".join((body.author or who or author).split()),
        date=body.date or when or date,
        text=own,
        body=body,
        notes=(_LOST,) if body.lossy else (),
    )


def _read_either(text: str) -> Body:
    try:
        return read_body(text)
    except InputError:
        return read_body(text, lossy=True)


def holds_diff(text: str) -> bool:
    """Whether a page's text holds a diff, quoted or not."""
    depth = quote_depth(text)
    return has_diff(unquote(text, depth) if depth else text)


def quote_depth(text: str) -> int:
    """Return how deep the diff in ``text`` is quoted: 0 when it is not."""
    if has_diff(text):
        return 0
    for match in _QUOTE.finditer(text):
        # A quoted file name with two words does not make a diff: look whether one begins there.
        depth = match.group(1).count(">")
        ahead = unquote(text[match.start() : match.start() + 4096], depth).split("\n")
        if starts_diff(ahead, 0):
            return depth
    return 0


def unquote(text: str, depth: int) -> str:
    """Return the lines that are quoted ``depth`` deep, without the marks; others are a reply and left out.

    One blank behind the last mark belongs to it: mailers write ``> `` and archives may strip that of empty lines.
    """
    mark = re.compile(rf"(?:> ?){{{depth - 1}}}> ?" if depth > 1 else r"> ?")
    return "\n".join(line[match.end() :] for line in text.split("\n") if (match := mark.match(line))) + "\n"
