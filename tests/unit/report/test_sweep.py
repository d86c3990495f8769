"""Sweep tables: a row a setting."""

from __future__ import annotations

import dataclasses

from orchestrator.model.run import RunRecord
from orchestrator.report.sweep import sweep_tables
from orchestrator.report.text import render_text
from tests.unit.record_builder import A2_BASE, A2_V5, BASE, PATCHED, record, scenario, spec, trial

SMALL, LARGE = "memcg-limit+zswap_max=4M", "memcg-limit+zswap_max=8M"


def swept_record() -> RunRecord:
    trials = []
    for name, factor in ((SMALL, 1), (LARGE, 2)):
        for kernel, values in ((BASE, A2_BASE), (PATCHED, A2_V5)):
            for seed in (1, 2, 3):
                grown = {key: value * factor for key, value in values.items()}
                trials.append(trial(spec(kernel, seed, scenario=name), grown))
    found = record(trials, scenarios=(scenario(SMALL), scenario(LARGE)))
    profile = dataclasses.replace(found.plan.profile, scenarios=(SMALL, LARGE), topologies=("two-node",))
    return dataclasses.replace(found, plan=dataclasses.replace(found.plan, profile=profile))


def test_table_when_a_knob_was_swept_then_has_a_row_a_setting() -> None:
    (table,) = sweep_tables(swept_record())
    assert (table.knobs, [row[0] for row in table.rows]) == (("zswap_max",), ["4M", "8M"])
    column = table.head.index("written_back@node1")
    assert [row[column] for row in table.rows] == ["4096 → 0", "8192 → 0"]


def test_text_when_a_knob_was_swept_then_shows_the_table() -> None:
    assert "memcg-limit on two-node, by zswap_max (base → patched)" in render_text(swept_record())


def test_table_when_nothing_was_swept_then_there_is_none() -> None:
    assert sweep_tables(dataclasses.replace(record())) == ()
