"""Samples and metrics as tables: what the guest recorded, to the last digit."""

from __future__ import annotations

import csv
import dataclasses
import io
import sys
from collections.abc import Mapping

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from orchestrator.errors import UserError
from orchestrator.model.samples import Sample, counter_of
from orchestrator.report.material import SETTLED, TICKS, Material
from orchestrator.report.samples_table import IDENTITY, MOST_COLUMNS, metrics_csv, samples_csv, samples_parquet
from tests.recorded import NAMES, recorded

VMSTAT, STORED = "/proc/vmstat", "/sys/kernel/debug/zswap/stored_pages"


def table(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode())))


def material_with(*samples: Sample) -> Material:
    """Return a run of one trial with these samples."""
    one = recorded("half-finished")

    def read(_trial: str, kind: str) -> tuple[Sample, ...]:
        return samples if kind == TICKS else ()

    return dataclasses.replace(one, read=read)


def sample(files: Mapping[str, str], label: str = "tick") -> Sample:
    return Sample(label=label, at_s=1.5, files=files)


@pytest.mark.parametrize("name", ["changed", "regression"])
def test_rows_are_the_samples_and_cells_what_the_guest_read(name: str) -> None:
    material = recorded(name)
    rows = table(samples_csv(material))
    expected = [
        (trial.spec.id, kind, each)
        for trial in material.record.trials
        for kind in (SETTLED, TICKS)
        for each in material.read(trial.spec.id, kind)
    ]
    assert [(row["trial"], row["label"], float(row["at_s"])) for row in rows] == [
        (trial, each.label, round(each.at_s, 9)) for trial, _, each in expected
    ]
    for row, (_, _, each) in zip(rows, expected, strict=True):
        assert row[STORED] == str(each.number(STORED))
        for key, value in each.keyed(VMSTAT).items():
            assert row[f"{VMSTAT}:{key}"] == str(value)


def test_counter_that_was_not_there_is_an_empty_cell_and_not_zero() -> None:
    first, second = {VMSTAT: "a 1\nb 2\n", STORED: "7\n"}, {VMSTAT: "a 3\nc 4\n"}
    rows = table(samples_csv(material_with(sample(first), sample(second))))
    columns = [f"{VMSTAT}:a", f"{VMSTAT}:b", f"{VMSTAT}:c", STORED]
    assert [[row[column] for column in columns] for row in rows] == [["1", "2", "", "7"], ["3", "", "4", ""]]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "max\n",
        "some avg10=0.00\n",
        "Node 0, zone DMA\n  nr_free 1\n",
        "a 1\na 2\n",
        f"{2**64}\n",
        "a -1\n",
        "a 1 2\n",
    ],
)
def test_file_that_is_no_list_of_counters_is_left_out(text: str) -> None:
    (row,) = table(samples_csv(material_with(sample({"/odd": text, STORED: "1\n"}))))
    assert set(row) == {*IDENTITY, STORED}


def test_largest_counter_is_kept_to_the_last_digit_in_both() -> None:
    largest = 2**64 - 1
    material = material_with(sample({STORED: f"{largest}\n", VMSTAT: f"a {largest}\n"}))
    assert table(samples_csv(material))[0][STORED] == str(largest)
    read = parquet.read_table(pa.BufferReader(samples_parquet(material)))
    assert read.column(f"{VMSTAT}:a").to_pylist() == [largest]


@pytest.mark.parametrize("name", NAMES)
def test_parquet_has_the_same_cells(name: str) -> None:
    material = recorded(name)
    rows = table(samples_csv(material))
    read = parquet.read_table(pa.BufferReader(samples_parquet(material)))
    assert read.column_names == list(rows[0])
    assert read.column("seed").to_pylist() == [int(row["seed"]) for row in rows]
    for column in read.column_names[len(IDENTITY) :: 40]:
        assert read.column(column).to_pylist() == [int(row[column]) if row[column] else None for row in rows]


def test_parquet_without_pyarrow_says_which_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UserError, match="pyarrow") as caught:
        samples_parquet(recorded("pass"))
    assert "mm-patch-orchestrator[parquet]" in caught.value.hint


def test_guest_that_names_too_many_counters_is_refused() -> None:
    text = "".join(f"k{number} 1\n" for number in range(MOST_COLUMNS + 1))
    with pytest.raises(UserError, match="more than"):
        samples_csv(material_with(sample({VMSTAT: text})))


@given(st.dictionaries(st.text(min_size=1, max_size=20), st.text(max_size=60), max_size=4), st.text(max_size=20))
@settings(max_examples=150, deadline=None)
def test_whatever_a_guest_records_is_a_table_of_numbers(files: dict[str, str], label: str) -> None:
    data = samples_csv(material_with(sample(files, label)))
    head, *rows = list(csv.reader(io.StringIO(data.decode())))
    for row in rows:
        assert len(row) == len(head)
        assert all(cell == "" or counter_of(cell) is not None for cell in row[len(IDENTITY) :])
        assert not row[head.index("label")].startswith(("=", "+", "-", "@"))


def test_metrics_are_those_of_the_trials_with_their_units() -> None:
    record = recorded("changed").record
    rows = list(csv.DictReader(io.StringIO(metrics_csv(record))))
    assert len(rows) == sum(len(trial.metrics) for trial in record.trials)
    row = next(each for each in rows if each["kernel"] == "base" and each["metric"] == "written_back@node1")
    assert (row["value"], row["unit"], row["status"], row["seed"]) == ("4096", "pages", "PASS", "1")


def test_trial_without_metrics_has_a_line_with_its_status() -> None:
    rows = list(csv.DictReader(io.StringIO(metrics_csv(recorded("our-error").record))))
    assert [(row["trial"], row["status"], row["metric"]) for row in rows][-1] == (
        "memcg-limit-two-node-patched-s1",
        "ERROR",
        "",
    )
