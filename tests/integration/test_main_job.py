"""The main job, end to end: the real mail, a real kernel, real QEMU."""

from __future__ import annotations

import json
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from orchestrator.host.workspace import cache_root
from tests.command import LINUX, MAIL, PLAIN, REPOSITORY, Outcome, orchestrator, small_test

pytestmark = pytest.mark.qemu

CLAIMS = REPOSITORY / "docs/claims/batch-writeback.toml"


def test_main_job_on_the_review_mail_ends_without_regression(main_run: Outcome) -> None:
    assert main_run.status == 0, main_run.stderr
    assert main_run.record["verdict"]["outcome"] == "CHANGED"


def test_verdict_on_the_patch_begins_with_the_share_of_node_1(main_run: Outcome) -> None:
    first = main_run.record["verdict"]["sentences"][0]
    assert "written_back@node1 fell from 4096 to 0 pages" in first
    assert "node1 46 % → 0 %" in first


def test_shipped_claims_on_the_patch_are_confirmed_where_trials_tell_of_them(main_run: Outcome, tmp_path: Path) -> None:
    outcome = small_test("--claims", CLAIMS, results=tmp_path)
    # The main run's trials again: the machine and the kernels are the same.
    assert {trial["digest"] for trial in outcome.record["trials"]} <= {
        trial["digest"] for trial in main_run.record["trials"]
    }
    said = {each["claim"]["scenario"]: each for each in outcome.record["verdict"]["claims"]}
    assert said["memcg-limit"]["status"] == "confirmed"
    assert "4096 on base, 0 patched" in said["memcg-limit"]["figures"][0]
    assert said["pool-limit"]["status"] == "untested", "this run has no such scenario"


def test_base_on_two_nodes_writes_back_from_both(main_run: Outcome) -> None:
    metrics = main_run.metrics("base")
    # Experiment A2 of the design notes, to the digit.
    assert metrics["written_back@node1"] == 4096
    assert metrics["written_back@node0"] == 4866
    assert metrics["zswpwb"] == 8962
    assert metrics["shrink_memcg.calls"] == 13311
    assert metrics["store_rejects"] == 5372


def test_patch_on_two_nodes_writes_back_nothing_from_node_1(main_run: Outcome) -> None:
    metrics = main_run.metrics("patched")
    assert metrics["written_back@node1"] == 0
    assert metrics["written_back@node0"] == 9210
    assert metrics["shrink_memcg.calls"] == 9730


def test_recovered_patch_has_the_mails_own_diffstat_and_one_line_of_fuzz(main_run: Outcome) -> None:
    applied = main_run.record["applied"][0]
    assert applied["rung"] == "recovered"
    assert (applied["diffstat"]["insertions"], applied["diffstat"]["deletions"]) == (69, 20)
    assert sum(hunk["fuzz"] for hunk in applied["hunks"]) == 1


def test_recovered_patch_compiles_without_a_new_warning(main_run: Outcome) -> None:
    patched = next(build for build in main_run.record["builds"] if build["role"] == "patched")
    assert patched["warnings"] == []


def test_both_builds_ran_in_the_sandbox(main_run: Outcome) -> None:
    assert [build["sandboxed"] for build in main_run.record["builds"]] == [True, True]


def test_record_has_the_shape_that_readers_count_on(main_run: Outcome) -> None:
    record = main_run.record
    assert {"schema_version", "series", "base", "builds", "verdict", "trials"} <= record.keys()
    keys = {"id", "kernel", "topology", "scenario", "seed", "sealed", "status", "digest", "metrics"}
    for trial in record["trials"]:
        assert keys <= trial.keys()
        assert trial["status"] == "PASS"
        assert len(trial["digest"]) == 64


def test_junit_has_a_suite_for_the_topology_and_no_failure(main_run: Outcome) -> None:
    root = ET.parse(main_run.folder / "junit.xml").getroot()
    assert "two-node" in [suite.get("name") for suite in root.iter("testsuite")]
    assert list(root.iter("failure")) == []
    assert len(list(root.iter("testcase"))) > 10


def test_trial_folder_keeps_what_the_guest_recorded(main_run: Outcome) -> None:
    folder = main_run.folder / "trials" / "memcg-limit-two-node-base-s1"
    assert "-icount" in (folder / "argv.txt").read_text()
    assert "Linux version" in (folder / "console.log").read_text()
    samples = (folder / "guest" / "samples").read_text()
    for name in ("debug/zswap/stored_pages", "memory.stat", "memory.events", "vmstat", "zoneinfo", "pressure/memory"):
        assert name in samples
    assert "@sample tick" in (folder / "guest" / "series").read_text()


def test_all_pages_were_verified(main_run: Outcome) -> None:
    for trial in main_run.record["trials"]:
        integrity = next(check for check in trial["checks"] if check["name"] == "integrity")
        assert integrity["status"] == "PASS"
        assert "20480 pages" in integrity["message"]


def test_recorded_patch_is_one_that_git_applies(main_run: Outcome, tmp_path: Path) -> None:
    patch = next((main_run.folder / "series").glob("*.patch"))
    again = small_test(results=tmp_path, mail=patch)
    assert again.record["applied"][0]["rung"] == "git am"
    assert again.record["applied"][0]["tree"] == main_run.record["applied"][0]["tree"]


def test_json_on_stdout_is_the_record(tmp_path: Path) -> None:
    outcome = small_test("--json", results=tmp_path)
    assert json.loads(outcome.stdout) == outcome.record


def test_users_own_tree_is_used_and_not_changed(main_run: Outcome, tmp_path: Path) -> None:
    tree = tmp_path / "linux.git"
    source = cache_root() / "sources" / LINUX / "repo.git"
    subprocess.run(["git", "clone", "--quiet", "--bare", "--shared", str(source), str(tree)], check=True)
    before = fingerprint(tree)
    outcome = orchestrator(
        "test", MAIL, "--linux", tree, *PLAIN, "--scenario", "memcg-limit", "--topology", "two-node", "--seeds", "1",
        results=tmp_path / "results",
    )  # fmt: skip
    assert outcome.status == 0, outcome.stderr
    assert outcome.record["base"]["tree"] == main_run.record["base"]["tree"]
    assert fingerprint(tree) == before


def fingerprint(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Every file below ``folder``: when it was changed, and what is in it."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


def test_series_that_changes_nothing_is_a_pass(tmp_path: Path) -> None:
    patch = REPOSITORY / "tests/data/mail/01-comment-only.diff"
    outcome = small_test(results=tmp_path, mail=patch)
    assert outcome.status == 0, outcome.stderr
    assert outcome.record["verdict"]["outcome"] == "PASS"
    assert outcome.record["objects"]["same"] is True
    assert "No change in object code" in outcome.stdout
    assert outcome.record["trials"] == []
    assert len(outcome.record["verdict"]["not_covered"]) >= 2


def test_series_that_changes_nothing_is_run_all_the_same_where_that_is_asked_for(tmp_path: Path) -> None:
    patch = REPOSITORY / "tests/data/mail/01-comment-only.diff"
    outcome = small_test("--run-anyway", results=tmp_path, mail=patch)
    assert outcome.record["objects"]["same"] is True
    base, patched = outcome.record["trials"]
    # Another image, for line numbers are in it, and the same to the last digit.
    assert outcome.record["builds"][0]["image_sha256"] != outcome.record["builds"][1]["image_sha256"]
    assert base["metrics"] == patched["metrics"]


def test_record_names_the_functions_that_changed_and_how_base_was_found(main_run: Outcome) -> None:
    objects = main_run.record["objects"]
    assert objects["same"] is False
    assert "shrink_memcg (mm/zswap.o)" in objects["changed_functions"]
    assert "Object code" in main_run.stdout
    base = main_run.record["base"]
    assert base["steps"][0]["way"] == "--base"
    assert (base["way"], base["confidence"]) == ("the tree's head", "low")


def test_unknown_profile_is_a_usage_error(tmp_path: Path) -> None:
    outcome = orchestrator("test", MAIL, "--linux", "linux-7.2", "--profile", "enormous", results=tmp_path)
    assert outcome.status == 2
    assert "demo" in outcome.stderr
