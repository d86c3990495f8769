"""The runs of tests/data/runs that bench/record_runs.py recorded: real kernels, real trials."""

from __future__ import annotations

from pathlib import Path

from orchestrator.report.material import Material
from orchestrator.run_view import material_of

RUNS = Path(__file__).parent / "data" / "runs"
NAMES = ("pass", "changed", "regression", "inconclusive", "our-error", "half-finished")


def recorded(name: str) -> Material:
    """Return a recorded run."""
    return material_of(name, RUNS)
