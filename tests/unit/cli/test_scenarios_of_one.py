"""``orchestrator scenarios NAME``: all that a scenario.toml says, for a person and for a machine."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from orchestrator.cli.app import app
from orchestrator.config.scenarios import scenarios


@pytest.fixture(autouse=True)
def nothing_of_the_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "80")


def text_of(name: str) -> str:
    return CliRunner().invoke(app, ["scenarios", name]).stdout


def rows_of(name: str) -> list[list[str]]:
    return [line.split() for line in text_of(name).splitlines()]


def json_of(name: str) -> dict[str, Any]:
    (found,) = json.loads(CliRunner().invoke(app, ["scenarios", name, "--json"]).stdout)
    assert isinstance(found, dict)
    return found


def metric_of(found: Mapping[str, Any], name: str) -> dict[str, Any]:
    return next(metric for metric in found["metrics"] if metric["name"] == name)


@pytest.mark.parametrize("name", list(scenarios()))
def test_text_when_a_scenario_is_named_then_has_every_line_of_its_workloads_whole(name: str) -> None:
    lines = text_of(name).splitlines()
    scenario = scenarios()[name]
    workloads = [*scenario.workload, *(line for process in scenario.processes for line in process.workload)]
    assert [line for line in workloads if f"  {line}" not in lines] == []
    for process in scenario.processes:
        assert [line for line in lines if line.startswith(f"process {process.name} in {process.memcg}")] != []


def test_text_when_a_scenario_is_named_then_has_its_kernel_tracing_selftests_and_samples() -> None:
    assert ["kernel", "7.0", "or", "later,", "CONFIG_HOTPLUG_CPU"] in rows_of("offline-cursor")
    assert ["tracing", "latency"] in rows_of("slow-swap")
    assert ["selftests", "cgroup/test_zswap,", "cgroup/test_memcontrol"] in rows_of("selftests")
    assert "  at freed  " in text_of("offline-cursor")
    assert "  few to one  " in text_of("second-chance")
    assert "  whole trial  " in text_of("slow-swap")


@pytest.mark.parametrize("name", list(scenarios()))
def test_json_when_a_scenario_is_named_then_has_what_runs_and_what_is_traced(name: str) -> None:
    found, scenario = json_of(name), scenarios()[name]
    assert found["workload"] == list(scenario.workload)
    assert [process["workload"] for process in found["processes"]] == [
        list(each.workload) for each in scenario.processes
    ]
    assert (found["selftests"], found["tracing"]) == (list(scenario.selftests), list(scenario.tracing))


def test_json_when_a_scenario_has_processes_then_says_where_how_often_and_what_may_happen_to_them() -> None:
    (process,) = json_of("offline-cursor")["processes"]
    assert {key: process[key] for key in ("name", "memcg", "copies", "may_be_killed")} == {
        "name": "doomed",
        "memcg": "doomed.0",
        "copies": 1,
        "may_be_killed": True,
    }


def test_json_when_a_metric_is_read_at_samples_then_names_them_as_the_file_does() -> None:
    chance, slow = json_of("second-chance"), json_of("slow-swap")
    evicted = next(metric for metric in chance["metrics"] if metric.get("from") == "few")
    assert (evicted["to"], "at" in evicted) == ("one", False)
    assert metric_of(slow, "under_writeback")["at"] == "pressed"
    assert {"from", "to", "at"} & metric_of(slow, "store_p99").keys() == set()


def test_json_when_a_scenario_needs_a_kernel_or_few_cpus_then_says_so() -> None:
    needs = json_of("offline-cursor")["requires"]
    assert (needs["at_most_cpus"], needs["since"], needs["config"]) == (2, "7.0", ["CONFIG_HOTPLUG_CPU"])
    assert (json_of("memcg-limit")["requires"]["at_most_cpus"], json_of("memcg-limit")["requires"]["since"]) == (
        None,
        "",
    )
