"""``orchestrator boot``: every topology of the catalog, as a real kernel sees it, and nothing left behind."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from orchestrator.config.catalog import topologies
from orchestrator.judge.kernel_log import scan_kernel_log
from orchestrator.trial.checks import check_topology
from orchestrator.trial.records import parse_topology
from tests.command import COMMAND, LINUX, LONG_S, MAIL, eventually, is_running, processes_below

pytestmark = pytest.mark.qemu


def boot(*words: str | Path) -> subprocess.CompletedProcess[str]:
    argv = [*COMMAND, "boot", "--linux", LINUX, "--accel", "tcg", *(str(word) for word in words)]
    return subprocess.run(argv, capture_output=True, text=True, timeout=LONG_S, check=False, stdin=subprocess.DEVNULL)


@pytest.mark.parametrize("name", list(topologies()))
def test_topology_of_the_catalog_is_read_back_as_it_was_asked_for(name: str) -> None:
    done = boot("--topology", name, "--command", "describe_topology; echo ---; nodes; echo ---; dmesg")
    assert done.returncode == 0, done.stderr
    described, table, log = done.stdout.split("---\n")
    check = check_topology(topologies()[name], parse_topology(described))
    assert check.message == f"{len(topologies()[name].nodes)} nodes as asked for"
    scan = scan_kernel_log(log)
    assert (scan.problem, scan.findings) == ("", ())
    # Memory that HMAT calls slower is a tier of its own.
    tiers = {int(line.split()[0]): line.split()[3] for line in table.splitlines()[1:]}
    memory = topologies()[name].with_memory
    latencies = {node: topologies()[name].nodes[node].accesses[:1] for node in memory}
    kinds = {access[0].read_latency_ns if access else 0 for access in latencies.values()}
    assert len({tiers[node] for node in memory}) == len(kinds)


def test_command_in_a_guest_gives_its_output_and_its_status() -> None:
    done = boot("--topology", "two-node", "--command", "cat /sys/devices/system/node/online; exit 7")
    assert (done.returncode, done.stdout) == (7, "0-1\n"), done.stderr


def test_guest_that_ends_is_told_with_its_last_words() -> None:
    done = boot("--topology", "one-node", "--command", "poweroff -f; sleep 60")
    assert (done.returncode, "reboot: Power down" in done.stderr) == (3, True), done.stderr


def test_patched_kernel_is_booted_when_a_series_is_given() -> None:
    done = boot(MAIL, "--topology", "one-node", "--command", "grep -c ' shrink_memcg' /proc/kallsyms")
    assert done.returncode == 0, done.stderr
    assert "building the kernel: patched" in done.stderr


def test_guest_that_is_kept_answers_the_printed_command_and_goes_with_ctrl_c(started_boot: Any) -> None:
    child = started_boot("--topology", "one-node", "--wait")
    line = next(line for line in child.stderr if line.startswith("From another terminal: "))
    command = line.removeprefix("From another terminal: ").split()
    assert subprocess.run([*command, "uname"], capture_output=True, text=True, check=True).stdout == "Linux\n"
    family, folder = processes_below(child.pid), Path(command[2]).parent
    assert family
    child.send_signal(signal.SIGINT)
    assert child.wait(60) == 0
    assert eventually(lambda: not any(is_running(pid) for pid in family))
    assert not folder.exists()


def test_topology_of_the_users_own_is_booted_and_that_is_said(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text(
        '[two-node]\nwhat_for = "mine"\nnodes = [{ memory_mib = 400, cpus = 1 }, { memory_mib = 200, cpus = 2 }]\n'
        "distances = [[10, 77], [77, 10]]\n"
    )
    done = boot("--topology", "two-node", "--topologies", own, "--command", "describe_topology")
    assert f"topology 'two-node' is the one of {own}" in done.stderr
    assert "cpus 1-2 distances 77 10\n" in done.stdout


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--topology", "nine-node"), "one-node, "),
        (("--topology", "two-node", "--flavour", "nice"), "there is no kernel flavour 'nice'"),
        (("--topology", "two-node", "--accel", "fast"), "one of: auto, kvm, tcg"),
        (("--topology", "two-node", "--command", "true", "--wait"), "give one of them"),
    ],
)
def test_request_that_cannot_be_is_a_usage_error_before_anything_is_done(words: tuple[str, ...], says: str) -> None:
    done = boot(*words)
    assert (done.returncode, says in done.stderr) == (2, True), done.stderr
    assert "kernel sources" not in done.stderr
