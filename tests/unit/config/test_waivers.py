"""Waiver files: the shipped one, a user's own, and what is said of one that is wrong."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.config.waivers import read_waivers
from orchestrator.errors import UserError
from orchestrator.model.waiver import Waiver

ENTRY = """
[[waiver]]
name = "invariant I4"
reason = "the counter is known to be missing"
expires = 2027-01-31
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "own.toml"
    path.write_text(text)
    return path


def test_read_waivers_when_nothing_is_named_then_the_shipped_ones_are_read() -> None:
    shipped = {waiver.name: waiver for waiver in read_waivers()}
    assert set(shipped) == {"*test_no_kmem_bypass*", "*test_memcg_low*", "*test_memcg_reclaim*", "invariant I12*"}
    waiver = shipped["*test_no_kmem_bypass*"]
    assert (waiver.expires, waiver.source, waiver.topology) == ("2027-06-01", "waivers.toml", "*")
    assert "7 of 11" in waiver.reason
    assert shipped["*test_memcg_low*"].topology == "*"
    assert [each.is_about("plain") for each in shipped.values()] == [True, True, False, True]
    assert all(each.is_about("debug") for each in shipped.values())


def test_read_waivers_when_a_file_is_named_then_its_waivers_come_after_the_shipped_ones(tmp_path: Path) -> None:
    path = written(tmp_path, ENTRY + 'scenario = "memcg-*"\ntopology = "two-node"\nlink = "https://example.org/1"\n')
    assert read_waivers([path])[len(read_waivers()) :] == (
        Waiver(
            name="invariant I4",
            reason="the counter is known to be missing",
            expires="2027-01-31",
            source=str(path),
            link="https://example.org/1",
            scenario="memcg-*",
            topology="two-node",
        ),
    )


def test_read_waivers_when_a_file_is_empty_then_it_waives_nothing(tmp_path: Path) -> None:
    assert read_waivers([written(tmp_path, "")]) == read_waivers()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (ENTRY.replace("expires = 2027-01-31", ""), "waiver.0.expires: Field required"),
        (ENTRY.replace("2027-01-31", '"2027-01-31"'), "waiver.0.expires: Input should be a valid date"),
        (ENTRY.replace("2027-01-31", "2027-01-31T12:00:00"), "waiver.0.expires"),
        (ENTRY.replace("the counter is known to be missing", "flaky"), "waiver.0.reason"),
        (ENTRY.replace("invariant I4", "**"), "a waiver must say which failure it is about"),
        (ENTRY + 'flavour = "debg*"\n', "no flavour is called debg*"),
        (ENTRY + 'until = "then"\n', "waiver.0.until: Extra inputs are not permitted"),
        ("[[waivers]]\n", "waivers: Extra inputs are not permitted"),
        ("[[waiver]\n", "is not valid TOML"),
    ],
)
def test_read_waivers_when_the_file_is_wrong_then_file_and_key_are_told(tmp_path: Path, text: str, says: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(UserError) as caught:
        read_waivers([path])
    assert says in caught.value.message
    assert str(path) in caught.value.message


def test_read_waivers_when_a_waiver_stands_there_twice_then_both_places_are_told(tmp_path: Path) -> None:
    other = tmp_path / "other.toml"
    other.write_text(ENTRY)
    with pytest.raises(UserError, match="'invariant I4' is waived twice") as caught:
        read_waivers([written(tmp_path, ENTRY), other])
    assert str(other) in caught.value.message


@pytest.mark.parametrize("name", ["missing.toml", "."])
def test_read_waivers_when_there_is_no_such_file_then_the_user_is_told(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match=str(tmp_path)):
        read_waivers([tmp_path / name])


@given(data=st.binary(max_size=200))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
def test_read_waivers_when_the_file_holds_anything_then_only_user_errors_come(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "any.toml"
    path.write_bytes(data)
    with contextlib.suppress(UserError):
        shipped = read_waivers()
        assert read_waivers([path])[: len(shipped)] == shipped
