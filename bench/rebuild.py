"""What does a patched kernel cost beside plain make?  usage: bench/rebuild.py --repo REPO.git BASE PATCHED [-n 5]

In turn, N times on the same machine: plain ``make vmlinux`` in a kept object tree after the files of PATCHED were put in
the place of BASE's, and ``build_kernel`` of PATCHED with base in the cache (checkout, copy of the object tree, make,
publishing, removal). Prints both and their ratio; the project's limit is 1.1. Plain make runs in the same sandbox, which
costs it some milliseconds, so that both sides use the same objects. Uses the real cache, where only PATCHED's build is
removed; builds base first if it is not there (minutes). REPO is a bare repository of the cache (``repos/``) or any other.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import time
from pathlib import Path

from orchestrator.config import catalog
from orchestrator.config.locations import kconfigs_folder
from orchestrator.host.deadline import Cancellation
from orchestrator.host.process import check
from orchestrator.host.sandbox import find_sandbox
from orchestrator.host.steps import Steps
from orchestrator.host.workspace import cache_root, scratch_folder
from orchestrator.kernel import build as building
from orchestrator.kernel.artefacts import artefact_folder
from orchestrator.kernel.build import BuildRequest, build_kernel
from orchestrator.kernel.making import Bench, Folders, Workshop, lay_out_fragments, run_in_room
from orchestrator.kernel.objects import base_objects, copied
from orchestrator.kernel.sources import Checkout, checked_out
from orchestrator.kernel.toolchain import find_toolchain
from orchestrator.model.kernel import KernelRole


def request_for(role: KernelRole, repo: Path, base: str, revision: str) -> BuildRequest:
    def name(what: str) -> str:
        return check(["git", "-C", repo, "rev-parse", what]).strip()

    architecture = catalog.architecture()
    names = (*architecture.fragments, *catalog.flavour().fragments)
    return BuildRequest(
        role=role,
        commit=name(revision),
        tree=name(f"{revision}^{{tree}}"),
        base_commit=name(base),
        base_tree=name(f"{base}^{{tree}}"),
        architecture=architecture,
        fragments=tuple(kconfigs_folder() / name for name in names),
    )


def plain_make(request: BuildRequest, workshop: Workshop, objects: Path, scratch: Path) -> float:
    """Seconds of make alone, from base built in ``objects`` to patched built there."""
    texts = tuple(path.read_text() for path in request.fragments)
    seconds = 0.0
    for tree in (request.base_tree, request.tree):
        wanted = Checkout(tree=tree, base=request.base_tree)
        with checked_out(workshop.repo, wanted, cache=workshop.cache, cancellation=Cancellation()) as (source, differs):
            if tree == request.base_tree:
                # In a tree that is kept, going back to base is a change too.
                for path in changed_between(workshop.repo, request):
                    (source / path).touch()
            assert differs or tree == request.base_tree
            folders = Folders(source=source, objects=objects, fragments=scratch / "fragments")
            lay_out_fragments(folders.fragments, texts)
            bench = Bench(
                workshop=workshop,
                architecture=request.architecture,
                role=KernelRole.PATCHED,
                folders=folders,
                log=scratch / "make.log",
                cancellation=Cancellation(),
            )
            start = time.monotonic()
            run_in_room(bench, [*bench.make, f"-j{workshop.jobs}", request.architecture.target])
            seconds = time.monotonic() - start
    return seconds


def changed_between(repo: Path, request: BuildRequest) -> list[str]:
    out = check(
        ["git", "-C", repo, "diff-tree", "-r", "--name-only", "--diff-filter=MD", request.base_tree, request.tree]
    )
    return out.splitlines()


def ours(request: BuildRequest, workshop: Workshop) -> float:
    """Seconds of build_kernel with base in the cache and patched not."""
    found = build_kernel(request, workshop, steps=Steps(), cancellation=Cancellation())
    shutil.rmtree(artefact_folder(workshop.cache, found.key))
    start = time.monotonic()
    build_kernel(request, workshop, steps=Steps(), cancellation=Cancellation())
    return time.monotonic() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("base")
    parser.add_argument("patched")
    parser.add_argument("--repo", type=Path, required=True)
    parser.add_argument("-n", type=int, default=5, help="rounds (default 5)")
    parser.add_argument("-j", type=int, default=2, help="jobs of make (default 2)")
    options = parser.parse_args()
    cache = cache_root()
    sandbox = find_sandbox(cache=cache, cancellation=Cancellation())
    workshop = Workshop(repo=options.repo, cache=cache, sandbox=sandbox, toolchain=find_toolchain(), jobs=options.j)
    base = request_for(KernelRole.BASE, options.repo, options.base, options.base)
    patched = request_for(KernelRole.PATCHED, options.repo, options.base, options.patched)
    build_kernel(base, workshop, steps=Steps(), cancellation=Cancellation())
    rounds = []
    with scratch_folder("rebuild") as scratch:
        key = building.objects_key(patched, workshop)
        with base_objects(cache, key, Cancellation()) as kept, copied(kept, Cancellation()) as copy:
            objects = scratch / "objects"
            shutil.copytree(copy, objects, symlinks=True, copy_function=shutil.copy2)
        for number in range(options.n):
            plain, built = plain_make(patched, workshop, objects, scratch), ours(patched, workshop)
            rounds.append((plain, built))
            print(
                f"round {number + 1}: plain make {plain:.2f} s, build_kernel {built:.2f} s, ratio {built / plain:.3f}"
            )
    plain, built = (statistics.median(column) for column in zip(*rounds, strict=True))
    # The ratio of each round, since other load comes and goes between rounds.
    ratio = statistics.median(built / plain for plain, built in rounds)
    print(f"median: plain make {plain:.2f} s, build_kernel {built:.2f} s, ratio {ratio:.3f} (limit 1.1)")


if __name__ == "__main__":
    main()
