"""The codec: what is written is read back equal, and what cannot be is refused with the place."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.model.trial import TrialResult
from orchestrator.store.codec import MalformedRecord, decode, encode, from_text, to_text


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    name: str
    number: float
    whole: int = 3
    sure: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    leaves: tuple[Leaf, ...]
    colour: Colour
    where: Path
    maybe: str | None
    pair: tuple[int, str]
    values: Mapping[str, float | None]
    rows: tuple[tuple[int, ...], ...] = ()
    extra: Mapping[str, str] = field(default_factory=dict)


numbers = st.floats(allow_nan=False, allow_infinity=False) | st.integers()
leaves = st.builds(Leaf, name=st.text(), number=numbers, whole=st.integers(), sure=st.booleans())
trees = st.builds(
    Tree,
    leaves=st.lists(leaves, max_size=3).map(tuple),
    colour=st.sampled_from(Colour),
    where=st.just(Path("/a/b")) | st.just(Path("c")),
    maybe=st.none() | st.text(),
    pair=st.tuples(st.integers(), st.text()),
    values=st.dictionaries(st.text(), st.none() | numbers, max_size=3),
    rows=st.lists(st.lists(st.integers(), max_size=2).map(tuple), max_size=2).map(tuple),
    extra=st.dictionaries(st.text(), st.text(), max_size=2),
)

TREE = Tree(
    leaves=(Leaf(name="x", number=1.5),), colour=Colour.RED, where=Path("p"), maybe=None, pair=(1, "a"), values={"k": 2}
)


def plain(tree: Tree = TREE) -> dict[str, object]:
    data = from_text(to_text(encode(tree)), "tree")
    assert isinstance(data, dict)
    return data


@given(trees)
def test_round_trip_of_any_value_then_equal(tree: Tree) -> None:
    assert decode(Tree, from_text(to_text(encode(tree)), "tree")) == tree


@given(st.builds(TrialResult))
def test_round_trip_of_any_trial_then_equal(result: TrialResult) -> None:
    try:
        data = encode(result)
    except MalformedRecord:
        assert any(not math.isfinite(number) for number in (result.wall_s, result.guest_s, *result.metrics.values()))
        return
    assert decode(TrialResult, from_text(to_text(data), "trial")) == result


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda some: st.lists(some) | st.dictionaries(st.text(), some),
    )
)
def test_decode_of_any_json_never_fails_otherwise(data: object) -> None:
    with pytest.raises(MalformedRecord):
        decode(Tree, data)


def test_counter_above_2_to_the_53_stays_itself() -> None:
    leaf = Leaf(name="underflow", number=2**64 - 1)
    assert decode(Leaf, from_text(to_text(encode(leaf)), "leaf")).number == 2**64 - 1


def test_whole_float_is_written_as_the_kernel_prints_it() -> None:
    assert to_text(encode({"zswpwb": 8962.0}), indent=None) == '{"zswpwb": 8962}'


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_encode_when_it_is_no_number_then_refused_with_the_place(value: float) -> None:
    with pytest.raises(MalformedRecord, match=r"record\.metrics\.zswpwb"):
        encode({"metrics": {"zswpwb": value}})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"colour": "green"}, "colour: 'green' is none of 'red', 'blue'"),
        ({"more": 1}, "unknown key 'more' in a Tree"),
        ({"leaves": {}}, "leaves: expected a list, found an object"),
        ({"leaves": [{"name": "x"}]}, r"leaves\[0\]: the key 'number' is missing"),
        ({"leaves": [{"name": "x", "number": True}]}, "number: expected a number, found true or false"),
        ({"leaves": [{"name": "x", "number": 1, "whole": 1.5}]}, "whole: expected an integer"),
        ({"pair": [1]}, "pair: expected 2 items, found 1"),
        ({"where": None}, "where: expected a string, found null"),
        ({"maybe": 3}, "maybe: expected a string, found a number"),
        ({"values": {"k": "v"}}, r"values\.k: expected a number, found a string"),
    ],
)
def test_decode_when_edited_then_the_message_names_the_place(change: dict[str, object], message: str) -> None:
    with pytest.raises(MalformedRecord, match=message):
        decode(Tree, {**plain(), **change})


@pytest.mark.parametrize("text", ["", "{", '{"a": NaN}', '{"a": 1, "a": 2}', "[" * 100_000, "Infinity"])
def test_text_that_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(MalformedRecord, match="is damaged"):
        from_text(text, "run.json")


def test_text_with_undecodable_bytes_can_be_written() -> None:
    text = to_text({"console": "\udcff"})
    text.encode()
    assert from_text(text, "x") == {"console": "\udcff"}


def test_encode_of_what_has_no_shape_is_refused() -> None:
    with pytest.raises(MalformedRecord, match="a object cannot be recorded"):
        encode({"x": object()})
