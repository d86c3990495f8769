"""BISECTION → LINES for people: the patch, how sure that is, what was asked, and the trial to look at."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.model.bisection import Bisection, BisectionStep
from orchestrator.model.run import RunRecord
from orchestrator.report.summary import format_seconds


def bisection_lines(record: RunRecord) -> tuple[str, ...]:
    """Return what the bisection of a run says; () where there was none. The first line is the answer."""
    found = record.bisection
    if found is None:
        return ()
    lines = [answer_line(found), f"looked for: {found.what}", f"confidence {found.confidence}: {found.reason}"]
    lines += [_step_line(step) for step in found.steps]
    if found.replay:
        lines.append(f"to see it again: {found.replay}")
    builds = f"{found.builds} kernel{'' if found.builds == 1 else 's'} built"
    return (*lines, f"{builds}, {format_seconds(found.seconds)}")


def answer_line(found: Bisection) -> str:
    """Return the answer in a sentence."""
    if found.patch is not None:
        message_id = f" <{found.message_id}>" if found.message_id else ""
        return f"patch {found.patch} brought it: {found.subject}{message_id}"
    if found.candidates:
        return f"one of the patches {_listed(found.candidates)} brought it: what is between them could not be tested"
    return "no patch can be named: what the run saw was not seen again"


def _listed(numbers: Sequence[int]) -> str:
    return f"{', '.join(str(number) for number in numbers[:-1])} and {numbers[-1]}"


def _step_line(step: BisectionStep) -> str:
    name = f"patched@{step.patches}" if step.patches else "base"
    return f"    {name}: {step.seen} ({format_seconds(step.seconds)}{', built' if step.built else ''}): {step.text}"
