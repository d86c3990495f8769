"""Trials on real machines: sealed ones repeat bit for bit, live ones are watched while they run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.command import LINUX, MAIL, PLAIN, REPOSITORY, Outcome, orchestrator, small_test

pytestmark = pytest.mark.qemu


def by_id(outcome: Outcome) -> dict[str, dict[str, Any]]:
    return {trial["id"]: trial for trial in outcome.record["trials"]}


@pytest.fixture
def busy_host() -> Iterator[None]:
    """Two busy processes a CPU, while the test runs."""
    count = 2 * len(os.sched_getaffinity(0))
    children = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    yield
    for child in children:
        child.kill()
        child.wait()


@pytest.mark.usefixtures("busy_host")
def test_sealed_trial_twice_gives_the_same_digest_also_on_a_busy_host(main_run: Outcome, tmp_path: Path) -> None:
    again = small_test("--again", results=tmp_path)
    first, second = by_id(main_run), by_id(again)
    assert {name: trial["digest"] for name, trial in first.items()} == {
        name: trial["digest"] for name, trial in second.items()
    }
    for trial in second.values():
        assert {"name": "repeatable", "status": "PASS"}.items() <= next(
            check for check in trial["checks"] if check["name"] == "repeatable"
        ).items()


def test_sweep_runs_each_setting_and_compares_them_in_a_table(tmp_path: Path) -> None:
    outcome = small_test("--sweep", "compressor=lzo,zstd,lz4hc", results=tmp_path)
    assert outcome.status == 0, outcome.stderr
    trials = by_id(outcome)
    settings = {name: f"memcg-limit+compressor={name}-two-node" for name in ("lzo", "zstd", "lz4hc")}
    assert {trials[f"{settings['lz4hc']}-{kernel}-s1"]["status"] for kernel in ("base", "patched")} == {"SKIP"}
    not_covered = outcome.record["verdict"]["not_covered"]
    (said,) = [line for line in not_covered if line.startswith(f"{settings['lz4hc']}-base-s1: SKIP")]
    assert said.endswith("this kernel has no compressor lz4hc")
    stored = [trials[f"{settings[name]}-base-s1"]["metrics"]["stored_pages"] for name in ("lzo", "zstd")]
    assert stored[0] < stored[1], "zstd gets more pages into the same limit"
    assert "memcg-limit on two-node, by compressor (base → patched)" in outcome.stdout


def test_every_topology_is_read_back_as_it_was_asked_for(tmp_path: Path) -> None:
    outcome = orchestrator(
        "test", MAIL, "--linux", LINUX, *PLAIN, "--scenario", "pool-limit", "--topology", "one-node", "--topology", "four-node",
        "--seeds", "1", results=tmp_path,
    )  # fmt: skip
    assert outcome.status == 0, outcome.stderr
    for trial in outcome.record["trials"]:
        topology = next(check for check in trial["checks"] if check["name"] == "topology")
        assert topology["status"] == "PASS", topology
    seen = by_id(outcome)["pool-limit-four-node-base-s1"]["metrics"]
    assert {f"written_back@node{node}" for node in range(4)} <= seen.keys()


def test_trial_that_was_done_is_answered_from_the_cache(main_run: Outcome, tmp_path: Path) -> None:
    outcome = small_test(results=tmp_path)
    assert all(trial["cached"] for trial in outcome.record["trials"])
    assert {trial["digest"] for trial in outcome.record["trials"]} == {
        trial["digest"] for trial in main_run.record["trials"]
    }


def test_live_trial_is_driven_and_sampled_over_ssh(tmp_path: Path) -> None:
    outcome = small_test("--live", results=tmp_path)
    # Two live trials of one seed decide nothing; that they ran is what is looked at.
    assert outcome.status in {0, 3}, outcome.stderr
    trial = by_id(outcome)["memcg-limit-two-node-base-s1-live"]
    assert trial["status"] == "PASS", trial
    assert trial["metrics"]["zswpout"] > 4096
    lines = (outcome.folder / "trials" / trial["id"] / "live.jsonl").read_text().splitlines()
    samples = [json.loads(line) for line in lines]
    assert samples[-1]["counters"]["zswpout"] > samples[0]["counters"]["zswpout"]
    assert outcome.record["environment"]["accelerator"] in {"tcg", "kvm"}
    assert outcome.record["environment"]["accelerator_reason"]


def test_installed_package_works_away_from_the_checkout(main_run: Outcome, tmp_path: Path) -> None:
    target = tmp_path / "installed"
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(target), str(REPOSITORY)],
        check=True,
    )
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    environment = {**os.environ, "PYTHONPATH": str(target)}
    done = subprocess.run(
        [
            sys.executable, "-P", "-m", "orchestrator", "test", str(MAIL), "--linux", LINUX, *PLAIN, "--scenario", "memcg-limit",
            "--topology", "two-node", "--seeds", "1",
        ],
        cwd=elsewhere, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    where = subprocess.run(
        [sys.executable, "-P", "-c", "from orchestrator.config.locations import kconfigs_folder as f; print(f())"],
        cwd=elsewhere, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert Path(where.stdout.strip()).is_relative_to(target)
    # The same content has the same keys: everything was found in the cache.
    outcome = Outcome(done.returncode, done.stdout, done.stderr, elsewhere / "results")
    assert all(trial["cached"] for trial in outcome.record["trials"])
