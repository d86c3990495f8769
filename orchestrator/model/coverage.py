"""Coverage of a patch: which of its added or changed lines a run executed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum


class LineState(StrEnum):
    """What became of a line: a line of no code (a comment, a brace, a declaration) is none of these and not counted."""

    EXECUTED = "executed"
    MISSED = "not executed"
    NOT_COMPILED = "not compiled"


@dataclass(frozen=True, slots=True, kw_only=True)
class CoveredLine:
    """An added or changed line: ``path`` and ``line`` (from 1) in the patched tree; ``calls`` is how often it ran."""

    path: str
    line: int
    text: str
    state: LineState
    calls: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchCoverage:
    """What the profile's scenarios, each run once on an instrumented kernel, executed of the patch.

    ``lines`` are ordered by path and line. ``trials`` names what ran for it. ``reason`` says why there is nothing, ""
    where the coverage was measured; ``gaps`` what of it could not be measured (a trial that failed, a file without
    counters).
    """

    lines: tuple[CoveredLine, ...] = ()
    trials: tuple[str, ...] = ()
    reason: str = ""
    gaps: tuple[str, ...] = field(default=())

    def of_state(self, state: LineState) -> tuple[CoveredLine, ...]:
        """Return the lines that are in ``state``."""
        return tuple(line for line in self.lines if line.state is state)

    @property
    def sentence(self) -> str:
        """Say it in a sentence: "61 of 69 changed lines ran"; without a full stop."""
        if self.reason:
            return f"Coverage of the patch was not measured: {self.reason}"
        ran = len(self.of_state(LineState.EXECUTED))
        if not self.lines:
            return "No changed line has a counter of its own"
        return f"{ran} of {len(self.lines)} changed line{'' if len(self.lines) == 1 else 's'} ran"

    @property
    def is_idle(self) -> bool:
        """Whether it was measured, and not one of the changed lines ran."""
        return bool(self.lines) and not self.reason and not self.of_state(LineState.EXECUTED)

    @property
    def not_covered(self) -> tuple[str, ...]:
        """Lines on what of the patch did not run, by file and state, and on what could not be measured."""
        if self.reason:
            return (self.sentence,)
        places: dict[tuple[str, LineState], list[int]] = {}
        for line in self.lines:
            if line.state is not LineState.EXECUTED:
                places.setdefault((line.path, line.state), []).append(line.line)
        told = [f"{path}:{number_ranges(numbers)}: {state}" for (path, state), numbers in places.items()]
        return (*told, *(f"coverage of the patch: {gap}" for gap in self.gaps))


def number_ranges(numbers: Iterable[int]) -> str:
    """Return numbers as people write them: "3, 7-9"."""
    parts: list[list[int]] = []
    for number in sorted(set(numbers)):
        if parts and number == parts[-1][1] + 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in parts)
