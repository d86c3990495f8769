"""The guest image, made from this checkout's scripts and this host's busybox and dropbear."""

from __future__ import annotations

import stat
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from orchestrator.config.locations import guest_scripts_folder
from orchestrator.guest.cpio import Entry
from orchestrator.guest.image import GuestImage, build_guest_image
from orchestrator.host import process
from orchestrator.host.deadline import Cancellation
from tests.unit.guest.test_cpio import listed_by_cpio, read_back


def built(cache: Path) -> GuestImage:
    return build_guest_image(guest_scripts_folder(), cache=cache, cancellation=Cancellation())


@pytest.fixture(scope="module")
def image(tools_cache: Path) -> GuestImage:
    return built(tools_cache)


@pytest.fixture(scope="module")
def entries(image: GuestImage) -> Mapping[str, Entry]:
    return read_back(image.data)


def program(name: str) -> Path:
    found = process.find_program(name)
    assert found is not None
    return found


def test_image_when_built_again_then_has_the_same_bytes_and_key(image: GuestImage, tools_cache: Path) -> None:
    assert built(tools_cache) == image


def test_image_when_listed_by_cpio_then_init_is_there(image: GuestImage) -> None:
    assert "init" in listed_by_cpio(image.data)


@pytest.mark.parametrize(("path", "name"), [("bin/busybox", "busybox"), ("usr/sbin/dropbear", "dropbear")])
def test_image_when_read_back_then_holds_the_hosts_program(path: str, name: str, entries: Mapping[str, Entry]) -> None:
    assert entries[path].data == program(name).read_bytes()


def test_image_when_read_back_then_every_library_of_dropbear_is_where_the_loader_looks(
    entries: Mapping[str, Entry],
) -> None:
    said = subprocess.run(["ldd", program("dropbear")], capture_output=True, text=True, check=True).stdout
    wanted = {word.lstrip("/") for line in said.splitlines() for word in line.split() if word.startswith("/")}
    assert wanted
    assert {path for path in wanted if path in entries and entries[path].data[:4] == b"\x7fELF"} == wanted


def test_image_when_read_back_then_applets_are_links_to_busybox(entries: Mapping[str, Entry]) -> None:
    used = ("sh", "mount", "mkswap", "swapon", "awk", "tar", "mkfifo", "dmesg", "ip", "renice")
    links = {name: entries[f"bin/{name}"] for name in used}
    assert {name for name, entry in links.items() if stat.S_ISLNK(entry.mode) and entry.data == b"busybox"} == set(used)


def test_image_when_read_back_then_has_every_tool_as_a_static_program(
    entries: Mapping[str, Entry], binaries: Path
) -> None:
    tools = {path.name: path.read_bytes() for path in binaries.iterdir()}
    assert {name: entries[f"guest/bin/{name}"].data for name in tools} == tools


@pytest.mark.parametrize("path", ["init", "guest/trial", "guest/live", "guest/lib.sh"])
def test_image_when_read_back_then_scripts_are_those_of_the_checkout(path: str, entries: Mapping[str, Entry]) -> None:
    source = guest_scripts_folder() / path.removeprefix("guest/")
    assert (entries[path].data, entries[path].mode & 0o111) == (source.read_bytes(), 0o111)


def test_image_when_read_back_then_the_console_is_a_device(entries: Mapping[str, Entry]) -> None:
    assert (stat.S_ISCHR(entries["dev/console"].mode), entries["dev/console"].device) == (True, (5, 1))
