"""An mbox cut into its messages: mboxo, mboxrd, mboxcl and mboxcl2, told apart by what stands in them. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

# "From " at a line's start begins a message only with an address and a date behind it; mailers quote others.
_FROM_LINE = re.compile(rb"From \S+ .{0,80}?[0-9]{2}:[0-9]{2}(?::[0-9]{2})? .{0,40}?[0-9]{4}(?![0-9])")
_QUOTED_FROM = re.compile(rb"^>(>*From )", re.MULTILINE)
_CONTENT_LENGTH = re.compile(rb"^content-length:[ \t]*([0-9]{1,12})[ \t\r]*$", re.MULTILINE | re.IGNORECASE)
# file(1) tells the output of git format-patch from a mailbox by this date.
_BY_GIT = re.compile(rb"\s*From [0-9a-f]{40,64} Mon Sep 17 00:00:00 2001")
_MOST = 300


def is_from_line(data: bytes, at: int) -> bool:
    """Whether a message begins at ``data[at]``."""
    return data.startswith(b"From ", at) and _FROM_LINE.match(data[at : at + _MOST].split(b"\n", 1)[0]) is not None


def made_by_git(data: bytes) -> bool:
    """Whether ``data`` begins as git format-patch begins its files: with a commit and always the same date."""
    return _BY_GIT.match(data) is not None


def split_mbox(data: bytes) -> tuple[bytes, ...]:
    """Return the messages of an mbox without their ``From `` lines.

    From-quoting is undone, one mark a line. A file without a ``From `` line is one message. The line before one has to
    be empty, as mbox(5) wants; a Content-Length that leads exactly to the next one is followed instead.
    """
    begin = len(data) - len(data.lstrip(b"\r\n"))
    if not is_from_line(data, begin):
        return (data[begin:],)
    return tuple(_QUOTED_FROM.sub(rb"\1", data[start:end].lstrip(b"\r\n")) for start, end in _spans(data, begin))


def _spans(data: bytes, at: int) -> Iterator[tuple[int, int]]:
    """Yield for each message where it begins behind its ``From `` line and where it ends."""
    while at < len(data):
        start = _next_line(data, at)
        end = _by_content_length(data, start)
        if end is None:
            end = _next_from(data, start)
        yield start, end
        at = end


def _next_from(data: bytes, at: int) -> int:
    """Return where the next message's ``From `` line is; the end where there is none."""
    while (at := data.find(b"\nFrom ", at)) >= 0:
        if (data[at - 1 : at] == b"\n" or data[at - 2 : at] == b"\n\r") and is_from_line(data, at + 1):
            return at + 1
        at += 1
    return len(data)


def _by_content_length(data: bytes, start: int) -> int | None:
    """Return where the message ends by its Content-Length; None when it states none, or none that can be right."""
    ends = [found for mark in (b"\n\n", b"\n\r\n") if (found := data.find(mark, start, start + (1 << 18))) >= 0]
    if not ends:
        return None
    head_end = min(ends)
    match = _CONTENT_LENGTH.search(data, start, head_end)
    if match is None:
        return None
    body = data.find(b"\n", head_end + 1) + 1
    end = body + int(match.group(1))
    behind = end
    while behind < len(data) and behind - end < 4 and data[behind : behind + 1] in {b"\r", b"\n"}:
        behind += 1
    return behind if end <= len(data) and (behind == len(data) or is_from_line(data, behind)) else None


def _next_line(data: bytes, at: int) -> int:
    end = data.find(b"\n", at)
    return len(data) if end < 0 else end + 1
