"""Any change git can describe, mangled the way archives do, is recovered to the same file or refused; never another.

The changes are random edits of the real mm/zswap.c; the diff is git's own. "The same" is up to white space in lines,
since that is what was lost; which lines there are, and in which order, is not. ROUND_TRIPS in the environment is how many
examples each property gets: a few by default, thousands when the recovery was changed.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
import textwrap
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.errors import InputError
from orchestrator.intake.reader import read_series
from orchestrator.model.diff import read_diff
from orchestrator.tree.recover import recover_file
from tests.unit.tree.conftest import IDENTITY, ZSWAP

EXAMPLES = int(os.environ.get("ROUND_TRIPS", "40"))
PROFILE = settings(
    max_examples=EXAMPLES, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)

LINES = ZSWAP.read_text().splitlines()

# Lines that look like marks once their indentation is lost, lines that are everywhere, and lines of the file's own.
HARD = [
    "\t++attempts;",
    "\t--failures;",
    "\t-EINVAL,",
    "\t+ a + b;",
    "\t}",
    "",
    "\t\treturn -ENOENT;",
    "\tret = 0;",
    "*/",
]
ADDED = st.lists(st.sampled_from(HARD) | st.sampled_from(LINES), min_size=0, max_size=4)
EDIT = st.tuples(st.integers(0, len(LINES) - 1), st.integers(0, 4), ADDED)
EDITS = st.lists(EDIT, min_size=1, max_size=5)

# What reviewers write between the lines; some of it looks like code, or like marks.
WORDS = [
    "Why is this needed?",
    "- Yosry",
    "+1",
    "return 0; would do here.",
    "}",
    "",
    "Nit: please wrap this, it is far longer than what anybody would want to read in a review on a small screen.",
]

# What an archive does to the text behind the mark.
MANGLERS: dict[str, Callable[[str], str]] = {
    "folds": lambda text: (" " if text[:1].isspace() else "") + " ".join(text.split()),
    "drops": lambda text: " ".join(text.split()),
    "untabs": lambda text: text.replace("\t", ""),
}


def edited(lines: list[str], edits: list[tuple[int, int, list[str]]]) -> list[str]:
    new = list(lines)
    for at, removed, added in sorted(edits, key=lambda edit: -edit[0]):
        new[at : at + removed] = added
    return new


def git_diff(old: list[str], new: list[str], context: int) -> str:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for side, lines in (("a", old), ("b", new)):
            (folder / side / "mm").mkdir(parents=True)
            (folder / side / "mm" / "x.c").write_text("".join(f"{line}\n" for line in lines))
        command = ["git", "diff", "--no-index", "--no-prefix", f"-U{context}", "a/mm/x.c", "b/mm/x.c"]
        return subprocess.run(command, check=False, capture_output=True, text=True, cwd=folder, env=IDENTITY).stdout


def mangled(diff: str, how: str) -> str:
    """Return a diff as an archive shows it: context lines lose their mark with their indentation."""
    shown = []
    in_hunk = False
    for line in diff.splitlines():
        in_hunk = in_hunk or line.startswith("@@")
        if not in_hunk or line.startswith("@@"):
            shown.append(line)
        elif line.startswith(" ") or not line:
            shown.append(MANGLERS[how](line[1:]).strip())
        else:
            shown.append(line[0] + MANGLERS[how](line[1:]))
    return "\n".join([*shown, "--", "2.34.1", ""])


def wrapped(page: str, width: int) -> str:
    """Return a page whose long lines go on in the next one; the hunks' headers are no text and stay whole."""
    shown: list[str] = []
    for line in page.splitlines():
        whole = line.startswith(("@@", "diff ", "--- ", "+++ ")) or len(line) <= width
        shown += [line] if whole else textwrap.wrap(line, width, break_long_words=False, break_on_hyphens=False)
    return "\n".join([*shown, ""])


def cut(page: str, width: int) -> str:
    """Return a page whose long lines end at ``width``."""
    return "\n".join([*(line if line.startswith("@@") else line[:width] for line in page.splitlines()), ""])


def answered(page: str, answers: list[tuple[int, list[str]]]) -> str:
    """Return a page with somebody's words between its lines, at these places behind the first hunk's header."""
    lines = page.splitlines()
    first = next(at for at, line in enumerate(lines) if line.startswith("@@")) + 1
    for at, words in sorted(answers, key=lambda answer: -answer[0]):
        where = first + at % max(len(lines) - first, 1)
        lines[where:where] = words
    return "\n".join([*lines, ""])


def folded(lines: list[str]) -> list[str]:
    return ["".join(line.split()) for line in lines]


def outcome(base: list[str], diff: str) -> list[str] | None:
    """Return the recovered lines, None where recovery refuses."""
    try:
        (file,) = read_diff(diff, lossy=True)
        text = recover_file("".join(f"{line}\n" for line in base), file, lossy=True).text
    except InputError:
        return None
    assert text is not None
    return text.splitlines()


def hold(new: list[str], page: str, seen: Counter[str]) -> None:
    """Assert that a page is recovered to ``new``, or refused; note which."""
    found = outcome(LINES, page)
    seen["refused" if found is None else "recovered"] += 1
    if found is not None:
        assert folded(found) == folded(new)


@pytest.mark.parametrize("how", list(MANGLERS))
def test_recovery_when_a_random_change_is_mangled_then_it_is_the_same_or_refused(how: str) -> None:
    seen: Counter[str] = Counter()

    @PROFILE
    @given(EDITS, st.integers(2, 4))
    def check(edits: list[tuple[int, int, list[str]]], context: int) -> None:
        new = edited(LINES, edits)
        if diff := git_diff(LINES, new, context):
            hold(new, mangled(diff, how), seen)

    check()
    # A recovery that refuses everything would hold, too.
    assert seen["recovered"] > 3 * seen["refused"]


@pytest.mark.parametrize("how", ["folds", "drops"])
def test_recovery_when_the_page_wraps_lines_then_it_is_the_same_or_refused(how: str) -> None:
    seen: Counter[str] = Counter()

    @PROFILE
    @given(EDITS, st.integers(2, 4), st.integers(60, 90))
    def check(edits: list[tuple[int, int, list[str]]], context: int, width: int) -> None:
        new = edited(LINES, edits)
        if diff := git_diff(LINES, new, context):
            hold(new, wrapped(mangled(diff, how), width), seen)

    check()
    assert seen["recovered"] > seen["refused"]


@pytest.mark.parametrize("how", ["folds", "drops"])
def test_recovery_when_the_page_cuts_lines_then_it_is_the_same_or_refused(how: str) -> None:
    seen: Counter[str] = Counter()

    @PROFILE
    @given(EDITS, st.integers(2, 4), st.integers(60, 90))
    def check(edits: list[tuple[int, int, list[str]]], context: int, width: int) -> None:
        new = edited(LINES, edits)
        diff = git_diff(LINES, new, context)
        page = mangled(diff, how) if diff else ""
        # What was cut off an added line is nowhere any more: no recovery can know.
        if page and not any(line.startswith("+") and len(line) > width for line in page.splitlines()):
            hold(new, cut(page, width), seen)

    check()
    assert seen["recovered"] > seen["refused"]


def test_recovery_when_somebody_answers_between_the_lines_then_it_is_the_same_or_refused() -> None:
    seen: Counter[str] = Counter()
    answers = st.tuples(st.integers(0, 60), st.lists(st.sampled_from(WORDS), min_size=1, max_size=4))

    @PROFILE
    @given(EDITS, st.integers(2, 4), st.lists(answers, min_size=1, max_size=2))
    def check(edits: list[tuple[int, int, list[str]]], context: int, said: list[tuple[int, list[str]]]) -> None:
        new = edited(LINES, edits)
        if diff := git_diff(LINES, new, context):
            hold(new, answered(mangled(diff, "folds"), said), seen)

    check()
    assert seen["recovered"] > seen["refused"] / 3


HEAD = """Re: [PATCH] mm/x: change it
From: A Reviewer
Date: Mon Jun 29 2026 - 20:21:31 EST
On Mon, Jun 29, 2026 at 07:20:28PM +0800, An Author wrote:
> From: An Author <a@xxxxxxxxxxx>
>
> It has to be changed.
>
> Signed-off-by: An Author <a@xxxxxxxxxxx>
> ---
"""


def quoted(page: str, answers: list[tuple[int, list[str]]]) -> str:
    """Return an archive's page of an answer to the patch: the patch quoted, words between its lines not."""
    shown = [f"> {line}" if line else ">" for line in page.splitlines()]
    for at, words in sorted(answers, key=lambda answer: -answer[0]):
        where = at % (len(shown) + 1)
        shown[where:where] = ["", *words, ""]
    return HEAD + "\n".join([*shown, ""])


def test_recovery_when_the_page_is_a_quoted_answer_then_intake_and_trees_together_hold(tmp_path: Path) -> None:
    seen: Counter[str] = Counter()
    answers = st.tuples(st.integers(0, 60), st.lists(st.sampled_from(WORDS), min_size=1, max_size=3))
    file = tmp_path / "page.txt"

    @PROFILE
    @given(EDITS, st.sampled_from(["folds", "drops"]), st.lists(answers, max_size=2))
    def check(edits: list[tuple[int, int, list[str]]], how: str, said: list[tuple[int, list[str]]]) -> None:
        new = edited(LINES, edits)
        if not (diff := git_diff(LINES, new, 3)):
            return
        file.write_text(quoted(mangled(diff, how), said))
        try:
            series = read_series(file)
        except InputError:
            seen["refused"] += 1
            return
        (patch,) = series.patches
        assert patch.lossy
        hold(new, patch.diff, seen)

    check()
    assert seen["recovered"] > seen["refused"]


def test_recovery_when_the_base_has_moved_on_then_the_change_lands_on_the_same_lines_or_is_refused() -> None:
    seen: Counter[str] = Counter()

    @PROFILE
    @given(EDITS, EDITS)
    def check(theirs: list[tuple[int, int, list[str]]], ours: list[tuple[int, int, list[str]]]) -> None:
        # Numbered comments make every inserted line one of a kind, so where it has to be is known.
        tagged = [(at, 0, [f"\t/* mark {nr} */"]) for nr, (at, _, _) in enumerate(ours) if not _near(at, theirs)]
        if not tagged:
            return
        base, both = edited(LINES, theirs), edited(LINES, [*theirs, *tagged])
        found = outcome(base, mangled(git_diff(LINES, edited(LINES, tagged), 3), "folds"))
        seen["refused" if found is None else "recovered"] += 1
        if found is not None:
            assert folded(found) == folded(both)

    check()
    assert seen["recovered"] > seen["refused"]


def _near(at: int, edits: list[tuple[int, int, list[str]]]) -> bool:
    """Whether an insertion at ``at`` would touch a place that changed: then nobody can say where it belongs."""
    return any(start - 1 <= at <= start + removed + 1 for start, removed, _ in edits)


@settings(max_examples=60, derandomize=True, deadline=None, database=None)
@given(EDITS, st.integers(0, 3))
def test_read_diff_when_git_wrote_it_then_it_is_read_and_rendered_unchanged(
    edits: list[tuple[int, int, list[str]]], context: int
) -> None:
    diff = git_diff(LINES, edited(LINES, edits), context)

    assert "".join(file.render() for file in read_diff(diff)) == diff


@settings(max_examples=100, derandomize=True, deadline=None, database=None)
@given(EDITS, st.data())
def test_read_diff_when_lines_are_lost_or_doubled_then_it_refuses_or_reads_whole_hunks(
    edits: list[tuple[int, int, list[str]]], data: st.DataObject
) -> None:
    lines = git_diff(LINES, edited(LINES, edits), 3).splitlines()
    if not lines:
        return
    at = data.draw(st.integers(0, len(lines) - 1))
    lines[at : at + 1] = data.draw(st.sampled_from([[], [lines[at]] * 2]))

    try:
        files = read_diff("\n".join(lines) + "\n")
    except InputError:
        return
    for hunk in (hunk for file in files for hunk in file.hunks):
        plus, minus, other = hunk.tally(len(hunk.lines))
        assert (other + minus, other + plus) == (hunk.old_count, hunk.new_count)


@settings(max_examples=300, derandomize=True, deadline=None, database=None)
@given(text=st.text(alphabet=st.sampled_from(list("@-+ ,012a/b\n\\\t")), max_size=200), lossy=st.booleans())
def test_read_diff_when_given_noise_then_only_an_input_error_comes_out(text: str, *, lossy: bool) -> None:
    with contextlib.suppress(InputError):
        read_diff(f"--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@\n{text}", lossy=lossy)
