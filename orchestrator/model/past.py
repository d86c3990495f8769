"""Past runs in short: what an index of a results folder shows of each. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class PastMetric:
    """One metric of a past run: the median of the seeds' values, None where the kernel does not have it; the judge's word."""

    scenario: str
    topology: str
    metric: str
    unit: str
    base: float | None
    patched: float | None
    change: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PastRun:
    """A run of a results folder. ``run_id`` is the folder's name.

    ``outcome`` is "" for a run without a record, and then ``problem`` says why: not finished, damaged, of a newer version.
    ``sentence`` is the verdict's first; ``started`` and ``seconds`` are "" and None where the record was not read in full;
    ``page`` says that the run's page is there. ``metrics`` is () where the record was not read in full.
    """

    run_id: str
    title: str
    outcome: str
    sentence: str = ""
    problem: str = ""
    started: str = ""
    seconds: float | None = None
    base: str = ""
    trials: int | None = None
    page: bool = False
    metrics: tuple[PastMetric, ...] = ()
