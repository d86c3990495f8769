"""docs/scenarios.md keeps up with the scenarios and the paths."""

from __future__ import annotations

import re
from pathlib import Path

from orchestrator.config.scenarios import scenarios
from orchestrator.model.scenario import PATHS

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "scenarios.md").read_text()


def first_cells(heading: str) -> list[str]:
    """The first column of the table below a heading."""
    part = PAGE.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    return [cell.strip("` ") for cell in re.findall(r"^\| ([^|]+) \|", part, re.MULTILINE)][2:]


def test_page_when_read_then_has_a_row_for_each_scenario_in_order() -> None:
    assert first_cells("Scenarios") == sorted(scenarios())


def test_page_when_read_then_has_a_row_for_each_path_in_order() -> None:
    assert first_cells("Paths") == list(PATHS)


def test_page_when_read_then_each_path_names_scenarios_that_say_so() -> None:
    rows = re.findall(r"^\| ([^|]+) \|[^|]+\|[^|]+\| ([^|]+) \|$", PAGE, re.MULTILINE)
    for path, named in [(path, named) for path, named in rows if path in PATHS]:
        taking = {name for name, scenario in scenarios().items() if path in scenario.paths}
        excepted = set(named.removeprefix("all but ").split(", ")) if named.startswith("all but ") else set()
        shown = set(scenarios()) - excepted if named.startswith("all") else set(named.split(", "))
        assert shown == taking, path


def test_every_path_when_looked_for_then_some_scenario_takes_it() -> None:
    assert {path for scenario in scenarios().values() for path in scenario.paths} == set(PATHS)


PROVEN_BY = {
    "swap-out entry": "zswap_store", "store": "zswap_store", "load": "zswap_load", "invalidate": "zswap_invalidate",
    "global writeback": "shrink_worker", "memcg limit writeback": "shrink_memcg",
    "dynamic shrinker": "zswap_shrinker_count", "memcg offline": "zswap_memcg_offline_cleanup",
    "compressor switch": "zswap_compressor_param_set", "swapoff": "zswap_swapoff",
    "CPU hotplug": "zswap_cpu_comp_prepare",
}  # fmt: skip
"""The function that a trial on a path has to enter; of the other paths no function is left to be probed: counters show them."""


def test_every_scenario_when_it_claims_a_path_then_its_trials_have_to_enter_it() -> None:
    unproven = {
        (name, path)
        for name, scenario in scenarios().items()
        for path in scenario.paths
        if path in PROVEN_BY and PROVEN_BY[path] not in scenario.enters
    }
    assert unproven == set()
