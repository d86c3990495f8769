"""The catalog as it is shipped, and what is said of one that is wrong."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from orchestrator.config import aims, catalog, lists, mail_policy, paths, topologies
from orchestrator.config.lists import mailing_lists
from orchestrator.config.locations import kconfigs_folder
from orchestrator.config.scenarios import scenarios
from orchestrator.config.waivers import read_waivers
from orchestrator.errors import UserError

CATALOG = catalog.CATALOG
FILES = sorted(path.name for path in CATALOG.glob("*.toml"))

READERS: dict[str, Callable[[], object]] = {
    "topologies.toml": catalog.topologies,
    "profiles.toml": catalog.profiles,
    "kernels.toml": catalog.architecture,
    "waivers.toml": read_waivers,
    "lists.toml": mailing_lists,
    "mail.toml": mail_policy.mail_policy,
    "paths.toml": paths.path_sets,
    "aims.toml": aims.aims,
}

PROFILE_NAMES = list(catalog.profiles())


def forget() -> None:
    catalog.topologies.cache_clear()
    catalog.profiles.cache_clear()
    catalog._kernels.cache_clear()
    lists._catalog.cache_clear()
    paths.path_sets.cache_clear()
    aims.aims.cache_clear()


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A catalog of the test's own, a copy of the shipped one to begin with."""
    for name in FILES:
        (tmp_path / name).write_bytes((CATALOG / name).read_bytes())
    monkeypatch.setattr(catalog, "CATALOG", tmp_path)
    monkeypatch.setattr(topologies, "CATALOG", tmp_path)
    monkeypatch.setattr(lists, "CATALOG", tmp_path)
    monkeypatch.setattr(mail_policy, "CATALOG", tmp_path)
    monkeypatch.setattr(paths, "CATALOG", tmp_path)
    monkeypatch.setattr(aims, "CATALOG", tmp_path)
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
    used = {name for flavour in catalog.flavours().values() for name in flavour.on(catalog.architecture()).fragments}
    assert used == {path.name for path in kconfigs_folder().glob("*.config")}


def test_flavour_when_it_names_image_and_target_then_they_replace_the_architectures(written: Path) -> None:
    text = (CATALOG / "kernels.toml").read_text()
    packed = '[flavours.packed]\nwhat_for = "x"\nfragments = ["a"]\nparameters = ["quiet"]\nimage = "i"\ntarget = "t"\n'
    (written / "kernels.toml").write_text(f"{text}\n{packed}")
    architecture = catalog.architecture()
    found = catalog.flavour("packed").on(architecture)
    assert (found.image, found.target, found.parameters) == ("i", "t", ("quiet",))
    assert found.fragments == (*architecture.fragments, "a")
    assert catalog.flavour("plain").on(architecture).image == architecture.image


def test_flavour_when_it_names_an_image_without_a_target_then_is_refused(written: Path) -> None:
    text = (CATALOG / "kernels.toml").read_text()
    message = refused(written / "kernels.toml", text.replace("parameters =", 'image = "bzImage"\nparameters =', 1))
    assert "image and target go together" in message


@pytest.mark.parametrize("pick", [catalog.architecture, catalog.flavour])
def test_pick_when_the_name_is_unknown_then_what_there_is_is_told(pick: Callable[[str], object]) -> None:
    with pytest.raises(UserError) as caught:
        pick("m68k")
    there = "x86_64" if pick is catalog.architecture else "debug, debug-kfence, plain"
    assert ("'m68k'" in caught.value.message, caught.value.hint) == (True, f"one of: {there}")


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


def test_profile_when_full_then_names_every_scenario() -> None:
    assert set(catalog.profiles()["full"].scenarios) == scenarios().keys()


@pytest.mark.parametrize("only", ["x = { seeds = [1] }", 'a = { topologies = ["t2"] }', "a = { seeds = [7] }"])
def test_profile_when_only_names_what_the_profile_has_not_then_is_refused(written: Path, only: str) -> None:
    text = f'[p]\nwhat_for = "tests"\nscenarios = ["a"]\ntopologies = ["t"]\nseeds = [1]\n[p.only]\n{only}\n'
    (written / "profiles.toml").write_text(text)
    with pytest.raises(UserError, match="the profile has no"):
        catalog.profiles()
