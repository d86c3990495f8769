"""CONSOLE LOG → MESSAGES: what the kernel said, line by line, without time stamps; and whether the log is whole.

What a guest's programs write to the same console bears no time stamp and is not the kernel's word.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

LONGEST = 2048
"""Characters of a message that are looked at: PRINTK_MESSAGE_MAX (kernel/printk/internal.h); a longer one is not the kernel's."""

# "[    1.234567] ", with CONFIG_PRINTK_CALLER "[    1.234567][    T1] " (kernel/printk/printk.c, print_time and
# print_caller). Searched for anywhere in the line: a program that wrote no line feed leaves its text in front of it.
_STAMP = re.compile(r"\[ *+\d++\.\d{6}\](?:\[ *+([TC]\d++)\])? ?")
# early_printk() (kernel/printk/printk.c) writes to the console itself: the one message of the kernel's without a time stamp.
_EARLY = re.compile(r"PANIC: early exception 0x[0-9a-f]{2} IP ")
_BANNER = re.compile(r"Linux version \d")
_ANSI = re.compile(r"\x1b\[[0-9;?]*+[A-Za-z]")
_DROPPED = re.compile(r"\*\* (\d{1,20}) printk messages dropped \*\*\s*$")
_MARK = re.compile(r"orchestrator: ([a-z-]+)")


@dataclass(frozen=True, slots=True)
class Message:
    """One line of the kernel's. ``caller`` is ``T77`` (a task), ``C1`` (a CPU), "" where the kernel does not say."""

    text: str
    caller: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Messages:
    """A log's messages from the first banner on, where (by index) the kernel began again, and what is missing.

    ``problem`` says why nothing can be concluded from what is not there, "" when the log is whole; ``marks`` are the
    words of the guest's init, in order.
    """

    messages: tuple[Message, ...] = ()
    reboots: tuple[int, ...] = ()
    problem: str = ""
    marks: tuple[str, ...] = ()


def read_messages(text: str) -> Messages:
    """Return a console log's messages.

    Not whole is a log that is empty, one without the kernel's banner (it never spoke, or its beginning is lost), and
    one for which messages came faster than the console took them (console_prepend_dropped in kernel/printk/printk.c).
    """
    lines = [_ANSI.sub("", line.rstrip("\r")) if "\x1b" in line else line.rstrip("\r") for line in text.split("\n")]
    if not any(line.strip() for line in lines):
        return Messages(problem="the console log is empty")
    messages = _stamped(lines)
    banners = [index for index, message in enumerate(messages) if _BANNER.match(message.text)]
    if not banners:
        return Messages(problem="the console log has no kernel banner: the kernel never spoke, or the log was cut")
    first = banners[0]
    dropped = sum(int(found[1]) for line in lines if line.startswith("*") and (found := _DROPPED.match(line)))
    return Messages(
        messages=tuple(messages[first:]),
        reboots=tuple(index - first for index in banners[1:]),
        problem=f"{dropped} messages of the kernel are missing: the console dropped them" if dropped else "",
        marks=tuple(mark[1] for message in messages[first:] if (mark := _MARK.match(message.text))),
    )


def _stamped(lines: Sequence[str]) -> list[Message]:
    """Return the lines with a time stamp; all lines where the kernel prints none (CONFIG_PRINTK_TIME)."""
    if any(_BANNER.match(line) for line in lines):
        return [Message(line[:LONGEST]) for line in lines]
    found = []
    for line in lines:
        if match := _STAMP.search(line):
            found.append(Message(line[match.end() : match.end() + LONGEST], match[1] or ""))
        elif _EARLY.match(line):
            found.append(Message(line[:LONGEST]))
    return found
