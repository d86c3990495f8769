"""How long ``orchestrator series`` takes to list a mailbox of 500 messages in 20 series: at most 2 seconds.

The mailbox is made of the corpus: each series is posted again under other ids, with answers between its patches. Beside
it, in turn, stands what any program in Python pays for the same file: parsing its messages with the standard library's
email package and nothing else.

    python bench/intake.py -n 5
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

MAILS = Path(__file__).resolve().parents[1] / "tests" / "data" / "mail"
THREAD = MAILS / "replies-with-trailers.mbox"
SERIES = 20
MESSAGES = 500
LIMIT_S = 2.0

PARSE = """
import email, sys
data = open(sys.argv[1], "rb").read()
pieces = data.split(b"\\nFrom mboxrd@z ")
print(sum(len(email.message_from_bytes(piece.partition(b"\\n")[2]).as_bytes()) for piece in pieces))
"""


def mailbox() -> bytes:
    """Return an mbox of :data:`MESSAGES` messages in :data:`SERIES` series."""
    thread = THREAD.read_bytes()
    messages = [b"From mboxrd@z " + piece for piece in (b"\n" + thread).split(b"\nFrom mboxrd@z ")[1:]]
    answer = messages[1]
    out: list[bytes] = []
    for number in range(SERIES):
        own = [*messages]
        own += [
            answer.replace(b"reply-", f"reply-{extra}-".encode(), 1)
            for extra in range(MESSAGES // SERIES - len(messages))
        ]
        for message in own:
            text = message.replace(b"@example.", f"@series{number}.example.".encode())
            text = text.replace(b"say how much was scanned", f"say how much was scanned, part {number}".encode())
            out.append(text.rstrip(b"\n") + b"\n\n")
    return b"".join(out)


def timed(argv: Sequence[str]) -> tuple[float, str]:
    """Return how long a process took, in seconds, and what it printed."""
    start = time.perf_counter()
    done = subprocess.run(argv, check=True, capture_output=True, text=True)
    return time.perf_counter() - start, done.stdout


def main() -> int:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", type=int, default=5, help="rounds, %(default)s unless told")
    rounds = parser.parse_args().n
    ours: list[float] = []
    theirs: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "list.mbox"
        path.write_bytes(mailbox())
        for _ in range(rounds):
            seconds, listed = timed([sys.executable, "-m", "orchestrator", "series", "--offline", str(path)])
            assert f"{SERIES} series:" in listed, listed[-500:]
            ours.append(seconds)
            theirs.append(timed([sys.executable, "-c", PARSE, str(path)])[0])
        size = path.stat().st_size
    ratios = [one / other for one, other in zip(ours, theirs, strict=True)]
    print(f"{MESSAGES} messages, {SERIES} series, {size >> 10} KiB, {rounds} rounds: median (minimum-maximum)")
    for name, values in (("orchestrator series, s", ours), ("email package alone, s", theirs), ("ratio", ratios)):
        print(f"  {name:24} {statistics.median(values):.2f} ({min(values):.2f}-{max(values):.2f})")
    met = statistics.median(ours) <= LIMIT_S
    print(f"limit {LIMIT_S:.0f} s: {'met' if met else 'passed'}")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
