"""Errors as words for a person and as exit statuses."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import IO

from orchestrator.errors import OrchestratorError
from orchestrator.report.text import printable


@contextlib.contextmanager
def explained(stream: IO[str]) -> Iterator[None]:
    """Turn an :class:`OrchestratorError` of the block into its description on ``stream`` and an exit."""
    try:
        yield
    except OrchestratorError as error:
        # It may quote a mail, a compiler or a guest: no control characters reach the terminal.
        print(f"orchestrator: {printable(error.describe())}", file=stream)
        sys.exit(error.exit_status)
