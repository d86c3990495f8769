"""The record of a real trial, and a request that it fits."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from orchestrator.config.catalog import architecture, topologies
from orchestrator.config.scenarios import scenarios
from orchestrator.machine.argv import Accelerator
from orchestrator.machine.keys import make_keys
from orchestrator.model.trial import Check, TrialResult
from orchestrator.trial.outcome import Recorded, result_of
from orchestrator.trial.request import TrialRequest
from tests.unit.record_builder import BASE, build, spec

FOLDER = Path(__file__).parents[2] / "data" / "trials" / "memcg-limit-two-node-base-s1"
KEYS = make_keys()


def real_files(**changed: bytes | None) -> dict[str, bytes]:
    """Return the real record's files by name, some changed, or left out (None)."""
    files = {path.name: path.read_bytes() for path in FOLDER.iterdir() if path.name != "ORIGIN.md"}
    return {name: data for name, data in {**files, **changed}.items() if data is not None}


def request(folder: Path = Path("/nowhere"), *, topology: str = "two-node") -> TrialRequest:
    """Return the request that the record is of."""
    return TrialRequest(
        spec=spec(BASE, topology=topology),
        key="5" * 64,
        scenario=scenarios()["memcg-limit"],
        topology=topologies()[topology],
        architecture=architecture(),
        build=build(BASE),
        initrd=b"initrd",
        keys=KEYS,
        accelerator=Accelerator.TCG,
        folder=folder,
    )


def judged(files: Mapping[str, bytes], *, topology: str = "two-node") -> TrialResult:
    """Return the result of a record."""
    return result_of(request(topology=topology), Recorded(files=files, console="one\ntwo\n", wall_s=1.0)).result


def check_of(result: TrialResult, name: str) -> Check:
    """Return the check whose name starts with ``name``."""
    return next(check for check in result.checks if check.name.startswith(name))
