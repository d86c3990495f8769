"""The grammar of a metric's source."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.model.source import Source, sources_of


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("vmstat:zswpwb", Source(kind="vmstat", key="zswpwb")),
        ("memcg:zswpwb", Source(kind="memcg", key="zswpwb")),
        ("memcg:parent/child/zswpwb", Source(kind="memcg", key="zswpwb", where="parent/child")),
        ("memcg:many.*/zswpwb:min", Source(kind="memcg", key="zswpwb", where="many.*", what="min")),
        ("memcg:load/memory.current", Source(kind="memcg", key="memory.current", where="load")),
        ("file:/sys/block/a/stat", Source(kind="file", key="/sys/block/a/stat")),
        ("thp:64kB/zswpout", Source(kind="thp", key="zswpout", where="64kB")),
        ("calls:__zswap_pool_release", Source(kind="calls", key="__zswap_pool_release")),
        ("latency:zswap_store:p99", Source(kind="latency", key="zswap_store", what="p99")),
        ("mempress:pageout.cold.1:resident", Source(kind="mempress", key="pageout", where="cold.1", what="resident")),
        ("mempress:verify:pages", Source(kind="mempress", key="verify", what="pages")),
    ],
)
def test_source_when_written_as_it_should_be_then_is_that_place(text: str, source: Source) -> None:
    assert sources_of(text) == (source,)


def test_source_when_it_is_a_difference_then_both_sides_are_there() -> None:
    assert [source.key for source in sources_of("derived:vmstat:pswpout-memcg:load/zswpwb")] == ["pswpout", "zswpwb"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "vmstat",
        "vmstat:",
        "procfs:zswpwb",
        "vmstat:a b",
        "memcg:many.*/zswpwb",
        "memcg:load/zswpwb:min",
        "file:relative",
        "latency:zswap_store",
        "latency:zswap_store:p50.5",
        "derived:vmstat:a",
        "derived:vmstat:a-vmstat:b-vmstat:c",
        "derived:derived:vmstat:a-vmstat:b",
    ],
)
def test_source_when_nothing_can_read_it_then_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"source|difference|pattern"):
        sources_of(text)


@given(st.text(max_size=60))
def test_source_when_it_is_any_text_then_is_read_or_refused(text: str) -> None:
    try:
        sources = sources_of(text)
    except ValueError:
        return
    assert all(source.key for source in sources)
