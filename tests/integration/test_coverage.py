"""Which lines of the real patch run in a real guest, checked against the kernel's own probes in the same trial."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.command import LINUX, MAIL, orchestrator

pytestmark = pytest.mark.qemu


def test_batch_writeback_when_one_scenario_runs_then_its_lines_ran_as_often_as_its_functions_were_entered(
    tmp_path: Path,
) -> None:
    outcome = orchestrator(
        "test", MAIL, "--linux", LINUX, "--no-perturbed", "--coverage", "--scenario", "memcg-limit",
        "--topology", "two-node", "--seeds", "1", "--again", results=tmp_path,
    )  # fmt: skip
    coverage = outcome.record["coverage"]
    assert coverage["reason"] == "", outcome.stderr
    assert coverage["gaps"] == []
    assert coverage["trials"] == ["memcg-limit-two-node-patched-s1"]
    lines: dict[str, Any] = {line["text"]: line for line in coverage["lines"]}

    # The patch adds 69 lines, most of them comments, declarations and braces. What works with one node at a time runs
    # where a memory cgroup comes to its limit; the worker of the pool's limit, and a swap slot freed meanwhile, do not.
    ran = [line for line in coverage["lines"] if line["state"] == "executed"]
    assert 20 <= len(coverage["lines"]) <= 30
    assert 12 <= len(ran) <= 20
    assert all(line["path"] == "mm/zswap.c" for line in coverage["lines"])
    assert lines["nr_remaining -= nr_to_walk;"]["state"] == "executed"
    for text in (
        "if (writeback_result == -EEXIST) {",
        "ret = shrink_memcg(memcg, NR_ZSWAP_WB_BATCH);",
    ):
        assert (lines[text]["state"], lines[text]["calls"]) == ("not executed", 0)

    # Kprobes counted the same calls in the same guest, by another way altogether.
    record = outcome.folder / "coverage/trials/memcg-limit-two-node-patched-s1/result.json"
    calls = json.loads(record.read_text())["calls"]
    assert lines["struct zswap_shrink_walk_arg *walk_arg = arg;"]["calls"] == calls["shrink_memcg_cb"] > 1000
    entry = next(line for text, line in lines.items() if text.startswith("static long shrink_memcg("))
    assert entry["calls"] == calls["shrink_memcg"] > 1000

    said = f"{len(ran)} of {len(coverage['lines'])} changed lines ran"
    assert any(said in sentence for sentence in outcome.record["verdict"]["sentences"])
    assert said in outcome.stdout
    assert said in (outcome.folder / "junit.xml").read_text()
    assert any("not executed" in line for line in outcome.record["verdict"]["not_covered"])
