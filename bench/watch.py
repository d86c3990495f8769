"""What the watcher itself costs: 1,000 series over a public-inbox mirror, with a runner that only notes what it is told.

Each series has a cover letter and three patches and gets one answer; half of them come over a second list as well. They come
in waves, so that memory can be compared from wave to wave. Counted is our own CPU time a message (at most 20 ms), git's beside it,
and what matters more: that no series is lost and none tested or answered twice.

    python -m bench.watch
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from orchestrator.model.watch import SourceKind, SourceSettings
from orchestrator.watch.state import State
from tests.watching import Bench, FakeRunner, mail, posting, settings_for

WAVES = 10
LIMIT_MS = 20.0
MEMORY_GROWTH = 1.05


def mails_of(number: int) -> list[bytes]:
    """Return what comes of one series, in the order in which it does."""
    name = f"series-{number}"
    parts = posting(name, 3, author=f"Author {number % 100} <a{number % 100}@example.org>")
    answer = mail(
        subject=f"Re: [PATCH 1/3] {name} part 1", body="> quoted\n\nLooks good.\n" * 20, message_id=f"re.{name}@example.org",
        answers=f"1.{name}.v1@example.org", author="R <r@example.org>",
    )  # fmt: skip
    again = [each.replace(b"List-Id: <mm.", b"List-Id: <other.") for each in parts] if number % 2 else []
    return [*parts, *again, answer]


def commit(repository: Path, mails: Sequence[bytes]) -> None:
    """Add mails to a mirror, a commit each, as public-inbox does."""
    tip = subprocess.run(
        ["git", f"--git-dir={repository}", "rev-parse", "--quiet", "--verify", "HEAD"],
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    out = [b"reset refs/heads/master\n" + (f"from {tip}\n".encode() if tip else b"")]
    now = int(time.time())
    for data in mails:
        out.append(b"commit refs/heads/master\ncommitter x <x@example.org> %d +0000\ndata 0\n" % now)
        out.append(b"M 100644 inline m\ndata %d\n%s\n" % (len(data), data))
    argv = ["git", f"--git-dir={repository}", "fast-import", "--quiet", "--force"]
    subprocess.run(argv, input=b"".join(out), check=True)


def memory_mib() -> float:
    """Return what we hold in memory now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


def main() -> int:
    """Measure once."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", type=int, default=1000)
    wanted = parser.parse_args().series
    with tempfile.TemporaryDirectory(prefix="bench-watch.") as name:
        return measure(Path(name), wanted)


def measure(folder: Path, wanted: int) -> int:
    """Watch ``wanted`` series come; print the figures; 1 where one of them is beyond its limit."""
    repository = folder / "mirror" / "git" / "0.git"
    repository.parent.mkdir(parents=True)
    subprocess.run(["git", "init", "--quiet", "--bare", "-b", "master", str(repository)], check=True)
    source = SourceSettings(name="mm", kind=SourceKind.PUBLIC_INBOX, path=folder / "mirror", poll_s=0.0)
    settings = settings_for(folder, sources=(source,))
    bench = Bench(folder, settings, runner=FakeRunner(folder / "runs.log", polls=0))
    came = 0
    own = wall = 0.0
    memory = []
    children = os.times().children_user + os.times().children_system
    for wave in range(WAVES):
        mails = [each for number in range(wave, wanted, WAVES) for each in mails_of(number)]
        before = os.times()
        commit(repository, mails)
        children += sum(os.times()[2:4]) - sum(before[2:4])
        came += len(mails)
        began, started = time.process_time(), time.monotonic()
        bench.settle(rounds=10**6)
        own += time.process_time() - began
        wall += time.monotonic() - started
        # The fakes' own notes.
        bench.events.clear()
        memory.append(memory_mib())
        print(f"wave {wave + 1}: {came} mails, {memory[-1]:.1f} MiB", file=sys.stderr)
    git = os.times().children_user + os.times().children_system - children
    states = bench.states()
    size = (settings.queue.stat().st_size) / (1 << 20)
    bench.queue.close()
    lost = wanted - sum(state is State.SENT for state in states)
    twice = len(bench.runs) - wanted + len(bench.sent) - wanted
    print(f"series {wanted}, mails {came}: lost {lost}, twice {twice}")
    print(f"own CPU time a mail {own / came * 1000:.2f} ms (limit {LIMIT_MS:g}), git's {git / came * 1000:.2f} ms")
    print(f"wall time a mail {wall / came * 1000:.2f} ms, with every step flushed to the disk")
    print(f"memory after the fifth wave {memory[4]:.1f} MiB, after the last {memory[-1]:.1f} MiB; queue {size:.1f} MiB")
    well = not lost and not twice and own / came * 1000 <= LIMIT_MS and memory[-1] <= memory[4] * MEMORY_GROWTH
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
