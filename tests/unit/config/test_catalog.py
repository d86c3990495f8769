"""The catalog as it is shipped, and what is said of one that is wrong."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from orchestrator.config import catalog
from orchestrator.config.locations import kconfigs_folder
from orchestrator.config.scenarios import scenarios
from orchestrator.errors import UserError

CATALOG = catalog.CATALOG
FILES = sorted(path.name for path in CATALOG.glob("*.toml"))

READERS: dict[str, Callable[[], object]] = {
    "topologies.toml": catalog.topologies,
    "profiles.toml": catalog.profiles,
    "kernels.toml": catalog.architecture,
}

PROFILE_NAMES = list(catalog.profiles())


def forget() -> None:
    catalog.topologies.cache_clear()
    catalog.profiles.cache_clear()
    catalog._kernels.cache_clear()


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A catalog of the test's own, a copy of the shipped one to begin with."""
    for name in FILES:
        (tmp_path / name).write_bytes((CATALOG / name).read_bytes())
    monkeypatch.setattr(catalog, "CATALOG", tmp_path)
    forget()
    yield tmp_path
    forget()


def refused(path: Path, text: str) -> str:
    path.write_text(text)
    with pytest.raises(UserError) as caught:
        READERS[path.name]()
    return caught.value.message


@pytest.mark.parametrize("name", FILES)
def test_catalog_when_shipped_then_every_file_is_read_by_somebody(name: str) -> None:
    assert READERS[name]()


def test_topologies_when_shipped_then_all_of_the_file_are_there() -> None:
    assert list(catalog.topologies()) == list(tomllib.loads((CATALOG / "topologies.toml").read_text()))


@pytest.mark.parametrize("name", list(catalog.topologies()))
def test_topology_when_shipped_then_distances_are_the_same_in_both_directions(name: str) -> None:
    distances = catalog.topologies()[name].distances
    assert distances == tuple(zip(*distances, strict=True))


@pytest.mark.parametrize("name", PROFILE_NAMES)
def test_profile_when_shipped_then_names_only_scenarios_that_exist(name: str) -> None:
    assert set(catalog.profiles()[name].scenarios) <= scenarios().keys()


@pytest.mark.parametrize("name", PROFILE_NAMES)
def test_profile_when_shipped_then_names_only_topologies_that_exist(name: str) -> None:
    assert set(catalog.profiles()[name].topologies) <= catalog.topologies().keys()


@pytest.mark.parametrize("name", PROFILE_NAMES)
def test_profile_when_shipped_then_no_seed_stands_twice(name: str) -> None:
    seeds = catalog.profiles()[name].seeds
    assert len(set(seeds)) == len(seeds)


def test_kernels_when_shipped_then_every_fragment_is_a_file() -> None:
    fragments = {*catalog.architecture().fragments, *catalog.flavour().fragments}
    assert {name for name in fragments if not (kconfigs_folder() / name).is_file()} == set()


@pytest.mark.parametrize("pick", [catalog.architecture, catalog.flavour])
def test_pick_when_the_name_is_unknown_then_what_there_is_is_told(pick: Callable[[str], object]) -> None:
    with pytest.raises(UserError) as caught:
        pick("m68k")
    assert ("'m68k'" in caught.value.message, caught.value.hint) == (True, f"one of: {pick_default(pick)}")


def pick_default(pick: Callable[[str], object]) -> str:
    return "x86_64" if pick is catalog.architecture else "plain"


def test_topologies_when_several_are_wrong_then_every_mistake_is_told_with_its_key(written: Path) -> None:
    message = refused(
        written / "topologies.toml",
        """
        [one]
        what_for = "a"
        nodes = [{ memory_mib = -1, cpus = "many" }]
        [two]
        nodes = []
        [three]
        what_for = "c"
        nodes = [{ memory_mib = 1, cpus = 0 }]
        """,
    )
    keys = [
        "one.nodes.0.memory_mib:",
        "one.nodes.0.cpus:",
        "two.what_for:",
        "two.nodes:",
        "three: Value error, no node",
    ]
    assert [key for key in keys if key not in message] == []


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("nodes = [{ memory_mib = 0, cpus = 1 }]", "node 0 has no memory"),
        ("nodes = [{ memory_mib = 9, cpus = 0 }]", "no node has a CPU"),
        ("nodes = [{ memory_mib = 9, cpus = 1 }, { memory_mib = 9, cpus = 1 }]", "2 rows of 2"),
        ("nodes = [{ memory_mib = 9, cpus = 1 }]\ndistances = [[20]]", "a node's distance to itself is 10"),
        ("nodes = [{ memory_mib = 9.5, cpus = 1 }]", "nodes.0.memory_mib"),
        ("nodes = [{ memory_mib = 9, cpus = 1, threads = 2 }]", "nodes.0.threads"),
    ],
)
def test_topology_when_no_machine_can_have_it_then_is_refused(written: Path, table: str, words: str) -> None:
    assert words in refused(written / "topologies.toml", f'[odd]\nwhat_for = "a"\n{table}\n')


@pytest.mark.parametrize("name", FILES)
def test_catalog_when_a_key_is_unknown_then_is_refused_with_file_and_key(written: Path, name: str) -> None:
    lines = (written / name).read_text().splitlines()
    table = next(number for number, line in enumerate(lines) if line.startswith("["))
    lines.insert(table + 1, 'surprise = "!"')
    message = refused(written / name, "\n".join(lines))
    assert (message.startswith(f"{written / name}:"), ".surprise: Extra inputs" in message) == (True, True)


@pytest.mark.parametrize("name", FILES)
def test_catalog_when_a_file_is_not_toml_then_the_line_is_told(written: Path, name: str) -> None:
    message = refused(written / name, "x = 1\ny = [\n")
    assert str(written / name) in message
    assert "line" in message or "end of document" in message


@pytest.mark.parametrize("name", FILES)
def test_catalog_when_a_file_is_missing_then_it_is_named(written: Path, name: str) -> None:
    (written / name).unlink()
    with pytest.raises(UserError, match=name):
        READERS[name]()


def test_catalog_when_a_file_is_not_utf8_then_it_is_named(written: Path) -> None:
    (written / "profiles.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match=r"profiles\.toml is not valid TOML"):
        catalog.profiles()
