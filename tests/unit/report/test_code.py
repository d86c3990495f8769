"""What the reports say of the code that a series changes."""

from __future__ import annotations

import dataclasses
import io

from rich.console import Console

from orchestrator.cli.table import print_run
from orchestrator.errors import BrokenBase, Evidence
from orchestrator.model.objects import ObjectDifference
from orchestrator.model.tree import Rung, Try
from orchestrator.report.code import MOST_NAMES, MOST_OBJECTS, by_object, code_lines
from orchestrator.report.text import render_text
from orchestrator.store.run_json import parse_run, render_run
from tests.unit.record_builder import BASE, PATCHED, record, spec

CHANGED = ObjectDifference(
    same=False,
    changed_functions=("zswap_store (mm/zswap.o)", "shrink_memcg (mm/zswap.o)", "lru_add (mm/list_lru.o)"),
    changed_data=("stats (mm/zswap.o)", "the configuration differs"),
    changed_objects=("mm/zswap.o", "mm/list_lru.o", "mm/vmstat.o"),
    compared=7,
    reason="3 functions in 3 objects differ",
)


def test_code_lines_when_functions_differ_then_each_object_with_its_own() -> None:
    assert code_lines(record(objects=CHANGED)) == (
        "3 functions in 3 objects differ",
        "mm/zswap.o: zswap_store, shrink_memcg, stats",
        "mm/list_lru.o: lru_add",
        "without a name: mm/vmstat.o",
        "the configuration differs",
    )


def test_code_lines_when_there_are_very_many_then_the_rest_is_counted() -> None:
    many = tuple(f"f{nr} (o{nr % 20}.o)" for nr in range(400))
    lines = code_lines(record(objects=ObjectDifference(same=False, changed_functions=many, reason="many differ")))
    assert len(lines) == MOST_OBJECTS + 2
    assert lines[1].endswith(f"and {20 - MOST_NAMES} more")
    assert lines[-1] == f"and {20 - MOST_OBJECTS} more (run.json, objects)"


def test_code_lines_when_nobody_compared_then_nothing_is_claimed() -> None:
    assert code_lines(record()) == ()


def test_by_object_when_a_name_has_brackets_then_only_an_object_at_the_end_counts() -> None:
    assert by_object(["f (x) (mm/a.o)", "odd (thing)"]) == {"mm/a.o": ["f (x)"], "": ["odd (thing)"]}


def test_report_when_the_code_is_the_same_then_text_and_terminal_say_so_and_the_record_keeps_it() -> None:
    same = ObjectDifference(same=True, compared=1, reason="only comments differ")
    one = record((), planned=(spec(BASE), spec(PATCHED)), objects=same)
    assert parse_run(render_run(one)) == one
    for text in (render_text(one), shown(one)):
        assert "No change in object code: only comments differ." in text
        assert "the same as base's: only comments differ" in text
        assert "2 trials: 2 not run" in text


def test_report_when_trials_were_run_all_the_same_then_that_is_said() -> None:
    one = record(objects=ObjectDifference(same=True, reason="only comments differ"))
    one = dataclasses.replace(one, plan=dataclasses.replace(one.plan, run_anyway=True))
    assert code_lines(one) == ("the same as base's: only comments differ; run all the same (--run-anyway)",)


def test_report_when_base_is_broken_then_what_it_said_last_is_shown() -> None:
    broken = BrokenBase(
        "base does not boot", stage="boot", hint="another base", evidence=Evidence(last_lines=("Kernel panic",))
    )
    text = shown(record((), planned=(spec(BASE),), broken=broken))
    assert "base: base is broken" in text or "base is broken, so nothing is said of the patch" in text
    assert "Kernel panic" in text
    assert "Try: another base" in text


def test_report_when_a_rung_did_not_hold_then_what_git_said_is_shown_and_recovered_is_said() -> None:
    one = record()
    (done,) = one.trees.applied
    tries = (Try(rung=Rung.AM, held=False, said="patch failed: mm/zswap.c:99"), Try(rung=Rung.RECOVERED, held=True))
    trees = dataclasses.replace(one.trees, applied=(dataclasses.replace(done, tries=tries, score=0.934),))
    text = render_text(dataclasses.replace(one, trees=trees))
    assert ": recovered, fuzz 1; " in text
    assert "; score 0.93" in text
    assert "git am: patch failed: mm/zswap.c:99" in text


def shown(one: object) -> str:
    stream = io.StringIO()
    print_run(one, Console(file=stream, width=200, markup=False, highlight=False))  # type: ignore[arg-type]
    return stream.getvalue()
