"""The exceptions of the orchestrator, split by who must act.

::

    OrchestratorError
    ├── UserError          the user: the input, an option, the configuration, the tree      exit 2
    │   └── InputError     the mail or the patch cannot be used as it is
    ├── PatchFault         the patch's author: does not build, does not boot                exit 1
    └── InfraError         us, or this host: retried or reported, never blamed on the patch exit 3
        ├── BrokenBase     base does not build or boot: no background to judge a patch against
        ├── MissingProgram a program that is not installed
        ├── LostMachine    QEMU ended or stopped answering
        ├── TimedOut       a deadline passed
        └── Cancelled      the user interrupted the run                                     exit 130

This module knows nothing of the stages; every stage raises these and only ``cli/`` turns them into exits.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What was seen when something failed, enough to look further without running it again."""

    command: tuple[str, ...] = ()
    exit_status: int | None = None
    last_lines: tuple[str, ...] = ()
    log: Path | None = None

    def describe(self) -> str:
        """Return the evidence as lines for a person; empty when there is none."""
        lines = []
        if self.command:
            lines.append(f"command: {shlex.join(self.command)}")
        if self.exit_status is not None:
            lines.append(f"exit status: {self.exit_status}")
        lines += [f"  | {line}" for line in self.last_lines]
        if self.log is not None:
            lines.append(f"log: {self.log}")
        return "\n".join(lines)


NO_EVIDENCE = Evidence()


class OrchestratorError(Exception):
    """Base of all errors that are ours to explain; anything else that escapes is a bug.

    ``message`` says what happened to what, ``hint`` what to try next, ``evidence`` what was seen.
    """

    exit_status = 3

    def __init__(self, message: str, *, hint: str = "", evidence: Evidence = NO_EVIDENCE) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.evidence = evidence

    def describe(self) -> str:
        """Return message, evidence and hint as the lines a person is shown."""
        parts = [self.message, self.evidence.describe(), f"Try: {self.hint}" if self.hint else ""]
        return "\n".join(part for part in parts if part)


class UserError(OrchestratorError):
    """Something the user gave cannot be used; nothing was started, nothing was changed."""

    exit_status = 2


class InputError(UserError):
    """The mail or the patch in it cannot be used: no patch, truncated, nowhere, ambiguous, or unsafe."""


class PatchFault(OrchestratorError):
    """The patch is at fault: it does not build or does not boot, where base does both.

    ``stage`` is the word of the stage in which it showed: ``build`` or ``boot``.
    """

    exit_status = 1

    def __init__(self, message: str, *, stage: str, hint: str = "", evidence: Evidence = NO_EVIDENCE) -> None:
        super().__init__(message, hint=hint, evidence=evidence)
        self.stage = stage


class InfraError(OrchestratorError):
    """Ours or this host's fault. Never counted against the patch."""


class BrokenBase(InfraError):
    """The kernel without the series does not build or does not boot: nothing can be said of the series.

    ``stage`` is the word of the stage in which it showed: ``build`` or ``boot``.
    """

    def __init__(self, message: str, *, stage: str, hint: str = "", evidence: Evidence = NO_EVIDENCE) -> None:
        super().__init__(message, hint=hint, evidence=evidence)
        self.stage = stage


class MissingProgram(InfraError):
    """A program that a stage needs is not installed."""

    def __init__(self, program: str, *, purpose: str) -> None:
        super().__init__(
            f"{program} is not installed; it is needed {purpose}",
            hint="orchestrator doctor --fix",
        )
        self.program = program


class LostMachine(InfraError):
    """QEMU ended, or the guest stopped answering, while it was still needed."""


class TimedOut(InfraError):
    """A deadline passed."""


class Cancelled(InfraError):
    """The user asked us to stop (Ctrl-C, SIGTERM)."""

    exit_status = 130

    def __init__(self, message: str = "interrupted", *, hint: str = "", evidence: Evidence = NO_EVIDENCE) -> None:
        super().__init__(message, hint=hint, evidence=evidence)


def tail(text: str, lines: int = 20) -> tuple[str, ...]:
    """Return the last ``lines`` lines of ``text``, the shape :class:`Evidence` wants."""
    return tuple(text.splitlines()[-lines:])


def as_command(argv: Sequence[str | Path]) -> tuple[str, ...]:
    """Return ``argv`` as the tuple of strings :class:`Evidence` wants."""
    return tuple(str(word) for word in argv)
