"""``run.json``: the published shape, there and back."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orchestrator.errors import PatchFault, UserError
from orchestrator.model.run import SCHEMA_VERSION
from orchestrator.store.codec import MalformedRecord
from orchestrator.store.run_json import parse_run, render_run
from tests.unit.record_builder import BASE, PATCHED, record, spec


def data_of(text: str) -> dict[str, Any]:
    return json.loads(text)  # type: ignore[no-any-return]


def edited(**change: object) -> str:
    return json.dumps({**data_of(render_run(record())), **change})


def test_round_trip_then_equal() -> None:
    assert parse_run(render_run(record())) == record()


def test_round_trip_when_nothing_was_built_or_run_then_equal() -> None:
    fault = PatchFault("error: x", stage="build")
    empty = record([], planned=[spec(BASE), spec(PATCHED)], faults=(fault,))
    assert parse_run(render_run(empty)) == empty


def test_shape_has_what_is_promised() -> None:
    data = data_of(render_run(record()))
    assert data["schema_version"] == SCHEMA_VERSION
    assert {"run_id", "series", "base", "builds", "verdict", "trials", "plan", "applied", "topologies"} <= set(data)
    assert data["applied"][0]["rung"] == "recovered"
    assert data["applied"][0]["fuzz"] == 1
    trial = data["trials"][2]
    assert {key: trial[key] for key in ("id", "kernel", "topology", "scenario", "seed", "sealed", "status")} == {
        "id": "memcg-limit-two-node-base-s1",
        "kernel": "base",
        "topology": "two-node",
        "scenario": "memcg-limit",
        "seed": 1,
        "sealed": True,
        "status": "PASS",
    }
    assert trial["metrics"]["written_back@node1"] == 4096


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema_version": None}, "no schema_version"),
        ({"schema_version": 0}, "there is no schema version 0"),
        ({"trials": None}, "trials is missing"),
        ({"trials": [{"id": "x"}]}, r"trials\[0\]"),
        ({"surprise": 1}, "unknown key 'surprise'"),
        ({"base": []}, "base: expected an object"),
    ],
)
def test_parse_when_edited_then_a_user_error_names_what(change: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        parse_run(edited(**change))


def test_parse_when_a_trial_was_renamed_then_a_user_error() -> None:
    data = data_of(render_run(record()))
    data["trials"][0]["seed"] = 77
    with pytest.raises(UserError, match="the id is"):
        parse_run(json.dumps(data))


def test_parse_when_a_trial_is_there_twice_then_a_user_error_names_it() -> None:
    data = data_of(render_run(record()))
    double = {**data["trials"][2], "metrics": {}}
    data["trials"].append(double)
    with pytest.raises(MalformedRecord, match=r"trials\[8\]: .*'memcg-limit-two-node-base-s1'.* as trials\[2\]"):
        parse_run(json.dumps(data))


def test_parse_when_a_value_of_the_right_kind_was_edited_then_it_is_believed() -> None:
    # What results/README.md says: a record is not signed.
    data = data_of(render_run(record()))
    data["trials"][2]["metrics"]["zswpwb"] = 1
    assert parse_run(json.dumps(data)).trials[2].metrics["zswpwb"] == 1


def test_parse_when_a_newer_version_wrote_it_then_a_user_error_with_a_hint() -> None:
    with pytest.raises(UserError, match="schema version 99") as caught:
        parse_run(edited(schema_version=99, whatever={}))
    assert caught.value.hint


def test_parse_when_cut_off_anywhere_then_a_user_error() -> None:
    text = render_run(record())
    for end in range(0, len(text) - 2, 997):
        with pytest.raises(UserError):
            parse_run(text[:end])
