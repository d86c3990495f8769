"""A watcher that is killed, again and again: run as a program, by tests/unit/watch/test_kills.py.

Each life is a process of its own (a fork of this one, which has the modules loaded). It is ended by a real SIGKILL: before
a given SQL statement, or at a moment of chance. What runs is a real process, too: a small script in the place of the
orchestrator, started as that is. Writes a line of JSON on what was found at the end.
"""

from __future__ import annotations

import dataclasses
import json
import os
import random
import shutil
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from orchestrator.host.deadline import Cancellation
from orchestrator.model.watch import RunSettings, WatchSettings
from orchestrator.watch.queue import Queue
from orchestrator.watch.runner import ProcessRunner
from orchestrator.watch.service import Watcher, only_one
from orchestrator.watch.sources import source_of
from orchestrator.watch.state import OPEN, State
from tests.watching import FakeOutbox, drop_into, note, patch, posting, settings_for

# What stands for "orchestrator test MAILS ... --results DIR": a run folder with a plan, later a record.
SCRIPT = """#!/bin/sh
for last in "$@"; do :; done
echo "$2" >>"$(dirname "$0")/begun"
if [ "$2" = --resume ]; then run="$last/$3"; else run="$last/run-$$"; mkdir -p "$run"; echo '{}' >"$run/.plan"; mv "$run/.plan" "$run/plan.json"; fi
outcome=PASS
mails="$(dirname "$0")/state/mails/$(basename "$(dirname "$last")")"
case "$last" in */1) grep -qs "PATCH. fails" "$mails"/*.eml && outcome=ERROR ;; esac
echo "{\\"verdict\\": {\\"outcome\\": \\"$outcome\\", \\"sentences\\": [\\"x\\"]}}" >"$run/.run"
mv "$run/.run" "$run/run.json"
"""


def prepare(folder: Path) -> WatchSettings:
    """Make the settings, and the script."""
    settings = settings_for(folder)
    script = folder / "fake-orchestrator"
    script.write_text(SCRIPT)
    script.chmod(0o755)
    run = RunSettings(linux="linux-7.2", command=(str(script),), backoff_s=0.001, at_once=2)
    return dataclasses.replace(settings, run=run)


def mails() -> list[bytes]:
    """Return what comes: a series in two versions, one that fails by our fault at first, one that is not for us."""
    return [
        *posting("alpha", 2),
        *posting("alpha", 2),
        patch("fails", text="fails"),
        patch("other", path="fs/x.c"),
        *posting("beta", 2, version=2),
        *posting("beta", 1, version=1),
    ]


class Outbox(FakeOutbox):
    """Notes also how often it was asked."""

    def deliver(self, judged: Any) -> Any:
        """Note it."""
        note(self.folder.parent / "asked.log", str(judged.series))
        return super().deliver(judged)


def live(folder: Path, settings: WatchSettings, *, kill_at: int = 0) -> None:
    """Watch until all is done; be killed before the ``kill_at``-th statement from now on."""
    with only_one(settings.state):
        queue = Queue(settings.queue)
        count = 0

        def trace(_statement: str) -> None:
            nonlocal count
            count += 1
            if count == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)

        queue.db.connection.set_trace_callback(trace)
        watcher = Watcher(
            settings,
            queue=queue,
            sources=[source_of(source) for source in settings.sources],
            runner=ProcessRunner(settings.run),
            outbox=Outbox(folder / "out"),
            log=lambda *_words, **_fields: None,
            cancellation=Cancellation(),
        )
        end = time.monotonic() + 60
        quiet = 0
        while quiet < 2 and time.monotonic() < end:
            watcher.look_again()
            watcher.round()
            quiet = 0 if queue.entries([*OPEN, State.PREPARED]) or not queue.entries() else quiet + 1
            time.sleep(0.001)
        queue.close()


def life(folder: Path, settings: WatchSettings, *, kill_at: int = 0, kill_after_s: float = 0.0) -> bool:
    """Live once in a process of its own; whether it was killed."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            live(folder, settings, kill_at=kill_at)
            status = 0
        except BaseException:  # noqa: BLE001 - it goes no further than this process
            traceback.print_exc()
        os._exit(status)
    if kill_after_s:
        time.sleep(kill_after_s)
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        raise SystemExit(f"a life ended badly: {status}")
    return os.WIFSIGNALED(status)


def found_in(folder: Path, settings: WatchSettings) -> dict[str, Any]:
    """Return what is there at the end."""
    queue = Queue(settings.queue)
    entries = {f"{entry.title} v{entry.version}": str(entry.state) for entry in queue.entries()}
    whole = queue.db.rows("PRAGMA integrity_check")[0][0]
    records = {}
    for entry in queue.entries([State.SENT]):
        runs = [
            json.loads(path.read_text())["verdict"]["outcome"]
            for path in sorted((settings.runs / str(entry.id)).rglob("run.json"))
        ]
        records[f"{entry.title} v{entry.version}"] = sorted(runs)
    out = folder / "out"
    answered = sorted(path.name for path in out.iterdir()) if out.exists() else []
    sent = sorted(str(entry.id) for entry in queue.entries([State.SENT]))
    counters = queue.counters()
    queue.close()
    return {
        "entries": entries,
        "records": records,
        "answered": answered == sent,
        "whole": whole,
        "parts": counters["mails part"],
    }


def say(found: dict[str, Any]) -> None:
    """Write a line of JSON."""
    sys.stdout.write(json.dumps(found) + "\n")


def main() -> None:
    """Sweep over statements ``FROM``, ``FROM + STEP``, ... or kill at random moments ``COUNT`` times with ``SEED``."""
    folder, kind, first, second = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    kills = 0
    if kind == "sweep":
        at, killed = first, True
        while killed:
            here = folder / str(at)
            here.mkdir()
            settings = prepare(here)
            drop_into(here / "maildir", mails())
            killed = life(here, settings, kill_at=at)
            kills += killed
            life(here, settings)
            say(found_in(here, settings))
            shutil.rmtree(here)
            at += second
    else:
        chance = random.Random(second)
        settings = prepare(folder)
        pending = mails()
        while kills < first:
            if pending and chance.random() < 0.3:
                drop_into(folder / "maildir", [pending.pop(0)])
            kills += life(folder, settings, kill_after_s=chance.uniform(0.001, 0.08))
        drop_into(folder / "maildir", pending)
        life(folder, settings)
        say(found_in(folder, settings))
    say({"kills": kills})


if __name__ == "__main__":
    main()
