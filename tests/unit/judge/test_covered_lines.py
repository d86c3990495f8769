"""Which of a patch's lines ran: from counts to states, on C as the kernel writes it."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.judge.covered_lines import (
    ChangedFile,
    FileCounts,
    LineStates,
    covered_lines,
    has_code,
)
from orchestrator.model.coverage import CoveredLine, LineState

SOURCE = """\
#include <linux/mm.h>
/* a comment
 * of two lines */
#define NR 3

struct walk {
	int budget;
};

static long shrink(struct mem_cgroup *memcg,
		unsigned long nr)
{
	struct walk walk = {
		.budget = 0,
	};
	int nid;

	if (!writeback(memcg))
		return -ENOENT;

	spin_lock(&lock);
	nr = min(nr,
		count(memcg));
	if (!nr) {
		spin_unlock(&lock);
	} else {
		nr--; /* "//" is no comment in a string */
		goto out;
	}
#ifdef CONFIG_OFF
	off(nr);
#endif
out:
	return nr;
}

static int unused(void)
{
	return call();
}
"""
LINES = SOURCE.split("\n")
KEPT = frozenset(number for number, line in enumerate(LINES, start=1) if line.strip() and "off(nr)" not in line)


def at(text: str) -> int:
    """Return the number of the one line that holds ``text``."""
    found = [number for number, line in enumerate(LINES, start=1) if text in line]
    assert len(found) == 1
    return found[0]


COUNTS = {
    at("static long shrink"): 5,
    at("struct walk walk"): 5,
    at("int nid"): 5,
    at("if (!writeback"): 5,
    at("return -ENOENT"): 0,
    at("nr = min"): 5,
    at("if (!nr)"): 5,
    at("nr--"): 5,
    at("goto out"): 5,
    at("return nr"): 5,
}


def states(
    *texts: str, counts: dict[int, int] | None = None, source: str = SOURCE, kept: frozenset[int] = KEPT
) -> LineStates:
    numbers = frozenset(at(text) for text in texts) if texts else frozenset(range(1, len(LINES) + 1))
    file = ChangedFile(path="mm/a.c", text=source, numbers=numbers)
    return covered_lines([file], {"mm/a.c": FileCounts(counts=COUNTS if counts is None else counts, kept=kept)})


def state(text: str, counts: dict[int, int] | None = None) -> LineState | None:
    found = states(text, counts=counts)
    return found.lines[0].state if found.lines else None


def test_line_when_it_has_a_counter_then_that_says_whether_it_ran() -> None:
    assert states("nr--").lines == (
        CoveredLine(
            path="mm/a.c",
            line=at("nr--"),
            text='nr--; /* "//" is no comment in a string */',
            state=LineState.EXECUTED,
            calls=5,
        ),
    )
    assert state("return -ENOENT") is LineState.MISSED


def test_line_when_it_is_no_code_then_it_is_not_counted() -> None:
    found = states("a comment", "of two lines", "#define", "int budget", "} else {", "out:", ".budget", "count(memcg)")
    assert found == LineStates(lines=())
    brace = at("return call") + 1
    assert LINES[brace - 1] == "}"
    file = ChangedFile(path="a", text=SOURCE, numbers=frozenset({brace}))
    assert covered_lines([file], {"a": FileCounts(counts={brace: 3}, kept=KEPT)}).lines == ()


def test_line_when_it_only_declares_then_the_kernels_zeroing_of_it_is_not_counted() -> None:
    assert state("int nid") is None
    assert state("struct walk walk") is LineState.EXECUTED


def test_line_when_the_preprocessor_left_it_out_then_not_compiled() -> None:
    assert state("off(nr)") is LineState.NOT_COMPILED


def test_line_when_the_compiler_dropped_its_function_then_not_compiled() -> None:
    assert state("return call") is LineState.NOT_COMPILED


def test_line_when_its_call_was_inlined_then_it_ran_as_the_statement_beside_it() -> None:
    assert state("spin_lock") is LineState.EXECUTED
    assert state("spin_lock", {**COUNTS, at("nr = min"): 0}) is LineState.MISSED


def test_line_when_nothing_stands_beside_it_then_nobody_knows() -> None:
    assert states("spin_unlock") == LineStates(lines=(), unknown=(("mm/a.c", at("spin_unlock")),))


def test_file_when_it_was_not_compiled_then_its_statements_are_not_and_nothing_else() -> None:
    file = ChangedFile(path="mm/a.c", text=SOURCE, numbers=frozenset(range(1, len(LINES) + 1)))
    found = covered_lines([file], {})
    assert not found.unknown
    assert {line.state for line in found.lines} == {LineState.NOT_COMPILED}
    assert [line.line for line in found.lines] == [
        at("struct walk walk"), at("if (!writeback"), at("return -ENOENT"), at("spin_lock"), at("nr = min"),
        at("if (!nr)"), at("spin_unlock"), at("nr--"), at("off(nr)"), at("return nr"), at("return call"),
    ]  # fmt: skip


def test_lines_when_of_several_files_then_in_the_order_of_paths_and_numbers() -> None:
    files = [ChangedFile(path=path, text=SOURCE, numbers=frozenset({at("nr--"), at("if (!nr)")})) for path in "ba"]
    found = covered_lines(files, {path: FileCounts(counts=COUNTS, kept=KEPT) for path in "ab"})
    assert [(line.path, line.line) for line in found.lines] == [
        ("a", at("if (!nr)")), ("a", at("nr--")), ("b", at("if (!nr)")), ("b", at("nr--")),
    ]  # fmt: skip


def test_has_code_when_only_comments_macros_and_structs_change_then_not() -> None:
    def changed(*texts: str) -> bool:
        return has_code(ChangedFile(path="a.c", text=SOURCE, numbers=frozenset(map(at, texts))))

    assert not changed("a comment", "of two lines", "#define", "int budget")
    assert changed("goto out")


PIECE = st.sampled_from([*LINES, "{", "}", "\t/*", "*/", '\t"', "#if 0 \\", "\\", "\tx(", "\ty);", "", "\x00", "é{;"])
NUMBERS = st.frozensets(st.integers(-2, 60))


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(
    text=st.lists(PIECE, max_size=50).map("\n".join) | st.text(max_size=200),
    numbers=NUMBERS,
    kept=NUMBERS,
    counts=st.dictionaries(st.integers(-2, 60), st.integers(0, 3), max_size=30),
)
def test_any_text_and_counts_give_each_changed_line_one_state_at_most_and_counters_are_believed(
    text: str, numbers: frozenset[int], kept: frozenset[int], counts: dict[int, int]
) -> None:
    file = ChangedFile(path="a", text=text, numbers=numbers)
    found = covered_lines([file], {"a": FileCounts(counts=counts, kept=kept)})
    told = [line.line for line in found.lines] + [number for _, number in found.unknown]
    assert len(told) == len(set(told))
    assert set(told) <= numbers & set(range(1, text.count("\n") + 2))
    assert [line.line for line in found.lines] == sorted(line.line for line in found.lines)
    for line in found.lines:
        if line.line in counts and line.state is not LineState.NOT_COMPILED:
            assert line.calls == counts[line.line]
        assert (line.state is LineState.EXECUTED) == (line.calls > 0)
        assert line.state is not LineState.NOT_COMPILED or line.line not in counts or line.calls == 0
