"""The smaller tables: invariants over all trials, configurations, provenance, and the folder they are read from."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from orchestrator.model.repeat import Repeat
from orchestrator.model.trial import Check, Status
from orchestrator.report.html.anchors import anchor, cell_anchor
from orchestrator.report.html.folder import applied_diffs, configurations
from orchestrator.report.html.provenance import provenance
from orchestrator.report.html.tables import check_rows, config_lines, missing_trials
from orchestrator.report.reproduce import reproduce_command
from orchestrator.report.summary import repeat_line
from tests.hostile import CORPUS
from tests.unit.record_builder import BASE, PATCHED, record, spec, trial


def checked(*checks: Check) -> list[Check]:
    return list(checks)


def test_check_rows_then_each_kernel_s_trials_are_counted_by_what_became_of_them() -> None:
    held = Check(name="invariant I1 entries", status=Status.PASS)
    broken = Check(name="invariant I1 entries", status=Status.FAIL, message="5 too many")
    other = Check(name="integrity", status=Status.PASS)
    judged = record(
        [
            trial(spec(BASE), {}, checks=checked(held, other)),
            trial(spec(BASE, 2), {}, checks=checked(held, other)),
            trial(spec(PATCHED), {}, checks=checked(broken, other), status=Status.FAIL),
        ]
    )
    (row,) = check_rows(judged, invariants=True)
    assert (row.name, row.base, row.patched, row.broken) == ("I1 entries", "2 held", "1 broken", True)
    assert row.said == ("memcg-limit-two-node-patched-s1: 5 too many",)
    assert [each.name for each in check_rows(judged, invariants=False)] == ["integrity"]


def test_config_lines_when_the_sums_are_equal_then_no_difference_is_claimed_to_be_unknown() -> None:
    assert config_lines(record(), {}) == ("none: both kernels have the same resolved configuration",)


def test_config_lines_when_a_symbol_differs_then_both_lines() -> None:
    base = record()
    builds = tuple(dataclasses.replace(build, config_sha256=str(build.role)) for build in base.builds)
    configs = {
        "base": "CONFIG_SWAP=y\n# CONFIG_ZSWAP is not set\n",
        "patched": "# a comment\nCONFIG_ZSWAP=y\nCONFIG_SWAP=y\n",
    }
    judged = dataclasses.replace(base, builds=builds)
    assert config_lines(judged, configs) == ("-# CONFIG_ZSWAP is not set", "+CONFIG_ZSWAP=y")
    assert config_lines(judged, {}) == ("the two differ (by checksum); the files are not here",)


def test_repeat_line_when_the_two_differ_then_it_says_so_loudly() -> None:
    base = record()
    assert "not measured" in repeat_line(base)
    differ = Repeat(trial="x-s1", digests=("a" * 64, "b" * 64), difference="the file vmstat")
    assert "did NOT repeat: the file vmstat" in repeat_line(dataclasses.replace(base, repeat=differ))


def test_provenance_then_base_its_reason_compiler_and_qemu() -> None:
    facts = {fact.name: " ".join(fact.lines) for fact in provenance(record(), {})}
    assert "b" * 40 in facts["base"]
    assert "named on the command line" in facts["why this base"]
    assert "gcc" in facts["kernel build, patched"]
    assert facts["QEMU"] == "7.2.22"


def test_missing_trials_then_what_was_planned_and_is_not_there() -> None:
    judged = record([trial(spec(BASE), {})], planned=[spec(BASE), spec(PATCHED)])
    assert missing_trials(judged) == [spec(PATCHED).id]


def test_applied_diffs_when_the_folder_has_patches_then_what_stands_behind_the_message(tmp_path: Path) -> None:
    (tmp_path / "series").mkdir()
    (tmp_path / "series" / "0002-x.patch").write_text(
        "From: a\n\nmessage\n---\n\ndiff --git a/x b/x\n", encoding="utf-8"
    )
    (tmp_path / "series" / "readme.patch").write_text("a\n---\nb\n", encoding="utf-8")
    assert applied_diffs(tmp_path) == {2: "diff --git a/x b/x\n"}
    assert applied_diffs(None) == {}


def test_configurations_when_one_is_there_then_that_one(tmp_path: Path) -> None:
    (tmp_path / "builds").mkdir()
    (tmp_path / "builds" / "base.config").write_bytes(b"CONFIG_A=y\xff\n")
    assert configurations(tmp_path) == {"base": "CONFIG_A=y\ufffd\n"}


def test_anchor_of_hostile_names_then_an_identifier_and_a_different_one_for_each() -> None:
    found = [anchor(text) for text in CORPUS]
    assert all(set(place) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") for place in found)
    assert len(set(found)) == len(found)
    assert cell_anchor("a b", "c") != cell_anchor("a_b", "c")


def test_reproduce_command_then_one_line_that_a_shell_reads_as_it_was_meant() -> None:
    base = record()
    command = reproduce_command(
        dataclasses.replace(base, plan=dataclasses.replace(base.plan, mail="a mail; rm -rf x", flavour="debug"))
    )
    assert command == (
        "orchestrator test 'a mail; rm -rf x' --linux linux-7.2 --profile demo --scenario memcg-limit"
        " --topology one-node --topology two-node --seeds 2 --flavour debug"
    )


def test_reproduce_command_when_a_base_was_found_then_it_is_named() -> None:
    base = record()
    plan = dataclasses.replace(base.plan, base_rev="v7.2")
    assert "--base v7.2" in reproduce_command(dataclasses.replace(base, plan=plan))
