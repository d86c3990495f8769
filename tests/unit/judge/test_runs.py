from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from orchestrator.judge.runs import TWO_BASES, compare_runs, counts
from orchestrator.model.comparison import RunComparison
from orchestrator.model.repeat import Repeat
from orchestrator.model.run import RunRecord
from orchestrator.model.trial import Check, Status, TrialResult
from orchestrator.model.verdict import Change
from orchestrator.report.comparison import render_comparison
from orchestrator.store.codec import decode, encode
from tests.unit.record_builder import A2_BASE, A2_V5, BASE, PATCHED, record, scenario, spec, trial

SEEDS = (1, 2, 3)
PARTS = {"kernel image": "11", "kernel sources": "22", "QEMU": "7.2", "machine": "33"}


def trials(
    metrics: Mapping[str, float],
    *,
    seeds: Sequence[int] = SEEDS,
    topology: str = "two-node",
    base_key: str = "",
    checks: Sequence[Check] = (),
    parts: Mapping[str, str] | None = None,
) -> list[TrialResult]:
    """Base and patched of each seed; ``base_key`` other than "" makes base's trials others."""
    found = []
    for seed in seeds:
        old = trial(spec(BASE, seed, topology=topology), A2_BASE)
        key = f"{base_key}{seed}" if base_key else old.key
        status = Status.FAIL if checks else Status.PASS
        new = trial(spec(PATCHED, seed, topology=topology), metrics, status=status, checks=checks)
        found += [
            dataclasses.replace(old, key=key, parts={**PARTS, **(parts or {})}),
            dataclasses.replace(new, parts={**PARTS, **(parts or {})}),
        ]
    return found


def run(done: Sequence[TrialResult]) -> RunRecord:
    return record(done)


def only(comparison: RunComparison, metric: str) -> Change:
    (found,) = [each for each in comparison.metrics if each.metric == metric]
    assert found.change is not None
    return found.change.change


def test_patched_kernels_are_compared_where_base_s_trials_are_the_same() -> None:
    found = compare_runs(run(trials(A2_V5)), run(trials(A2_BASE)))
    (cell,) = found.cells
    assert (cell.seeds, cell.reason, cell.note) == (SEEDS, "", "")
    assert only(found, "written_back@node1") is Change.CHANGED
    assert only(found, "zswap.current") is Change.SAME
    (share,) = [each for each in found.metrics if each.metric == "written_back@node1"]
    assert share.change is not None
    assert (share.change.base, share.change.patched) == ((0.0,) * 3, (4096.0,) * 3)
    assert (share.first, share.second) == ("changed", "same")
    assert counts(found)["changed"] == sum(
        each.change is not None and each.change.change is Change.CHANGED for each in found.metrics
    )
    assert decode(RunComparison, encode(found)) == found


def test_patched_kernels_are_ranked_where_one_run_s_trials_did_not_repeat() -> None:
    wandering = dataclasses.replace(
        run(trials(A2_BASE)), repeat=Repeat(trial="x", digests=("a", "b"), difference="the console")
    )
    found = compare_runs(run(trials(A2_V5)), wandering)
    assert only(found, "written_back@node1") is Change.UNCLEAR, "three ranks a side prove no move"


def test_a_run_against_itself_has_nothing_that_differs() -> None:
    one = run(trials(A2_V5))
    found = compare_runs(one, one)
    assert found.differs == ()
    assert {each.change.change for each in found.metrics if each.change} == {Change.SAME}
    assert "the same" in render_comparison(found)


def test_two_bases_are_compared_with_a_note() -> None:
    other = trials(A2_V5, base_key="other", parts={"kernel image": "99", "kernel sources": "98"})
    found = compare_runs(run(trials(A2_BASE)), run(other))
    (cell,) = found.cells
    assert (cell.seeds, cell.note) == (SEEDS, TWO_BASES)
    assert TWO_BASES in render_comparison(found)


def test_other_qemu_is_not_compared_and_named_while_each_run_s_own_words_stand_side_by_side() -> None:
    found = compare_runs(run(trials(A2_BASE)), run(trials(A2_V5, base_key="other", parts={"QEMU": "9.0"})))
    (cell,) = found.cells
    assert cell.seeds == ()
    assert "QEMU (7.2, 9.0)" in cell.reason
    assert all(each.change is None for each in found.metrics)
    text = render_comparison(found)
    assert "figures are not compared: not the same in both: QEMU (7.2, 9.0)" in text
    assert "same, then changed" in text


def test_records_without_parts_are_not_compared_where_keys_differ() -> None:
    old = [dataclasses.replace(each, parts={}) for each in trials(A2_BASE, base_key="other")]
    (cell,) = compare_runs(run(old), run(trials(A2_BASE))).cells
    assert "do not say in what" in cell.reason
    same = [dataclasses.replace(each, parts={}) for each in trials(A2_BASE)]
    assert compare_runs(run(same), run(trials(A2_BASE))).cells[0].seeds == SEEDS


def test_cells_and_seeds_of_one_run_alone_are_told() -> None:
    one = run([*trials(A2_BASE), *trials(A2_BASE, topology="one-node")])
    found = compare_runs(one, run(trials(A2_BASE, seeds=(2, 3, 4))))
    assert found.only_first == ("memcg-limit on one-node",)
    assert found.only_second == ()
    assert found.cells[0].seeds == (2, 3)
    (none,) = compare_runs(run(trials(A2_BASE)), run(trials(A2_BASE, seeds=(7,)))).cells
    assert none.reason == "no seed of base ran in both"


def test_patched_kernel_that_gave_no_figures_is_not_called_the_same() -> None:
    lost = [
        dataclasses.replace(each, metrics={}, status=Status.FAIL) if each.spec.kernel is PATCHED else each
        for each in trials(A2_BASE)
    ]
    found = compare_runs(run(trials(A2_BASE)), run(lost))
    assert found.cells[0].reason == "with no seed both patched kernels gave figures"
    assert "metrics the same" not in render_comparison(found)
    one = compare_runs(run(trials(A2_BASE)), run([*lost[:4], *trials(A2_BASE, seeds=(3,))]))
    assert one.cells[0].seeds == (3,)


def test_scenario_that_is_another_one_now_is_not_compared() -> None:
    one = run(trials(A2_BASE))
    changed = dataclasses.replace(one, scenarios=(dataclasses.replace(scenario(), workload=("fill",)),))
    assert compare_runs(one, changed).cells[0].reason == "the scenario is not the same in both"


def test_findings_are_paired_by_what_they_are_and_not_by_their_seed() -> None:
    broken = Check(name="integrity", status=Status.FAIL, message="3 pages have wrong content")
    splat = Check(
        name="kernel log: KASAN", status=Status.FAIL, message="KASAN: use-after-free", fingerprint="KASAN|a|b"
    )
    other = dataclasses.replace(splat, fingerprint="KASAN|c|d")
    found = compare_runs(
        run(trials(A2_BASE, checks=[broken, splat])), run(trials(A2_BASE, seeds=(3, 4), checks=[broken, other]))
    )
    fates = {
        (each.first.kind if each.first else "", each.second.kind if each.second else "") for each in found.findings
    }
    assert fates == {("integrity", "integrity"), ("KASAN", ""), ("", "KASAN")}
    text = render_comparison(found)
    assert "in both: patch: integrity" in text
    assert "only in the second: patch: KASAN" in text


def test_hostile_words_stay_on_their_line() -> None:
    one = run(trials(A2_V5))
    evil = dataclasses.replace(one.series, title="a\nREGRESSION\x1b[2J\u202e")
    text = render_comparison(compare_runs(dataclasses.replace(one, series=evil), one))
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "\nREGRESSION" not in text
