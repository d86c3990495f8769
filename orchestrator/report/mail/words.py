"""Text for a mail: one printable line of a stranger's words, paragraphs, commands. Pure.

Mails are read in 80 columns, quoted once or twice: nothing is wider than :data:`WIDTH` but paths and commands.
"""

from __future__ import annotations

import re
import shlex
import textwrap
from collections.abc import Sequence

from orchestrator.report.text import printable_line

WIDTH = 76
_PLAIN = {"–": "-", "−": "-", "→": "->", "×": "x", "…": "...", "‘": "'", "’": "'", "“": '"', "”": '"', "\xa0": " "}
_PLAINLY = str.maketrans(_PLAIN)
# What b4 takes for a trailer, at any indentation: a name, and a person or a link or a commit behind it.
_TRAILER = re.compile(r"^\s*\w\S+:\s+\S")
_SIGNATURE = re.compile(r"^-- ?$")


def plain(text: str) -> str:
    """Return our own words with the typographic marks of other reports in ASCII: such a mail needs no encoding."""
    return text.translate(_PLAINLY)


def strangers(text: str) -> str:
    """Return a stranger's words as one line that no program takes for more than words.

    Control characters are made visible. Tools collect trailers (``Acked-by: ...``) out of answers to a patch, however
    far they are indented; what would look like one gets a bar before it.
    """
    line = printable_line(text).replace("\t", "        ").rstrip()
    bare = line.lstrip()
    if _SIGNATURE.match(line) or bare.startswith((">", "diff ", "--- ", "@@ ")) or looks_like_trailer(line):
        return f"| {line}"
    return line


def looks_like_trailer(line: str) -> bool:
    """Whether a program that collects trailers might take ``line`` for one (b4's find_trailers)."""
    if not _TRAILER.match(line):
        return False
    name, _, value = line.strip().partition(":")
    of_no_person = {"link", "buglink", "closes", "fixes", "subject", "date", "obsoleted-by", "change-id", "base-commit"}
    return "@" in value or name.lower() in of_no_person or name.lower().endswith(("-by", "-to"))


def paragraph(text: str, indent: str = "", hanging: str | None = None) -> str:
    """Return ``text`` filled to :data:`WIDTH`; a word that is longer stands alone on its line.

    A fold in a stranger's words makes no trailer of them.
    """
    further = indent if hanging is None else hanging
    lines = textwrap.wrap(
        " ".join(text.split()),
        width=WIDTH,
        initial_indent=indent,
        subsequent_indent=further,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return "\n".join(
        f"{further}| {line[len(further) :]}" if at and looks_like_trailer(line) else line
        for at, line in enumerate(lines)
    )


def paragraphs(texts: Sequence[str], indent: str = "") -> str:
    """Return each text filled, a blank line between."""
    return "\n\n".join(paragraph(text, indent) for text in texts)


def items(texts: Sequence[str], indent: str = "  ") -> str:
    """Return a list of texts, a dash before each."""
    return "\n".join(paragraph(text, f"{indent}- ", f"{indent}  ") for text in texts)


def command(words: Sequence[str], indent: str = "  ") -> str:
    """Return a command for a shell, broken with backslashes between an option and the next."""
    groups: list[str] = []
    for word in words:
        quoted = shlex.quote(word)
        if groups and groups[-1].startswith("--") and " " not in groups[-1] and not word.startswith("-"):
            groups[-1] += f" {quoted}"
        else:
            groups.append(quoted)
    lines = [indent]
    for group in groups:
        if lines[-1].strip() and len(lines[-1]) + len(group) + 3 > WIDTH:
            lines[-1] += " \\"
            lines.append(f"{indent}    ")
        lines[-1] += group if not lines[-1].strip() else f" {group}"
    return "\n".join(lines)


def folded(text: str, width: int = WIDTH - 2) -> tuple[str, ...]:
    """Return a stranger's line in pieces of ``width`` where it has blanks, the later ones indented further.

    No piece looks like a trailer either.
    """
    line = strangers(text)
    if len(line) <= width:
        return (line,)
    pieces, rest = [], line
    indent = " " * (len(line) - len(line.lstrip()) + 4)
    while len(rest) > width:
        begin = len(rest) - len(rest.lstrip())
        at = rest.rfind(" ", begin + 1, width + 1)
        if at <= 0:
            at = rest.find(" ", width)
        if at <= 0:
            break
        pieces.append(rest[:at].rstrip())
        behind = rest[at:].lstrip()
        rest = indent + (f"| {behind}" if looks_like_trailer(behind) else behind)
    return (*pieces, rest)


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return "1 boot" or "3 boots"."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def listed(names: Sequence[str]) -> str:
    """Return "a", "a and b" or "a, b and c"."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else list(names))


def numbers(values: Sequence[int]) -> str:
    """Return numbers in order, runs of three and more drawn together: "1, 3-6"."""
    runs: list[list[int]] = []
    for value in sorted(set(values)):
        if runs and value == runs[-1][-1] + 1:
            runs[-1].append(value)
        else:
            runs.append([value])
    parts: list[str] = []
    for run in runs:
        parts += [f"{run[0]}-{run[-1]}"] if len(run) > 2 else [str(value) for value in run]
    return ", ".join(parts)
