"""Topologies: the catalog's, a user's own over them, and what is said of a file that is wrong."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from orchestrator.config import topologies as reader
from orchestrator.config.catalog import topologies
from orchestrator.errors import UserError
from orchestrator.model.topology import Access

NAMES = [
    "one-node",
    "two-node",
    "four-node",
    "eight-node",
    "uneven",
    "memoryless",
    "cpuless",
    "two-tier",
    "asymmetric",
    "one-cpu-four-nodes",
    "many-cpus",
]

OWN = """
[two-node]
what_for = "my own"
nodes = [{ memory_mib = 300, cpus = 1 }, { memory_mib = 400, cpus = 2 }]
distances = [[10, 21], [21, 10]]

[mine]
what_for = "another"
nodes = [{ memory_mib = 512, cpus = 1 }]
"""

NEAR = "access = [{ initiator = 0, latency_ns = 80, bandwidth_mib_s = 1024 }]"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's configuration folder that is empty."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    reader.user_file().parent.mkdir(parents=True)
    return tmp_path


def refused(path: Path, text: str) -> list[str]:
    """Return the lines of what is said, without the file's name."""
    path.write_text(text)
    with pytest.raises(UserError) as caught:
        reader.read_topologies(path)
    lines = caught.value.message.splitlines()
    assert all(line.startswith(f"{path}:") for line in lines)
    return [line.removeprefix(f"{path}:") for line in lines]


def odd(nodes: str, distances: str = "") -> str:
    return f'[odd]\nwhat_for = "a"\nnodes = [{nodes}]\n{distances}'


def test_topologies_when_shipped_then_are_those_that_the_documents_name() -> None:
    assert list(topologies()) == NAMES


def test_topologies_when_shipped_then_each_kind_is_there() -> None:
    found = topologies()
    uneven = [node.memory_mib for node in found["uneven"].nodes]
    assert uneven[0] == 3 * uneven[1]
    assert (found["memoryless"].with_memory, found["memoryless"].with_cpus) == ((0, 2), (0, 1, 2))
    assert (found["cpuless"].with_cpus, found["two-tier"].with_cpus) == ((0,), (0, 1))
    assert (found["one-cpu-four-nodes"].cpus, len(found["one-cpu-four-nodes"].nodes)) == (1, 4)
    assert (found["many-cpus"].cpus, len(found["many-cpus"].nodes)) == (8, 1)
    assert [name for name, topology in found.items() if topology.has_hmat] == ["cpuless", "two-tier"]


@pytest.mark.parametrize("name", NAMES)
def test_topology_when_shipped_then_is_large_enough_for_scenarios(name: str) -> None:
    topology = topologies()[name]
    assert topology.memory_mib >= 1024
    assert all(topology.nodes[node].memory_mib >= 192 for node in topology.with_memory)


@pytest.mark.parametrize("name", NAMES)
def test_topology_when_shipped_then_distances_are_symmetric_but_for_the_asymmetric_one(name: str) -> None:
    distances = topologies()[name].distances
    assert (distances == tuple(zip(*distances, strict=True))) == (name != "asymmetric")


def test_access_when_one_value_is_given_for_both_ways_then_each_way_has_it(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(
        odd(
            "{ memory_mib = 256, cpus = 1, access = [{ initiator = 0, latency_ns = 80, write_latency_ns = 90, "
            "read_bandwidth_mib_s = 2048, bandwidth_mib_s = 1024 }] }"
        )
    )
    (access,) = reader.read_topologies(path)["odd"].nodes[0].accesses
    assert access == Access(
        initiator=0,
        read_latency_ns=80,
        write_latency_ns=90,
        read_bandwidth_mib_s=2048,
        write_bandwidth_mib_s=1024,
    )


def test_choice_when_the_user_has_no_file_then_is_the_catalog(home: Path) -> None:
    choice = reader.choose_topologies()
    assert (choice.topologies, choice.notes()) == (topologies(), ())


def test_choice_when_the_user_has_a_file_then_it_wins_and_that_is_said(home: Path) -> None:
    reader.user_file().write_text(OWN)
    choice = reader.choose_topologies()
    assert choice.topologies["two-node"].memory_mib == 700
    assert choice.topologies["mine"].what_for == "another"
    assert choice.topologies["one-node"] == topologies()["one-node"]
    assert choice.notes() == (f"topology 'two-node' is the one of {reader.user_file()}",)


def test_choice_when_a_file_is_named_then_it_wins_over_the_users_own(home: Path) -> None:
    reader.user_file().write_text(OWN)
    named = home / "named.toml"
    named.write_text(OWN.replace("300", "600"))
    choice = reader.choose_topologies(named)
    assert choice.topologies["two-node"].memory_mib == 1000
    assert choice.notes() == tuple(f"topology '{name}' is the one of {named}" for name in ("two-node", "mine"))


def test_choice_when_the_named_file_is_missing_then_is_refused(home: Path) -> None:
    with pytest.raises(UserError, match=r"nothing\.toml is not there"):
        reader.choose_topologies(home / "nothing.toml")


def test_user_file_when_xdg_says_nothing_then_is_below_the_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setenv("HOME", "/home/somebody")
    assert reader.user_file() == Path("/home/somebody/.config/mm-patch-orchestrator/topologies.toml")


def test_file_when_several_things_are_wrong_then_all_are_told_with_their_lines(tmp_path: Path) -> None:
    text = f"""
[One]
what_for = "a"
nodes = [{{ memory_mib = -1, cpus = "many" }}]

[two]
nodes = [
  {{ memory_mib = 256, cpus = 0, threads = 2 }},
]

[three]
what_for = "c"
nodes = [
  {{ memory_mib = 256, cpus = 0, {NEAR} }},
  {{ memory_mib = 0, cpus = 0 }},
]
distances = [
  [10, 20],
  [10, 11],
]
"""
    assert refused(tmp_path / "own.toml", text) == [
        "2: One: a name has small letters, digits and '-', at most 48",
        "4: One.nodes.0.memory_mib: Input should be greater than or equal to 0",
        "4: One.nodes.0.cpus: Input should be a valid integer",
        "6: two.what_for: Field required",
        "8: two.nodes.0.threads: Extra inputs are not permitted",
        "13: three.nodes: no node has a CPU",
        "14: three.nodes.0.access.0.initiator: there is no node 0 with CPUs",
        "15: three.nodes.1: a node without memory and without CPUs is none",
        "19: three.distances.1.0: only a node itself is at distance 10",
        "19: three.distances.1.1: a node's distance to itself is 10",
    ]


TWO = "distances = [[10, 20], [20, 10]]"
FIRST = f"{{ memory_mib = 256, cpus = 1, {NEAR} }}"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (odd("{ memory_mib = 0, cpus = 1 }"), "node 0 has no memory: QEMU and the kernel need some there"),
        (odd("{ memory_mib = 9, cpus = 1 }, { memory_mib = 9, cpus = 1 }"), "distances must be 2 rows of 2"),
        (odd("{ memory_mib = 9, cpus = 1 }", "distances = [[20]]"), "a node's distance to itself is 10"),
        (odd("{ memory_mib = 9.5, cpus = 1 }"), "Input should be a valid integer"),
        (odd("{ memory_mib = 9, cpus = 9 }, { memory_mib = 9, cpus = 9 }", TWO), "the kernels are built for 16 CPUs"),
        (odd(f"{FIRST}, {{ memory_mib = 9, cpus = 0 }}", TWO), "node 1 has no access, and other nodes have"),
        (odd(f"{FIRST}, {{ memory_mib = 0, cpus = 1, {NEAR} }}", TWO), "node 1 has no memory to access"),
        (
            odd(f"{FIRST}, {{ memory_mib = 9, cpus = 1, {NEAR} }}", TWO),
            "the first initiator of a node with CPUs is the node itself",
        ),
        (
            odd(FIRST.replace("latency_ns", "read_latency_ns")),
            "write_latency_ns is missing (or latency_ns for both ways)",
        ),
        (odd(FIRST.replace("80", "65535")), "Input should be less than or equal to 65534"),
        (
            odd(f"{FIRST}, {{ memory_mib = 9, cpus = 0, {NEAR.replace('1024', '100000001')} }}", TWO),
            "Input should be less than or equal to 4194304",
        ),
        (
            odd(f"{FIRST}, {{ memory_mib = 9, cpus = 0, {NEAR.replace('1024', '65537')} }}", TWO),
            "the bandwidths have no common unit in which all fit 16 bits",
        ),
        ('[odd]\nwhat_for = "a"\nnodes = []', "List should have at least 1 item after validation, not 0"),
        ("odd = 1", "Input should be a valid dictionary"),
    ],
)
def test_topology_when_no_machine_can_have_it_then_is_refused(tmp_path: Path, text: str, says: str) -> None:
    (line,) = refused(tmp_path / "own.toml", text)
    assert re.sub(r"^\d+: odd[^:]*: ", "", line).startswith(says)


def test_file_when_it_is_not_toml_then_the_line_is_told(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text("[a]\nb = \n")
    with pytest.raises(UserError, match=r"own\.toml is not valid TOML: Invalid value \(at line 2"):
        reader.read_topologies(path)
