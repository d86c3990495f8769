"""``orchestrator topologies`` and ``orchestrator scenarios``: what a person sees on 80 columns, and what a machine reads."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from orchestrator.cli.drawing import counted, cpu_range, drawn
from orchestrator.cli.scenarios import list_scenarios
from orchestrator.cli.topologies import list_topologies
from orchestrator.config.catalog import topologies
from orchestrator.config.scenarios import scenarios
from orchestrator.model.topology import Node, Topology

app = typer.Typer()
app.command("topologies")(list_topologies)
app.command("scenarios")(list_scenarios)

TWO_TIER = """
two-tier: two near nodes, and behind each a far one without CPUs: two tiers of
  memory, demotion from one to the other

  +----------------+ +----------------+ +----------------+ +----------------+
  | node 0         | | node 1         | | node 2         | | node 3         |
  | 256 MiB        | | 256 MiB        | | 256 MiB        | | 256 MiB        |
  | CPU 0          | | CPU 1          | | no CPU         | | no CPU         |
  | 80 ns          | | 80 ns          | | 250/300 ns     | | 250/300 ns     |
  +----------------+ +----------------+ +----------------+ +----------------+

  distance  to 0  to 1  to 2  to 3
  from 0      10    20    30    40
  from 1      20    10    40    30
  from 2      30    40    10    50
  from 3      40    30    50    10

  memory of  from CPUs of    read, write
  node 0     node 0          80 ns, 40960 MiB/s
  node 0     node 1          140 ns, 20480 MiB/s
  node 1     node 1          80 ns, 40960 MiB/s
  node 1     node 0          140 ns, 20480 MiB/s
  node 2     node 0          250/300 ns, 10240/8192 MiB/s
  node 2     node 1          330/380 ns, 8192/6144 MiB/s
  node 3     node 1          250/300 ns, 10240/8192 MiB/s
  node 3     node 0          330/380 ns, 8192/6144 MiB/s
"""


@pytest.fixture(autouse=True)
def nothing_of_the_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No topologies but the catalog's, and a terminal of 80 columns."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "80")


def command(*words: str | Path) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def test_drawing_when_made_then_shows_nodes_distances_and_ways() -> None:
    assert drawn(topologies()["two-tier"]) == TWO_TIER.strip().splitlines()


@pytest.mark.parametrize("name", list(topologies()))
def test_drawing_when_made_then_fits_80_columns_and_is_plain(name: str) -> None:
    lines = drawn(topologies()[name])
    assert [line for line in lines if len(line) > 80 or not line.isascii()] == []


@pytest.mark.parametrize("count", [9, 12, 16])
def test_drawing_when_there_are_many_nodes_then_still_fits(count: int) -> None:
    distances = tuple(tuple(10 if a == b else 254 for a in range(count)) for b in range(count))
    topology = Topology(
        name="many", what_for="x", nodes=(Node(memory_mib=1 << 20, cpus=1),) * count, distances=distances
    )
    lines = drawn(topology)
    assert max(len(line) for line in lines) <= 80
    assert sum("254" in line for line in lines) == count


def test_counted_when_values_repeat_then_are_told_once() -> None:
    assert (counted([256] * 4), counted([512, 0, 512]), counted([1, 0, 0])) == ("4 x 256", "512, 0, 512", "1, 2 x 0")


def test_cpu_range_when_there_is_one_then_is_no_range() -> None:
    assert (cpu_range((3,)), cpu_range((0, 1, 2))) == ("3", "0-2")


def test_topologies_when_listed_then_each_is_in_the_table_and_drawn() -> None:
    done = command("topologies")
    assert done.exit_code == 0
    for name, topology in topologies().items():
        assert f"\n{name} " in f"\n{done.stdout}"
        assert "\n".join(drawn(topology)) in done.stdout


def test_topologies_when_one_is_named_then_it_alone_is_drawn() -> None:
    assert command("topologies", "two-tier").stdout.strip() == TWO_TIER.strip()


def test_topologies_when_unknown_then_is_a_usage_error_with_those_there_are() -> None:
    done = command("topologies", "nine-node")
    assert (done.exit_code, "two-tier" in done.stderr) == (2, True)


def test_topologies_when_asked_for_json_then_say_all_that_the_model_has() -> None:
    found = {each["name"]: each for each in json.loads(command("topologies", "--json").stdout)}
    assert list(found) == list(topologies())
    far = found["two-tier"]["nodes"][3]
    assert (far["node"], far["memory_mib"], far["cpus"]) == (3, 256, [])
    assert far["accesses"][0] == {
        "initiator": 1,
        "read_latency_ns": 250,
        "write_latency_ns": 300,
        "read_bandwidth_mib_s": 10240,
        "write_bandwidth_mib_s": 8192,
    }
    assert found["many-cpus"]["nodes"][0]["cpus"] == list(range(8))
    assert found["asymmetric"]["distances"][1][0] == 40


def test_topologies_when_a_file_is_named_then_its_own_are_there_and_replaced_ones_are_said(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text('[one-node]\nwhat_for = "mine"\nnodes = [{ memory_mib = 300, cpus = 3 }]\n')
    done = command("topologies", "one-node", "--topologies", own)
    assert ("300 MiB" in done.stdout, done.stderr) == (True, f"note: topology 'one-node' is the one of {own}\n")


def test_topologies_when_the_file_is_wrong_then_line_and_mistake_are_told(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text('[mine]\nwhat_for = "mine"\nnodes = [\n  { memory_mib = 300 },\n]\n')
    done = command("topologies", "--topologies", own)
    assert (done.exit_code, f"{own}:4: mine.nodes.0.cpus: Field required" in done.stderr) == (2, True)


def test_scenarios_when_listed_then_each_is_there_and_nothing_is_too_wide() -> None:
    done = command("scenarios")
    assert done.exit_code == 0
    assert [name for name in scenarios() if f"\n{name} " not in f"\n{done.stdout}"] == []
    assert max(len(line) for line in done.stdout.splitlines()) <= 80


@pytest.mark.parametrize("name", list(scenarios()))
def test_scenario_when_named_then_what_it_measures_and_must_reach_is_told(name: str) -> None:
    text = command("scenarios", name).stdout
    scenario = scenarios()[name]
    assert [metric.name for metric in scenario.metrics if metric.name not in text] == []
    assert [must.metric for must in scenario.musts if f"must: {must.metric} " not in text] == []


def test_scenarios_when_asked_for_json_then_say_where_each_runs_and_why_not_elsewhere() -> None:
    found = {each["name"]: each for each in json.loads(command("scenarios", "--json").stdout)}
    assert list(found) == list(scenarios())
    for name, each in found.items():
        expected = {where: scenarios()[name].misfit(topology) for where, topology in topologies().items()}
        assert each["topologies"] == expected
        assert [metric["name"] for metric in each["metrics"]] == [metric.name for metric in scenarios()[name].metrics]


def test_scenarios_when_unknown_then_is_a_usage_error() -> None:
    done = command("scenarios", "nonsense")
    assert (done.exit_code, "memcg-limit" in done.stderr) == (2, True)
