"""KCIDB: validated by the database's own package."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import Any

import pytest
from kcidb_io.schema import V5_3

from orchestrator.model.trial import Status
from orchestrator.report.kcidb import ORIGIN, VERSION, render_kcidb
from tests.hostile import ADDRESSES, CORPUS, NAMES, hostile_record
from tests.recorded import NAMES as RUN_NAMES
from tests.recorded import recorded


def rendered(name: str) -> dict[str, Any]:
    material = recorded(name)
    data: dict[str, Any] = json.loads(render_kcidb(material.record, unfinished=bool(material.unfinished)))
    return data


@pytest.mark.parametrize("name", RUN_NAMES)
def test_submission_is_valid_and_linked(name: str) -> None:
    data = rendered(name)
    assert V5_3.is_valid_exactly(data)
    assert data["version"] == VERSION == {"major": V5_3.major, "minor": V5_3.minor}
    ids = [each["id"] for kind in ("builds", "tests") for each in data.get(kind, [])]
    assert len({(kind, each["id"]) for kind in ("builds", "tests") for each in data.get(kind, [])}) == len(ids)
    checkouts = {each["id"] for each in data.get("checkouts", [])}
    assert {build["checkout_id"] for build in data.get("builds", [])} <= checkouts
    assert all(each.startswith(f"{ORIGIN}:") for each in ids)


def test_trials_have_their_status_and_the_splat_is_the_excerpt() -> None:
    trials = {each["id"].rpartition(":")[2]: each for each in rendered("regression")["tests"] if "seed" in each["misc"]}
    assert trials["churn-one-node-base-s1"]["status"] == "PASS"
    failed = trials["churn-one-node-patched-s1"]
    assert failed["status"] == "FAIL"
    assert "WARNING: mm/zswap.c:1680 at zswap_swapoff" in failed["log_excerpt"]
    assert failed["path"] == "mm.zswap.churn.one-node"


def test_metrics_are_tests_with_a_number_of_each_kernel() -> None:
    found = {
        each["id"].rpartition(":")[0].split(":")[2]: each["number"]
        for each in rendered("changed")["tests"]
        if each["id"].endswith(":written_back@node1")
    }
    assert found == {"base": {"value": 4096, "unit": "pages"}, "patched": {"value": 0, "unit": "pages"}}


def test_our_error_is_an_error_and_what_a_run_never_came_to_is_missing() -> None:
    assert [each["status"] for each in rendered("our-error")["tests"]] == ["PASS", "ERROR"]
    record = recorded("our-error").record
    fewer = dataclasses.replace(record, trials=record.trials[:1])
    assert [each["status"] for each in json.loads(render_kcidb(fewer))["tests"]] == ["PASS", "MISS"]


def test_unfinished_run_claims_nothing_of_trials_that_may_come() -> None:
    assert [each["status"] for each in rendered("half-finished")["tests"]] == ["PASS"]


def test_patchset_hash_is_what_the_schema_says() -> None:
    (base, patched) = rendered("changed")["checkouts"]
    diff = recorded("changed").record.series.patches[0].diff.encode()
    line = f"{hashlib.sha256(diff).hexdigest()}\n".encode()
    assert (base["patchset_hash"], patched["patchset_hash"]) == ("", hashlib.sha256(line).hexdigest())


@pytest.mark.parametrize("text", [*CORPUS, *ADDRESSES, *NAMES, "\x00"])
def test_hostile_text_anywhere_is_valid_still(text: str) -> None:
    record = hostile_record(recorded("our-error").record, text)
    trials = tuple(
        dataclasses.replace(each, spec=dataclasses.replace(each.spec, scenario=text), status=Status.FAIL)
        for each in record.trials
    )
    record = dataclasses.replace(record, run_id=text, started=text, trials=trials)
    assert V5_3.is_valid_exactly(json.loads(render_kcidb(record).encode()))
