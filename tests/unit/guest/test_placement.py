"""What a workload puts on which nodes, line by line."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from orchestrator.config.catalog import topologies
from orchestrator.config.scenarios import scenarios
from orchestrator.guest.placement import most_within, stages_of
from orchestrator.guest.workload import jobs_of

MIB = 1 << 20
TEXT = """
region first size=8M node=0  # region none size=1G node=0
region both size=0x10M interleave=0,0x1
region loose size=32M content=text
step fill first
step free first
region late size=1M node=0
step move both node=1
step move late interleave=0,1
"""


def on(*nodes: int, text: str = TEXT) -> float:
    return most_within(stages_of(text), frozenset(nodes)) / MIB


def test_most_within_when_regions_come_move_and_go_then_is_the_peak_of_what_can_lie_nowhere_else() -> None:
    assert (on(0), on(1), on(0, 1), on(2)) == (8, 16, 24, 0)


def test_most_within_when_a_region_was_freed_before_the_next_then_they_are_not_added_up() -> None:
    text = "region a size=8M node=0\nstep free a\nregion b size=9M node=0\n"
    assert (on(0, text=text), on(0, text=text.replace("step free a\n", ""))) == (9, 17)


def test_stages_when_a_region_moves_then_the_step_is_the_line_that_put_it_there() -> None:
    stages = stages_of(TEXT)
    assert [(len(stage), sorted((placed.line, sorted(placed.nodes)) for placed in stage)) for stage in stages[-2:]] == [
        (3, [(4, []), (7, [0]), (8, [1])]),
        (3, [(4, []), (8, [1]), (9, [0, 1])]),
    ]


@pytest.mark.parametrize("name", list(scenarios()))
def test_stages_when_a_scenario_is_shipped_then_are_what_mempress_reads(
    name: str, mempress: Path, tmp_path: Path
) -> None:
    workload = tmp_path / "workload"
    for job in jobs_of(scenarios()[name], topologies()["one-node" if name != "numa-migrate" else "two-node"]):
        workload.write_text(job.text)
        said = json.loads(subprocess.run([mempress, "--check", workload], capture_output=True, check=True).stdout)
        stages = stages_of(job.text)
        assert max((sum(placed.size for placed in stage) for stage in stages), default=0) == said["bytes"]
        assert sorted({node for stage in stages for placed in stage for node in placed.nodes}) == said["nodes"]
