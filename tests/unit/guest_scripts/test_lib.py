"""The functions of lib.sh, run by busybox's shell on a made-up /sys and /proc."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from orchestrator.config.locations import guest_scripts_folder
from orchestrator.trial.records import GuestAccess, GuestNode, parse_topology

SCRIPTS = guest_scripts_folder()
MOVED = ("/sys/", "/proc/", "/results", "/run/")


class GuestRoot:
    """A folder that stands for the guest's root: lib.sh is changed to look into it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        text = (SCRIPTS / "lib.sh").read_text()
        for folder in MOVED:
            text = text.replace(folder, f"{root}{folder}")
        (root / "lib.sh").write_text(text)
        self.write("proc/uptime", "12.34 20.00\n")

    def write(self, path: str, text: str = "") -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)

    def read(self, path: str) -> str:
        return (self.root / path).read_text()

    def run(self, script: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Run ``script`` with lib.sh sourced; nothing sleeps."""
        argv = ["busybox", "sh", "-c", f". {self.root}/lib.sh\nsleep() {{ :; }}\ndmesg() {{ :; }}\n{script}"]
        return subprocess.run(argv, capture_output=True, text=True, check=False, env=dict(env or {}), timeout=60)


@pytest.fixture
def guest(tmp_path: Path) -> GuestRoot:
    return GuestRoot(tmp_path)


@pytest.mark.parametrize("name", ["init", "trial", "live", "lib.sh", "profile"])
def test_script_when_parsed_by_busybox_then_is_a_shell_script(name: str) -> None:
    assert subprocess.run(["busybox", "sh", "-n", SCRIPTS / name], check=False).returncode == 0


@pytest.mark.parametrize(
    ("online", "numbers"),
    [
        ("0", "0"),
        ("0-1", "0 1"),
        ("0-3", "0 1 2 3"),
        ("0,2-3", "0 2 3"),
        ("0-1,4,6-7", "0 1 4 6 7"),
        ("9-11", "9 10 11"),
    ],
)
def test_node_numbers_when_given_a_list_then_are_one_a_line(guest: GuestRoot, online: str, numbers: str) -> None:
    guest.write("sys/devices/system/node/online", f"{online}\n")
    assert guest.run("node_numbers").stdout.split() == numbers.split()


def test_topology_when_described_then_the_host_reads_the_same_nodes(guest: GuestRoot) -> None:
    guest.write("sys/devices/system/node/online", "0-1\n")
    guest.write("sys/devices/system/cpu/online", "0-2\n")
    for number, memory, cpus in ((0, 504736, "0,2"), (1, 0, "")):
        node = f"sys/devices/system/node/node{number}"
        text = f"Node {number} MemTotal:       {memory} kB\nNode {number} MemFree:  1 kB\n"
        guest.write(f"{node}/meminfo", text)
        guest.write(f"{node}/cpulist", f"{cpus}\n")
        guest.write(f"{node}/distance", "10 20\n" if number == 0 else "20 10\n")
    assert parse_topology(guest.run("describe_topology").stdout) == (
        GuestNode(number=0, memory_kib=504736, cpus=(0, 2), distances=(10, 20)),
        GuestNode(number=1, memory_kib=0, cpus=(), distances=(20, 10)),
    )


def test_topology_when_there_is_an_hmat_then_access_classes_and_states_are_read_too(guest: GuestRoot) -> None:
    nodes = "sys/devices/system/node"
    guest.write(f"{nodes}/online", "0-11\n")
    guest.write(f"{nodes}/has_cpu", "0,10-11\n")
    guest.write(f"{nodes}/has_memory", "\n")
    guest.write("sys/devices/system/cpu/online", "0\n")
    for number in range(12):
        guest.write(f"{nodes}/node{number}/meminfo", f"Node {number} MemTotal:  0 kB\n")
        guest.write(f"{nodes}/node{number}/cpulist", "\n")
        guest.write(f"{nodes}/node{number}/distance", "10\n")
    access = f"{nodes}/node11/access1/initiators"
    for name, value in (("read_latency", 250), ("read_bandwidth", 10240), ("write_bandwidth", 9)):
        guest.write(f"{access}/{name}", f"{value}\n")
    for initiator in (10, 2):
        (guest.root / access / f"node{initiator}").symlink_to(guest.root / f"{nodes}/node{initiator}")
    guest.write(f"{nodes}/node0/access0/initiators/read_latency", "80\n")
    seen = parse_topology(guest.run("set -f\ndescribe_topology").stdout)
    assert [node.number for node in seen if node.has_cpu] == [0, 10, 11]
    assert not any(node.has_memory for node in seen)
    assert seen[11].accesses == (GuestAccess(number=1, initiators=(2, 10), performance=(250, None, 10240, 9)),)
    assert seen[0].accesses == (GuestAccess(number=0, initiators=(), performance=(80, None, None, None)),)
    assert seen[1].accesses == ()


def test_put_when_the_file_takes_the_value_then_it_is_there(guest: GuestRoot) -> None:
    done = guest.run(f"put 0 {guest.root}/proc/page-cluster")
    assert (done.returncode, guest.read("proc/page-cluster")) == (0, "0\n")


def test_put_when_the_file_cannot_be_written_then_says_which_and_fails(guest: GuestRoot) -> None:
    done = guest.run(f"put 7 {guest.root}/no/such/file")
    assert done.returncode == 1
    assert done.stdout == f"12.34 cannot write '7' to {guest.root}/no/such/file\n"


def test_zswap_when_switched_on_then_settings_stand_before_it(guest: GuestRoot) -> None:
    guest.write("sys/module/zswap/parameters/enabled", "N\n")
    done = guest.run('put() { echo "${2##*/}=$1"; }\nzswap_on compressor=lzo max_pool_percent=1')
    assert done.stdout.splitlines() == ["compressor=lzo", "max_pool_percent=1", "enabled=Y"]


def test_zswap_when_a_setting_is_refused_then_is_not_switched_on(guest: GuestRoot) -> None:
    guest.write("sys/module/zswap/parameters/enabled", "N\n")
    done = guest.run("zswap_on compressor/none=lzo")
    assert (done.returncode, guest.read("sys/module/zswap/parameters/enabled")) == (1, "N\n")


def test_memcg_when_made_then_has_its_limits(guest: GuestRoot) -> None:
    guest.write("sys/fs/cgroup/cgroup.subtree_control")
    done = guest.run("memcg_make load memory.zswap.max=8M memory.high=max")
    limits = {path.name: path.read_text() for path in (guest.root / "sys/fs/cgroup/load").iterdir()}
    assert (done.returncode, limits) == (0, {"memory.zswap.max": "8M\n", "memory.high": "max\n"})


def test_memcg_files_when_there_are_several_memcgs_then_each_has_its_own(guest: GuestRoot) -> None:
    found = guest.run("memcg_files memory.stat memory.current", {"TRIAL_MEMCGS": "load other"}).stdout.split()
    root = f"{guest.root}/sys/fs/cgroup"
    assert found == [
        f"{root}/load/memory.stat",
        f"{root}/load/memory.current",
        f"{root}/other/memory.stat",
        f"{root}/other/memory.current",
    ]


AT_BARRIER = '{"step":5,"op":"barrier","text":"pressed"}\n'
GONE = "999999999"
"""A number that no process has (the kernel's largest is 4194304)."""


def await_pressed(processes: str) -> str:
    """Return a script that waits for processes, given as PID:NAME:KILLABLE."""
    return f"PROCESSES='{processes}'\nTRIAL_GUEST_TIMEOUT_S=3\nawait_pressed"


@pytest.mark.parametrize("processes", ["$$:main:no", f"{GONE}:main:no", f"$$:main:no {GONE}:victim:yes"])
def test_await_when_all_stand_at_their_barrier_or_were_allowed_to_die_then_is_done(
    guest: GuestRoot, processes: str
) -> None:
    guest.write("results/mempress", AT_BARRIER)
    assert guest.run(await_pressed(processes).replace("'", '"')).returncode == 0


def test_await_when_a_process_ended_before_then_is_11_and_named(guest: GuestRoot) -> None:
    guest.write("results/mempress", AT_BARRIER)
    done = guest.run(await_pressed(f"{GONE}:main:no {GONE}:other:no") + "\nstatus=$?\necho $ENDED\nexit $status")
    assert (done.returncode, done.stdout) == (11, "other\n")


def test_await_when_time_is_up_then_is_12(guest: GuestRoot) -> None:
    assert guest.run(await_pressed("$$:main:no").replace("'", '"')).returncode == 12


def test_await_when_a_hook_has_skipped_then_the_trial_is_skipped(guest: GuestRoot) -> None:
    guest.write("run/skipped")
    guest.write("results/mempress", "")
    assert guest.run(await_pressed("$$:main:no").replace("'", '"')).returncode == 14


@pytest.mark.parametrize(
    ("ends", "workload"),
    [
        (["exit 0"], "0"),
        (["exit 1", "exit 0"], "1"),
        (["exit 3", "exit 1"], "3"),
        (["exit 1", "exit 3"], "3"),
        (["exit 0", "kill -9 $$"], "137"),
    ],
)
def test_finish_when_processes_ended_then_the_worst_of_them_counts(
    guest: GuestRoot, ends: list[str], workload: str
) -> None:
    start = "\n".join(
        f"busybox sh -c '{end}' & PROCESSES=\"$PROCESSES $!:p{number}:no\"" for number, end in enumerate(ends)
    )
    assert guest.run(f"{start}\nfinish_workload\necho $WORKLOAD").stdout.splitlines()[-1] == workload


def test_finish_when_a_process_that_may_be_was_killed_then_that_is_said_and_fine(guest: GuestRoot) -> None:
    script = "busybox sh -c 'kill -9 $$' & PROCESSES=$!:victim:yes\nfinish_workload\necho $WORKLOAD"
    assert guest.run(script).stdout.splitlines() == ["12.34 victim was killed", "0"]


def test_hooks_when_asked_for_then_run_in_order_in_one_shell_and_answer_with_their_status(guest: GuestRoot) -> None:
    script = """
count=0
hook_first() { count=$((count + 1)); }
hook_second() { count=$((count + 1)); return $count; }
serve_hooks & server=$!
while [ ! -p {run}/hook.reply ]; do :; done
for hook in first second absent; do echo $hook >{run}/hook.request; read -r status <{run}/hook.reply; echo $hook $status; done
kill $server
""".replace("{run}", str(guest.root / "run"))
    guest.write("run/nothing")
    lines = guest.run(script).stdout.splitlines()
    assert [line for line in lines if not line.startswith("12.34")] == ["first 0", "second 2", "absent 127"]
    assert "12.34 the hook second failed with status 2" in lines


def test_job_when_waited_for_then_its_status_is_known(guest: GuestRoot) -> None:
    script = "job one busybox sh -c 'exit 3'\njob two true\njob_wait one; echo $?\njob_wait two; echo $?"
    assert guest.run(script).stdout.split() == ["3", "0"]


def test_skip_when_a_file_is_missing_then_ends_the_trial_with_14_and_the_reason(guest: GuestRoot) -> None:
    guest.write("run/nothing")
    done = guest.run(f"need {guest.root}/proc/uptime {guest.root}/sys/none\necho not reached")
    assert (done.returncode, done.stdout) == (14, f"12.34 SKIPPED: this kernel has no {guest.root}/sys/none\n")


def test_memcg_when_made_below_another_then_every_level_counts_for_itself(guest: GuestRoot) -> None:
    guest.write("sys/fs/cgroup/cgroup.subtree_control")
    assert guest.run("memcg_make a/b memory.zswap.max=1M memory.max=2M").returncode == 0
    for path, text in {
        "cgroup.subtree_control": "+memory\n",
        "a/cgroup.subtree_control": "+memory\n",
        "a/b/memory.zswap.max": "1M\n",
        "a/b/memory.max": "2M\n",
    }.items():
        assert guest.read(f"sys/fs/cgroup/{path}") == text


def settling(guest: GuestRoot) -> None:
    guest.write("sys/kernel/debug/zswap/stored_pages", "5\n")
    guest.write("sys/kernel/debug/zswap/written_back_pages", "0\n")
    guest.write("proc/vmstat", "zswpwb 1\nnr_free_pages 3\n")


def test_settle_when_nothing_moves_then_is_done_without_a_word(guest: GuestRoot) -> None:
    settling(guest)
    done = guest.run("settle")
    assert (done.returncode, done.stdout) == (0, "")


def test_settle_when_it_never_rests_then_says_so_and_goes_on(guest: GuestRoot) -> None:
    settling(guest)
    done = guest.run(f"n=100\nsleep() {{ n=$((n + 1)); echo zswpwb $n >{guest.root}/proc/vmstat; }}\nsettle")
    assert (done.returncode, done.stdout) == (0, "12.34 did not settle\n")


def test_fail_when_called_then_ends_the_trial_with_its_status_and_a_word(guest: GuestRoot) -> None:
    (guest.root / "results").mkdir()
    done = guest.run('fail 10 "the set-up failed"\necho not reached')
    assert (done.returncode, done.stdout) == (10, "12.34 FAILED: the set-up failed\n")
