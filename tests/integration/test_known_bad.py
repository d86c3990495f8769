"""Patches that are known to break zswap: each is shown by the scenario that docs/known-bad.md names, in its words."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.command import LINUX, PLAIN, REPOSITORY, Outcome, orchestrator

pytestmark = pytest.mark.qemu

PATCHES = REPOSITORY / "tests/data/patches/known-bad"


@dataclass(frozen=True)
class KnownBad:
    """A patch, the trial that shows it, and what is said: by a check that fails, or by a metric that changes."""

    patch: str
    scenario: str
    topology: str
    says: str
    check: str = ""
    metric: str = ""


KNOWN_BAD = (
    KnownBad(
        "01-load-no-redirty", "read-again", "one-node",
        says="pages read back had wrong content", check="integrity",
    ),
    KnownBad(
        "05-invalidate-first-only", "churn", "one-node",
        says="more than the swap slots in use", check="invariant I15 entries have swap slots",
    ),
    KnownBad(
        "12-writeback-parent-ignored", "writeback-disabled-parent", "one-node",
        says="parent/child's zswpwb", check="invariant I11 writeback=0 and max=0 are obeyed",
    ),
    KnownBad(
        "14-memcg-limit-global-shrink", "memcg-limit", "one-node",
        says="the memory cgroup's limit never led to writeback", check="must zswpwb >= 1",
    ),
    KnownBad(
        "27-memcg-zswpwb-missing", "second-chance", "one-node",
        says="zswpwb", check="invariant I4 written back is counted per memcg",
    ),
    KnownBad(
        "36-node-order-budget", "numa-interleave", "two-node",
        says="written_back@node1 fell from", metric="written_back@node1",
    ),
    KnownBad(
        "38-incomp-gauge-leak", "incompressible", "one-node",
        says="more than stored_pages", check="invariant I9 incompressible pages are a part",
    ),
)  # fmt: skip


def run(known: KnownBad, results: Path) -> Outcome:
    """One trial a kernel, run again if it was run before: its digest is then compared with the earlier one's."""
    return orchestrator(
        "test", PATCHES / f"{known.patch}.diff", "--linux", LINUX, *PLAIN, "--scenario", known.scenario,
        "--topology", known.topology, "--seeds", "1", "--again", results=results,
    )  # fmt: skip


def failed(record: dict[str, Any], kernel: str) -> dict[str, str]:
    """The messages of a kernel's checks that failed, by name."""
    trial = next(trial for trial in record["trials"] if trial["kernel"] == kernel)
    return {check["name"]: check["message"] for check in trial["checks"] if check["status"] == "FAIL"}


@pytest.mark.parametrize("known", KNOWN_BAD, ids=lambda known: known.patch)
def test_known_bad_patch_is_shown_in_the_words_of_zswap(known: KnownBad, tmp_path: Path) -> None:
    outcome = run(known, tmp_path)
    record = outcome.record
    assert failed(record, "base") == {}, "base must be sound for the patch to be blamed"
    if known.metric:
        # A change without a direction: told, and no failure by itself.
        assert any(known.says in sentence for sentence in record["verdict"]["sentences"]), outcome.stdout
        change = next(each for each in record["verdict"]["changes"] if each["metric"] == known.metric)
        assert change["change"] == "changed"
        assert (outcome.status, record["verdict"]["outcome"]) == (0, "CHANGED")
        return
    patched = failed(record, "patched")
    assert known.says in patched[known.check], patched
    assert (outcome.status, record["verdict"]["outcome"]) == (1, "REGRESSION")
    assert "repeatable" not in patched
