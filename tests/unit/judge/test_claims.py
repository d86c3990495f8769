"""Claims: what is confirmed, refuted, unclear or untested."""

from __future__ import annotations

import pytest

from orchestrator.config.catalog import topologies
from orchestrator.config.claims import read_claims
from orchestrator.config.scenarios import scenarios
from orchestrator.judge.claims import judge_claims
from orchestrator.model.claim import Claim, ClaimResult, ClaimStatus, Sense
from orchestrator.model.trial import TrialResult
from tests.command import REPOSITORY
from tests.unit.record_builder import BASE, PATCHED, a2_trials, scenario, spec, trial

SHIPPED = REPOSITORY / "docs/claims/batch-writeback.toml"


def claim(metric: str = "store_rejects", **more: object) -> Claim:
    return Claim(**{"says": "so it is", "scenario": "memcg-limit", "metric": metric, **more})  # type: ignore[arg-type]


def tenfold(factor: float = 10, *, per: str = "") -> Claim:
    return claim(sense=Sense.FALLS, factor=factor, per=per)


def trials(
    base: list[float], patched: list[float], *, topology: str = "two-node", per: float = 100
) -> list[TrialResult]:
    return [
        trial(spec(kernel, seed, topology=topology), {"store_rejects": value, "zswpwb": per})
        for kernel, values in ((BASE, base), (PATCHED, patched))
        for seed, value in enumerate(values, 1)
    ]


def only(which: Claim, done: list[TrialResult] | tuple[TrialResult, ...]) -> ClaimResult:
    (result,) = judge_claims([which], (scenario(),), done)
    return result


@pytest.mark.parametrize(
    ("base", "patched", "status"),
    [
        ([1000, 1010, 990], [50, 49, 51], ClaimStatus.CONFIRMED),
        ([1000, 1000, 1000], [100, 100, 100], ClaimStatus.CONFIRMED),
        ([1000, 1010, 990], [500, 510, 490], ClaimStatus.REFUTED),
        ([1000, 1010, 990], [2000, 2100, 1900], ClaimStatus.REFUTED),
        ([1000, 4000, 300], [50, 90, 60], ClaimStatus.UNCLEAR),
        ([1000, 1000], [0, 0], ClaimStatus.CONFIRMED),
        ([1000], [50], ClaimStatus.UNCLEAR),
        ([0, 0], [0, 0], ClaimStatus.UNCLEAR),
    ],
)
def test_factor_over_some_seeds(base: list[float], patched: list[float], status: ClaimStatus) -> None:
    assert only(tenfold(), trials(base, patched)).status is status


def test_figures_have_values_factor_and_interval() -> None:
    result = only(tenfold(per="zswpwb"), trials([1000, 1000, 1000], [50, 50, 50]))
    values, factor = result.figures[0].split("; ")
    assert values == "memcg-limit on two-node: store_rejects per zswpwb 10 on base, 0.5 patched, 3 seeds"
    assert factor == "falls by a factor of 20, 95 % interval 20 to 20"


def test_ratio_without_a_divisor_is_untested() -> None:
    assert only(tenfold(per="zswpwb"), trials([9, 9], [1, 1], per=0)).status is ClaimStatus.UNTESTED


def test_claim_has_to_hold_on_each_topology_that_fits_its_pattern() -> None:
    both = [*trials([1000, 1000], [10, 10]), *trials([1000, 1000], [900, 900], topology="one-node")]
    assert only(tenfold(), both).status is ClaimStatus.REFUTED
    assert len(only(tenfold(), both).figures) == 2
    assert only(claim(sense=Sense.FALLS, factor=10, topology="two*"), both).status is ClaimStatus.CONFIRMED


@pytest.mark.parametrize(
    ("bounds", "status"),
    [
        ({"at_most": 0.0}, ClaimStatus.CONFIRMED),
        ({"at_least": 1.0}, ClaimStatus.REFUTED),
        ({"at_least": 0.0, "at_most": 10.0}, ClaimStatus.CONFIRMED),
    ],
)
def test_bound_is_about_every_seed(bounds: dict[str, float], status: ClaimStatus) -> None:
    assert only(claim("written_back@node1", topology="two-node", **bounds), a2_trials()).status is status
    assert only(claim(at_most=60), trials([1, 1, 1], [50, 60, 70])).status is ClaimStatus.REFUTED


def test_claim_about_what_did_not_run_or_is_not_there_is_untested() -> None:
    assert only(claim(at_most=0, topology="four-node"), a2_trials()).status is ClaimStatus.UNTESTED
    assert only(claim("decompress_fail", at_most=0), a2_trials()).status is ClaimStatus.UNTESTED
    assert only(tenfold(), []).figures == ("no pair of trials of base and patched tells of it",)


def test_shipped_claims_on_the_batch_writeback_patch_can_be_read() -> None:
    calls, node = read_claims([SHIPPED], scenarios=scenarios(), topologies=topologies())
    assert (calls.metric, calls.per, calls.sense, calls.factor) == ("shrink_memcg.calls", "zswpwb", Sense.FALLS, 10)
    assert only(node, a2_trials()).status is ClaimStatus.CONFIRMED
