"""format=flowed (RFC 3676) undone. A patch should never be sent so; mail programs do it all the same. Pure."""

from __future__ import annotations

from collections.abc import Iterator

SIGNATURE = "-- "


def unflow(text: str, *, delete_space: bool = False) -> str:
    """Return text with its soft line breaks joined and its space-stuffing taken out.

    Only lines of one quote depth are joined; ``delete_space`` is the parameter DelSp=yes.
    """
    out: list[str] = []
    pending: list[str] = []
    depth_before = 0
    for depth, line in _lines(text):
        if pending and (depth != depth_before or line == SIGNATURE):
            out.append(_line(depth_before, pending))
            pending = []
        depth_before = depth
        soft = line.endswith(" ") and line != SIGNATURE
        pending.append(line[:-1] if soft and delete_space else line)
        if not soft:
            out.append(_line(depth, pending))
            pending = []
    if pending:
        out.append(_line(depth_before, pending))
    return "\n".join(out)


def unstuff(text: str) -> str:
    """Return text with its space-stuffing taken out and every line break kept."""
    return "\n".join(_line(depth, [line]) for depth, line in _lines(text))


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield the quote depth of each line and its text without marks and stuffing."""
    for line in text.split("\n"):
        bare = line.lstrip(">")
        yield len(line) - len(bare), bare.removeprefix(" ")


def _line(depth: int, pieces: list[str]) -> str:
    return ">" * depth + (" " if depth else "") + "".join(pieces)
