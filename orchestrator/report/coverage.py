"""RUN RECORD → LINES on how much of the patch ran, and which of its lines did not."""

from __future__ import annotations

from orchestrator.model.coverage import CoveredLine, LineState
from orchestrator.model.run import RunRecord

MOST_LINES = 20


def coverage_lines(record: RunRecord, limit: int = MOST_LINES) -> tuple[str, ...]:
    """Return the sentence, and the lines that did not run, the first ``limit`` with their text; () where nobody measured."""
    coverage = record.coverage
    if coverage is None:
        return ()
    if coverage.reason or not coverage.lines:
        return (coverage.sentence,)
    count = len(coverage.trials)
    by = f" in {count} trial{'' if count == 1 else 's'}" if count else ""
    rest = [line for line in coverage.lines if line.state is not LineState.EXECUTED]
    more = (f"and {len(rest) - limit} more (run.json, coverage)",) if len(rest) > limit else ()
    return (f"{coverage.sentence}{by}", *(missed_line(line) for line in rest[:limit]), *more, *coverage.gaps)


def missed_line(line: CoveredLine) -> str:
    """Return a line that did not run as "mm/zswap.c:1165: not executed: if (ret)"."""
    return f"{line.path}:{line.line}: {line.state}: {line.text}"
