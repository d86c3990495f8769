"""Whether two kernels are the same code, on the real kernel and with patches that are known to change no behaviour."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from orchestrator.host.deadline import Cancellation
from orchestrator.host.resources import usable_cpus
from orchestrator.host.sandbox import find_sandbox
from orchestrator.host.steps import Steps
from orchestrator.host.workspace import cache_root
from orchestrator.intake.reader import read_series
from orchestrator.kernel.build import build_kernel
from orchestrator.kernel.comparison import compare_objects
from orchestrator.kernel.making import Workshop
from orchestrator.kernel.toolchain import find_toolchain
from orchestrator.kernels import build_request
from orchestrator.model.kernel import KernelBuild, KernelRole
from orchestrator.tree.prepare import Preparation, prepare_trees
from orchestrator.tree.sources import open_source
from tests.command import LINUX, REPOSITORY

# Slow, like what boots: a whole kernel where the cache has none.
pytestmark = pytest.mark.qemu

MAILS = REPOSITORY / "tests/data/mail"


# The build id covers debug sections as well, the bug table has the line numbers; what Linux writes there is no code.
LINES = {".notes", "__bug_table"}
SECTION = re.compile(r"\s*\[ *\d+\] (\S+)\s+(\S+)\s+[0-9a-f]+ ([0-9a-f]+) ([0-9a-f]+) \S+\s+\S*A")


def built(name: str) -> tuple[KernelBuild, KernelBuild]:
    """Build base, and base with a patch of tests/data/mail."""
    cancellation, steps, cache = Cancellation(), Steps(), cache_root()
    source = open_source(LINUX, cache=cache, steps=steps, cancellation=cancellation)
    series = read_series(MAILS / name)
    trees = prepare_trees(source, series, Preparation(), steps=steps, cancellation=cancellation)
    sandbox = find_sandbox(cache=cache, cancellation=cancellation)
    shop = Workshop(repo=source.repo, cache=cache, sandbox=sandbox, toolchain=find_toolchain(), jobs=usable_cpus())
    base, patched = (
        build_kernel(build_request(role, trees, "plain"), shop, steps=steps, cancellation=cancellation)
        for role in KernelRole
    )
    return base, patched


def loaded(image: Path) -> dict[str, bytes]:
    """Return the sections of a linked kernel that are loaded, without those that only line numbers change."""
    data = image.read_bytes()
    listed = subprocess.run(["readelf", "-SW", image], check=True, capture_output=True, text=True).stdout
    found = {}
    for match in filter(None, map(SECTION.match, listed.splitlines())):
        name, kind, offset, size = match[1], match[2], int(match[3], 16), int(match[4], 16)
        if kind != "NOBITS" and name not in LINES:
            found[name] = data[offset : offset + size]
    assert len(found[".text"]) > 1 << 20
    return found


# Of the second and the third the compiler makes the same code as of base (gcc 12 with what "plain" configures).
@pytest.mark.parametrize(
    "patch",
    ["01-comment-only", "02-drop-redundant-lru-param", "03-split-writeback-helper", "29-shrink-first-node-only"],
)
def test_kernels_are_said_to_be_the_same_where_the_linked_ones_are(patch: str) -> None:
    base, patched = built(f"{patch}.diff")
    found = compare_objects(base, patched)
    assert found is not None
    assert found.same == (loaded(base.image) == loaded(patched.image))
    assert found.compared == 1


def test_comment_moves_lines_and_changes_no_code() -> None:
    base, patched = built("01-comment-only.diff")
    found = compare_objects(base, patched)
    assert found is not None
    assert (found.same, found.changed_functions) == (True, ())
    assert base.image_sha256 != patched.image_sha256


def test_patch_that_shrinks_one_node_only_names_its_function() -> None:
    found = compare_objects(*built("29-shrink-first-node-only.diff"))
    assert found is not None
    assert (found.same, found.changed_objects) == (False, ("mm/zswap.o",))
    assert "shrink_memcg (mm/zswap.o)" in found.changed_functions
