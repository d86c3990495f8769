"""Which nodes a workload's memory lies on, step by step. Pure.

What is read here mempress has accepted (``--check``): its grammar and its refusals are not repeated.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

SIZE = re.compile(r"(0x[0-9a-fA-F]+|[0-9]+)([KMG]?)")
SHIFTS = {"": 0, "K": 10, "M": 20, "G": 30}


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A region that is mapped: how large, on which nodes (none: anywhere), and the line (from 1) that put it there."""

    size: int
    nodes: frozenset[int]
    line: int


Stage = tuple[Placed, ...]
"""All that is mapped at one time."""


def stages_of(text: str) -> tuple[Stage, ...]:
    """Return what is mapped after each line of the workload ``text`` that changes it."""
    mapped: dict[str, Placed] = {}
    stages = []
    for number, line in enumerate(text.split("\n"), start=1):
        match line.partition("#")[0].split():
            case ["region", name, *options]:
                mapped[name] = Placed(size=_size(options), nodes=_nodes(options), line=number)
            case ["step", "move", name, *options]:
                mapped[name] = replace(mapped[name], nodes=_nodes(options), line=number)
            case ["step", "free", name]:
                del mapped[name]
            case _:
                continue
        stages.append(tuple(mapped.values()))
    return tuple(stages)


def within(stage: Stage, nodes: frozenset[int]) -> Iterator[Placed]:
    """Yield what can lie on ``nodes`` and nowhere else."""
    return (placed for placed in stage if placed.nodes and placed.nodes <= nodes)


def most_within(stages: Sequence[Stage], nodes: frozenset[int]) -> int:
    """Return the most bytes that lie on ``nodes``, and can lie nowhere else, at one time."""
    return max((sum(placed.size for placed in within(stage, nodes)) for stage in stages), default=0)


def _size(options: Sequence[str]) -> int:
    match = SIZE.fullmatch(_value(options, "size"))
    return _number(match[1]) << SHIFTS[match[2]] if match else 0


def _nodes(options: Sequence[str]) -> frozenset[int]:
    numbers = _value(options, "node") or _value(options, "interleave")
    return frozenset(_number(number) for number in numbers.split(",") if number)


def _number(digits: str) -> int:
    return int(digits, 16 if digits.startswith("0x") else 10)


def _value(options: Sequence[str], key: str) -> str:
    """Return what the last option ``key=`` says; "" where there is none."""
    values = [option.partition("=")[2] for option in options if option.startswith(f"{key}=")]
    return values[-1] if values else ""
