"""INPUT → what ``orchestrator series`` shows of it: intake, base and how every patch applies; nothing is built.

Beside :mod:`orchestrator.pipeline` and :mod:`orchestrator.boot` the only module that joins intake and trees.
"""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.config.lists import mailing_lists
from orchestrator.host import workspace
from orchestrator.host.deadline import Cancellation
from orchestrator.host.steps import Steps
from orchestrator.intake.reader import Survey, Wanted, others_of
from orchestrator.model.series import Series
from orchestrator.model.tree import Trees
from orchestrator.tree.prepare import Preparation, prepare_trees
from orchestrator.tree.sources import open_source


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeRequest:
    """In which tree the series is tried, and how: see the options of the same names."""

    linux: str
    base_rev: str | None = None
    may_fetch: bool = False
    strict: bool = False


def try_series(
    found: Survey, series: Series, wanted: Wanted, request: TreeRequest, *, steps: Steps, cancellation: Cancellation
) -> Trees:
    """Return the trees of ``series`` with base and commits; the other series of the input may be its prerequisites.

    Raises :class:`UserError` for a tree or base that is not there, and for a series that applies to no base.
    """
    with steps.step("source", linux=request.linux):
        source = open_source(request.linux, cache=workspace.cache_root(), steps=steps, cancellation=cancellation)
    preparation = Preparation(
        rev=request.base_rev,
        may_fetch=request.may_fetch,
        strict=request.strict,
        lists=mailing_lists(),
        others=others_of(found, wanted),
    )
    return prepare_trees(source, series, preparation, steps=steps, cancellation=cancellation)
