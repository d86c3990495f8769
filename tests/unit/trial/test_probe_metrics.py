"""What the probes say by function: calls, latencies, and "no data"."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.errors import InfraError
from orchestrator.model.samples import Probes
from orchestrator.trial import probe_metrics
from orchestrator.trial.records import parse_counts, parse_probes

COUNTS = b"""\
{"probe":"enter.zswap_store","status":"ok","by":"profile","calls":20480,"missed":0}
{"probe":"enter.zswap_load","status":"ok","by":"profile","calls":0,"missed":0}
{"probe":"enter.shrink_worker","status":"ok","by":"profile","calls":9,"missed":1}
{"probe":"enter.zswap_writeback_entry","status":"missing","symbol":"zswap_writeback_entry"}
{"lost":{"overrun":7,"dropped":0,"missed":0}}
"""

# shrink_slab of a two-node guest (7.2.12, hist triggers), and what list_lru_walk_one did at the same time.
SLAB = b"""\
{"probe":"walk_entry","status":"ok","by":"trigger","group":{"nid":0,"arg":"set"},"calls":73,"sum":{"ask":8709},"hist":{},"unparsed":0}
{"probe":"walk_return","status":"ok","by":"trigger","group":{"nid":0,"arg":"set"},"calls":73,"sum":{"left":0,"written":6142},"hist":{},"unparsed":0}
{"probe":"shrink_slab_start","status":"ok","by":"trigger","group":{"nid":0},"calls":273,"sum":{"cached":162359,"asked":12529},"hist":{},"unparsed":0}
{"probe":"shrink_slab_end","status":"ok","by":"trigger","group":{"nid":0},"calls":273,"sum":{"left":3820,"freed":6142},"hist":{},"unparsed":0}
{"lost":{"overrun":0,"dropped":0,"missed":0}}
"""


def timed(durations: list[int], *, missed: int = 0, overrun: int = 0) -> Probes:
    """Return the record of a latency probe on ``f`` that saw these durations."""
    buckets = [0 if ns <= 1 else (ns - 1).bit_length() for ns in durations]
    line = {
        "probe": "ns.f", "status": "ok", "by": "buffer", "group": {}, "calls": len(durations),
        "sum": {"ns": sum(durations)}, "max": {"ns": max(durations, default=0)},
        "hist": {"ns_log2": {str(k): buckets.count(k) for k in sorted(set(buckets))}},
        "open": 0, "strays": 0, "unparsed": 0, "missed": missed,
    }  # fmt: skip
    lost = {"lost": {"overrun": overrun, "dropped": 0, "missed": 0}}
    return parse_probes("\n".join(json.dumps(part) for part in (line, lost)).encode())


@pytest.mark.parametrize(
    ("function", "calls"),
    [("zswap_store", 20480), ("zswap_load", 0), ("shrink_worker", None), ("zswap_writeback_entry", None), ("f", None)],
)
def test_calls_when_asked_then_what_is_not_known_is_none(function: str, calls: int | None) -> None:
    assert probe_metrics.calls(parse_probes(COUNTS), function) == calls


def test_latency_when_calls_were_timed_then_mean_and_maximum_are_exact() -> None:
    probes = timed([100, 200, 900])
    assert probe_metrics.latency(probes, "f", "mean") == 400
    assert probe_metrics.latency(probes, "f", "max") == 900


@pytest.mark.parametrize("probes", [timed([]), timed([5], missed=1), timed([5], overrun=1), parse_probes(COUNTS)])
def test_latency_when_it_is_not_known_then_there_is_none(probes: Probes) -> None:
    assert [probe_metrics.latency(probes, "f", what) for what in ("p50", "p99", "mean", "max")] == [None] * 4


@given(durations=st.lists(st.integers(0, 1 << 50), min_size=1, max_size=300))
def test_latency_when_a_quantile_is_asked_then_is_within_its_bucket(durations: list[int]) -> None:
    probes = timed(durations)
    ordered = sorted(durations)
    for what, percent in (("p50", 50), ("p99", 99)):
        exact = ordered[-(-len(ordered) * percent // 100) - 1]
        found = probe_metrics.latency(probes, "f", what)
        assert found is not None
        assert found <= ordered[-1]
        assert found <= max(2 * exact, 1)
        assert found >= (exact if what == "p99" else exact / 2)


def test_reading_when_slab_was_shrunk_then_scanned_is_what_the_walk_was_asked_for() -> None:
    probes = parse_probes(SLAB)
    assert probe_metrics.reading("shrink_slab.asked", probes) == {"@node0": 12529}
    assert probe_metrics.reading("shrink_slab.scanned", probes) == {"@node0": 8709}
    assert probe_metrics.reading("shrink_slab.freed", probes) == {"@node0": 6142}
    walked = probe_metrics.reading("list_lru_walk_one.walked", probes)
    assert walked == probe_metrics.reading("shrink_slab.scanned", probes)


def returned(values: dict[int, int]) -> list[float | None]:
    """Return calls, and calls that returned 0, more, -EAGAIN and -ENOENT, of calls that returned ``values``."""
    line = {
        "probe": "shrink_memcg", "status": "ok", "by": "trigger", "group": {}, "calls": sum(values.values()),
        "sum": {}, "hist": {"ret": {str(value): count for value, count in values.items()}}, "unparsed": 0,
    }  # fmt: skip
    probes = parse_probes(json.dumps(line).encode())
    names = ("calls", "zero", "positive", "again", "empty")
    return [(probe_metrics.reading(f"shrink_memcg.{name}", probes) or {}).get("") for name in names]


@pytest.mark.parametrize(
    ("values", "told"),
    [
        pytest.param({-11: 5372, 0: 7939}, [13311, 7939, 0, 5372, 0], id="7.2"),
        pytest.param({-2: 5, 0: 40, 4096: 7, 262144: 3}, [55, 40, 10, 0, 5], id="long, how much was written"),
        pytest.param({-12: 1, 0: 1}, [2, 1, 0, 0, 0], id="another error is none of them"),
        pytest.param({}, [0, 0, 0, 0, 0], id="never called"),
    ],
)
def test_returns_when_shrink_memcg_was_called_then_are_told_apart_by_value(
    values: dict[int, int], told: list[float]
) -> None:
    assert returned(values) == told


@pytest.mark.parametrize("key", ["0x10", "", "many", "1" * 5000, "-"])
def test_returns_when_a_value_is_no_number_then_the_record_is_damaged(key: str) -> None:
    line = {"probe": "shrink_memcg", "status": "ok", "calls": 1, "hist": {"ret": {key: 1}}}
    with pytest.raises(InfraError, match="not a whole number"):
        parse_probes(json.dumps(line).encode())


def test_reading_when_a_probe_is_missing_then_there_is_none() -> None:
    missing = SLAB.replace(b'"shrink_slab_end","status":"ok"', b'"shrink_slab_end","status":"missing"')
    assert probe_metrics.reading("shrink_slab.scanned", parse_probes(missing)) is None
    assert probe_metrics.reading("shrink_slab.asked", parse_probes(missing)) == {"@node0": 12529}


def test_counts_when_read_then_functions_go_by_their_names_and_the_first_of_a_label_counts() -> None:
    data = (
        b'{"label":"before","counts":{"enter.zswap_store":0,"other":3}}\n'
        b'{"label":"pressed","counts":{"enter.zswap_store":7}}\n'
        b'{"label":"before","counts":{"enter.zswap_store":9}}\n'
        b'{"label":"after","cou'
    )
    assert parse_counts(data) == {"before": {"zswap_store": 0, "other": 3}, "pressed": {"zswap_store": 7}}


@pytest.mark.parametrize("line", [b"[]", b'{"label":"x","counts":3}', b'{"label":"x","counts":{"f":"7"}}', b"{"])
def test_counts_when_the_record_is_damaged_then_says_so(line: bytes) -> None:
    with pytest.raises(InfraError):
        parse_counts(line + b"\n")
