"""The cache of finished builds: ``builds/<key>/`` with image, config, log and ``build.json``, there whole or not at all."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from orchestrator.errors import InfraError
from orchestrator.host.workspace import file_sha256, make_folder, published_folder, require_space
from orchestrator.kernel.diagnostics import Warned

_SPACE_MIB = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of a build beside its files. ``seconds`` is what making it took."""

    key: str
    tree: str
    toolchain: str
    sandboxed: bool
    seconds: float
    warnings: tuple[Warned, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Artefact:
    """A finished build as it lies in the cache; ``image`` is the name of its bootable file."""

    facts: Facts
    release: str
    image: str
    image_sha256: str
    config_sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """The files that a build left, to be published; all are plain files in the object tree (``making.plain_file``).

    ``notes`` are further files, by name, with texts of ours.
    """

    image: Path
    config: Path
    release: Path
    log: Path
    notes: Mapping[str, str] = field(default_factory=dict)


def artefact_folder(cache: Path, key: str) -> Path:
    """Return where the build of that key is or will be."""
    return cache / "builds" / key


def find_artefact(cache: Path, key: str) -> Artefact | None:
    """Return the build of that key if it is there and its image is what was recorded; a damaged one is removed."""
    folder = artefact_folder(cache, key)
    try:
        artefact = _decode(json.loads((folder / "build.json").read_text()))
        if artefact.facts.key == key and file_sha256(folder / artefact.image) == artefact.image_sha256:
            return artefact
    except (OSError, ValueError, TypeError, KeyError):
        # Not there, unreadable, or of another version of ours: all as good as not there.
        pass
    shutil.rmtree(folder, ignore_errors=True)
    return None


def _decode(data: dict[str, Any]) -> Artefact:
    facts = dict(data["facts"])
    facts["warnings"] = tuple(Warned(**entry) for entry in facts["warnings"])
    return Artefact(**{**data, "facts": Facts(**facts)})


def publish_artefact(cache: Path, product: Product, facts: Facts) -> Artefact:
    """Copy a build's files to the cache and return their record."""
    folder = artefact_folder(cache, facts.key)
    require_space(make_folder(folder.parent), _SPACE_MIB, purpose="a finished kernel build")
    try:
        return _publish(folder, product, facts)
    except OSError as error:
        raise InfraError(f"cannot write the finished build to {folder}: {error.strerror}") from error


def _publish(folder: Path, product: Product, facts: Facts) -> Artefact:
    with published_folder(folder) as beside:
        image = beside / product.image.name
        shutil.copyfile(product.image, image)
        shutil.copyfile(product.config, beside / "config")
        shutil.copyfile(product.log, beside / "build.log")
        for name, text in product.notes.items():
            (beside / name).write_text(text)
        artefact = Artefact(
            facts=facts,
            release=product.release.read_text(errors="replace").strip()[:64],
            image=image.name,
            image_sha256=file_sha256(image),
            config_sha256=file_sha256(beside / "config"),
        )
        (beside / "build.json").write_text(json.dumps(asdict(artefact), indent=1))
    return artefact
