"""A run on a topology of the user's own: its plan holds the topology itself, so that going on needs no file."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from orchestrator.config.topologies import choose_topologies
from orchestrator.errors import UserError
from orchestrator.host.steps import Steps
from orchestrator.intake.reader import Wanted
from orchestrator.pipeline import TestRequest, profile_named, start_run
from orchestrator.plan import narrowed

PATCH = Path(__file__).parents[2] / "data" / "mail" / "01-comment-only.diff"
OWN = """
[two-node]
what_for = "mine"
nodes = [{ memory_mib = 700, cpus = 1 }, { memory_mib = 500, cpus = 2 }]
distances = [[10, 33], [33, 10]]

[small]
what_for = "mine, and too small"
nodes = [{ memory_mib = 200, cpus = 1 }]
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of topologies, and no other one of the user's."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    path = tmp_path / "own.toml"
    path.write_text(OWN)
    return path


def request(own: Path, *topologies: str) -> TestRequest:
    return TestRequest(
        wanted=Wanted(inputs=(str(PATCH),)),
        linux="linux-7.2",
        base_rev=None,
        profile=narrowed(profile_named("demo"), scenarios=("memcg-limit",), topologies=topologies, seeds=1),
        sealed=True,
        sandbox=True,
        accelerator="auto",
        again=False,
        results=own.parent / "results",
        topologies=choose_topologies(own).topologies,
    )


def test_run_when_planned_on_an_own_topology_then_the_plan_holds_it_whole(own: Path) -> None:
    wanted = request(own, "two-node", "four-node")
    run = start_run(wanted, steps=Steps(), now=lambda: dt.datetime.now(dt.UTC))
    assert run.read_plan().topologies == (wanted.topologies["two-node"], wanted.topologies["four-node"])
    assert run.read_plan().topologies[0].memory_mib == 1200


def test_run_when_the_scenario_does_not_fit_an_own_topology_then_is_refused_before_anything_is_done(own: Path) -> None:
    with pytest.raises(UserError, match="needs 1024 MiB, and there are 200"):
        start_run(request(own, "small"), steps=Steps(), now=lambda: dt.datetime.now(dt.UTC))
    assert not (own.parent / "results").exists()
