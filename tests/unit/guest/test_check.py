"""Workloads that cannot run on a topology: found with the line of scenario.toml, before anything boots."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from orchestrator.config.catalog import topologies
from orchestrator.config.scenarios import read_scenario, scenarios
from orchestrator.config.toml_places import place_in
from orchestrator.guest.check import NODE_RESERVED_MIB, RESERVED_MIB, WorkloadMistake, check_workloads
from orchestrator.host.deadline import Cancellation
from orchestrator.model.scenario import Scenario
from orchestrator.model.topology import Node, Topology

SCENARIO = """what_for = "a test"
memory_mib = 64
timeout_s = 10
memcgs = ["load", "other", "copy.{0..1}"]
enters = ["zswap_store"]
workload = [
  "region book size=8M node={first} content=text",
  # so that lines and indices are not the same
  "step fill book",
  "step pageout book",
]

[[process]]
name = "aside"
memcg = "other"
workload = ["step wait /run/go"]

[[process]]
name = "copies"
memcg = "copy.{n}"
copies = 2
workload = [
  "region all size=4M interleave={all}",
  "step fill all",
]
"""
BOOK = '"region book size=8M node={first} content=text"'
FILL = '"step fill book"'
ASIDE = '"step wait /run/go"'
ALL = '"region all size=4M interleave={all}"'

UNEVEN = Topology(
    name="odd",
    what_for="a test",
    nodes=tuple(Node(memory_mib=each, cpus=1) for each in (256, 128, 0, 128)),
    distances=((10,) * 4,) * 4,
)


@pytest.fixture
def found(sources: Path, tools_cache: Path) -> Callable[[Scenario, Topology], Sequence[WorkloadMistake]]:
    def check(scenario: Scenario, topology: Topology) -> Sequence[WorkloadMistake]:
        return check_workloads(
            scenario, topology, scripts=sources.parent, cache=tools_cache, cancellation=Cancellation()
        )

    return check


@pytest.fixture
def told(
    found: Callable[[Scenario, Topology], Sequence[WorkloadMistake]], tmp_path: Path
) -> Callable[[str], list[tuple[int, str]]]:
    """What is wrong with a scenario.toml of that text on UNEVEN: lines and words."""

    def check(text: str) -> list[tuple[int, str]]:
        (tmp_path / "scenario.toml").write_text(text)
        (tmp_path / "run.sh").write_text("setup() { :; }\n")
        mistakes = found(read_scenario(tmp_path, {}), UNEVEN)
        return [(place_in(text, mistake.key), mistake.says) for mistake in mistakes]

    return check


def line_of(words: str, text: str) -> int:
    return text.count("\n", 0, text.index(words)) + 1


def test_workloads_when_they_can_run_then_nothing_is_told(told: Callable[[str], list[tuple[int, str]]]) -> None:
    assert told(SCENARIO) == []


@pytest.mark.parametrize(
    ("there", "instead", "says"),
    [
        pytest.param(
            BOOK, '"region book size=600M"', "the workloads map 608 MiB, and odd has 416 MiB to give", id="all"
        ),
        pytest.param(
            BOOK,
            '"region book size=100M node=1"',
            "the workloads put 100 MiB on node 1, which has 96 MiB to give on odd",
            id="one-node",
        ),
        pytest.param(
            ALL,
            '"region all size=100M interleave=3,1"',
            "the workloads put 200 MiB on nodes 1, 3, which have 192 MiB to give on odd",
            id="several-nodes-and-processes",
        ),
        pytest.param(
            FILL,
            '"region far size=100M node=0", "step move far node=1"',
            "the workloads put 100 MiB on node 1, which has 96 MiB to give on odd",
            id="moved-there",
        ),
        pytest.param(ALL, '"region all size=4M node=7"', "there is no node 7 on odd", id="no-such-node"),
        pytest.param(BOOK, '"region book size=8M interleave=0,2"', "node 2 has no memory on odd", id="memoryless"),
        pytest.param(FILL, '"step move book node=2"', "node 2 has no memory on odd", id="moved-to-a-memoryless-node"),
        pytest.param(ASIDE, '"step dance"', "unknown step dance", id="unknown-step"),
        pytest.param(FILL, '"step fill look"', "region look is not declared above", id="unknown-region"),
        pytest.param(
            FILL, '"step fill book node={middle}"', "unknown placeholder in 'step fill book", id="placeholder"
        ),
        pytest.param(ALL, '"region all size={big}"', "unknown placeholder in 'region all", id="of-a-process"),
    ],
)
def test_workloads_when_one_cannot_run_then_its_line_is_told_once(
    there: str, instead: str, says: str, told: Callable[[str], list[tuple[int, str]]]
) -> None:
    text = SCENARIO.replace(there, instead)
    (mistake,) = told(text)
    assert (mistake[0], mistake[1].startswith(says)) == (line_of(instead, text), True), mistake


def test_workloads_when_they_just_fit_then_nothing_is_told(told: Callable[[str], list[tuple[int, str]]]) -> None:
    node = UNEVEN.nodes[1].memory_mib - NODE_RESERVED_MIB
    loose = UNEVEN.memory_mib - RESERVED_MIB - node - 8
    text = SCENARIO.replace(BOOK, f'"region book size={node}M node=1", "region loose size={loose}M"')
    assert told(text) == []
    assert [line for line, _ in told(text.replace(f"{node}M", f"{node + 1}M"))] == [line_of("region book", text)]
    (total,) = told(text.replace(f"{loose}M", f"{loose + 1}M"))
    assert total == (line_of("region loose", text), "the workloads map 417 MiB, and odd has 416 MiB to give")


def test_workloads_when_several_are_wrong_then_all_are_told(told: Callable[[str], list[tuple[int, str]]]) -> None:
    text = SCENARIO.replace(ASIDE, '"step dance"').replace("node={first}", "node=9")
    assert sorted(told(text)) == [
        (line_of("region book", text), "there is no node 9 on odd"),
        (line_of("step dance", text), "unknown step dance"),
    ]


@pytest.mark.parametrize("name", list(scenarios()))
def test_scenario_when_shipped_then_it_can_run_wherever_it_is_planned(
    name: str, found: Callable[[Scenario, Topology], Sequence[WorkloadMistake]]
) -> None:
    planned = [topology for topology in topologies().values() if not scenarios()[name].misfit(topology)]
    assert {topology.name: found(scenarios()[name], topology) for topology in planned} == dict.fromkeys(
        (topology.name for topology in planned), ()
    )
