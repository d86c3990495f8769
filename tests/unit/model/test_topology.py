"""Room on node 0 for what a debug kernel keeps."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.config.catalog import topologies
from orchestrator.model.topology import BLOCK_MIB, IMAGE_MIB, Node, Topology


def of(sizes: list[int]) -> Topology:
    nodes = tuple(Node(memory_mib=size, cpus=1) for size in sizes)
    return Topology(name="t", what_for="", nodes=nodes, distances=())


@given(
    st.lists(st.integers(min_value=1, max_value=1 << 16), min_size=1, max_size=8),
    st.integers(min_value=2, max_value=64),
)
def test_with_shadow_when_the_kernel_takes_its_share_then_node_0_keeps_what_it_had(
    sizes: list[int], share: int
) -> None:
    before, after = of(sizes), of(sizes).with_shadow(share)
    kept = after.memory_mib // share + IMAGE_MIB
    assert after.nodes[0].memory_mib - kept >= before.nodes[0].memory_mib - 1
    assert after.nodes[1:] == before.nodes[1:]


@pytest.mark.parametrize("name", list(topologies()))
def test_with_shadow_when_shipped_then_blocks_begin_where_nodes_do(name: str) -> None:
    topology = topologies()[name]
    assert (topology.with_shadow(8).memory_mib - topology.memory_mib) % BLOCK_MIB == 0
    assert topology.with_shadow(0) is topology
