"""A watcher whose disk gets full: run as a program inside a small tmpfs, by tests/unit/watch/test_space.py."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

from orchestrator.watch import service
from orchestrator.watch.state import State
from tests.watching import Bench, FakeRunner, drop_into, patch, posting, settings_for

SERIES = 40


def main() -> None:
    """Fill the disk in ``FOLDER`` (a tmpfs) while mails come into ``MAILDIR`` (outside); then make room."""
    small, outside = Path(sys.argv[1]), Path(sys.argv[2])
    service.FULL_PAUSE_S = 0.0
    settings = dataclasses.replace(settings_for(outside), state=small / "state")
    bench = Bench(outside, settings, runner=FakeRunner(outside / "runs.log"))
    drop_into(outside / "maildir", [patch("before", text="x" * 1000)])
    bench.settle()
    filler = small / "filler"
    fill(filler)
    noise = "".join(chr(33 + (n * n * 7919) % 90) for n in range(40_000))
    mails = [each for n in range(SERIES) for each in posting(f"s{n}", 2, text=f"{n} {noise}")]
    drop_into(outside / "maildir", mails)
    for _ in range(30):
        bench.watcher.look_again()
        bench.watcher.round()
    full = {
        "events": sorted({event for event, _ in bench.events if event in {"no space", "space again"}}),
        "whole": bench.queue.db.rows("PRAGMA integrity_check")[0][0],
        "tested": len(bench.sent),
    }
    filler.unlink()
    bench.settle(rounds=3000)
    states = bench.states()
    bench.queue.close()
    after = sum(state is State.SENT for state in states)
    found = {**full, "after": after, "of": len(states), "runs": len(bench.runs)}
    sys.stdout.write(json.dumps(found) + "\n")


def fill(path: Path) -> None:
    """Write until there is no room."""
    with path.open("wb", buffering=0) as handle:
        size = 1 << 16
        while size:
            try:
                handle.write(b"x" * size)
            except OSError:
                size //= 2


if __name__ == "__main__":
    main()
