"""RUN FOLDER → the patches as they were applied, and the kernels' configurations; nothing of it has to be there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

LARGEST = 8 << 20
"""Bytes: neither a patch nor a configuration of ours is nearly as large."""

_PATCH = re.compile(r"(\d{4,9})-.*\.patch", re.DOTALL)
_SEPARATOR = "\n---\n"


def applied_diffs(folder: Path | None) -> Mapping[int, str]:
    """Return each patch's diff as it was applied, by its number in the series; {} where there is no folder."""
    found = {}
    for path in sorted((folder / "series").glob("*.patch")) if folder else []:
        match = _PATCH.fullmatch(path.name)
        text = _text_of(path) if match else None
        if match and text is not None and _SEPARATOR in text:
            found[int(match[1])] = text.partition(_SEPARATOR)[2].lstrip("\n")
    return found


def configurations(folder: Path | None) -> Mapping[str, str]:
    """Return the resolved configurations by the kernel's role, those that are there."""
    if folder is None:
        return {}
    texts = {role: _text_of(folder / "builds" / f"{role}.config") for role in ("base", "patched")}
    return {role: text for role, text in texts.items() if text is not None}


def _text_of(path: Path) -> str | None:
    try:
        return path.read_bytes().decode("utf-8", "replace") if path.stat().st_size <= LARGEST else None
    except (OSError, ValueError):
        return None
