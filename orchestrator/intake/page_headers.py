"""Where the messages of an archived page begin, and what stands above each: a table of what archives show. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.intake.dates import iso_utc
from orchestrator.intake.headers import LONGEST_SUBJECT, address_of, lists_among
from orchestrator.intake.item import Envelope
from orchestrator.intake.subject import Subject, read_subject

_HEADER = re.compile(
    r"^[ \t]{0,4}(?:[-*\u2022][ \t]*)?"
    r"(From|To|Cc|CC|Subject|Date|Message-I[Dd]|In-Reply-To|In-reply-to|References|List|Reply-To|Sender)[ \t]*:[ \t]*(.*)$"
)
# lore's thread view: "From: Hao Jia @ 2026-06-29 11:20 UTC (permalink / raw)"
_LORE_FROM = re.compile(r"^(?P<who>.{1,200}?) @ (?P<date>\d{4}-\d\d-\d\d +\d\d?:\d\d UTC)")
_NOISE = re.compile(r"\s*(?:\[thread overview\]|\(raw\)|\(permalink / raw\)|\[flat\|nested\])")
_LIST_TITLE = re.compile(r"^([a-z0-9-]{2,60}\.(?:[a-z0-9-]{1,40}\.){1,3}[a-z]{2,6}) archive mirror\b", re.MULTILINE)
_IDS = re.compile(r"[^\s<>\"]{1,300}@[^\s<>\"]{1,300}")
_TAGGED = re.compile(r"(?:(?:Re|Fwd?): *){0,9}\[[^\]]{0,200}(?:PATCH|RFC|\d/\d)[^\]]{0,200}\].*", re.IGNORECASE)
HEADER_LINES = 12
"""How far down the page its own header may stand where it is not set apart."""

_LOOK_BACK = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class PageMessage:
    """One message of a page: what stands above it, and its text."""

    envelope: Envelope
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Block:
    """A run of header lines, ``lines[start:end]`` of the page."""

    start: int
    end: int
    fields: dict[str, str]


def split_page(text: str, *, title: str) -> tuple[PageMessage, ...]:
    """Return the messages of a page, in order; one, with ``title`` for a subject, where no header is found."""
    lines = text.split("\n")
    lists = tuple(match.group(1) for match in _LIST_TITLE.finditer(text[:20_000]))
    blocks = _starts(lines)
    if not blocks:
        fields = _loose_fields(lines)
        return (PageMessage(envelope=_envelope(fields, title=title, lists=lists), text=text),)
    found = []
    for block, after in zip(blocks, [*blocks[1:], None], strict=True):
        fields = block.fields
        if "subject" not in fields:
            fields = {**fields, "subject": _subject_above(lines, block.start)}
        body = "\n".join(lines[block.end : after.start if after else len(lines)])
        found.append(PageMessage(envelope=_envelope(fields, title=title, lists=lists), text=body))
    return tuple(found)


def _starts(lines: Sequence[str]) -> list[_Block]:
    """Return the header blocks at which messages begin."""
    found: list[_Block] = []
    at = 0
    inside = (
        False  # whether only blank lines stand between here and a header block: then this one is of the same message
    )
    while at < len(lines):
        if _HEADER.match(lines[at]) is None:
            inside = inside and not lines[at].strip()
            at += 1
            continue
        block = _block(lines, at)
        if not inside and _begins_message(block, lines, first=not found):
            found.append(block)
        inside = bool(found)
        at = block.end
    return found


def _block(lines: Sequence[str], at: int) -> _Block:
    """Return the run of header lines at ``lines[at]``; lines that are indented go on with the one above."""
    start, name = at, ""
    fields: dict[str, str] = {}
    while at < len(lines):
        match = _HEADER.match(lines[at])
        if match is not None:
            name = match.group(1).lower()
            if name in fields:
                break
            fields[name] = _NOISE.sub("", match.group(2)).strip()
        elif lines[at][:1] in {" ", "\t"} and lines[at].strip() and name in {"to", "cc", "subject", "references"}:
            fields[name] += f" {lines[at].strip()}"
        else:
            break
        at += 1
    return _Block(start=start, end=at, fields=fields)


def _begins_message(block: _Block, lines: Sequence[str], *, first: bool) -> bool:
    names = set(block.fields)
    if "from" not in names:
        return False
    if _LORE_FROM.match(block.fields["from"]):
        return True
    if {"subject", "date"} <= names:
        return True
    if "date" not in names:
        return first and "subject" in names
    return first or read_subject(_line_above(lines, block.start)).is_patch


def _line_above(lines: Sequence[str], at: int) -> str:
    return next((line for line in reversed(lines[max(0, at - _LOOK_BACK) : at]) if line.strip()), "")


def _subject_above(lines: Sequence[str], at: int) -> str:
    """Return the nearest line above ``at`` that reads like a patch's subject, else the page's first line."""
    above = [line.strip() for line in lines[max(0, at - _LOOK_BACK) : at] if line.strip()]
    for line in reversed(above):
        # lore's thread view sets a star before a message's own subject; its overview lists others behind their dates.
        tagged = _TAGGED.match(line.removeprefix("* "))
        if tagged:
            return tagged.group(0)
    return above[0] if above and not above[0].startswith((">", "---", "diff ")) else ""


def _loose_fields(lines: Sequence[str]) -> dict[str, str]:
    """Return what the top of a page says of itself; its first line is the subject where no line is called that."""
    top = [line for line in lines[:HEADER_LINES] if line.strip()]
    fields: dict[str, str] = {}
    for line in top:
        if (match := _HEADER.match(line)) and match.group(1).lower() not in fields:
            fields[match.group(1).lower()] = match.group(2).strip()
    if "subject" not in fields and top and not _is_noise(top[0]):
        fields["subject"] = top[0].strip()
    return fields


def _is_noise(line: str) -> bool:
    """Whether a page's first line is no subject: the diff itself, or a quoted line."""
    return line.startswith((">", "---", "diff ")) or _HEADER.match(line) is not None


def _envelope(fields: dict[str, str], *, title: str, lists: Sequence[str]) -> Envelope:
    author, date = fields.get("from", ""), fields.get("date")
    if match := _LORE_FROM.match(author):
        author, date = match["who"], match["date"]
    to, cc = _people(fields.get("to", "")), _people(fields.get("cc", ""))
    ids = _message_ids(fields.get("message-id", ""))
    replies = _message_ids(fields.get("in-reply-to", ""))
    references = _message_ids(fields.get("references", ""))
    return Envelope(
        subject=_subject(fields.get("subject", ""), title),
        author=author,
        address=address_of(author),
        date=date,
        sent=iso_utc(date),
        message_id=ids[0] if ids else None,
        parents=tuple(dict.fromkeys((*replies, *reversed(references)))),
        to=to,
        cc=cc,
        lists=tuple(dict.fromkeys((*lists, *lists_among((*to, *cc))))),
        whole_subject=(fields.get("subject", "") or title)[:LONGEST_SUBJECT],
    )


def _subject(text: str, title: str) -> Subject:
    # lkml.iu.edu's title, and lore's: "Linux-Kernel Archive: ...", "... - Hao Jia".
    return read_subject(text or title)


def _people(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _message_ids(text: str) -> tuple[str, ...]:
    """Return message ids; marc.info writes ``20260629 () example ! org`` for them."""
    plain = text.replace(" () ", "@").replace(" ! ", ".")
    return tuple(match.group(0) for match in _IDS.finditer(plain))
