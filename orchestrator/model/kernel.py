"""Kernel builds: bootable images, identified by what went into them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class KernelRole(StrEnum):
    """Which of the two kernels of a run."""

    BASE = "base"
    PATCHED = "patched"


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """All that varies between architectures. Adding one adds a row to the catalog, not a branch.

    ``image`` is the build's bootable file relative to the object tree, ``target`` the make target that makes it;
    ``fragments`` are files of ``kconfigs/``; ``parameters`` are words of the kernel's command line.

    The kernel takes one part in ``shadow_share`` of all the machine's memory for itself, out of node 0 (0: none); a trial
    may take ``slowdown`` times as long as one of an ordinary kernel.
    """

    name: str
    kernel_arch: str
    qemu: str
    machine: str
    cpu: str
    image: str
    target: str
    console: str
    fragments: tuple[str, ...]
    parameters: tuple[str, ...] = ()
    shadow_share: int = 0
    slowdown: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Flavour:
    """A kernel configuration by name: the fragments of ``kconfigs/`` merged over tinyconfig, in this order.

    ``parameters`` are words of the kernel's command line. ``image`` and ``target`` replace the architecture's where they
    are not empty. ``shadow_share`` and ``slowdown`` are as in :class:`Architecture`.
    """

    name: str
    what_for: str
    fragments: tuple[str, ...]
    parameters: tuple[str, ...] = ()
    image: str = ""
    target: str = ""
    shadow_share: int = 0
    slowdown: int = 1

    def on(self, architecture: Architecture) -> Architecture:
        """Return ``architecture`` as this flavour of it is built and booted: the architecture's fragments come first."""
        return dataclasses.replace(
            architecture,
            fragments=(*architecture.fragments, *self.fragments),
            parameters=(*architecture.parameters, *self.parameters),
            image=self.image or architecture.image,
            target=self.target or architecture.target,
            shadow_share=self.shadow_share,
            slowdown=self.slowdown,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelBuild:
    """A built kernel. ``key`` covers tree, resolved .config, toolchain and build environment; ``image`` lies in the cache.

    ``seconds`` is what the build took when it was made; ``cached`` says that this run did not make it.
    """

    role: KernelRole
    key: str
    tree: str
    commit: str
    release: str
    image: Path
    image_sha256: str
    config_sha256: str
    toolchain: str
    warnings: tuple[str, ...]
    seconds: float
    cached: bool
    sandboxed: bool
