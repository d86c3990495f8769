"""Base, so that it differs without meaning anything: the objects that a series touches, compiled another way.

In sealed time a program's layout costs nothing and its instructions all cost the same, so another optimisation level moves
every moment at which something happens, as a patch does that only moves code, and changes no result.
"""

from __future__ import annotations

from orchestrator.host.deadline import Cancellation
from orchestrator.model.tree import Trees
from orchestrator.tree.git import Git
from orchestrator.tree.kbuild import is_kernel_code, place_of, with_makefile_lines

PERTURBATION = "$(if $(CONFIG_CC_OPTIMIZE_FOR_SIZE),-O2,-Os)"
"""The other one of the two levels that the kernel itself offers, so that it is known to build and to boot."""


PERTURBATIONS = (PERTURBATION, "-O3", "-O1")
"""What ``flag`` may be, in the order in which they are tried. Only the first is sure to build whatever the file."""


def perturbed_base(trees: Trees, *, cancellation: Cancellation, flag: str = PERTURBATION) -> Trees | None:
    """Return trees whose patched is base with the C files that the series changes compiled with ``flag``.

    None where the series changes no C file of the kernel that base has and that a makefile is on the way to: then there
    is no object that is known to be touched.
    """
    git = Git(trees.source.repo, cancellation)
    lines: dict[str, list[str]] = {}
    for path in _changed_sources(git, trees):
        place = place_of(git, trees.base.tree, f"{path.removesuffix('.c')}.o")
        if place is not None:
            lines.setdefault(place.folder, []).append(f"CFLAGS_{place.name} += {flag}")
    if not lines:
        return None
    return with_makefile_lines(trees, lines, on_patched=False, subject=f"perturbed: {flag}", cancellation=cancellation)


def _changed_sources(git: Git, trees: Trees) -> tuple[str, ...]:
    """Return the kernel's C files that the series changes and that both base and patched have."""
    words = git.check(
        "diff-tree", "-r", "-z", "--no-renames", "--name-only", "--diff-filter=M", trees.base.tree, trees.patched_tree
    )
    return tuple(path for path in words.split("\0") if path.endswith(".c") and is_kernel_code(path))
