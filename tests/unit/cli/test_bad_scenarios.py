"""``orchestrator test`` with a scenario that cannot run: exit 2 with file and line, and nothing was begun."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from orchestrator.cli.app import app
from orchestrator.config import scenarios as reading

PATCH = Path(__file__).parents[2] / "data" / "mail" / "01-comment-only.diff"

SCENARIO = """what_for = "a test"
memory_mib = 64
timeout_s = 10
memcgs = ["load"]
enters = ["zswap_store"]
metrics = []
workload = [
  "region book size=8M node={first}",
  "step fill book",
]
[[process]]
name = "aside"
memcg = "load"
workload = ["step sleep 1"]
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of the only scenario that there is, ``odd``, and nothing of the user's."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(reading, "guest_scripts_folder", lambda: tmp_path / "guest")
    reading.scenarios.cache_clear()
    folder = tmp_path / "guest" / "scenarios" / "odd"
    folder.mkdir(parents=True)
    (folder / "run.sh").write_text("setup() { :; }\n")
    (folder / "scenario.toml").write_text(SCENARIO)
    yield folder
    reading.scenarios.cache_clear()


def tried(results: Path, *words: str) -> Result:
    argv = ["test", str(PATCH), "--linux", "linux-7.2", "--scenario", "odd", *words, "--results", str(results)]
    return CliRunner().invoke(app, argv)


@pytest.mark.parametrize(
    ("there", "instead", "says"),
    [
        ("memory_mib = 64", "memory_mib = 64\nmuch = 1", "scenario.toml:3: much: Extra inputs are not permitted"),
        ("metrics = []", 'metrics = ["zswpxx"]', "scenario.toml:6: metrics.0: there is no shared metric"),
        (
            "[[process]]",
            "[invariants]\nexcept = { I99 = 'x' }\n[[process]]",
            "scenario.toml:12: invariants.except.I99: ",
        ),
        ("step fill book", "step hook fill", "scenario.toml:9: workload.1: run.sh has no hook_fill()"),
        ("size=8M", "size=2G", "scenario.toml:8: workload.0: the workloads put 2048 MiB on node 0, which has 480 MiB"),
        ("node={first}", "node={middle}", "scenario.toml:8: workload.0: unknown placeholder in"),
        ("step sleep 1", "step sleep long", "scenario.toml:14: process.0.workload.0: sleep long is not a number"),
        ("node={first}", "node=5", "scenario.toml:8: workload.0: there is no node 5 on two-node"),
    ],
)
def test_run_when_the_scenario_is_wrong_then_exit_2_names_the_line_and_no_run_is_there(
    there: str, instead: str, says: str, folder: Path, tmp_path: Path
) -> None:
    (folder / "scenario.toml").write_text(SCENARIO.replace(there, instead))
    done = tried(tmp_path / "results", "--topology", "two-node")
    assert (done.exit_code, f"{folder}/{says}" in done.stderr) == (2, True), done.stderr
    assert not (tmp_path / "results").exists()


def test_run_when_the_topology_is_unknown_then_exit_2_names_it_and_no_run_is_there(
    folder: Path, tmp_path: Path
) -> None:
    done = tried(tmp_path / "results", "--topology", "nine-node")
    assert (done.exit_code, "there is no topology 'nine-node'" in done.stderr) == (2, True), done.stderr
    assert not (tmp_path / "results").exists()


def test_run_when_the_script_has_no_set_up_then_exit_2_names_it_and_no_run_is_there(
    folder: Path, tmp_path: Path
) -> None:
    (folder / "run.sh").write_text("teardown() { :; }\n")
    done = tried(tmp_path / "results", "--topology", "two-node")
    assert (done.exit_code, f"{folder}/run.sh:1: there is no setup()" in done.stderr) == (2, True), done.stderr
    assert not (tmp_path / "results").exists()
