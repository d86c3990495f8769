"""Metrics from records: those of a real trial, and what is not there."""

from __future__ import annotations

import pytest

from orchestrator.config.scenarios import scenarios
from orchestrator.model.trial import Status
from orchestrator.trial.metrics import READERS
from tests.unit.trial.recorded import check_of, judged, real_files

REAL = {
    "zswpwb": 8962,
    "zswpout": 15108,
    "zswpin": 0,
    "stored_pages": 6146,
    "pool_limit_hit": 0,
    "store_rejects": 5372,
    "shrink_memcg.calls": 13311,
    "walked@node0": 13311,
    "walked@node1": 8192,
    "written_back@node0": 4866,
    "written_back@node1": 4096,
}

PROBE_METRICS = {"shrink_memcg.calls", "walked@node0", "walked@node1", "written_back@node0", "written_back@node1"}

FIRED_NOWHERE = b"""\
{"probe":"shrink_memcg","status":"ok","group":{},"calls":0,"sum":{},"hist":{},"unparsed":0}
{"probe":"walk_entry","status":"ok","group":{},"calls":0,"sum":{},"hist":{},"unparsed":0}
{"probe":"walk_return","status":"ok","group":{},"calls":0,"sum":{},"hist":{},"unparsed":0}
{"lost":{"overrun":0,"dropped":0,"missed":0}}
"""


def metrics(**changed: bytes | None) -> dict[str, float]:
    return dict(judged(real_files(**changed)).metrics)


@pytest.mark.parametrize(("name", "value"), list(REAL.items()))
def test_metric_when_the_record_is_real_then_is_what_was_measured(name: str, value: float) -> None:
    assert metrics()[name] == value


def test_metrics_when_a_debugfs_file_is_not_there_then_its_metric_is_not() -> None:
    samples = real_files()["samples"].replace(b"/debug/zswap/stored_pages", b"/debug/zswap/unknown_pages")
    assert "stored_pages" not in metrics(samples=samples)


def test_metrics_when_a_vmstat_key_is_not_there_then_what_is_derived_from_it_is_not() -> None:
    samples = real_files()["samples"].replace(b"\nzswpwb ", b"\nzswpxx ")
    assert {"zswpwb", "store_rejects"} & metrics(samples=samples).keys() == set()


def test_metrics_when_events_were_lost_then_no_probe_gives_one() -> None:
    probes = real_files()["probes"].replace(b'"overrun":0', b'"overrun":3')
    assert PROBE_METRICS & metrics(probes=probes).keys() == set()


def test_metrics_when_fields_could_not_be_read_then_no_probe_gives_one() -> None:
    probes = real_files()["probes"].replace(b'"unparsed":0', b'"unparsed":1', 1)
    assert PROBE_METRICS & metrics(probes=probes).keys() == set()


def test_metrics_when_a_probe_could_not_be_placed_then_only_what_needs_it_is_missing() -> None:
    lines = real_files()["probes"].splitlines(keepends=True)
    probes = b"".join(line for line in lines if b"walk_entry" not in line)
    probes += b'{"probe":"walk_entry","status":"missing","symbol":"x"}\n'
    assert PROBE_METRICS - metrics(probes=probes).keys() == {"walked@node0", "walked@node1"}


def test_metrics_when_probes_were_placed_and_never_fired_then_every_node_has_seen_0() -> None:
    found = metrics(probes=FIRED_NOWHERE)
    assert {name: found.get(name) for name in PROBE_METRICS} == dict.fromkeys(PROBE_METRICS, 0)


def test_metrics_when_a_probe_fired_on_one_node_then_the_other_has_seen_0() -> None:
    lines = real_files()["probes"].splitlines(keepends=True)
    probes = b"".join(line for line in lines if b'"nid":1' not in line)
    assert metrics(probes=probes)["written_back@node1"] == 0


def test_metrics_when_a_probes_line_lacks_a_sum_then_the_rest_is_read() -> None:
    probes = real_files()["probes"].replace(b'"sum":{"left":0,"written":4866}', b'"sum":{}')
    assert metrics(probes=probes)["written_back@node0"] == 0


def test_probes_check_when_events_were_lost_then_says_how_many_and_is_no_pass() -> None:
    probes = real_files()["probes"].replace(b'"overrun":0', b'"overrun":3')
    check = check_of(judged(real_files(probes=probes)), "probes")
    assert (check.status, "3 events were lost" in check.message) == (Status.SKIP, True)


@pytest.mark.parametrize("name", list(scenarios()))
def test_scenario_when_it_asks_for_a_probes_metric_then_there_is_a_reader_for_it(name: str) -> None:
    sources = {metric.source for metric in scenarios()[name].metrics if metric.source.startswith("probe:")}
    assert {source.removeprefix("probe:") for source in sources} <= READERS.keys()
