"""RESULTS FOLDER → its runs in short, newest first. For looking: whatever lies there, no run can make the list fail.

Records are read leniently, for a list may name what cannot be rendered: damaged runs, and those of a newer version. Only
the newest are read in full; of the others the first bytes, in which the verdict stands.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import re
from pathlib import Path
from statistics import median
from typing import Any

from orchestrator.model.past import PastMetric, PastRun
from orchestrator.store.run_directory import PLAN, RUN

PAGE = "report.html"
IN_FULL = 200
"""So many of the newest runs are read in full."""

_HEAD = 4096
_LARGEST = 64 << 20
_NAME = re.compile(r"(\d{8})-(\d{6})-(.+)", re.DOTALL)
_OUTCOME = re.compile(r'\A\s*\{.{0,400}?"verdict":\s*\{\s*"outcome":\s*"([A-Z]{1,20})"', re.DOTALL)
_SENTENCE = re.compile(r'"sentences":\s*\[\s*("(?:[^"\\]|\\.){0,2000}")', re.DOTALL)


def past_runs(results: Path, *, in_full: int = IN_FULL) -> tuple[PastRun, ...]:
    """Return the runs of ``results``, the newest first; () where there is no such folder."""
    try:
        names = sorted((entry.name for entry in os.scandir(results) if entry.is_dir()), key=_order, reverse=True)
    except OSError:
        return ()
    found: list[PastRun] = []
    for name in names:
        folder = results / name
        if (folder / RUN).is_file() or (folder / PLAN).is_file():
            found.append(_full(folder) if len(found) < in_full else _short(folder))
    return tuple(found)


def _order(name: str) -> tuple[str, int, str]:
    """Of runs that began in the same second the second one's name ends with ``.2``."""
    stem, _, number = name.rpartition(".")
    return (stem, int(number), name) if stem and number.isdecimal() and len(number) < 9 else (name, 1, name)


def _title_of(name: str) -> str:
    match = _NAME.fullmatch(name)
    return match[3].replace("-", " ") if match else name


def _started_of(name: str) -> str:
    match = _NAME.fullmatch(name)
    if match is None:
        return ""
    try:
        return dt.datetime.strptime(match[1] + match[2], "%Y%m%d%H%M%S").replace(tzinfo=dt.UTC).isoformat()
    except ValueError:
        return ""


def _problem(folder: Path, problem: str) -> PastRun:
    name = folder.name
    return PastRun(
        run_id=name,
        title=_title_of(name),
        outcome="",
        problem=problem,
        started=_started_of(name),
        page=(folder / PAGE).is_file(),
    )


def _short(folder: Path) -> PastRun:
    """Return what the record's first bytes say."""
    try:
        with (folder / RUN).open("rb") as file:
            head = file.read(_HEAD).decode("utf-8", "replace")
    except OSError:
        return _problem(folder, "not finished")
    match = _OUTCOME.match(head)
    if match is None:
        return _problem(folder, "its record cannot be read")
    sentence = _SENTENCE.search(head)
    try:
        said = str(json.loads(sentence[1])) if sentence else ""
    except ValueError:
        said = ""
    name = folder.name
    return PastRun(
        run_id=name,
        title=_title_of(name),
        outcome=match[1],
        sentence=said,
        started=_started_of(name),
        page=(folder / PAGE).is_file(),
    )


def _full(folder: Path) -> PastRun:
    path = folder / RUN
    try:
        if path.stat().st_size > _LARGEST:
            return _short(folder)
        data = json.loads(path.read_bytes())
        return _past_run(folder, data)
    except FileNotFoundError:
        return _problem(folder, "not finished")
    except (OSError, ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        return _problem(folder, "its record cannot be read")


def _past_run(folder: Path, data: dict[str, Any]) -> PastRun:
    verdict = data["verdict"]
    started, finished = str(data.get("started", "")), str(data.get("finished", ""))
    return PastRun(
        run_id=folder.name,
        title=str(data["series"]["title"]),
        outcome=str(verdict["outcome"]),
        sentence=str(next(iter(verdict["sentences"]), "")),
        started=started,
        seconds=_seconds(started, finished),
        base=str(data.get("base", {}).get("describe", "")),
        trials=len(data.get("trials", ())),
        page=(folder / PAGE).is_file(),
        metrics=tuple(_metric(change) for change in verdict["changes"]),
    )


def _seconds(started: str, finished: str) -> float | None:
    try:
        return (dt.datetime.fromisoformat(finished) - dt.datetime.fromisoformat(started)).total_seconds()
    except (ValueError, TypeError):
        return None


def _metric(change: dict[str, Any]) -> PastMetric:
    return PastMetric(
        scenario=str(change["scenario"]),
        topology=str(change["topology"]),
        metric=str(change["metric"]),
        unit=str(change["unit"]),
        base=_middle(change["base"]),
        patched=_middle(change["patched"]),
        change=str(change["change"]),
    )


def _middle(values: list[float | None]) -> float | None:
    there = [float(value) for value in values if value is not None]
    return float(median(there)) if there else None
