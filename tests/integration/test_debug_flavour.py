"""The debug flavour: what only the kernel's own checks can see is found, and base has none of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.command import LINUX, PLAIN, REPOSITORY, orchestrator

pytestmark = pytest.mark.qemu

LEAK = REPOSITORY / "bench/mutations/known-bad/kmemcache-leak.diff"
"""No counter of zswap knows of an entry that was never stored and is not freed."""


def test_memory_that_nothing_points_at_is_found_at_the_trials_end(tmp_path: Path) -> None:
    outcome = orchestrator(
        "test", LEAK, "--linux", LINUX, "--flavour", "debug", *PLAIN, "--scenario", "fault-store",
        "--topology", "one-node", "--seeds", "1", results=tmp_path,
    )  # fmt: skip
    # Base's word on other seeds is asked for as well before a patch is blamed.
    trials = {(trial["kernel"], trial["seed"]): trial for trial in outcome.record["trials"]}
    base, patched = trials["base", 1], trials["patched", 1]
    said = {check["name"]: (check["status"], check["message"]) for check in base["checks"]}
    assert base["status"] == "PASS", base["message"]
    assert said["kmemleak"][0] == "PASS"
    leaks = [check for check in patched["checks"] if check["name"] == "kernel log: kmemleak"]
    assert [check["fingerprint"].split("|")[:2] for check in leaks] == [["kmemleak", "zswap_store"]], leaks
    assert (outcome.status, outcome.record["verdict"]["outcome"]) == (1, "REGRESSION")
