"""The nodes' shares, and what is shown first."""

from __future__ import annotations

from orchestrator.judge.compare import compare
from orchestrator.judge.order import is_starved, shares_of
from orchestrator.judge.wording import sentence_on_change
from orchestrator.model.verdict import MetricChange
from tests.unit.record_builder import BASE, PATCHED, a2_trials, metric, scenario, spec, trial

SCENARIOS = (scenario(metrics=(metric("walked", per_node=True), metric("gone"))),)


def changes(base: dict[str, float], patched: dict[str, float]) -> tuple[MetricChange, ...]:
    return compare(SCENARIOS, [trial(spec(kernel), each) for kernel, each in ((BASE, base), (PATCHED, patched))])


def nodes(*values: float) -> dict[str, float]:
    return {f"walked@node{number}": value for number, value in enumerate(values)}


def test_shares_before_and_after_in_the_nodes_order() -> None:
    (shares,) = shares_of(changes(nodes(*[100.0] * 11), nodes(*[0.0] * 10, 1000))).values()
    assert [share.node for share in shares][-2:] == ["node9", "node10"]
    assert (shares[10].base, shares[10].patched) == (1 / 11, 1.0)


def test_metric_that_is_nothing_on_all_nodes_starves_none() -> None:
    found = changes(nodes(400, 300), nodes(0, 0))
    assert shares_of(found) == {}
    assert not any(is_starved(change, shares_of(found)) for change in found)
    assert "share" not in sentence_on_change(found[0])


def test_starved_node_comes_before_a_larger_change_elsewhere() -> None:
    found = changes({**nodes(500, 500), "gone": 90000}, {**nodes(900, 0), "gone": 0})
    assert [change.metric for change in found] == ["walked@node1", "walked@node0", "gone"]
    assert is_starved(found[0], shares_of(found))


def test_sentence_has_each_nodes_share_before_and_after() -> None:
    found = compare((scenario(),), a2_trials())
    shares = shares_of(found)["memcg-limit", "two-node", "written_back"]
    assert "each node's share: node0 54 % → 100 %, node1 46 % → 0 %" in sentence_on_change(found[0], shares)
    (still,) = shares_of(changes(nodes(4, 4), nodes(4, 4))).values()
    assert "share:" not in sentence_on_change(found[0], still)
