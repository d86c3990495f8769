"""Pages for tests: the recorded runs as HTML, a run with everything on it, and what HTML a text is made of."""

from __future__ import annotations

import dataclasses
import functools
from html.parser import HTMLParser
from pathlib import Path

from orchestrator.model.bisection import Bisection, BisectionStep, Seen
from orchestrator.model.claim import Claim, ClaimResult, ClaimStatus
from orchestrator.model.coverage import CoveredLine, LineState, PatchCoverage
from orchestrator.model.repeat import Repeat
from orchestrator.model.run import RunRecord
from orchestrator.model.tree import Confidence
from orchestrator.report.html.page import render_page
from orchestrator.report.material import Material
from orchestrator.run_view import material_of

RUNS = Path(__file__).parent / "data" / "runs"
RECORDED = ("pass", "changed", "regression", "inconclusive", "our-error", "half-finished", "a2-built-two-seeds")
STATES = (LineState.EXECUTED, LineState.MISSED, LineState.NOT_COMPILED)


def recorded(name: str) -> Material:
    """Return a recorded run."""
    return material_of(name, RUNS)


@functools.cache
def page_of(name: str) -> str:
    """Return a recorded run's page; "whole" is the run with everything on it. Made once: plots take their time."""
    return render_page(whole() if name == "whole" else recorded(name))


def covered(record: RunRecord) -> PatchCoverage:
    """Return a coverage of the lines that a run's patches add: executed, missed and not compiled in turn."""
    added = [
        (number, text[1:])
        for patch in record.series.patches
        for number, text in enumerate(patch.diff.split("\n"), start=1)
        if text.startswith("+") and not text.startswith("+++") and text.strip("+ \t{}/*")
    ]
    lines = [
        CoveredLine(
            path="mm/zswap.c", line=1000 + number, text=text, state=STATES[turn % 3], calls=977 * (turn % 3 == 0)
        )
        for turn, (number, text) in enumerate(added)
    ]
    return PatchCoverage(lines=tuple(lines), trials=("memcg-limit-two-node-patched-s1",), gaps=("churn: it failed",))


def whole() -> Material:
    """Return a recorded run to which everything was added that a page can show."""
    material = recorded("changed")
    record = material.record
    claim = Claim(
        says="calls fall by a third", scenario="memcg-limit", metric="shrink_memcg.calls", source="v5's cover"
    )
    claims = tuple(ClaimResult(claim=claim, status=status, figures=("13311 → 9730",)) for status in ClaimStatus)
    step = BisectionStep(patches=1, seen=Seen.BAD, text="the same metric moved")
    bisection = Bisection(
        what="written_back@node1 fell",
        patch=2,
        candidates=(2,),
        subject=record.series.patches[0].subject,
        message_id=None,
        steps=(step,),
        confidence=Confidence.CERTAIN,
        reason="it is the first",
    )
    record = dataclasses.replace(
        record,
        coverage=covered(record),
        bisection=bisection,
        repeat=Repeat(trial="memcg-limit-two-node-base-s1", digests=("ab" * 32, "ab" * 32)),
        verdict=dataclasses.replace(record.verdict, claims=claims, not_covered=("churn on two-node: not planned",)),
    )
    return dataclasses.replace(material, record=record)


class Elements(HTMLParser):
    """All elements of a page: (tag, attributes); and its text outside style and script."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._in = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        self._in = tag

    def handle_endtag(self, tag: str) -> None:
        self._in = ""

    def handle_data(self, data: str) -> None:
        if self._in not in {"style", "script"}:
            self.text += data

    def tagged(self, tag: str) -> list[dict[str, str | None]]:
        """Return the attributes of the elements with this tag."""
        return [attributes for name, attributes in self.found if name == tag]
