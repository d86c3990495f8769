"""An archived page as plain text: a patch, or a review reply that quotes one, as a web archive shows it.

What such a page may have lost: tabs and leading blanks (always white space, never other text). What it may have more:
a page header, a reviewer's words around and between the lines, a footer. The quote marks tell the two apart where
there are any; the hunks' counts do the rest. Which reading of an ambiguous line is right is not decided here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime

from orchestrator.errors import InputError
from orchestrator.intake.body import Body, has_diff, read_body
from orchestrator.model.diff import starts_diff

_QUOTE = re.compile(r"^((?:> ?)+)(?=diff --git |--- \S|@@ -\d)", re.MULTILINE)
_WROTE = re.compile(r"^On (?P<date>.{6,60}?), (?P<who>[^,\n]+(?:\n[^,\n]+)?)\s+wrote:\s*$", re.MULTILINE)
_PAGE_HEADER = re.compile(r"^(From|Date|Subject):\s*(.*)$")
HEADER_LINES = 12
"""How far down the page its own header may stand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page taken apart. ``subject`` is the page's own; ``author`` and ``date`` are the patch's where they are known."""

    subject: str
    author: str
    date: str | None
    body: Body
    quoted: bool


def read_page(text: str) -> Page:
    """Return the patch in a page's text, which holds a diff, quoted or not.

    The white space is taken at its word when every hunk fits its counts that way; else the patch is lossy. Raises
    :class:`InputError` when the lossy reading does not fit either.
    """
    headers = _page_headers(text)
    depth = quote_depth(text)
    own = unquote(text, depth) if depth else text
    try:
        body = read_body(own)
    except InputError:
        body = read_body(own, lossy=True)
    wrote = _WROTE.search(text)
    replied = depth > 0
    author = body.author or (wrote["who"] if wrote and replied else headers.get("From", ""))
    date = body.date or (_wrote_date(wrote["date"]) if wrote and replied else headers.get("Date"))
    return Page(
        subject=headers.get("Subject", ""), author=" ".join(author.split()), date=date, body=body, quoted=replied
    )


def holds_diff(text: str) -> bool:
    """Whether a page's text holds a diff, quoted or not."""
    depth = quote_depth(text)
    return has_diff(unquote(text, depth) if depth else text)


def quote_depth(text: str) -> int:
    """Return how deep the diff in ``text`` is quoted: 0 when it is not."""
    lines = text.split("\n")
    if any(starts_diff(lines, at) for at in range(len(lines))):
        return 0
    match = _QUOTE.search(text)
    return match.group(1).count(">") if match else 0


def unquote(text: str, depth: int) -> str:
    """Return the lines that are quoted ``depth`` deep, without the marks; others are a reply and left out.

    One blank behind the last mark belongs to it: mailers write ``> `` and archives may strip that of empty lines.
    """
    mark = re.compile(rf"(?:> ?){{{depth - 1}}}> ?" if depth > 1 else r"> ?")
    return "\n".join(line[match.end() :] for line in text.split("\n") if (match := mark.match(line))) + "\n"


def _page_headers(text: str) -> dict[str, str]:
    """Return what the top of the page says of itself; its first line is the subject where no line is called that."""
    lines = [line for line in text.split("\n")[:HEADER_LINES] if line.strip()]
    headers: dict[str, str] = {}
    for line in lines:
        if (match := _PAGE_HEADER.match(line)) and match.group(1) not in headers:
            headers[match.group(1)] = match.group(2).strip()
    if "Subject" not in headers and lines and not _is_noise(lines[0]):
        headers["Subject"] = lines[0].strip()
    return headers


def _is_noise(line: str) -> bool:
    """Whether a page's first line is no subject: the diff itself, or a quoted line."""
    return line.startswith((">", "---", "diff ")) or _PAGE_HEADER.match(line) is not None


def _wrote_date(text: str) -> str | None:
    """Return the date of an ``On ..., X wrote:`` line as mails write dates, None when it is written another way."""
    try:
        return format_datetime(datetime.strptime(text, "%a, %b %d, %Y at %I:%M:%S%p %z"))
    except ValueError:
        return None
