"""The line of a key in a TOML file, for every way to write one."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.config.catalog import CATALOG
from orchestrator.config.locations import guest_scripts_folder
from orchestrator.config.toml_places import place_in, places_of

settings.register_profile("places", derandomize=True, deadline=None, max_examples=200)
PROFILE = settings.get_profile("places")

TEXT = '''# a comment [not.a.table]
top = "a # no comment"

[one]
what_for = """
several = lines
[two]
"""  # after it
nodes = [
  { memory_mib = 512, cpus = 1 },  # the first
  # the second
  { memory_mib = 256,
    cpus = 2 },
]
literal = 'C:\\'
dates = [1979-05-27 07:32:00, 2020-01-01]

[[step]]
name = "a"

[[step]]
name = "b"
  [step.inner]
  deep."quoted key" = 1
  [[step.list]]
  x = 1
  [[step.list]]
  x = [[1,
        2], [3]]
'''

PLACES = {
    ("top",): 2,
    ("one",): 4,
    ("one", "what_for"): 5,
    ("one", "nodes"): 9,
    ("one", "nodes", 0): 10,
    ("one", "nodes", 0, "cpus"): 10,
    ("one", "nodes", 1, "memory_mib"): 12,
    ("one", "nodes", 1, "cpus"): 13,
    ("one", "literal"): 15,
    ("one", "dates", 1): 16,
    ("step", 0): 18,
    ("step", 0, "name"): 19,
    ("step", 1): 21,
    ("step", 1, "name"): 22,
    ("step", 1, "inner"): 23,
    ("step", 1, "inner", "deep", "quoted key"): 24,
    ("step", 1, "list", 0, "x"): 26,
    ("step", 1, "list", 1, "x"): 28,
    ("step", 1, "list", 1, "x", 0, 1): 29,
    ("step", 1, "list", 1, "x", 1, 0): 29,
}


@pytest.mark.parametrize(("path", "line"), PLACES.items())
def test_place_when_the_key_is_there_then_is_its_line(path: tuple[str | int, ...], line: int) -> None:
    assert place_in(TEXT, path) == line


@pytest.mark.parametrize(
    ("path", "line"),
    [
        pytest.param(("one", "missing"), 4, id="a key that the table lacks"),
        pytest.param(("one", "nodes", 1, "threads"), 12, id="a key that an inline table lacks"),
        pytest.param(("one", "nodes", 7), 9, id="an item past the end"),
        pytest.param(("step", 1, "missing"), 21, id="the right one of several tables"),
        pytest.param(("nothing", "of", "it"), 1, id="nothing of it"),
        pytest.param((), 1, id="the file"),
    ],
)
def test_place_when_the_key_is_missing_then_is_what_lacks_it(path: tuple[str | int, ...], line: int) -> None:
    assert place_in(TEXT, path) == line


def ways(value: Any, above: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Yield every way into a TOML document and what is there."""
    items: Iterator[tuple[str | int, Any]] = iter(())
    if isinstance(value, dict):
        items = iter(value.items())
    elif isinstance(value, list):
        items = iter(enumerate(value))
    for key, item in items:
        yield (*above, key), item
        yield from ways(item, (*above, key))


FILES = [*CATALOG.glob("*.toml"), *guest_scripts_folder().rglob("*.toml")]


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_places_when_a_file_is_shipped_then_each_value_is_on_its_line(path: Any) -> None:
    text = path.read_text()
    places, lines = places_of(text), text.splitlines()
    for way, value in ways(tomllib.loads(text)):
        assert way in places, way
        if isinstance(value, int | str) and not isinstance(value, bool):
            assert str(value)[:8] in lines[places[way] - 1], way


words = st.text(st.sampled_from("ab\"'\\#[]{}=,.\n \t-é"), max_size=6)
scalars = st.one_of(st.integers(-99, 99), st.booleans(), words)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(words, inner, max_size=3)),
    max_leaves=8,
)


def quoted(text: str) -> str:
    escaped = "".join(f"\\u{ord(c):04x}" if c in '"\\\n\t' else c for c in text)
    return f'"{escaped}"'


def rendered(value: Any) -> str:
    """Return a value as TOML; arrays over several lines, with comments that look like TOML."""
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case str():
            return quoted(value)
        case list():
            return "[\n" + "".join(f"{rendered(item)}, # ]\n" for item in value) + "]"
        case _:
            return "{" + ", ".join(f"{quoted(key)} = {rendered(item)}" for key, item in value.items()) + "}"


@settings(PROFILE)
@given(document=st.dictionaries(words, values, max_size=4), tables=st.dictionaries(words, values, max_size=3))
def test_places_when_toml_is_any_then_every_way_is_found(document: dict[str, Any], tables: dict[str, Any]) -> None:
    head = "".join(f"{quoted(key)} = {rendered(item)}\n" for key, item in document.items())
    body = "".join(f"{quoted(key)} = {rendered(item)}\n" for key, item in tables.items())
    text = f"{head}[[x-y]]\n{body}[[x-y]] # [z]\n{body}"
    found = tomllib.loads(text)
    assert {way for way, _ in ways(found)} <= places_of(text).keys()


@settings(PROFILE)
@given(text=st.text(st.sampled_from("ab\"'\\#[]{}=,.\n -"), max_size=60))
def test_places_when_the_text_is_no_toml_then_ends_all_the_same(text: str) -> None:
    assert all(line >= 1 for line in places_of(text).values())
