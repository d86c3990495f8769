"""What the judge says of patches with a known answer.  usage: bench/detection.py [--patches DIR] [--linux linux-7.2]
    [--profile quick] [--flavour plain] [--seeds N] [--only NAME]... [--results DIR] [--again] [--table FILE]

DIR has the folders ``known-bad`` and ``benign`` with a patch a file. Each is put through ``orchestrator test``, one after
another. A patch is *flagged* when the verdict is REGRESSION or CHANGED; INCONCLUSIVE and ERROR are no answer and count
neither as found nor as clean.

A run that is in --results already is not made again (--again makes it), so that an interrupted bench goes on where it was.
Prints a line a patch and writes the table, Markdown, to --table (docs/detection.md has the text around it: what stands
between its two marks is replaced). Exits 1 when a known-bad patch that this flavour is to show is not flagged, or a
benign one is.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.host import process
from orchestrator.host.deadline import Deadline

REPOSITORY = Path(__file__).resolve().parent.parent
FLAGGED = frozenset({"REGRESSION", "CHANGED"})
NO_ANSWER = frozenset({"INCONCLUSIVE", "ERROR"})

NEEDS_MORE = {
    "plain": ("20", "42"),
    "debug": ("20",),
}
"""Known-bad patches, by number, that a flavour need not show: a race that seals hide, an access that only KASAN sees."""

RUN_S = 3 * 3600.0
"""How long one run may take: the longest, of the debug flavour beside another job, took 23 minutes."""

BEGIN, END = "<!-- {}: begin -->", "<!-- {}: end -->"


@dataclass(frozen=True)
class Row:
    """What became of one patch."""

    patch: str
    is_bad: bool
    is_due: bool
    outcome: str
    because: str
    trials: int
    seconds: float

    @property
    def is_right(self) -> bool | None:
        """Whether the verdict is the right one; None where nothing was asked, or nothing answered."""
        flagged = self.outcome in FLAGGED
        if self.is_bad:
            return flagged or (None if not self.is_due else False)
        return None if self.outcome in NO_ANSWER else not flagged

    @property
    def cells(self) -> tuple[str, ...]:
        """The row of the table."""
        kind = "known bad" if self.is_bad else "benign"
        right = {True: "yes", False: "**no**", None: "not asked" if self.is_bad else "no answer"}[self.is_right]
        because = self.because.replace("|", "\\|")
        return self.patch, kind, self.outcome, right, because, str(self.trials), f"{self.seconds:.0f}"


def judged(patch: Path, arguments: argparse.Namespace) -> tuple[dict[str, Any], float]:
    """Return the record of the patch's run, from --results or by running it, and the seconds that it took."""
    results = arguments.results / arguments.flavour / patch.stem
    # Written when a run has ended: one that was cut off has a record as well.
    kept = results / "seconds"
    if arguments.again or not kept.is_file():
        command = [
            sys.executable, "-m", "orchestrator", "test", str(patch), "--linux", arguments.linux,
            "--profile", arguments.profile, "--flavour", arguments.flavour, "--results", str(results),
        ]  # fmt: skip
        if arguments.seeds:
            command += ["--seeds", str(arguments.seeds)]
        results.mkdir(parents=True, exist_ok=True)
        kept.unlink(missing_ok=True)
        before = set(results.glob("*/run.json"))
        begin = time.monotonic()
        done = process.run(command, cwd=REPOSITORY, deadline=Deadline(RUN_S, what=f"the run of {patch.name}"))
        if set(results.glob("*/run.json")) <= before:
            raise SystemExit(f"{patch.name}: no record (exit {done.exit_status})\n{done.stderr}")
        kept.write_text(f"{time.monotonic() - begin:.1f}\n")
    newest = max(results.glob("*/run.json"), default=None)
    if newest is None:
        raise SystemExit(f"{results} has no record any more: --again makes it")
    return json.loads(newest.read_text()), float(kept.read_text())


def row_of(patch: Path, arguments: argparse.Namespace) -> Row:
    """Judge one patch."""
    record, seconds = judged(patch, arguments)
    verdict = record["verdict"]
    is_bad = patch.parent.name == "known-bad"
    return Row(
        patch=patch.stem,
        is_bad=is_bad,
        is_due=is_bad and not patch.stem.startswith(NEEDS_MORE.get(arguments.flavour, ())),
        outcome=verdict["outcome"],
        because=reason_for(verdict),
        trials=len(record["trials"]),
        seconds=seconds,
    )


def reason_for(verdict: dict[str, Any]) -> str:
    """Return what the verdict rests on, in a cell's length: the findings, and the metrics, the strongest first.

    How many metrics improved stands behind it: a patch may be flagged and gain by what it breaks.
    """
    blamed = [finding for finding in verdict["findings"] if finding["blamed"]]
    parts = [f"{finding['kind']} ({finding['trial'] or 'kernel'})" for finding in blamed[:2]]
    for kind in ("regressed", "changed"):
        moved = [change for change in verdict["changes"] if change["change"] == kind]
        parts += [f"{each['metric']} {kind} ({each['scenario']}, {each['topology']})" for each in moved[:2]]
        if len(moved) > 2:
            parts.append(f"{len(moved) - 2} more {kind}")
    improved = sum(change["change"] == "improved" for change in verdict["changes"])
    parts += [f"{improved} improved"] if improved else []
    return "; ".join(parts) or verdict["sentences"][0]


def table(rows: list[Row], arguments: argparse.Namespace) -> str:
    """Return the table and the sums below it."""
    head = ("patch", "what it is", "verdict", "right", "because", "trials", "seconds")
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    lines += [f"| {' | '.join(row.cells)} |" for row in rows]
    due = [row for row in rows if row.is_due]
    benign = [row for row in rows if not row.is_bad]
    lines += [
        "",
        (
            f"{arguments.linux}, flavour {arguments.flavour}, profile {arguments.profile}: "
            f"{sum(row.is_right is True for row in due)} of {len(due)} known-bad patches flagged that this flavour is to "
            f"show, {sum(row.outcome in FLAGGED for row in rows if row.is_bad and not row.is_due)} of the others, "
            f"{sum(row.outcome in FLAGGED for row in benign)} of {len(benign)} benign ones."
        ),
    ]
    return "\n".join(lines)


def publish(text: str, path: Path, mark: str) -> None:
    """Put the table between its marks in ``path``; at the end where there are none."""
    begin, end = BEGIN.format(mark), END.format(mark)
    old = path.read_text() if path.is_file() else ""
    if begin in old and end in old:
        head, tail = old.split(begin)[0], old.split(end)[1]
    else:
        head, tail = f"{old.rstrip()}\n\n" if old else "", "\n"
    path.write_text(f"{head}{begin}\n{text}\n{end}{tail}")


def main() -> int:
    """Judge all patches."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patches", type=Path, default=REPOSITORY.parent / "shared" / "patches")
    parser.add_argument("--linux", default="linux-7.2")
    parser.add_argument("--profile", default="quick")
    parser.add_argument("--flavour", default="plain")
    parser.add_argument("--seeds", type=int, default=0)
    parser.add_argument("--only", action="append", help="the beginning of a patch's name (again for more)")
    parser.add_argument("--results", type=Path, default=REPOSITORY / "results" / "detection")
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--table", type=Path, default=REPOSITORY / "docs" / "detection.md")
    arguments = parser.parse_args()
    patches = [
        *sorted(arguments.patches.glob("known-bad/*.diff")),
        *sorted(arguments.patches.glob("benign/*.diff")),
    ]
    if arguments.only:
        patches = [patch for patch in patches if patch.stem.startswith(tuple(arguments.only))]
    if not patches:
        parser.error(f"there is no patch in {arguments.patches}/known-bad or /benign")
    rows = []
    for patch in patches:
        row = row_of(patch, arguments)
        print(" | ".join(row.cells), flush=True)
        rows.append(row)
    text = table(rows, arguments)
    if not arguments.only:
        publish(text, arguments.table, arguments.flavour)
    print(text.splitlines()[-1])
    return int(any(row.is_right is False for row in rows))


if __name__ == "__main__":
    sys.exit(main())
