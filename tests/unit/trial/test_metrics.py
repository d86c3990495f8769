"""Metrics from records: those of a real trial, and what is not there."""

from __future__ import annotations

import dataclasses

import pytest

from orchestrator.config.scenarios import scenarios
from orchestrator.model.samples import Measured, Probes, Sample
from orchestrator.model.scenario import Direction, Metric
from orchestrator.model.source import PROBE_READINGS
from orchestrator.model.trial import Status
from orchestrator.trial.metrics import Evidence, measured_metrics
from orchestrator.trial.probe_metrics import READERS
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


def test_probe_sources_when_the_grammar_knows_them_then_there_is_a_reader_for_each() -> None:
    assert set(PROBE_READINGS) == READERS.keys()


VMSTAT = "zswpwb {}\npswpout {}\n"
STAT = "zswpwb {}\nzswap 4096\n"
ZONES = "Node 0, zone   Normal\n  pages free 1\n      nr_zspages   {}\nNode 1, zone   Normal\n      nr_zspages   {}\n"


def moment(label: str, number: int) -> Sample:
    """A sample in which every counter is made of ``number``."""
    files = {
        "/proc/vmstat": VMSTAT.format(number, 2 * number),
        "/proc/zoneinfo": ZONES.format(3 * number, 4 * number),
        "/sys/devices/system/node/node1/vmstat": f"nr_free_pages {5 * number}\n",
        "/sys/kernel/mm/transparent_hugepage/hugepages-64kB/stats/zswpout": f"{6 * number}\n",
        "/sys/block/swap/inflight": f"{7 * number}\n",
        **{f"/sys/fs/cgroup/many.{n}/memory.stat": STAT.format(number * (n + 1)) for n in range(3)},
        "/sys/fs/cgroup/many.1/memory.current": f"{8 * number}\n",
    }
    return Sample(label=label, at_s=1.0, files=files)


EVIDENCE = Evidence(
    measured=Measured(
        samples=(moment("before", 0), moment("full", 10), moment("pressed", 100)),
        memcgs=("many.0", "many.1", "many.2"),
        counts={"before": {"zswap_store": 1}, "full": {"zswap_store": 5}, "pressed": {"zswap_store": 9}},
    ),
    probes=Probes(placed={}, totals=(), lost=0),
    workload=[
        {"op": "pageout", "region": "hot", "resident": 3, "ns": 1_000_000},
        {"op": "pageout", "region": "hot", "resident": 4, "ns": 1_000_000},
        {"op": "pageout", "region": "cold", "resident": 5, "ns": 2_500_000},
    ],
    nodes=2,
)


def of_source(source: str, **keys: str | bool) -> dict[str, float]:
    """Return the values of one metric with this source."""
    metric = Metric(name="m", unit="", direction=Direction.NONE, source=source, **keys)  # type: ignore[arg-type]
    scenario = dataclasses.replace(scenarios()["memcg-limit"], metrics=(metric,), memcgs=EVIDENCE.measured.memcgs)
    return measured_metrics(scenario, EVIDENCE)


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("vmstat:zswpwb", 100),
        ("memcg:zswpwb", 100),
        ("memcg:many.2/zswpwb", 300),
        ("memcg:many.*/zswpwb:min", 100),
        ("memcg:many.*/zswpwb:max", 300),
        ("memcg:many.*/zswpwb:sum", 600),
        ("memcg:many.1/memory.current", 800),
        ("thp:64kB/zswpout", 600),
        ("file:/sys/block/swap/inflight", 700),
        ("calls:zswap_store", 8),
        ("mempress:pageout.hot:resident", 7),
        ("mempress:pageout:resident", 12),
        ("mempress:pageout:ns", 4_500_000),
        ("mempress:pageout:ms", 4.5),
        ("derived:vmstat:pswpout-vmstat:zswpwb", 100),
    ],
)
def test_metric_when_it_has_a_source_then_is_what_changed_under_pressure(source: str, value: float) -> None:
    assert of_source(source) == {"m": value}


def test_metric_when_it_is_of_every_node_then_each_has_its_value() -> None:
    assert of_source("zone:nr_zspages", per_node=True) == {"m@node0": 300, "m@node1": 400}
    assert of_source("node:nr_free_pages", per_node=True) == {"m@node1": 500}


def test_metric_when_it_names_samples_then_is_between_those() -> None:
    assert of_source("vmstat:zswpwb", start="full") == {"m": 90}
    assert of_source("vmstat:zswpwb", end="full") == {"m": 10}
    assert of_source("vmstat:zswpwb", at="full") == {"m": 10}
    assert of_source("calls:zswap_store", at="full") == {"m": 5}


@pytest.mark.parametrize(
    "source",
    ["vmstat:none", "memcg:many.*/none:min", "thp:32kB/zswpout", "calls:none", "mempress:verify:pages", "file:/none"],
)
def test_metric_when_its_counter_is_not_there_then_there_is_none(source: str) -> None:
    assert of_source(source) == {}


def test_metric_when_a_sample_was_not_taken_then_there_is_none() -> None:
    assert of_source("vmstat:zswpwb", at="never") == {}
