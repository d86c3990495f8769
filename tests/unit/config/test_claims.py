"""Files of claims: what they may say, and that every mistake is told with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.config.catalog import topologies
from orchestrator.config.claims import read_claims
from orchestrator.config.scenarios import scenarios
from orchestrator.errors import UserError
from tests.command import REPOSITORY

GOOD = (REPOSITORY / "docs/claims/batch-writeback.toml").read_text()


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('scenario = "pool-limit"', 'scenario = "pool"', "there is no scenario 'pool'"),
        ('metric = "shrink_memcg.calls"', 'metric = "calls"', "pool-limit has no metric 'calls'"),
        ('per = "zswpwb"', 'per = "x"', "pool-limit has no metric 'x'"),
        ('topology = "two-node"', 'topology = "zwei"', "there is no topology 'zwei'"),
        ("factor = 10", "factor = 0.1", "greater than or equal to 1"),
        ("factor = 10", "", "direction and factor go together"),
        ("at_most = 0", "", "needs either direction and factor, or at_least and at_most"),
        ("at_most = 0", "at_most = nan", "finite"),
        ("at_most = 0", "at_mots = 0", "at_mots"),
        ('"falls"', '"sinks"', "direction"),
    ],
)
def test_claims_file_when_something_is_wrong_then_line_and_mistake_are_told(
    old: str, new: str, says: str, tmp_path: Path
) -> None:
    path = tmp_path / "claims.toml"
    path.write_text(GOOD.replace(old, new))
    with pytest.raises(UserError) as caught:
        read_claims([path], scenarios=scenarios(), topologies=topologies())
    assert says in caught.value.message
    assert f"{path}:" in caught.value.message


@pytest.mark.parametrize("text", ["", "claim = 3", "[[claim"])
def test_claims_file_when_it_holds_no_claims_then_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "claims.toml"
    path.write_text(text)
    with pytest.raises(UserError):
        read_claims([path], scenarios=scenarios(), topologies=topologies())
    with pytest.raises(UserError):
        read_claims([tmp_path / "none.toml"], scenarios=scenarios(), topologies=topologies())
