"""Workloads expanded for topologies: which nodes the regions lie on, and which steps are repeated."""

from __future__ import annotations

import pytest

from orchestrator.config.catalog import topologies
from orchestrator.errors import UserError
from orchestrator.guest.workload import MEETING, expand_workload
from orchestrator.model.topology import Node, Topology

LINES = (
    "region cold size=16M node={others}",
    "region flood size=64M node={first}",
    "region far size=1M node={last}",
    "step fill cold",
    "step fill flood",
)


def expanded(topology: Topology, lines: tuple[str, ...] = LINES) -> list[str]:
    return expand_workload(lines, topology)[0].splitlines()


def with_memory(*memory_mib: int) -> Topology:
    count = len(memory_mib)
    return Topology(
        name="test",
        what_for="a test",
        nodes=tuple(Node(memory_mib=each, cpus=1) for each in memory_mib),
        distances=((10,) * count,) * count,
    )


@pytest.mark.parametrize(
    ("topology", "expected"),
    [
        pytest.param(
            "one-node",
            [
                "region cold.0 size=16M node=0",
                "region flood size=64M node=0",
                "region far size=1M node=0",
                "step fill cold.0",
                "step fill flood",
            ],
            id="one-node",
        ),
        pytest.param(
            "two-node",
            [
                "region cold.1 size=16M node=1",
                "region flood size=64M node=0",
                "region far size=1M node=1",
                "step fill cold.1",
                "step fill flood",
            ],
            id="two-node",
        ),
        pytest.param(
            "four-node",
            [
                "region cold.1 size=16M node=1",
                "region cold.2 size=16M node=2",
                "region cold.3 size=16M node=3",
                "region flood size=64M node=0",
                "region far size=1M node=3",
                "step fill cold.1",
                "step fill cold.2",
                "step fill cold.3",
                "step fill flood",
            ],
            id="four-node",
        ),
    ],
)
def test_workload_when_expanded_then_every_placeholder_is_a_node_of_the_topology(
    topology: str, expected: list[str]
) -> None:
    assert expanded(topologies()[topology]) == [*expected, *MEETING]


def test_workload_when_a_node_has_no_memory_then_no_region_lies_on_it() -> None:
    lines = expanded(with_memory(512, 0, 512, 0))
    assert [line for line in lines if line.startswith("region")] == [
        "region cold.2 size=16M node=2",
        "region flood size=64M node=0",
        "region far size=1M node=2",
    ]


def test_workload_when_only_the_first_node_has_memory_then_others_is_that_one() -> None:
    assert expanded(with_memory(1024, 0))[0] == "region cold.0 size=16M node=0"


def test_workload_when_expanded_then_it_ends_at_the_meeting_point() -> None:
    assert expanded(with_memory(64))[-2:] == ["step barrier pressed", "step wait /run/pressed"]


def test_workload_when_a_step_names_no_copied_region_then_it_stays_as_it_is() -> None:
    assert "step sleep 100" in expanded(with_memory(64), ("step sleep 100",))


def test_workload_when_a_region_is_called_like_a_step_then_only_the_name_is_renamed() -> None:
    lines = expanded(with_memory(64, 64), ("region fill size=1M node={others}", "step fill fill pattern=seq"))
    assert lines[:2] == ["region fill.1 size=1M node=1", "step fill fill.1 pattern=seq"]


@pytest.mark.parametrize(
    "line",
    [
        "region far size=1M node={middle}",
        "step fill {others}",
        "region cold size=1M node={others} content={random}",
        "region {others}",
    ],
)
def test_workload_when_a_placeholder_is_unknown_or_misplaced_then_the_line_is_named(line: str) -> None:
    with pytest.raises(UserError) as caught:
        expanded(with_memory(64, 64), (line,))
    assert f"'{line}'" in caught.value.message
