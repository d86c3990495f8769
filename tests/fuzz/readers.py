"""Feed damaged mails of the corpus to the readers: ``nox -s fuzz``, or ``python -m tests.fuzz.readers --seconds 60``.

Each round is a hypothesis test of its own seed, so what it finds is shrunk, and found again with ``--seed``. A reader may
refuse (:class:`UserError`), nothing else; what it returns must be a series that can be recorded, shown and applied. An
input that takes longer than :data:`HANG_S`, or more than :data:`MEMORY` of memory in all, ends the program with an error.
"""

from __future__ import annotations

import argparse
import faulthandler
import io
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from rich.console import Console

from orchestrator.cli.series_table import print_list, print_series
from orchestrator.errors import UserError
from orchestrator.host.deadline import Cancellation
from orchestrator.intake.reader import Wanted, series_of, survey
from orchestrator.intake.summary import summaries
from orchestrator.model.diff import read_diff
from orchestrator.model.series import Series
from orchestrator.store.codec import decode, encode, from_text, to_text

CORPUS = Path(__file__).parents[1] / "data" / "mail"
SEEDS = tuple(
    path.read_bytes()
    for path in sorted(CORPUS.iterdir())
    if path.is_file() and path.suffix not in {".toml", ".md", ".gz"}
)
HANG_S = 20.0
MEMORY = 500 << 20
EXAMPLES = 250

PIECES = (
    b"\nFrom x@y Mon Jun 29 10:00:00 2026\n", b"\nFrom ", b"diff --git a/x b/x\n", b"--- a/x\n+++ b/x\n@@ -1 +1 @@\n",
    b"@@ -1,9 +1,9 @@\n", b"> ", b">> > ", b"\r\n", b"\r", b"\n\n", b"\x0c", b"\x85", b"\xe2\x80\xa8", b"\xff", b"\xc3",
    b"=?utf-8?b?", b"?=", b"Subject: [PATCH v2 2/3] x\n", b"In-Reply-To: <20260629.2-1-aiko@example.org>\n",
    b"Message-ID: <20260629.2-1-aiko@example.org>\n", b"Content-Length: 12\n", b"Content-Type: text/plain; charset=utf-7\n",
    b"Content-Type: multipart/mixed; boundary=b\n\n--b\n", b"Content-Transfer-Encoding: base64\n", b"format=flowed",
    b"rename from x\nrename to ../x\n", b"new file mode 120000\n", b"new mode 100777\n", b"<pre>", b"</pre>", b"<!--",
    b"&#0;", b"&lt;", b"-- >8 --\n", b"---\n", b"\\ No newline at end of file\n", b"base-commit: 0123456789abcdef\n",
    b"[PATCH 1/999]", b"v99999", b"\xef\xbb\xbf", b"\xff\xfe", b"\x1f\x8b\x08", b"GIT binary patch\n", b"\0", b"\x1b[31m",
)  # fmt: skip
"""What readers look for, put where it does not belong."""


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Return an input of the corpus after some edits."""
    data = draw(st.sampled_from(SEEDS))
    for _ in range(draw(st.integers(1, 8))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        end = min(len(data), at + draw(st.integers(0, 400)))
        kind = draw(st.integers(0, 6))
        if kind == 0:
            data = data[:at] + data[end:]
        elif kind == 1:
            data = data[:at] + draw(st.sampled_from(PIECES)) + data[at:]
        elif kind == 2:
            data = data[:at] + draw(st.binary(min_size=1, max_size=8)) + data[at + 1 :]
        elif kind == 3:
            data = data[:end] + data[at:end] * draw(st.integers(1, 20)) + data[end:]
        elif kind == 4:
            other = draw(st.sampled_from(SEEDS))
            cut = draw(st.integers(0, len(other)))
            data = data[:at] + other[cut:]
        elif kind == 5:
            data = data.replace(*draw(st.sampled_from(SWAPS)))
        else:
            lines = data.split(b"\n")
            lines.insert(draw(st.integers(0, len(lines))), lines.pop(draw(st.integers(0, len(lines) - 1))))
            data = b"\n".join(lines)
    return data[: 1 << 20]


SWAPS = (
    (b"\t", b" "), (b"\n", b"\r\n"), (b"  ", b" "), (b"\n ", b"\n"), (b"[PATCH", b"Re: [PATCH"), (b"\n", b"\n> "),
    (b"example.org", b"example.com"), (b"/3]", b"/2]"), (b"v2", b"v3"), (b"In-Reply-To", b"X-Reply-To"), (b"+", b"-"),
)  # fmt: skip


def look_at(data: bytes, folder: Path) -> None:
    """Read one input as the command does, and check what comes out."""
    path = folder / "input.mbox"
    path.write_bytes(data)
    for options in ({"partial": True}, {"pick": "1", "partial": True}, {"version": 2}):
        wanted = Wanted(inputs=(str(path),), **options)
        try:
            found = survey(wanted, cancellation=Cancellation())
            _require_printable(print_list, summaries(found), found.notes)
            series = series_of(found, wanted)
        except UserError:
            continue
        check(series)


def check(series: Series) -> None:
    """Check that a series is what the rest of the program takes it for."""
    assert series.patches, "a series has patches"
    indexes = [patch.index for patch in series.patches]
    assert indexes == sorted(set(indexes)), "parts are in order, each once"
    assert set(indexes) | set(series.missing) == set(range(1, series.total + 1)), "a part is there or missing"
    for patch in series.patches:
        assert read_diff(patch.diff, lossy=patch.lossy), "a diff can be read again"
    text = to_text(encode(series))
    assert decode(Series, from_text(text, "fuzz")) == series, "a series is recorded as it is"
    _require_printable(print_series, series)


def _require_printable(show: object, *values: object) -> None:
    out = io.StringIO()
    show(*values, Console(file=out, width=100, color_system=None, highlight=False, markup=False))  # type: ignore[operator]
    bad = {char for char in out.getvalue() if (ord(char) < 32 and char != "\n") or 0x7F <= ord(char) < 0xA0}
    assert not bad, f"control characters reach the terminal: {bad!r}"


def peak_memory() -> int:
    """Return the most memory that this process had, in bytes."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) << 10


def one_round(number: int, folder: Path, end: float) -> int:
    """Try :data:`EXAMPLES` inputs made from the seed ``number``; return how many were tried before ``end``."""
    tried = 0

    @seed(number)
    @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(damaged())
    def readers_hold(data: bytes) -> None:
        nonlocal tried
        if time.monotonic() > end:
            return
        tried += 1
        faulthandler.dump_traceback_later(HANG_S, exit=True)
        try:
            look_at(data, folder)
        finally:
            faulthandler.cancel_dump_traceback_later()

    readers_hold()
    return tried


def main(words: Sequence[str] | None = None) -> int:
    """Run rounds until the time is over."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600.0, help="how long, %(default)s unless told")
    parser.add_argument("--seed", type=int, default=None, help="the first round's seed; the clock's unless told")
    arguments = parser.parse_args(words)
    number = time.time_ns() // 1_000_000 if arguments.seed is None else arguments.seed
    end = time.monotonic() + arguments.seconds
    tried = 0
    with tempfile.TemporaryDirectory(prefix="fuzz.") as name:
        while time.monotonic() < end:
            print(f"round with seed {number}, {tried} inputs so far, {peak_memory() >> 20} MiB", flush=True)  # noqa: T201
            tried += one_round(number, Path(name), end)
            if peak_memory() > MEMORY:
                print(f"the round with seed {number} took {peak_memory() >> 20} MiB")  # noqa: T201
                return 1
            number += 1
    print(f"{tried} inputs, {peak_memory() >> 20} MiB: nothing found")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
