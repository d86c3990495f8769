"""The published schema of run.json: current, and of the same mind as the reader."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from orchestrator.errors import UserError
from orchestrator.store.run_json import parse_run, render_run
from orchestrator.store.schema import render_run_schema, run_schema
from tests.recorded import NAMES, RUNS, recorded

PUBLISHED = RUNS.parents[2] / "docs" / "run.schema.json"
FINISHED = [name for name in NAMES if name != "half-finished"]
VALIDATOR = jsonschema.Draft202012Validator(run_schema())


def loaded(name: str = "regression") -> dict[str, Any]:
    data: dict[str, Any] = json.loads((RUNS / name / "run.json").read_text())
    return data


def shape(schema: Any) -> Any:
    """Return a schema without its descriptions: another word in a docstring needs no new file."""
    if isinstance(schema, list):
        return [shape(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {key: shape(each) for key, each in schema.items() if key != "description" or not isinstance(each, str)}


def test_published_schema_is_current() -> None:
    published = json.loads(PUBLISHED.read_text())
    assert shape(published) == shape(run_schema()), "orchestrator report --schema > docs/run.schema.json"
    assert published["description"]


def test_schema_is_printed_as_it_is_published() -> None:
    assert json.loads(render_run_schema()) == run_schema()


def test_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(run_schema())


@pytest.mark.parametrize("name", FINISHED)
def test_recorded_runs_are_valid_as_recorded_and_as_written_now(name: str) -> None:
    VALIDATOR.validate(loaded(name))
    VALIDATOR.validate(json.loads(render_run(recorded(name).record)))


def broken(data: dict[str, Any], what: str) -> None:
    """Do to a record what no writer of ours does."""
    match what:
        case "no version":
            del data["schema_version"]
        case "newer version":
            data["schema_version"] += 1
        case "unknown key":
            data["surprise"] = 1
        case "missing key":
            del data["trials"][0]["status"]
        case "unknown key in a trial":
            data["trials"][0]["spec"] = {}
        case "unknown status":
            data["trials"][0]["status"] = "FINE"
        case "text for a number":
            data["trials"][0]["metrics"]["zswpout"] = "many"
        case "null":
            data["series"]["title"] = None
        case "no list":
            data["verdict"]["changes"] = {}


@pytest.mark.parametrize(
    "what",
    [
        "no version", "newer version", "unknown key", "missing key", "unknown key in a trial", "unknown status",
        "text for a number", "null", "no list",
    ],
)  # fmt: skip
def test_what_the_schema_refuses_the_reader_refuses_too(what: str) -> None:
    data = loaded()
    broken(data, what)
    assert not VALIDATOR.is_valid(data)
    with pytest.raises(UserError):
        parse_run(json.dumps(data))
