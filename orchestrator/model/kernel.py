"""Kernel builds: bootable images, identified by what went into them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class KernelRole(StrEnum):
    """Which of the two kernels of a run."""

    BASE = "base"
    PATCHED = "patched"


@dataclass(frozen=True, slots=True, kw_only=True)
class Flavour:
    """A kernel configuration by name: the fragments of ``kconfigs/`` merged over tinyconfig, in this order."""

    name: str
    what_for: str
    fragments: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """All that varies between architectures. Adding one adds a row to the catalog, not a branch.

    ``image`` is the build's bootable file relative to the object tree, ``target`` the make target that makes it.
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
