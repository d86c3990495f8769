"""What every renderer is given: a run's record, and the guests' samples where the run's folder is at hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from orchestrator.model.run import RunRecord
from orchestrator.model.samples import Sample

SETTLED = "samples"
"""The samples at a trial's settled moments: ``before``, ``pressed``, ``after`` and those that the scenario adds."""

TICKS = "series"
"""The samples taken all along, several a second of guest time."""


def no_samples(trial_id: str, kind: str) -> tuple[Sample, ...]:  # noqa: ARG001 - a reader of nothing
    """Return nothing: for a record without its folder."""
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """A run to be rendered.

    ``folder`` is the run's folder, None for a lone ``run.json``. ``unfinished`` says in words what is not done yet, "" for
    a run that has a record; the record of an unfinished run is put together from what is there. ``read`` gives a
    trial's samples by its id and kind (:data:`SETTLED`, :data:`TICKS`): () where there are none, as for a trial that was
    answered from the cache. They are read from disk each time and may be some hundred KiB: keep what you need, not them.
    """

    record: RunRecord
    folder: Path | None = None
    unfinished: str = ""
    read: Callable[[str, str], tuple[Sample, ...]] = no_samples
