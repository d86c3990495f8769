"""RUN RECORD → MARKDOWN: GitHub's step summary, and whatever else takes its dialect.

Words of strangers are escaped so that they stay words: no HTML, links, pictures, mentions, headings or cells of their own.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence

from orchestrator.model.run import RunRecord
from orchestrator.model.verdict import Finding
from orchestrator.report.bisection import bisection_lines
from orchestrator.report.code import code_lines
from orchestrator.report.coverage import coverage_lines
from orchestrator.report.summary import (
    Group,
    applied_lines,
    claim_lines,
    finding_line,
    gaps,
    groups,
    trial_counts,
)
from orchestrator.report.sweep import SweepTable, sweep_tables
from orchestrator.report.text import HEAD, cells, group_title, printable, printable_line, quiet_line

LIMIT = 1_000_000
"""Bytes. GitHub refuses a step's summary of more than 1 MiB whole."""

FINDINGS = 20
DETAIL_LINES = 60
LINE_LENGTH = 500
_GAPS = 20

_SPECIAL = re.compile(r"[\\`*_{}\[\]()#+!|~^$=]|-(?=-)|^\s*(?:[-+>]|\d+[.)])")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "@": "&#64;"}


def render_markdown(record: RunRecord) -> str:
    """Return the whole report, at most :data:`LIMIT` bytes of UTF-8."""
    verdict = record.verdict
    parts = [
        [f"## {verdict.outcome}: {escaped(record.series.title)}"],
        [f"- {escaped(sentence)}" for sentence in verdict.sentences],
        *_findings(verdict.findings),
        *(_group(group) for group in groups(record)),
        *(_sweep(table) for table in sweep_tables(record)),
        _folded("Which patch", bisection_lines(record)),
        _folded("Claims", claim_lines(record)),
        _coverage(record),
        _folded(f"Applied to {record.trees.base.describe}", applied_lines(record)),
        _folded("Object code", code_lines(record)),
        _folded("Not covered", gaps(record, _GAPS)),
        [f"{escaped(trial_counts(record))}. Run `{printable_line(record.run_id).replace('`', '')}`."],
    ]
    return _limited(["\n".join(part) for part in parts if part])


def escaped(text: str) -> str:
    """Return a stranger's words as one line of Markdown that shows just them, shortened where they are very long."""
    line = printable_line(text)
    if len(line) > LINE_LENGTH:
        line = f"{line[:LINE_LENGTH]}…"
    plain = _SPECIAL.sub(lambda match: "".join(f"\\{char}" if not char.isalnum() else char for char in match[0]), line)
    plain = "".join(_ENTITIES.get(char, char) for char in plain)
    # A bare address becomes a link otherwise.
    return plain.replace("://", "&#58;//").replace("www.", "www&#46;")


def fenced(lines: Iterable[str]) -> list[str]:
    """Return lines as a block of code: a fence that is longer than any within."""
    body = [printable(line.replace("\n", " ")) for line in lines]
    longest = max((len(run) for line in body for run in re.findall("`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    return [f"{fence}text", *body, fence]


def _limited(parts: Sequence[str]) -> str:
    text, kept = "", 0
    for part in parts:
        if len((text + part).encode("utf-8", "replace")) > LIMIT - 200:
            return f"{text}…and {len(parts) - kept} more sections: too long for this place; see run.json.\n"
        text, kept = f"{text}{part}\n\n", kept + 1
    return text.rstrip("\n") + "\n"


def _findings(findings: Sequence[Finding]) -> list[list[str]]:
    found = []
    for finding in findings[:FINDINGS]:
        lines = [f"**{escaped(finding_line(finding))}**"]
        if finding.detail:
            more = len(finding.detail) - DETAIL_LINES
            tail = [f"… {more} more lines in run.json"] if more > 0 else []
            body = fenced([*finding.detail[:DETAIL_LINES], *tail])
            lines += ["", "<details><summary>in full</summary>", "", *body, "", "</details>"]
        found.append(lines)
    if len(findings) > FINDINGS:
        found.append([f"and {len(findings) - FINDINGS} more findings: see run.json"])
    return found


def _group(group: Group) -> list[str]:
    lines = [f"### {escaped(group_title(group))}"]
    if group.rows:
        lines += ["", *_table([HEAD, *(cells(row) for row in group.rows)], left={0, 6})]
    if quiet := quiet_line(group):
        lines += ["", escaped(quiet)]
    return lines


def _sweep(table: SweepTable) -> list[str]:
    return [f"### {escaped(table.title)}", "", *_table([table.head, *table.rows], left=set())]


def _table(rows: Sequence[Sequence[str]], *, left: set[int]) -> list[str]:
    head, *body = ([escaped(cell) for cell in row] for row in rows)
    rule = ["---" if column in left else "---:" for column in range(len(head))]
    return [f"| {' | '.join(row)} |" for row in (head, rule, *body)]


def _folded(title: str, lines: Sequence[str]) -> list[str]:
    if not lines:
        return []
    # Within HTML, Markdown's escapes would be shown.
    return [f"<details><summary>{html.escape(printable_line(title))}</summary>", "", *fenced(lines), "", "</details>"]


def _coverage(record: RunRecord) -> list[str]:
    if record.coverage is None:
        return []
    return [f"{escaped(record.coverage.sentence)}.", "", *_folded("Coverage of the patch", coverage_lines(record))]
