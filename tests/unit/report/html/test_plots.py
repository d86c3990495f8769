"""Plots: what matplotlib draws, as SVG that a strict policy lets pass, the same each time."""

from __future__ import annotations

import dataclasses
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.model.samples import Sample
from orchestrator.model.topology import Node, Topology
from orchestrator.report.html.drawing import drawing_of
from orchestrator.report.html.strip import strip_plot
from orchestrator.report.html.svg import plain_number
from orchestrator.report.html.timeline import POINTS, timeline_trials, timelines
from orchestrator.report.material import Material
from tests.hostile import HTML
from tests.pages import recorded
from tests.unit.record_builder import a2_trials, record

CHANGE = record().verdict.changes[0]
ZSWAP = "/sys/kernel/debug/zswap/"


def classes(svg: str) -> set[str]:
    return {name for found in re.findall(r'class="([^"]*)"', svg) for name in found.split()}


def test_strip_plot_then_no_style_no_script_and_colours_by_class_only() -> None:
    svg = strip_plot(CHANGE, "s0")
    assert "style" not in svg
    assert not re.search(r"#[0-9a-f]{6}", svg)
    assert {"s-base", "f-patched", "f-ink", "f-band"} <= classes(svg)
    assert "<metadata" not in svg


def test_strip_plot_twice_then_the_same_and_another_name_changes_identifiers_only() -> None:
    first, second = strip_plot(CHANGE, "s0"), strip_plot(CHANGE, "s1")
    assert first == strip_plot(CHANGE, "s0")
    assert first != second
    assert re.sub(r"\bs[01]-", "", first) == re.sub(r"\bs[01]-", "", second)


def test_strip_plot_when_patched_has_no_values_then_it_says_absent() -> None:
    gone = dataclasses.replace(CHANGE, patched=(None, None), effect=None, low=None, high=None)
    assert ">absent<" in strip_plot(gone, "s0")


@pytest.mark.parametrize("text", HTML)
def test_strip_plot_when_the_metric_is_hostile_then_it_is_still_one_element(text: str) -> None:
    svg = strip_plot(dataclasses.replace(CHANGE, metric=text), "s0")
    assert ET.fromstring(svg).tag.endswith("svg")
    assert "<script" not in svg


values = st.none() | st.floats(-1e20, 1e20)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(values, values), min_size=1, max_size=6), st.sampled_from([None, 1.0]))
def test_strip_plot_of_any_values_then_it_is_drawn(
    pairs: list[tuple[float | None, float | None]], effect: float | None
) -> None:
    low, high = (-2.0, 1e12) if effect else (None, None)
    change = dataclasses.replace(
        CHANGE,
        seeds=tuple(range(len(pairs))),
        base=tuple(base for base, _ in pairs),
        patched=tuple(patched for _, patched in pairs),
        effect=effect,
        low=low,
        high=high,
    )
    assert ET.fromstring(strip_plot(change, "s0")).get("role") == "img"


def test_strip_plot_of_what_no_counter_can_be_then_no_plot_and_no_error() -> None:
    assert strip_plot(dataclasses.replace(CHANGE, patched=(1e308, 1e308)), "s0") == ""


def sample(at: float, pool: int, nodes: tuple[int, ...] = ()) -> Sample:
    files = {f"{ZSWAP}pool_total_size": f"{pool}\n"}
    files |= {f"/sys/devices/system/node/node{n}/vmstat": f"nr_zspages {pages}\n" for n, pages in enumerate(nodes)}
    return Sample(label="tick", at_s=at, files=files)


def test_timelines_when_a_counter_is_missing_on_both_kernels_then_it_is_named_and_not_drawn_as_zero() -> None:
    samples = tuple(sample(float(at), at << 20) for at in range(9))
    drawn = timelines(Material(record=record(), folder=Path(), read=lambda _id, _kind: samples), 1)[0]
    assert [panel.title for panel in drawn.panels] == ["pool size, MiB"]
    assert drawn.missing == ("stored pages", "written back pages, in all")


def test_timelines_when_there_are_nodes_then_their_shares_are_a_panel() -> None:
    samples = tuple(sample(float(at), at << 20, (at, 3 * at)) for at in range(9))
    drawn = timelines(Material(record=record(), folder=Path(), read=lambda _id, _kind: samples), 1)[0]
    assert "node 1" in drawn.panels[-1].svg


def test_timelines_when_samples_are_very_many_then_lines_are_thinned_out() -> None:
    samples = tuple(sample(at / 4, (at * 7919) % 1000 << 20) for at in range(5000))
    drawn = timelines(Material(record=record(), folder=Path(), read=lambda _id, _kind: samples), 1)[0]
    longest = max(re.findall(r' d="([^"]*)"', drawn.panels[0].svg), key=len)
    assert longest.count("L") <= POINTS + 1


def test_timeline_trials_then_the_pairs_that_moved_come_first() -> None:
    chosen = timeline_trials(record(), 1)
    assert {spec.topology for spec in chosen} == {"two-node"}
    assert len(chosen) == 4


def test_timeline_trials_then_not_more_seeds_than_one_can_tell_apart() -> None:
    chosen = timeline_trials(record(a2_trials(range(1, 9))), 2)
    assert {spec.seed for spec in chosen} == {1, 2, 3}


def test_timelines_of_a_lone_record_then_nothing() -> None:
    assert timelines(Material(record=recorded("changed").record), 5) == ()


def topology(*nodes: Node) -> Topology:
    return Topology(name="t", what_for="", nodes=nodes, distances=tuple((10,) * len(nodes) for _ in nodes))


def test_drawing_of_nodes_without_memory_or_cpus_then_both_are_said() -> None:
    drawing = drawing_of(
        topology(Node(memory_mib=1024, cpus=2), Node(memory_mib=0, cpus=1), Node(memory_mib=512, cpus=0))
    )
    assert drawing.says == "t: node 0: 1024 MiB, CPUs 0–1; node 1: 0 MiB, CPU 2; node 2: 512 MiB, no CPU"
    tall, none, half = (box.height for box in drawing.nodes)
    assert none == 0
    assert half * 2 == tall


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_plain_number_then_it_is_short(value: float) -> None:
    assert len(plain_number(value)) <= 18


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (2500, "2500"), (12_500, "12.5k"), (-3, "−3"), (25_000_000, "25M"), (0.25, "0.25")]
)
def test_plain_number_then_as_people_read_it(value: float, text: str) -> None:
    assert plain_number(value) == text
