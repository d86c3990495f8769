"""How long does it take to find a base, and to recover a patch?  usage: bench/base.py [-n 5] [--linux linux-7.2]

* Base by blob ids in a tree with 100,000 files and 2,000 commits on six branches with 200 merges: from a series whose
  diff names blobs of three files to the commit. The tree is made once (half a minute) and kept in the cache (``bench/``).
  Limit: 5 s.
* The review mail of ``tests/data/mail`` on the sources of ``--linux``, which are fetched if they are not there: base, all
  ways asked, and the patch put on it. Limit: 1 s.

Each is done N times, the files in the page cache; the median counts. Exits 1 when a limit is passed.
"""

from __future__ import annotations

import argparse
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from orchestrator.config.lists import mailing_lists
from orchestrator.host.deadline import Cancellation
from orchestrator.host.steps import Steps
from orchestrator.host.workspace import cache_root, published_folder
from orchestrator.intake.reader import read_series
from orchestrator.model.series import Form, Patch, Series
from orchestrator.model.tree import BaseWay, Source
from orchestrator.tree.base import Wishes, choose_base
from orchestrator.tree.prepare import Preparation, prepare_trees
from orchestrator.tree.sources import open_source

MAIL = Path(__file__).parent.parent / "tests/data/mail/re-patch-v5-2-6-mm-zswap-support-batch-writeback.txt"
FILES, FOLDERS, COMMITS = 100_000, 4_000, 2_000
BRANCHES = ("mm-stable", "mm-new", "net-next", "block", "tip")
TOUCHED = ("folder7/file7.c", "folder9/sub/file9.c", "folder11/file11.c")
START = 1_760_000_000
HOUR = 3600
BASE_LIMIT_S, RECOVERY_LIMIT_S = 5.0, 1.0


def make_tree(folder: Path) -> None:
    """Fill ``folder`` with a bare repository: a commit with all files, then commits and merges, an hour apart."""
    rng = random.Random(7)
    subprocess.run(["git", "init", "--quiet", "--bare", "--initial-branch=master", str(folder)], check=True)
    names = [_name(at) for at in range(FILES)]
    with subprocess.Popen(
        ["git", "-C", str(folder), "fast-import", "--quiet"], stdin=subprocess.PIPE, text=True
    ) as git:
        assert git.stdin is not None
        out = git.stdin
        out.write(_head("refs/heads/master", 1, START))
        out.writelines(_file(name, f"/* {name} */\n") for name in names)
        for name, text in _LINUX.items():
            out.write(_file(name, text))
        heads = dict.fromkeys(("master", *BRANCHES), 1)
        for mark in range(2, COMMITS + 1):
            branch = "master" if mark % 2 else rng.choice(BRANCHES)
            out.write(_head(f"refs/heads/{branch}", mark, START + mark * HOUR))
            out.write(f"from :{heads[branch]}\n")
            if mark % 10 == 0:
                # What a merge brings is written out by fast-import only if said; the parents are what counts here.
                out.write(f"merge :{heads['master']}\n")
            changed = rng.sample(names, 2) + ([rng.choice(TOUCHED)] if mark % 25 == 0 else [])
            out.writelines(_file(name, f"/* {name} {mark} */\n") for name in changed)
            heads[branch] = mark
        out.close()
    if git.returncode:
        raise SystemExit("git fast-import failed")


_LINUX = {
    "Makefile": "# SPDX\nVERSION = 7\nPATCHLEVEL = 2\nSUBLEVEL = 0\nEXTRAVERSION =\n",
    "Kbuild": "obj-y += mm/\n",
    "mm/zswap.c": "int zswap;\n",
    "scripts/kconfig/merge_config.sh": "#!/bin/sh\n",
}


def _name(at: int) -> str:
    folder = at % FOLDERS
    return f"folder{folder}/{'sub/' if folder % 3 == 0 else ''}file{at}.c"


def _head(ref: str, mark: int, when: int) -> str:
    return f"commit {ref}\nmark :{mark}\ncommitter A <a@example.org> {when} +0000\ndata 3\nc{mark % 10}\n\n"


def _file(name: str, text: str) -> str:
    return f"M 100644 inline {name}\ndata {len(text.encode())}\n{text}\n"


def synthetic_tree() -> Path:
    """Return the synthetic tree, made if it is not there."""
    target = cache_root() / "bench" / f"base-{FILES}-{COMMITS}.git"
    if not target.exists():
        print("making the tree ...", file=sys.stderr)
        with published_folder(target) as beside:
            make_tree(beside)
    return target


def series_on(tree: Path, commit: str) -> Series:
    """Return a series of one patch whose diff names the blobs of the touched files in ``commit``."""
    words = ["git", "-C", str(tree), "ls-tree", commit, "--", *TOUCHED]
    listed = subprocess.run(words, check=True, capture_output=True, text=True).stdout.splitlines()
    diff = ""
    for line in listed:
        facts, name = line.split("\t")
        diff += f"diff --git a/{name} b/{name}\nindex {facts.split()[2][:12]}..123456789abc 100644\n"
        diff += f"--- a/{name}\n+++ b/{name}\n@@ -1 +1 @@\n-x\n+y\n"
    patch = Patch(
        index=1, total=1, subject="s", author="A <a@example.org>", date=None, message="", diff=diff, lossy=False,
        stated=None,
    )  # fmt: skip
    return Series(
        title="s", version=1, form=Form.DIFF, source="bench", patches=(patch,), total=1,
        sent="2025-12-01T00:00:00+00:00", lists=("linux-mm.kvack.org",),
    )  # fmt: skip


def timed(work: Callable[[], object], rounds: int) -> list[float]:
    """Return what ``work`` took, each time, in seconds."""
    taken = []
    for _ in range(rounds):
        start = time.monotonic()
        work()
        taken.append(time.monotonic() - start)
    return taken


def find_base(rounds: int) -> list[float]:
    """Time the base by blob ids, and check that it is right."""
    tree = synthetic_tree()
    source = open_source(str(tree), cache=cache_root(), steps=Steps(), cancellation=Cancellation())
    wanted = subprocess.run(
        ["git", "-C", str(tree), "rev-list", "-1", "--before=2025-11-20", "mm-stable"],
        check=True, capture_output=True, text=True,
    ).stdout.strip()  # fmt: skip
    series = series_on(tree, wanted)

    def once() -> None:
        base = choose_base(source, series, rev=None, wishes=Wishes(lists=mailing_lists()))
        if base.way is not BaseWay.BLOBS or series_on(tree, base.commit).patches != series.patches:
            raise SystemExit(f"not the base that was looked for: {base}")

    return timed(once, rounds)


def recover(source: Source, rounds: int) -> list[float]:
    """Time the review mail on ``source``."""
    series = read_series(MAIL)
    preparation = Preparation(lists=mailing_lists())

    def once() -> None:
        prepare_trees(source, series, preparation, steps=Steps(), cancellation=Cancellation())

    return timed(once, rounds)


def main() -> int:
    """Run both, print a line each, and say whether the limits hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", type=int, default=5, help="rounds")
    parser.add_argument("--linux", default="linux-7.2")
    options = parser.parse_args()
    narration = Steps(lambda event: print(f"{event.name}: {event.phase} {event.text}", file=sys.stderr))
    source = open_source(options.linux, cache=cache_root(), steps=narration, cancellation=Cancellation())
    rows = (
        (f"base by blob ids, {FILES} files, {COMMITS} commits", find_base(options.n), BASE_LIMIT_S),
        (f"the review mail on {options.linux}", recover(source, options.n), RECOVERY_LIMIT_S),
    )
    for what, taken, limit in rows:
        print(
            f"{what}: median {statistics.median(taken):.2f} s ({min(taken):.2f} to {max(taken):.2f}); limit {limit} s"
        )
    return int(any(statistics.median(taken) > limit for _, taken, limit in rows))


if __name__ == "__main__":
    sys.exit(main())
