"""Patches that break the kernel: the patch's fault, said so, exit 1, and nothing left running."""

from __future__ import annotations

import difflib
import os
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from orchestrator.host.workspace import cache_root
from tests.command import LINUX, REPOSITORY, Outcome, orchestrator, small_test

pytestmark = pytest.mark.qemu

ZSWAP = REPOSITORY / "tests/data/trees/linux-7.2/mm/zswap.c"
STORE = "bool zswap_store(struct folio *folio)\n{\n"


def patch_with(tmp_path: Path, old: str, new: str) -> Path:
    """Write a diff of mm/zswap.c that replaces ``old`` by ``new``."""
    text = ZSWAP.read_text()
    assert text.count(old) == 1
    lines = difflib.unified_diff(
        text.splitlines(keepends=True),
        text.replace(old, new).splitlines(keepends=True),
        "a/mm/zswap.c",
        "b/mm/zswap.c",
    )
    path = tmp_path / "fault.diff"
    path.write_text("".join(lines))
    return path


def failures(outcome: Outcome) -> str:
    root = ET.parse(outcome.folder / "junit.xml").getroot()
    return "\n".join((element.get("message") or "") + (element.text or "") for element in root.iter("failure"))


def test_patch_that_does_not_compile_is_a_regression_with_the_compilers_words(tmp_path: Path) -> None:
    patch = patch_with(tmp_path, STORE, f"{STORE}\tthis is no C;\n")
    outcome = small_test(results=tmp_path / "results", mail=patch)
    assert outcome.status == 1, outcome.stderr
    assert outcome.record["verdict"]["outcome"] == "REGRESSION"
    assert "mm/zswap.c" in failures(outcome)
    assert "error:" in failures(outcome)


def test_patch_that_panics_is_a_regression_with_the_splat(tmp_path: Path) -> None:
    patch = patch_with(tmp_path, STORE, f'{STORE}\tpanic("the patch did this");\n')
    outcome = small_test(results=tmp_path / "results", mail=patch)
    assert outcome.status == 1, outcome.stderr
    assert "Kernel panic - not syncing: the patch did this" in failures(outcome)
    base = next(trial for trial in outcome.record["trials"] if trial["kernel"] == "base")
    assert base["status"] == "PASS"


def test_patch_that_warns_is_a_regression_though_the_workload_passes(tmp_path: Path) -> None:
    patch = patch_with(tmp_path, STORE, f"{STORE}\tWARN_ON_ONCE(folio);\n")
    outcome = small_test(results=tmp_path / "results", mail=patch)
    assert outcome.status == 1, outcome.stderr
    assert "WARNING" in failures(outcome)
    assert "zswap_store" in failures(outcome)


def test_patch_that_never_stores_is_blamed_for_not_reaching_zswap(tmp_path: Path) -> None:
    patch = patch_with(tmp_path, STORE, f"{STORE}\tif (folio)\n\t\treturn false;\n")
    outcome = small_test(results=tmp_path / "results", mail=patch)
    assert outcome.status == 1, outcome.stderr
    assert "the workload did not reach zswap" in failures(outcome)


def tree_that_stops_make(folder: Path) -> Path:
    """Return a bare clone of the kernel's sources whose Makefile is an error."""
    source = cache_root() / "sources" / LINUX / "repo.git"
    subprocess.run(["git", "clone", "--quiet", "--bare", "--shared", str(source), str(folder)], check=True)
    environment = {
        **os.environ,
        "GIT_INDEX_FILE": str(folder / "index"),
        "GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@example.org",
        "GIT_COMMITTER_NAME": "A", "GIT_COMMITTER_EMAIL": "a@example.org",
    }  # fmt: skip

    def git(*words: str, given: str = "") -> str:
        argv = ["git", "-C", str(folder), *words]
        return subprocess.run(
            argv, input=given, env=environment, check=True, capture_output=True, text=True
        ).stdout.strip()

    git("read-tree", "HEAD")
    blob = git("hash-object", "-w", "--stdin", given="VERSION = 7\nPATCHLEVEL = 2\n$(error this tree is broken)\n")
    git("update-index", "--cacheinfo", f"100644,{blob},Makefile")
    git("update-ref", "HEAD", git("commit-tree", git("write-tree"), "-p", "HEAD", "-m", "broken"))
    return folder


def test_base_that_does_not_build_is_told_as_bases_own_and_the_patch_is_not_blamed(tmp_path: Path) -> None:
    tree = tree_that_stops_make(tmp_path / "linux.git")
    patch = patch_with(tmp_path, STORE, f"{STORE}\tthis is no C;\n")
    outcome = orchestrator("test", patch, "--linux", tree, results=tmp_path / "results")
    assert outcome.status == 3, outcome.stderr
    assert outcome.record["verdict"]["outcome"] == "ERROR"
    assert outcome.record["verdict"]["sentences"][0].startswith("Base is broken, so nothing is said of the patch")
    assert "this tree is broken" in outcome.stdout
    assert failures(outcome) == ""
    assert outcome.record["trials"] == []


def test_missing_qemu_is_our_error_and_says_how_to_get_it(tmp_path: Path) -> None:
    mail = REPOSITORY / "tests/data/mail/01-comment-only.diff"
    outcome = orchestrator(
        "test", mail, "--linux", "linux-7.2", results=tmp_path / "results", environment={"PATH": str(tmp_path)}
    )
    assert outcome.status == 3
    assert "qemu-system-x86_64 is not installed" in outcome.stderr
    assert "doctor --fix" in outcome.stderr
