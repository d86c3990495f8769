"""An aim: which scenarios go through what a patch changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """``scenarios``, each with a topology, go through the functions or files whose names match one of ``changes``."""

    changes: tuple[str, ...]
    scenarios: Mapping[str, str]
